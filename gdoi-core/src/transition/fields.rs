//! The fields of each type of event.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use gdoi_wire::Exchange;
use serde::Serialize;

use super::grounds::Grounds;
use super::names::{Cookies, Spi};
use super::serial::{seconds, some_seconds};
use super::words::{
    Anomaly, BurstCharacter, LifetimeSource, ReRegistrationReason, RegistrationKind, RegistrationStage,
    RekeyEvidence, RekeyKind, Transport, Verdict,
};

/// A clock was set: that of the source went backwards, and time stood still for the tracker until it had caught up; or,
/// live, the wall clock, which dates events and counts nothing.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ClockStep {
    /// By how much.
    #[serde(rename = "step_seconds", serialize_with = "seconds")]
    pub step: Duration,
}

/// A cooperating key server is no longer heard.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CoopSilent {
    /// Who listened in vain.
    pub peer: IpAddr,
    /// For how long.
    #[serde(rename = "silence_seconds", serialize_with = "seconds")]
    pub silence: Duration,
    /// What this rests on.
    #[serde(flatten)]
    pub grounds: Grounds,
}

/// A member registered shortly before and shortly after the KEK expired.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct DoubleReregistration {
    /// How long before.
    #[serde(rename = "before_expiry_seconds", serialize_with = "seconds")]
    pub before: Duration,
    /// How long after.
    #[serde(rename = "after_expiry_seconds", serialize_with = "seconds")]
    pub after: Duration,
}

/// Something could belong to several groups, and nothing tells which.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupAmbiguous {
    /// The groups it could belong to.
    pub candidates: Vec<String>,
    /// The KEK, where one is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cookies: Option<Cookies>,
}

/// A group was seen for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct GroupDiscovered {
    /// How its rekeys travel.
    pub transport: Transport,
    /// Where its rekeys go, when multicast.
    pub rekey_address: Option<IpAddr>,
    /// Its KEK at that time.
    pub cookies: Cookies,
}

/// How the key server renews its KEK is now believed to be this.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct KekBehavior {
    /// How.
    pub verdict: Verdict,
    /// How long before expiry the last KEK was renewed; negative when after.
    pub lead_seconds: Option<f64>,
    /// What the formula of the profile lets expect.
    #[serde(rename = "expected_lead_seconds", serialize_with = "some_seconds")]
    pub expected_lead: Option<Duration>,
    /// KEK cycles that say so.
    pub votes: u32,
    /// KEK cycles that were looked at.
    pub cycles: u32,
    /// Fewer than three cycles say so.
    pub provisional: bool,
    /// Where the lifetime is known from.
    pub lifetime_source: Option<LifetimeSource>,
}

/// Rekeys are sent under another KEK.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct KekChanged {
    /// Before.
    pub from: Cookies,
    /// Now.
    pub to: Cookies,
    /// How long before the expiry of the old KEK the rekey was sent that delivered the new one; negative when after.
    pub lead_seconds: Option<f64>,
    /// How long ago that rekey was sent.
    #[serde(rename = "delivered_seconds_ago", serialize_with = "some_seconds")]
    pub delivered: Option<Duration>,
}

/// The lifetime of the KEK ended and no rekey had replaced it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct KekExpired {
    /// Which.
    pub cookies: Cookies,
    /// Its lifetime.
    #[serde(rename = "lifetime_seconds", serialize_with = "seconds")]
    pub lifetime: Duration,
    /// What this rests on.
    #[serde(flatten)]
    pub grounds: Grounds,
}

/// A KEK is used beyond its lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct KekOverAge {
    /// Which.
    pub cookies: Cookies,
    /// How old it is.
    #[serde(rename = "age_seconds", serialize_with = "seconds")]
    pub age: Duration,
    /// Its lifetime.
    #[serde(rename = "lifetime_seconds", serialize_with = "seconds")]
    pub lifetime: Duration,
}

/// Two KEKs of one parent are used at once.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct KekSplit {
    /// One.
    pub first: Cookies,
    /// Its key server.
    pub first_key_server: IpAddr,
    /// The other.
    pub second: Cookies,
    /// Its key server.
    pub second_key_server: IpAddr,
    /// Whether one of them has gone silent again.
    pub merged: bool,
}

/// Rekeys come from another key server.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct KeyServerChanged {
    /// Before.
    pub from: IpAddr,
    /// Now.
    pub to: IpAddr,
    /// The cookies stayed: the key servers share their policy.
    pub cookies_kept: bool,
}

/// A message contradicts the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Malformed {
    /// How.
    pub reason: Anomaly,
    /// Who sent it.
    pub source: IpAddr,
    /// Such messages so far. Not every one is reported.
    pub count: u64,
}

/// A key server stopped sending rekeys to a member.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MemberLost {
    /// Rekeys the member had not acknowledged in a row.
    pub unacknowledged: u32,
    /// Rekeys others got and it did not.
    pub rekeys_without: u32,
    /// What this rests on.
    #[serde(flatten)]
    pub grounds: Grounds,
}

/// A member registered that had registered before.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ReRegistration {
    /// Why, as far as that can be told.
    pub reason: ReRegistrationReason,
    /// Time since it last had registered, when that was seen.
    #[serde(rename = "since_last_seconds", serialize_with = "some_seconds")]
    pub since_last: Option<Duration>,
}

/// Many members register at once.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RegistrationBurst {
    /// Different members so far.
    pub members: u32,
    /// The most registrations begun in one second, averaged over the window.
    pub peak_rate: f64,
    /// What it looks like.
    pub character: BurstCharacter,
    /// Registrations begun.
    pub started: u32,
    /// Of those, ended well.
    pub completed: u32,
    /// Of those, ended badly.
    pub failed: u32,
    /// Since its first registration.
    #[serde(rename = "duration_seconds", serialize_with = "seconds")]
    pub duration: Duration,
}

/// A registration began.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RegistrationStarted {
    /// With which exchange.
    #[serde(serialize_with = "exchange")]
    pub exchange: Exchange,
    /// Whether the member had registered before.
    pub kind: RegistrationKind,
}

/// A registration ended.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RegistrationEnd {
    /// Where it ended.
    pub stage: RegistrationStage,
    /// From its first message to its last.
    #[serde(rename = "duration_seconds", serialize_with = "seconds")]
    pub duration: Duration,
    /// Attempts of the member in a row, this one included.
    pub attempts: u32,
    /// Messages of this attempt that were sent again.
    pub retransmissions: u32,
    /// Whether the member had registered before.
    pub kind: RegistrationKind,
    /// What this rests on.
    #[serde(flatten)]
    pub grounds: Grounds,
}

/// A rekey: one, however many members it went to and however often.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rekey {
    /// What it delivered.
    pub kind: RekeyKind,
    /// What that was told from.
    pub evidence: RekeyEvidence,
    /// How it travelled.
    pub transport: Transport,
    /// Different destinations; 1 for multicast.
    pub recipients: u32,
    /// Messages sent again.
    pub retransmissions: u32,
    /// Recipients that acknowledged; `None` where acknowledgements were never seen.
    pub acknowledged: Option<u32>,
    /// From its first message to its last.
    #[serde(rename = "duration_seconds", serialize_with = "seconds")]
    pub duration: Duration,
    /// The KEK it was sent under.
    pub cookies: Cookies,
    /// Octets of one message.
    pub length: u32,
    /// Message identifier, in version 2 only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<u32>,
    /// Its first message was this long ago.
    #[serde(rename = "began_seconds_ago", serialize_with = "seconds")]
    pub began: Duration,
}

/// What was said of the kind of an earlier rekey turned out differently.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RekeyClassified {
    /// What had been said.
    pub from: RekeyKind,
    /// What it was.
    pub kind: RekeyKind,
    /// What that was told from.
    pub evidence: RekeyEvidence,
    /// The KEK it was sent under.
    pub cookies: Cookies,
    /// How long ago it was sent.
    #[serde(rename = "began_seconds_ago", serialize_with = "seconds")]
    pub began: Duration,
}

/// No rekey came when one was due.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RekeyOverdue {
    /// For how long it has been due.
    #[serde(rename = "overdue_seconds", serialize_with = "seconds")]
    pub overdue: Duration,
    /// Time between rekeys that was expected.
    #[serde(rename = "interval_seconds", serialize_with = "seconds")]
    pub interval: Duration,
    /// What this rests on.
    #[serde(flatten)]
    pub grounds: Grounds,
}

/// A rekey was sent again.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RekeyRetransmitted {
    /// The KEK it was sent under.
    pub cookies: Cookies,
    /// How it travelled: multicast is always repeated, for nobody acknowledges it.
    pub transport: Transport,
    /// Messages sent again.
    pub retransmissions: u32,
    /// Different destinations they went to.
    pub recipients: u32,
    /// Whether repeats were the same octets; `false` when they carried a sequence number of their own.
    pub identical: bool,
}

/// A member did not acknowledge a rekey.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RekeyUnacknowledged {
    /// The KEK it was sent under.
    pub cookies: Cookies,
    /// Rekeys it has not acknowledged in a row.
    pub consecutive: u32,
    /// What this rests on.
    #[serde(flatten)]
    pub grounds: Grounds,
}

/// ESP of a group uses another SPI.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SpiChanged {
    /// Before; `None` when several could be meant.
    pub from: Option<Spi>,
    /// Now.
    pub to: Spi,
    /// From the rekey to the first packet with the new SPI; `None` when no rekey was seen.
    #[serde(rename = "roll_seconds", serialize_with = "some_seconds")]
    pub roll: Option<Duration>,
    /// Name of the site, where one is configured.
    pub site: Option<String>,
}

/// An ESP SPI was seen for the first time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SpiFirstSeen {
    /// Which.
    pub spi: Spi,
    /// Name of the site, where one is configured.
    pub site: Option<String>,
}

/// A replaced SPI is still sent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SpiStale {
    /// Which.
    pub spi: Spi,
    /// What the others use.
    pub current: Spi,
    /// Name of the site, where one is configured.
    pub site: Option<String>,
    /// Since the group rolled over.
    #[serde(rename = "late_seconds", serialize_with = "seconds")]
    pub late: Duration,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature that serialize_with asks for"
)]
fn exchange<S: serde::Serializer>(exchange: &Exchange, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(exchange.name())
}
