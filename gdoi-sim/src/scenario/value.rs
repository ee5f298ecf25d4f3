//! Syntax and defaults of values in scenario files.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use gdoi_core::Timestamp;

/// A duration in people's notation: `90s`, `1h 30m`, `4ms`.
pub fn parse_duration(text: &str) -> Result<Duration, jiff::Error> {
    Duration::try_from(text.parse::<jiff::SignedDuration>()?)
}

/// Durations in people's notation.
pub(super) mod duration {
    use std::time::Duration;

    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer};

    pub(in crate::scenario) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let text = String::deserialize(from)?;
        super::parse_duration(&text).map_err(D::Error::custom)
    }

    pub(in crate::scenario) fn serialize<S: serde::Serializer>(
        duration: &Duration,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let nanos = duration.as_nanos();
        let text = match (nanos % 1_000_000_000, nanos % 1_000_000, nanos % 1_000) {
            (0, ..) => format!("{}s", duration.as_secs()),
            (_, 0, _) => format!("{}ms", duration.as_millis()),
            (.., 0) => format!("{}us", duration.as_micros()),
            _ => format!("{nanos}ns"),
        };
        to.serialize_str(&text)
    }
}

/// Optional durations.
pub(super) mod optional_duration {
    use std::time::Duration;

    use serde::Deserializer;

    pub(in crate::scenario) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Duration>, D::Error> {
        super::duration::deserialize(from).map(Some)
    }

    #[expect(clippy::ref_option, reason = "the signature that serialize_with asks for")]
    pub(in crate::scenario) fn serialize<S: serde::Serializer>(
        duration: &Option<Duration>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => super::duration::serialize(duration, to),
            None => to.serialize_none(),
        }
    }
}

/// Times in UTC: `2026-03-02T08:00:00Z`.
pub(super) mod moment {
    use gdoi_core::Timestamp;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer};

    pub(in crate::scenario) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Timestamp, D::Error> {
        let text = String::deserialize(from)?;
        let moment: jiff::Timestamp = text.parse().map_err(D::Error::custom)?;
        let nanos = u64::try_from(moment.as_nanosecond()).map_err(D::Error::custom)?;
        Ok(Timestamp::from_nanos(nanos))
    }

    #[expect(
        clippy::trivially_copy_pass_by_ref,
        reason = "the signature that serialize_with asks for"
    )]
    pub(in crate::scenario) fn serialize<S: serde::Serializer>(
        moment: &Timestamp,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let moment = jiff::Timestamp::from_nanosecond(i128::from(moment.as_nanos()))
            .map_err(serde::ser::Error::custom)?;
        to.collect_str(&moment)
    }
}

/// 2026-03-02, a Monday, 08:00 UTC.
pub(crate) const fn start() -> Timestamp {
    Timestamp::from_nanos(1_772_438_400_000_000_000)
}

pub(super) const fn first() -> u32 {
    1
}

pub(super) const fn first_member() -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 1, 13, 2))
}

pub(super) const fn first_site() -> Ipv4Addr {
    Ipv4Addr::new(172, 16, 0, 0)
}

pub(super) const fn kek_lifetime() -> Duration {
    Duration::from_hours(24)
}

pub(super) const fn tek_lifetime() -> Duration {
    Duration::from_hours(1)
}

pub(super) const fn retransmit_interval() -> Duration {
    Duration::from_secs(10)
}

pub(super) const fn retransmit_count() -> u32 {
    2
}

pub(super) const fn drop_after() -> u32 {
    3
}

pub(super) const fn policy_entries() -> u32 {
    4
}

pub(super) const fn announce_every() -> Duration {
    Duration::from_secs(20)
}

/// RSA-2048.
pub(super) const fn signature_octets() -> u32 {
    256
}

pub(super) const fn boot_within() -> Duration {
    Duration::from_secs(20)
}

pub(super) const fn activation() -> Duration {
    Duration::from_secs(5)
}

pub(super) const fn registration_cost() -> Duration {
    Duration::from_millis(12)
}

pub(super) const fn traffic_packets() -> u32 {
    1
}
