//! Registrations of one member at regular intervals.

use core::time::Duration;

use serde::{Deserialize, Serialize};

/// Consecutive registrations at equal intervals. The member has the time of the latest.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Rhythm {
    /// The latest interval.
    period_millis: u32,
    /// From the first to the latest.
    span_seconds: u32,
    /// Number of registrations, including the first.
    pub(crate) count: u16,
    /// Whether a loop was reported.
    pub(crate) reported: bool,
}

impl Rhythm {
    /// A registration was completed, this long after the previous one.
    pub(crate) fn register(&mut self, gap: Option<Duration>) {
        let Some(gap) = gap else {
            self.count = 1;
            return;
        };
        let goes_on = self.count > 1 && self.agrees(gap);
        if !goes_on {
            *self = Self {
                count: 1,
                ..Self::default()
            };
        }
        self.count = self.count.saturating_add(1);
        self.period_millis = u32::try_from(gap.as_millis()).unwrap_or(u32::MAX);
        let span = self.span() + gap;
        self.span_seconds = u32::try_from(span.as_secs()).unwrap_or(u32::MAX);
    }

    /// From the first to the latest.
    pub(crate) const fn span(&self) -> Duration {
        Duration::from_secs(self.span_seconds as u64)
    }

    /// The period, once three gaps agree.
    pub(crate) fn period(&self) -> Option<Duration> {
        (self.count >= 4).then_some(Duration::from_millis(self.period_millis.into()))
    }

    /// Whether a registration this long after the latest is the next one.
    pub(crate) fn is_due(&self, since: Duration) -> bool {
        self.count >= 3 && self.agrees(since)
    }

    /// Whether another member registers at the same interval, as far as known.
    pub(crate) fn is_like(&self, other: Self) -> bool {
        self.count >= 2 && self.agrees(Duration::from_millis(other.period_millis.into()))
    }

    /// Whether a gap is one more period: members add jitter of a few per cent.
    fn agrees(&self, gap: Duration) -> bool {
        let period = Duration::from_millis(self.period_millis.into());
        gap.abs_diff(period) * 10 <= gap.max(period)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rhythm(gaps: &[u64]) -> (u16, Option<u64>, u64) {
        let mut rhythm = Rhythm::default();
        rhythm.register(None);
        for gap in gaps {
            rhythm.register(Some(Duration::from_secs(*gap)));
        }
        let period = rhythm.period().map(|period| period.as_secs());
        (rhythm.count, period, rhythm.span().as_secs())
    }

    #[test]
    fn gaps_that_agree_are_a_rhythm() {
        assert_eq!(rhythm(&[300, 305, 295]), (4, Some(295), 900));
        assert_eq!(rhythm(&[300, 300]), (3, None, 600));
        assert_eq!(rhythm(&[300, 600, 300, 600]), (2, None, 600));
        assert_eq!(rhythm(&[40, 300, 300, 300]), (4, Some(300), 900));
        assert_eq!(rhythm(&[]), (1, None, 0));
    }
}
