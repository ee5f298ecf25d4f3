//! Moments as people and programs read them.

use std::fmt;

use gdoi_core::Timestamp;
use serde::{Serialize, Serializer};

/// A moment since the epoch, written as RFC 3339 with nanoseconds, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment(pub Timestamp);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // 2^64 nanoseconds end in 2554, long before jiff does.
        match jiff::Timestamp::from_nanosecond(i128::from(self.0.as_nanos())) {
            Ok(moment) => write!(f, "{moment:.9}"),
            Err(error) => write!(f, "{error}"),
        }
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
