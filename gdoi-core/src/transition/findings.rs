//! The fields of conclusions from several witnesses, and of revised reports.

use alloc::string::String;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use serde::Serialize;

use super::grounds::Grounds;
use super::names::Cookies;
use super::serial::{endpoint, seconds, some_seconds};
use super::words::{ExpectationUnknown, ForgeryKind, ForgottenKind};

/// The configuration contradicts the traffic; the traffic counts from now on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConfigurationContradicted {
    /// The key of the configuration.
    pub key: &'static str,
    /// The configured value.
    pub configured: String,
    /// The observed value.
    pub seen: String,
}

/// Messages of neither a key server nor a member.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Forgery {
    /// Their kind.
    pub kind: ForgeryKind,
    /// Their source, as far as an address shows it.
    pub source: IpAddr,
    /// Their destination; `None` for several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<IpAddr>,
    /// Their cookies; `None` for several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cookies: Option<Cookies>,
    /// Number so far. Not every one is reported.
    pub messages: u64,
    /// Its certainty.
    #[serde(flatten)]
    pub grounds: Grounds,
}

/// Something learned was forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Forgotten {
    /// What was forgotten.
    pub kind: ForgottenKind,
}

/// Two groups turned out to be one.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupMerged {
    /// The group that remains.
    pub into: String,
}

/// A key server sends heartbeats: messages that look like rekeys and deliver nothing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Heartbeats {
    /// Time between them.
    #[serde(rename = "period_seconds", serialize_with = "seconds")]
    pub period: Duration,
    /// Their length in octets.
    pub length: u32,
}

/// A reported change of the KEK was wrong: the old one is still used.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct KekChangeRevoked {
    /// The KEK that is still used.
    pub from: Cookies,
    /// The KEK that does not succeed it.
    pub to: Cookies,
}

/// A key server that was silent answers again.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct KeyServerAnswers {
    /// Duration of its silence.
    #[serde(rename = "silence_seconds", serialize_with = "seconds")]
    pub silence: Duration,
}

/// A key server answers nobody.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct KeyServerSilent {
    /// Different members that gave up.
    pub members: u32,
    /// Duration of its silence.
    #[serde(rename = "silence_seconds", serialize_with = "seconds")]
    pub silence: Duration,
    /// Its certainty.
    #[serde(flatten)]
    pub grounds: Grounds,
}

/// A member is at another address or port.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MemberReaddressed {
    /// Its previous address.
    #[serde(serialize_with = "endpoint")]
    pub from: SocketAddr,
}

/// The same messages are seen twice: two captures of one group were merged.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MergedTaps {
    /// The difference of their clocks.
    #[serde(rename = "offset_seconds", serialize_with = "seconds")]
    pub offset: Duration,
}

/// Members register regularly without rekeys.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PullOnly {
    /// Time between the registrations of one member.
    #[serde(rename = "interval_seconds", serialize_with = "seconds")]
    pub interval: Duration,
    /// Number of such members.
    pub members: u32,
}

/// A member registers repeatedly although its rekeys reach it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RegistrationLoop {
    /// Time between its registrations.
    #[serde(rename = "period_seconds", serialize_with = "seconds")]
    pub period: Duration,
    /// Registrations in a row.
    pub registrations: u32,
    /// Since when.
    #[serde(rename = "since_seconds", serialize_with = "seconds")]
    pub since: Duration,
    /// Whether it acknowledges rekeys.
    pub acknowledges: bool,
}

/// The group of earlier registrations is known now.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RegistrationsAttributed {
    /// Number of registrations.
    pub registrations: u32,
    /// The first of them was this long ago.
    #[serde(rename = "since_seconds", serialize_with = "seconds")]
    pub since: Duration,
}

/// Whether it is known when the next rekey is due has changed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RekeyExpectation {
    /// Whether it is known.
    pub known: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<ExpectationUnknown>,
    /// Time between rekeys, if known.
    #[serde(rename = "interval_seconds", serialize_with = "some_seconds")]
    pub interval: Option<Duration>,
}

/// The time between rekeys has changed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RekeyIntervalChanged {
    /// The previous interval.
    #[serde(rename = "from_seconds", serialize_with = "seconds")]
    pub from: Duration,
    /// The new interval.
    #[serde(rename = "to_seconds", serialize_with = "seconds")]
    pub to: Duration,
}

/// Members register after every rekey: the rekeys do not reach them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RekeyNotReceived {
    /// Members that registered after the latest of them.
    pub members: u32,
    /// Members that should have received it.
    pub of: u32,
    /// Rekeys in a row.
    pub consecutive: u32,
    /// Its certainty.
    #[serde(flatten)]
    pub grounds: Grounds,
}
