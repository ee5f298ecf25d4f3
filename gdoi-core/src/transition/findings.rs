//! The fields of what is concluded from several witnesses, and of what is revised.

use alloc::string::String;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use serde::Serialize;

use super::grounds::Grounds;
use super::names::Cookies;
use super::serial::{endpoint, seconds, some_seconds};
use super::words::{ExpectationUnknown, ForgeryKind, ForgottenKind};

/// What is configured contradicts what is seen, and what is seen counts from now.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConfigurationContradicted {
    /// The key of the configuration.
    pub key: &'static str,
    /// What is configured.
    pub configured: String,
    /// What is seen.
    pub seen: String,
}

/// Messages that no key server and no member sent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Forgery {
    /// What kind.
    pub kind: ForgeryKind,
    /// Who sent them, as far as an address tells.
    pub source: IpAddr,
    /// To whom; `None` for several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destination: Option<IpAddr>,
    /// Under which cookies; `None` for several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cookies: Option<Cookies>,
    /// How many so far. Not every one is reported.
    pub messages: u64,
    /// What this rests on.
    #[serde(flatten)]
    pub grounds: Grounds,
}

/// Something that was learned was forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Forgotten {
    /// What.
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
    /// Octets of one.
    pub length: u32,
}

/// What was said of a change of the KEK turned out wrong: the old one is still used.
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
    /// For how long it had not answered.
    #[serde(rename = "silence_seconds", serialize_with = "seconds")]
    pub silence: Duration,
}

/// A key server answers nobody.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct KeyServerSilent {
    /// Different members that gave up.
    pub members: u32,
    /// For how long it has not answered.
    #[serde(rename = "silence_seconds", serialize_with = "seconds")]
    pub silence: Duration,
    /// What this rests on.
    #[serde(flatten)]
    pub grounds: Grounds,
}

/// A member is at another address or port.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MemberReaddressed {
    /// Where it was before.
    #[serde(serialize_with = "endpoint")]
    pub from: SocketAddr,
}

/// The same messages are seen twice: two captures of one group were merged.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MergedTaps {
    /// How far apart their clocks are.
    #[serde(rename = "offset_seconds", serialize_with = "seconds")]
    pub offset: Duration,
}

/// Members register regularly and nobody rekeys them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PullOnly {
    /// Time between the registrations of one member.
    #[serde(rename = "interval_seconds", serialize_with = "seconds")]
    pub interval: Duration,
    /// Members that do so.
    pub members: u32,
}

/// A member registers again and again although its rekeys reach it.
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
    /// How many.
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
    /// Time between rekeys, where it is known.
    #[serde(rename = "interval_seconds", serialize_with = "some_seconds")]
    pub interval: Option<Duration>,
}

/// The time between rekeys has changed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RekeyIntervalChanged {
    /// Before.
    #[serde(rename = "from_seconds", serialize_with = "seconds")]
    pub from: Duration,
    /// Now.
    #[serde(rename = "to_seconds", serialize_with = "seconds")]
    pub to: Duration,
}

/// Members register after every rekey: the rekeys do not reach them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RekeyNotReceived {
    /// Members that registered after the latest of them.
    pub members: u32,
    /// Members that should have got it.
    pub of: u32,
    /// Rekeys in a row.
    pub consecutive: u32,
    /// What this rests on.
    #[serde(flatten)]
    pub grounds: Grounds,
}
