//! When not everything was watched: windows that a source declared, and unexplained silences.

use alloc::collections::VecDeque;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::state::estimate::{Estimate, Precision};
use crate::time::Timestamp;
use crate::transition::Certainty;

/// Windows that are kept; older ones are merged into one.
const MAX_GAPS: usize = 64;
/// Shorter silences are never doubted.
const MIN_DOUBTED_SILENCE: Duration = Duration::from_mins(2);
/// Multiple of the usual silence that is doubted.
const DOUBTED_FACTOR: u32 = 4;
/// Multiple of a doubted silence that must have been watched before it can be called unusual.
const WATCHED_FACTOR: u32 = 5;
/// Time after which older silences count half.
const USUAL_HALF_LIFE: Duration = Duration::from_hours(48);
/// Lengths of silences by powers of two: below 1 s, below 2 s and so on up to 48 days.
const LENGTHS: usize = 22;

/// The windows in which something was lost, oldest first, and the usual lengths of silences.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct CaptureGaps {
    windows: VecDeque<(Timestamp, Timestamp)>,
    sight: Sight,
}

/// Statistics of silences: time without any observation.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Sight {
    /// When anything was last seen.
    last: Option<Timestamp>,
    /// Time spent in silences, by their length.
    spent: [Duration; LENGTHS],
}

/// A second tap that sees the same messages, in a capture merged from two.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct SecondTap {
    /// Offset of its clock.
    pub(crate) offset: Estimate,
    pub(crate) reported: bool,
}

impl Default for SecondTap {
    fn default() -> Self {
        Self {
            offset: Estimate::new(Precision::TAPS, 3),
            reported: false,
        }
    }
}

impl Sight {
    /// The length from which a silence is doubted. `None` until the usual length is known.
    fn limit(&self) -> Option<Duration> {
        let limit = (self.usual()? * DOUBTED_FACTOR).max(MIN_DOUBTED_SILENCE);
        (self.watched() >= limit * WATCHED_FACTOR).then_some(limit)
    }

    /// The usual length of a silence: three quarters of the watched time was spent in shorter ones.
    fn usual(&self) -> Option<Duration> {
        let watched = self.watched();
        // Before anything was watched, every silence is usual.
        if watched.is_zero() {
            return None;
        }
        let mut shorter = Duration::ZERO;
        (0_u32..).zip(&self.spent).find_map(|(power, spent)| {
            shorter = shorter.saturating_add(*spent);
            (shorter >= watched / 4 * 3).then(|| Duration::from_secs(1 << power))
        })
    }

    fn watched(&self) -> Duration {
        self.spent
            .iter()
            .fold(Duration::ZERO, |sum, spent| sum.saturating_add(*spent))
    }

    fn learn(&mut self, silence: Duration, counted: Duration) {
        let power = (u64::BITS - silence.as_secs().leading_zeros()) as usize;
        if let Some(spent) = self.spent.get_mut(power.min(LENGTHS - 1)) {
            *spent = spent.saturating_add(counted);
        }
        if self.watched() > USUAL_HALF_LIFE {
            for spent in &mut self.spent {
                *spent /= 2;
            }
        }
    }
}

impl CaptureGaps {
    pub(crate) fn add(&mut self, from: Timestamp, until: Timestamp) {
        if let Some(last) = self.windows.back_mut()
            && from <= last.1
            && until >= last.0
        {
            last.0 = last.0.min(from);
            last.1 = last.1.max(until);
            return;
        }
        self.windows.push_back((from, until));
        if self.windows.len() > MAX_GAPS
            && let Some((from, _)) = self.windows.pop_front()
            && let Some(next) = self.windows.front_mut()
        {
            next.0 = next.0.min(from);
        }
    }

    /// Something is seen. Returns the silence before it, if that was so unusual that nothing may have been watched.
    pub(crate) fn on_sight(&mut self, now: Timestamp) -> Option<(Timestamp, Timestamp)> {
        let last = self.sight.last.replace(now)?;
        let silence = now.since(last);
        if silence < MIN_DOUBTED_SILENCE {
            self.sight.learn(silence, silence);
            return None;
        }
        let is_declared = self.has_window(last, now);
        let is_doubted = self.sight.limit().is_some_and(|limit| silence > limit);
        // A declared one teaches nothing; one that is doubted repeatedly becomes usual.
        let counted = match (is_declared, is_doubted) {
            (true, _) => Duration::ZERO,
            (false, true) => silence.min(self.sight.watched() / 10),
            (false, false) => silence,
        };
        self.sight.learn(silence, counted);
        if is_declared || !is_doubted {
            return None;
        }
        self.add(last, now);
        Some((last, now))
    }

    /// Whether a silence in this window proves anything.
    pub(crate) fn certainty(&self, from: Timestamp, until: Timestamp) -> Certainty {
        if self.has_window(from, until) || self.is_doubted(until) {
            Certainty::Uncertain
        } else {
            Certainty::Certain
        }
    }

    /// Whether anything was seen since a time, or a silence that long is usual: then it is watched.
    pub(crate) fn is_watched_since(&self, since: Timestamp, now: Timestamp) -> bool {
        let Some(last) = self.sight.last.filter(|last| *last < since) else {
            return true;
        };
        let is_usual = |usual: Duration| now.since(last) <= usual + usual / 2;
        self.sight.usual().is_none_or(is_usual)
    }

    fn has_window(&self, from: Timestamp, until: Timestamp) -> bool {
        let touched = |&(begin, end): &(Timestamp, Timestamp)| begin <= until && end >= from;
        self.windows.iter().any(touched)
    }

    /// Whether the present silence is unusual.
    fn is_doubted(&self, now: Timestamp) -> bool {
        let silence = self.sight.last.map_or(Duration::ZERO, |last| now.since(last));
        silence > MIN_DOUBTED_SILENCE && self.sight.limit().is_some_and(|limit| silence > limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::ZERO.after(Duration::from_secs(1_000 + seconds))
    }

    fn seen(gaps: &mut CaptureGaps, times: impl IntoIterator<Item = u64>) -> usize {
        let doubted = times
            .into_iter()
            .filter(|time| gaps.on_sight(at(*time)).is_some());
        doubted.count()
    }

    #[test]
    fn hours_without_anything_are_doubted_where_something_comes_every_minute() {
        let mut gaps = CaptureGaps::default();
        assert_eq!(seen(&mut gaps, (0..3_600).step_by(20)), 0);
        assert_eq!(gaps.certainty(at(3_600), at(3_660)), Certainty::Certain);
        assert_eq!(gaps.certainty(at(3_600), at(7_200)), Certainty::Uncertain);
        assert_eq!(seen(&mut gaps, [10_000]), 1);
        assert_eq!(gaps.certainty(at(9_000), at(10_000)), Certainty::Uncertain);
        assert_eq!(gaps.certainty(at(10_001), at(10_100)), Certainty::Certain);
    }

    #[test]
    fn hours_without_anything_are_usual_where_nothing_but_hourly_rekeys_is_seen() {
        let mut gaps = CaptureGaps::default();
        let hourly = (0..30).flat_map(|hour| (0..6).map(move |member| hour * 3_600 + member));
        assert_eq!(seen(&mut gaps, hourly), 0);
        assert_eq!(gaps.certainty(at(104_405), at(108_400)), Certainty::Certain);
        assert_eq!(gaps.certainty(at(104_405), at(140_000)), Certainty::Uncertain);
    }

    #[test]
    fn what_is_doubted_again_and_again_becomes_usual() {
        let mut gaps = CaptureGaps::default();
        let mut doubted = seen(&mut gaps, (0..36_000).step_by(20));
        doubted += seen(&mut gaps, (36_000..1_000_000).step_by(3_600));
        assert!((1..40).contains(&doubted), "{doubted}");
    }

    #[test]
    fn a_declared_window_is_no_silence_of_its_own() {
        let mut gaps = CaptureGaps::default();
        seen(&mut gaps, (0..3_600).step_by(20));
        gaps.add(at(3_600), at(9_990));
        assert_eq!(seen(&mut gaps, [10_000]), 0);
    }
}
