//! How the key servers of one group repeat unacknowledged messages.
//!
//! A repeat has either the octets of the first message or a new sequence number; nothing forbids either (RFC 6407
//! §4). One with a new number looks like another rekey. Its length and the time since the last message distinguish
//! them.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::state::estimate::{Estimate, Precision};

/// No key server waits longer before it repeats a message.
const MAX_INTERVAL: Duration = Duration::from_mins(2);
/// Network delays are shorter.
const MIN_INTERVAL: Duration = Duration::from_secs(2);
/// Consecutive repeats that a tap may miss.
const MAX_MISSED: u32 = 2;
/// Identical repeats from which all are taken to be identical.
const IDENTICAL_QUORUM: u8 = 2;
/// Consecutive rekeys without a repeat from which there are taken to be none.
const UNREPEATED_QUORUM: u8 = 2;

/// What is known about the repeats of a group.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Repeats {
    /// Interval between repeats.
    interval: Estimate,
    /// How many had the octets of the first message, and how many did not.
    identical: u8,
    renumbered: u8,
    /// Consecutive rekeys that were not repeated.
    unrepeated: u8,
    /// Time between the last two messages of different lengths: those are two rekeys.
    #[serde(skip)]
    between_rekeys: Option<Duration>,
}

impl Default for Repeats {
    fn default() -> Self {
        Self {
            interval: Estimate::new(Precision::REPEATS, 1),
            identical: 0,
            renumbered: 0,
            unrepeated: 0,
            between_rekeys: None,
        }
    }
}

impl Repeats {
    /// Observed interval between repeats.
    pub(crate) const fn interval(&self) -> Option<Duration> {
        self.interval.value()
    }

    /// A message was repeated.
    pub(crate) fn learn(&mut self, after: Duration, is_identical: bool) {
        let count = if is_identical {
            &mut self.identical
        } else {
            &mut self.renumbered
        };
        *count = count.saturating_add(1);
        self.unrepeated = 0;
        if after <= MAX_INTERVAL {
            let _change = self.interval.learn(after, false, false);
        }
    }

    /// A message came that is of another length than the previous one, `gap` after it.
    pub(crate) const fn note_other_rekey(&mut self, gap: Duration) {
        self.between_rekeys = Some(gap);
    }

    /// A rekey that could have been repeated is over.
    pub(crate) const fn close(&mut self, is_repeated: bool) {
        self.unrepeated = if is_repeated {
            0
        } else {
            self.unrepeated.saturating_add(1)
        };
    }

    /// Whether a message with different octets may be a repeat of the previous one, `gap` after it. `is_awaited`: it
    /// is not acknowledged, though others are.
    pub(crate) fn may_be_renumbered(&self, gap: Duration, is_awaited: bool) -> bool {
        let is_possible = MIN_INTERVAL <= gap && gap <= MAX_INTERVAL + MIN_INTERVAL;
        let are_identical = self.identical >= IDENTICAL_QUORUM && self.renumbered <= self.identical;
        if !is_possible || are_identical {
            return false;
        }
        let Some(interval) = self.interval() else {
            // Messages that come as regularly as rekeys do are rekeys.
            let is_regular = self
                .between_rekeys
                .is_some_and(|between| is_spaced_once(gap, between));
            return is_awaited || (self.unrepeated < UNREPEATED_QUORUM && !is_regular);
        };
        is_awaited || is_spaced(gap, interval)
    }
}

/// Whether this gap fits repeats at this interval, of which up to two may be missing.
pub(crate) fn is_spaced(gap: Duration, interval: Duration) -> bool {
    (1..=1 + MAX_MISSED).any(|number| gap.abs_diff(interval * number) <= deviation(interval))
}

fn is_spaced_once(gap: Duration, interval: Duration) -> bool {
    gap.abs_diff(interval) <= deviation(interval)
}

/// By how much a gap may differ from an interval.
fn deviation(interval: Duration) -> Duration {
    (interval / 5).max(Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(number: u64) -> Duration {
        Duration::from_secs(number)
    }

    #[test]
    fn what_comes_in_the_interval_is_a_repeat() {
        let mut repeats = Repeats::default();
        assert!(repeats.may_be_renumbered(seconds(40), false));
        repeats.learn(seconds(40), false);
        let is_repeat = [40, 80, 120, 20, 60].map(|gap| repeats.may_be_renumbered(seconds(gap), false));
        assert_eq!(is_repeat, [true, true, true, false, false]);
        assert!(repeats.may_be_renumbered(seconds(60), true));
        assert!(!repeats.may_be_renumbered(seconds(170), true));
    }

    #[test]
    fn where_repeats_are_identical_others_are_none() {
        let mut repeats = Repeats::default();
        repeats.learn(seconds(10), true);
        repeats.learn(seconds(10), true);
        assert!(!repeats.may_be_renumbered(seconds(10), true));
    }

    #[test]
    fn what_comes_as_regularly_as_rekeys_is_a_rekey() {
        let mut repeats = Repeats::default();
        repeats.note_other_rekey(seconds(7));
        assert!(!repeats.may_be_renumbered(seconds(7), false));
        assert!(repeats.may_be_renumbered(seconds(40), false));
        // Where a repeat was recognised, its interval decides.
        repeats.learn(seconds(7), false);
        assert!(repeats.may_be_renumbered(seconds(7), false));
    }

    #[test]
    fn where_nothing_is_repeated_all_are_rekeys() {
        let mut repeats = Repeats::default();
        repeats.close(false);
        repeats.close(false);
        assert!(!repeats.may_be_renumbered(seconds(40), false));
        assert!(repeats.may_be_renumbered(seconds(40), true));
    }
}
