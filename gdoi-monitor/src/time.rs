//! Times for people and programs.

use std::fmt;
use std::str::FromStr;

use gdoi_core::Timestamp;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A time since the epoch, written as RFC 3339 with nanoseconds, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub Timestamp);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // 2^64 nanoseconds end in 2554, long before jiff does.
        match jiff::Timestamp::from_nanosecond(i128::from(self.0.as_nanos())) {
            Ok(moment) => {
                // The precision sets the digits: `{:.0}` is whole seconds.
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

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse()
            .map_err(|error| D::Error::custom(format!("no date: {error}")))
    }
}

impl FromStr for Moment {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, jiff::Error> {
        text.parse::<jiff::Timestamp>().map(Self::from)
    }
}

/// The nearest valid time: anything before 1970 becomes 1970.
impl From<jiff::Timestamp> for Moment {
    fn from(moment: jiff::Timestamp) -> Self {
        let nanos = moment.as_nanosecond().max(0);
        Self(Timestamp::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)))
    }
}

impl Moment {
    /// The time of this machine's clock.
    pub fn now() -> Self {
        jiff::Timestamp::now().into()
    }

    /// Seconds since an earlier time; negative if that is later.
    pub fn since(self, earlier: Self) -> f64 {
        if earlier <= self {
            self.0.since(earlier.0).as_secs_f64()
        } else {
            -earlier.0.since(self.0).as_secs_f64()
        }
    }

    /// In the format of `strftime`.
    pub fn format(self, format: &str) -> String {
        let moment = jiff::Timestamp::from_nanosecond(i128::from(self.0.as_nanos()));
        moment.map_or_else(
            |error| error.to_string(),
            |moment| moment.strftime(format).to_string(),
        )
    }
}

/// Converts times on a source's clock to times since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// Zero of the source's clock.
    zero: Timestamp,
}

impl Calendar {
    /// For a source that counts since the epoch: a capture.
    pub const EPOCH: Self = Self {
        zero: Timestamp::ZERO,
    };

    /// For a source whose clock was zero at `zero`, since the epoch: the kernel's, which counts from boot.
    pub const fn from_zero(zero: Timestamp) -> Self {
        Self { zero }
    }

    /// A time on the source's clock, in seconds since the epoch.
    pub fn seconds(self, at: Timestamp) -> f64 {
        std::time::Duration::from_nanos(self.date(at).0.as_nanos()).as_secs_f64()
    }

    /// The date of a time on the source's clock.
    pub const fn date(self, at: Timestamp) -> Moment {
        Moment(Timestamp::from_nanos(
            self.zero.as_nanos().saturating_add(at.as_nanos()),
        ))
    }
}
