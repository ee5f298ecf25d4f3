//! Moments, as a source tells them.

use core::time::Duration;

use serde::{Deserialize, Serialize};

/// Nanoseconds on the source's clock: since boot (suspend included) when live, since the epoch in a capture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The beginning of the source's clock.
    pub const ZERO: Self = Self(0);

    /// From nanoseconds.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// In nanoseconds.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The time since an earlier moment; zero when `earlier` is later.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// This much later, at most the end of the clock (584 years).
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "compared with the limit before")]
    pub const fn after(self, duration: Duration) -> Self {
        let nanos = duration.as_nanos();
        if nanos > u64::MAX as u128 {
            Self(u64::MAX)
        } else {
            Self(self.0.saturating_add(nanos as u64))
        }
    }

    /// This much earlier, at least the beginning of the clock.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "compared with the limit before")]
    pub const fn before(self, duration: Duration) -> Self {
        let nanos = duration.as_nanos();
        if nanos > u64::MAX as u128 {
            Self(0)
        } else {
            Self(self.0.saturating_sub(nanos as u64))
        }
    }
}
