//! Moments as people and programs read them.

use std::fmt;

use gdoi_core::Timestamp;
use serde::{Serialize, Serializer};

/// A moment since the epoch, written as RFC 3339 with nanoseconds, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub Timestamp);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // 2^64 nanoseconds end in 2554, long before jiff does.
        match jiff::Timestamp::from_nanosecond(i128::from(self.0.as_nanos())) {
            Ok(moment) => {
                // As many digits as are asked for: `{:.0}` is whole seconds.
                let digits = f.precision().unwrap_or(9);
                write!(f, "{moment:.digits$}")
            }
            Err(error) => write!(f, "{error}"),
        }
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Turns moments on a source's clock into moments since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// When the source's clock began.
    zero: Timestamp,
}

impl Calendar {
    /// For a source that counts since the epoch: a capture.
    pub const EPOCH: Self = Self {
        zero: Timestamp::ZERO,
    };

    /// For a source whose clock began at `zero`, since the epoch: the kernel's, which counts from boot.
    pub const fn from_zero(zero: Timestamp) -> Self {
        Self { zero }
    }

    /// A moment on the source's clock, in seconds since the epoch.
    pub fn seconds(self, at: Timestamp) -> f64 {
        std::time::Duration::from_nanos(self.date(at).0.as_nanos()).as_secs_f64()
    }

    /// The date of a moment on the source's clock.
    pub const fn date(self, at: Timestamp) -> Moment {
        Moment(Timestamp::from_nanos(
            self.zero.as_nanos().saturating_add(at.as_nanos()),
        ))
    }
}
