//! Times of the source's clock.

use core::num::NonZeroU64;
use core::time::Duration;

use serde::{Deserialize, Serialize};

/// Nanoseconds on the source's clock: since boot (suspend included) when live, since the epoch in a capture.
///
/// Stored as one more, so that an `Option` of it is no larger: each member has many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "u64", into = "u64")]
pub struct Timestamp(NonZeroU64);

impl Timestamp {
    /// The beginning of the source's clock.
    pub const ZERO: Self = Self(NonZeroU64::MIN);

    /// From nanoseconds. The clock ends one nanosecond before `u64` does.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(NonZeroU64::MIN.saturating_add(nanos))
    }

    /// In nanoseconds.
    pub const fn as_nanos(self) -> u64 {
        self.0.get() - 1
    }

    /// The time since an earlier one; zero if `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.as_nanos().saturating_sub(earlier.as_nanos()))
    }

    /// The time `duration` later, at most the end of the clock (584 years).
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "compared with the limit before")]
    pub const fn after(self, duration: Duration) -> Self {
        let nanos = duration.as_nanos();
        if nanos > u64::MAX as u128 {
            Self(NonZeroU64::MAX)
        } else {
            Self(self.0.saturating_add(nanos as u64))
        }
    }

    /// The time `duration` earlier, at least the beginning of the clock.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "compared with the limit before")]
    pub const fn before(self, duration: Duration) -> Self {
        let nanos = duration.as_nanos();
        if nanos > u64::MAX as u128 {
            Self::ZERO
        } else {
            Self::from_nanos(self.as_nanos().saturating_sub(nanos as u64))
        }
    }
}

impl Default for Timestamp {
    fn default() -> Self {
        Self::ZERO
    }
}

impl From<u64> for Timestamp {
    fn from(nanos: u64) -> Self {
        Self::from_nanos(nanos)
    }
}

impl From<Timestamp> for u64 {
    fn from(moment: Timestamp) -> Self {
        moment.as_nanos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_moment_takes_no_more_room() {
        assert_eq!(size_of::<Option<Timestamp>>(), size_of::<u64>());
    }

    #[test]
    fn the_ends_of_the_clock_hold() {
        let (first, last) = (Timestamp::from_nanos(0), Timestamp::from_nanos(u64::MAX));
        assert_eq!((first, first.as_nanos()), (Timestamp::ZERO, 0));
        assert_eq!(last.as_nanos(), u64::MAX - 1);
        assert_eq!(last.after(Duration::MAX), last);
        assert_eq!(last.before(Duration::MAX), first);
        assert_eq!(first.before(Duration::from_nanos(1)), first);
        assert_eq!(first.after(Duration::from_nanos(7)).as_nanos(), 7);
        assert!(first < first.after(Duration::from_nanos(1)));
    }
}
