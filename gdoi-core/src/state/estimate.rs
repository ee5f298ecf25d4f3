//! A learned quantity: robust against a single odd value, and unlearned when it changes.
//!
//! Machines are exact and people are not: intervals of one clock agree to a few seconds in an hour. A value is
//! accepted once enough of the recent ones agree. It stays until later values agree with each other and not with it:
//! two longer ones, or three shorter ones. Expecting a value too late costs less than expecting it too early.

use core::time::Duration;

use serde::{Deserialize, Serialize};

/// Number of values that are kept.
const RECENT: usize = 8;
/// Multiple of a value from which another one shows that it is no interval of its own.
const BURST_FACTOR: u32 = 16;
/// Largest multiple that counts as missed values across a gap.
const MULTIPLES: u32 = 64;
/// Consecutive values that change the accepted one: longer ones, and shorter ones.
const LONGER_QUORUM: usize = 2;
const SHORTER_QUORUM: usize = 3;

/// How closely values of one clock agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Precision {
    pub(crate) absolute: Duration,
    /// In thousandths of the value.
    pub(crate) per_mille: u32,
}

impl Precision {
    /// A timer of a key server.
    pub(crate) const CLOCK: Self = Self {
        absolute: Duration::from_secs(3),
        per_mille: 1,
    };

    /// Repeats of a message: the key server visits all its members in turn.
    pub(crate) const REPEATS: Self = Self {
        absolute: Duration::from_secs(1),
        per_mille: 200,
    };

    /// Two clocks that were not set in between.
    pub(crate) const TAPS: Self = Self {
        absolute: Duration::from_millis(50),
        per_mille: 0,
    };

    fn allowed(self, value: Duration) -> Duration {
        self.absolute.max(value / 1_000 * self.per_mille)
    }

    fn agree(self, one: Duration, other: Duration) -> bool {
        one.abs_diff(other) <= self.allowed(one.max(other))
    }
}

/// What a new value changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// Still unknown.
    None,
    /// Known from now on.
    Learned(Duration),
    /// Unchanged.
    Kept,
    /// A deviation; one alone is not accepted.
    Odd,
    /// Unchanged, with this many missed in a gap.
    Missed(u32),
    /// Changed to another value.
    Switched { from: Duration, to: Duration },
    /// None of the recent values agrees with it any more.
    Lost,
}

/// A learned quantity.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Estimate {
    precision: Precision,
    /// Values that must agree before one is accepted.
    quorum: u8,
    /// The latest first.
    recent: [Option<Duration>; RECENT],
    value: Option<Duration>,
}

impl Default for Estimate {
    /// For a timer of a key server, accepted when seen twice.
    fn default() -> Self {
        Self::new(Precision::CLOCK, 2)
    }
}

impl Estimate {
    pub(crate) const fn new(precision: Precision, quorum: u8) -> Self {
        Self {
            precision,
            quorum,
            recent: [None; RECENT],
            value: None,
        }
    }

    pub(crate) const fn value(&self) -> Option<Duration> {
        self.value
    }

    /// Number of values that are kept now.
    pub(crate) fn samples(&self) -> usize {
        self.recent.iter().flatten().count()
    }

    /// Takes a value. `gap`: part of the interval was not watched. `proven`: other evidence excludes a missed value,
    /// so one deviation is enough.
    pub(crate) fn learn(&mut self, seen: Duration, gap: bool, proven: bool) -> Change {
        if let Some(value) = self.value
            && gap
        {
            if self.precision.agree(seen, value) {
                return Change::Kept;
            }
            let number = (2..=MULTIPLES).find(|number| self.precision.agree(seen, value * *number));
            return number.map_or(Change::Odd, |number| Change::Missed(number - 1));
        }
        if gap {
            return Change::None;
        }
        self.recent.rotate_right(1);
        if let Some(first) = self.recent.first_mut() {
            *first = Some(seen);
        }
        let Some(value) = self.value else {
            let quorum = usize::from(self.quorum);
            let is_steady = self.in_a_row(seen) >= quorum.max(SHORTER_QUORUM) && !self.is_burst(seen);
            if self.if_longest(seen) < quorum && !is_steady {
                return Change::None;
            }
            self.value = Some(seen);
            return Change::Learned(seen);
        };
        if self.precision.agree(seen, value) {
            self.value = Some(seen);
            return Change::Kept;
        }
        let in_a_row = self.in_a_row(seen);
        let is_switched = if seen < value {
            in_a_row >= SHORTER_QUORUM && !self.is_burst(seen)
        } else {
            // If two clocks alternate, the longer interval is that between rekeys of one of them; a multiple means
            // missed ones.
            in_a_row.max(self.if_longest(seen)) >= LONGER_QUORUM
                && (in_a_row >= LONGER_QUORUM || !self.is_multiple(seen, value))
        };
        if !proven && !is_switched {
            if self.recent.iter().all(Option::is_some) && self.agreeing(value) == 0 {
                self.value = None;
                return Change::Lost;
            }
            return Change::Odd;
        }
        for old in self.recent.iter_mut().flatten() {
            // Older values do not count against it.
            if !self.precision.agree(*old, seen) {
                *old = seen;
            }
        }
        self.value = Some(seen);
        Change::Switched {
            from: value,
            to: seen,
        }
    }

    /// Whether this value agrees with the accepted one.
    pub(crate) fn agrees(&self, seen: Duration) -> bool {
        self.value.is_some_and(|value| self.precision.agree(seen, value))
    }

    /// How many of the latest values agree with this one.
    fn in_a_row(&self, value: Duration) -> usize {
        let agrees =
            |known: &&Option<Duration>| known.is_some_and(|known| self.precision.agree(known, value));
        self.recent.iter().take_while(agrees).count()
    }

    /// How many recent values agree with this one, if none is longer.
    fn if_longest(&self, value: Duration) -> usize {
        let longest = self.recent.iter().flatten().copied().max().unwrap_or_default();
        if self.precision.agree(longest, value) {
            self.agreeing(value)
        } else {
            0
        }
    }

    /// Whether this value is far shorter than others: then something came several times in a row.
    fn is_burst(&self, value: Duration) -> bool {
        self.recent
            .iter()
            .flatten()
            .any(|known| *known > value * BURST_FACTOR)
    }

    fn is_multiple(&self, seen: Duration, value: Duration) -> bool {
        (2..=MULTIPLES).any(|number| self.precision.agree(seen, value * number))
    }

    fn agreeing(&self, value: Duration) -> usize {
        let known = self.recent.iter().flatten();
        known.filter(|known| self.precision.agree(**known, value)).count()
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn learned(values: &[u64]) -> (Option<u64>, Vec<Change>) {
        let mut estimate = Estimate::new(Precision::CLOCK, 2);
        let learn = |seconds: &u64| estimate.learn(Duration::from_secs(*seconds), false, false);
        let changes = values.iter().map(learn).collect();
        (estimate.value().map(|value| value.as_secs()), changes)
    }

    #[test]
    fn one_odd_value_does_not_unlearn() {
        // Hourly, one forced rekey.
        let (value, changes) = learned(&[3600, 3600, 3600, 1500, 3600]);
        assert_eq!(value, Some(3600));
        assert_eq!(changes[3..], [Change::Odd, Change::Kept]);
    }

    #[test]
    fn what_changed_is_unlearned_when_it_is_seen_twice() {
        let (value, changes) = learned(&[3395, 3395, 6815, 6815, 6815]);
        assert_eq!(value, Some(6815));
        let (from, to) = (Duration::from_secs(3395), Duration::from_secs(6815));
        assert_eq!(
            changes[2..],
            [Change::Odd, Change::Switched { from, to }, Change::Kept]
        );
    }

    #[test]
    fn shorter_ones_are_believed_later() {
        assert_eq!(learned(&[3600, 3600, 1800, 1800]).0, Some(3600));
        assert_eq!(learned(&[3600, 3600, 1800, 1800, 1800]).0, Some(1800));
    }

    /// A rekey of TEKs 13,615 s after that of the KEK, which comes 1,213 s after the one before.
    #[test]
    fn of_two_clocks_that_take_turns_the_later_is_expected() {
        assert_eq!(learned(&[1213, 13_615, 1213]).0, None);
        assert_eq!(learned(&[1213, 13_615, 1213, 13_615, 1213]).0, Some(13_615));
        assert_eq!(learned(&[600, 600, 900, 600, 900]).0, Some(900));
        assert_eq!(learned(&[240, 120, 120]).0, None);
        assert_eq!(learned(&[240, 120, 120, 240, 120, 120]).0, Some(240));
    }

    #[test]
    fn what_is_missed_now_and_then_is_no_other_clock() {
        assert_eq!(learned(&[600, 600, 1200, 600, 600, 1200, 600]).0, Some(600));
    }

    #[test]
    fn what_nothing_confirms_any_more_is_lost() {
        let odd = [3600, 3600, 100, 200, 300, 400, 500, 600, 700, 800];
        let (value, changes) = learned(&odd);
        assert_eq!((value, changes.last()), (None, Some(&Change::Lost)));
    }

    #[test]
    fn one_proven_value_is_enough() {
        let mut estimate = Estimate::new(Precision::CLOCK, 2);
        for _ in 0..3 {
            estimate.learn(Duration::from_secs(3395), false, false);
        }
        let (from, to) = (Duration::from_secs(3395), Duration::from_secs(6815));
        assert_eq!(estimate.learn(to, false, true), Change::Switched { from, to });
    }

    #[test]
    fn people_are_no_clock() {
        assert_eq!(learned(&[1800, 19_200, 1400]).0, None);
        assert_eq!(learned(&[86_400 - 700, 86_400 + 420, 86_400 + 60]).0, None);
    }

    #[test]
    fn a_gap_hides_beats_and_teaches_nothing() {
        let mut estimate = Estimate::new(Precision::CLOCK, 2);
        estimate.learn(Duration::from_secs(3395), false, false);
        estimate.learn(Duration::from_secs(3395), false, false);
        assert_eq!(
            estimate.learn(Duration::from_secs(10_185), true, false),
            Change::Missed(2)
        );
        assert_eq!(estimate.learn(Duration::from_mins(150), true, false), Change::Odd);
        assert_eq!(estimate.value(), Some(Duration::from_secs(3395)));
    }
}
