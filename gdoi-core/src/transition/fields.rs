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

/// A clock was set. The source's clock went backwards, and the tracker waited for it; or, live, the wall clock was
/// set, which only dates events.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ClockStep {
    /// Size of the step.
    #[serde(rename = "step_seconds", serialize_with = "seconds")]
    pub step: Duration,
}

/// A key server no longer announces itself to a cooperating one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct CoopSilent {
    /// The key server that gets no more announcements.
    pub peer: IpAddr,
    /// Time since the last announcement.
    #[serde(rename = "silence_seconds", serialize_with = "seconds")]
    pub silence: Duration,
    /// Its certainty.
    #[serde(flatten)]
    pub grounds: Grounds,
}

/// A member registered shortly before and shortly after its KEK expired: the sign of a key server that renews late.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct DoubleReregistration {
    /// How long before the expiry it registered first.
    #[serde(rename = "before_expiry_seconds", serialize_with = "seconds")]
    pub before: Duration,
    /// How long after the expiry it registered again.
    #[serde(rename = "after_expiry_seconds", serialize_with = "seconds")]
    pub after: Duration,
}

/// Something belongs to one of several groups, and nothing shows to which.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroupAmbiguous {
    /// Names of the groups it may belong to.
    pub candidates: Vec<String>,
    /// The KEK, if it is ambiguous; absent if a key server serves several groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cookies: Option<Cookies>,
}

/// A group that is not configured was seen for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct GroupDiscovered {
    /// How its rekeys are sent.
    pub transport: Transport,
    /// The multicast address of its rekeys; absent for unicast.
    pub rekey_address: Option<IpAddr>,
    /// Its first known KEK, by the cookies of its rekeys.
    pub cookies: Cookies,
}

/// The verdict on how a key server renews its KEK has changed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct KekBehavior {
    /// The verdict.
    pub verdict: Verdict,
    /// How long before its expiry the last KEK was renewed, in seconds; negative after it.
    pub lead_seconds: Option<f64>,
    /// The lead that the formula of the profile expects.
    #[serde(rename = "expected_lead_seconds", serialize_with = "some_seconds")]
    pub expected_lead: Option<Duration>,
    /// KEK cycles that support the verdict.
    pub votes: u32,
    /// KEK cycles that were judged.
    pub cycles: u32,
    /// Fewer than three cycles support it.
    pub provisional: bool,
    /// Source of the KEK lifetime.
    pub lifetime_source: Option<LifetimeSource>,
}

/// Rekeys are sent under a new KEK.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct KekChanged {
    /// The old KEK, by the cookies of its rekeys.
    pub from: Cookies,
    /// The new KEK, by the cookies of its rekeys.
    pub to: Cookies,
    /// How long before the expiry of the old KEK the new one was delivered, in seconds; negative after it.
    pub lead_seconds: Option<f64>,
    /// Time since the rekey that delivered it, if certain.
    #[serde(rename = "delivered_seconds_ago", serialize_with = "some_seconds")]
    pub delivered: Option<Duration>,
}

/// The lifetime of a KEK ended without a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct KekExpired {
    /// The KEK, by the cookies of its rekeys.
    pub cookies: Cookies,
    /// Its lifetime, configured or learned.
    #[serde(rename = "lifetime_seconds", serialize_with = "seconds")]
    pub lifetime: Duration,
    /// Its certainty.
    #[serde(flatten)]
    pub grounds: Grounds,
}

/// A KEK is still used after its lifetime.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct KekOverAge {
    /// The KEK, by the cookies of its rekeys.
    pub cookies: Cookies,
    /// Time since it was delivered.
    #[serde(rename = "age_seconds", serialize_with = "seconds")]
    pub age: Duration,
    /// Its lifetime, configured or learned.
    #[serde(rename = "lifetime_seconds", serialize_with = "seconds")]
    pub lifetime: Duration,
    /// Its certainty.
    #[serde(flatten)]
    pub grounds: Grounds,
}

/// Two key servers of one group use different KEKs: a split brain, or its end.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct KekSplit {
    /// The KEK that had been replaced, by its cookies.
    pub first: Cookies,
    /// The key server that uses it.
    pub first_key_server: IpAddr,
    /// The KEK that had replaced it, by its cookies.
    pub second: Cookies,
    /// The key server that uses it.
    pub second_key_server: IpAddr,
    /// The split brain is over: one of the two key servers went silent.
    pub merged: bool,
}

/// Another key server sends the rekeys of a group: a failover.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct KeyServerChanged {
    /// The key server that sent them before.
    pub from: IpAddr,
    /// The key server that sends them now.
    pub to: IpAddr,
    /// The KEK is unchanged: the key servers share their keys.
    pub cookies_kept: bool,
}

/// A message contradicts the protocol, or what is known of its sender.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Malformed {
    /// The contradiction.
    pub reason: Anomaly,
    /// Source address of the message.
    pub source: IpAddr,
    /// Such messages so far. Only the 1st, 2nd, 4th, 8th and so on is reported.
    pub count: u64,
}

/// A key server no longer sends rekeys to a member.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MemberLost {
    /// Rekeys in a row that the member had not acknowledged.
    pub unacknowledged: u32,
    /// Rekeys in a row that went to other members only.
    pub rekeys_without: u32,
    /// Its certainty.
    #[serde(flatten)]
    pub grounds: Grounds,
}

/// A member registered again.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ReRegistration {
    /// The reason, as far as headers show it.
    pub reason: ReRegistrationReason,
    /// Time since its last registration, if that was seen.
    #[serde(rename = "since_last_seconds", serialize_with = "some_seconds")]
    pub since_last: Option<Duration>,
}

/// Many members register at once.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RegistrationBurst {
    /// Different members so far.
    pub members: u32,
    /// Maximum rate of registrations per second, averaged over five seconds.
    pub peak_rate: f64,
    /// Whether an expiry explains the burst.
    pub character: BurstCharacter,
    /// Registrations started.
    pub started: u32,
    /// Registrations completed.
    pub completed: u32,
    /// Registrations failed.
    pub failed: u32,
    /// Time since the burst started.
    #[serde(rename = "duration_seconds", serialize_with = "seconds")]
    pub duration: Duration,
}

/// A registration started.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RegistrationStarted {
    /// The exchange it started with.
    #[serde(serialize_with = "exchange")]
    pub exchange: Exchange,
    /// Whether the member had registered before.
    pub kind: RegistrationKind,
}

/// A registration ended.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RegistrationEnd {
    /// The stage it reached.
    pub stage: RegistrationStage,
    /// Time from its first message to its last.
    #[serde(rename = "duration_seconds", serialize_with = "seconds")]
    pub duration: Duration,
    /// Attempts of the member in a row, this one included.
    pub attempts: u32,
    /// Retransmitted messages of this attempt.
    pub retransmissions: u32,
    /// Whether the member had registered before.
    pub kind: RegistrationKind,
    /// Its certainty.
    #[serde(flatten)]
    pub grounds: Grounds,
}

/// A rekey: one, for any number of members and repeats.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rekey {
    /// What it delivered.
    pub kind: RekeyKind,
    /// The evidence for that.
    pub evidence: RekeyEvidence,
    /// How it was sent.
    pub transport: Transport,
    /// Different destinations; 1 for multicast.
    pub recipients: u32,
    /// Retransmitted messages.
    pub retransmissions: u32,
    /// Recipients that acknowledged it; absent if no acknowledgement was ever seen.
    pub acknowledged: Option<u32>,
    /// Time from its first message to its last.
    #[serde(rename = "duration_seconds", serialize_with = "seconds")]
    pub duration: Duration,
    /// The KEK it was sent under, by its cookies.
    pub cookies: Cookies,
    /// Length of one message in octets, from the header on.
    pub length: u32,
    /// Message identifier, in version 2 only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<u32>,
    /// Time since its first message.
    #[serde(rename = "began_seconds_ago", serialize_with = "seconds")]
    pub began: Duration,
}

/// An earlier rekey delivered something else than reported.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RekeyClassified {
    /// What was reported.
    pub from: RekeyKind,
    /// What it delivered.
    pub kind: RekeyKind,
    /// The evidence for that.
    pub evidence: RekeyEvidence,
    /// The KEK it was sent under, by its cookies.
    pub cookies: Cookies,
    /// Time since its first message.
    #[serde(rename = "began_seconds_ago", serialize_with = "seconds")]
    pub began: Duration,
}

/// A rekey was due and did not come.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RekeyOverdue {
    /// Time since it was due.
    #[serde(rename = "overdue_seconds", serialize_with = "seconds")]
    pub overdue: Duration,
    /// The expected time between rekeys.
    #[serde(rename = "interval_seconds", serialize_with = "seconds")]
    pub interval: Duration,
    /// Its certainty.
    #[serde(flatten)]
    pub grounds: Grounds,
}

/// A rekey was retransmitted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RekeyRetransmitted {
    /// The KEK it was sent under, by its cookies.
    pub cookies: Cookies,
    /// How it was sent. Multicast is always retransmitted, because nobody acknowledges it.
    pub transport: Transport,
    /// Retransmitted messages.
    pub retransmissions: u32,
    /// Different destinations; 1 for multicast.
    pub recipients: u32,
    /// All retransmissions had the same octets; false when each carried its own sequence number.
    pub identical: bool,
}

/// A member did not acknowledge a rekey.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RekeyUnacknowledged {
    /// The KEK it was sent under, by its cookies.
    pub cookies: Cookies,
    /// Rekeys in a row that it has not acknowledged, this one included.
    pub consecutive: u32,
    /// Its certainty.
    #[serde(flatten)]
    pub grounds: Grounds,
}

/// A site sends another ESP SPI: a rollover.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SpiChanged {
    /// The previous SPI; absent if several are possible.
    pub from: Option<Spi>,
    /// The new SPI.
    pub to: Spi,
    /// Time from the rekey to the first packet with the new SPI; absent if no rekey was seen.
    #[serde(rename = "roll_seconds", serialize_with = "some_seconds")]
    pub roll: Option<Duration>,
    /// Name of the sending site, if configured.
    pub site: Option<String>,
}

/// An ESP SPI was seen for the first time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SpiFirstSeen {
    /// The SPI.
    pub spi: Spi,
    /// Name of the sending site, if configured.
    pub site: Option<String>,
}

/// A replaced ESP SPI is still sent.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SpiStale {
    /// The replaced SPI.
    pub spi: Spi,
    /// The SPI that replaced it.
    pub current: Spi,
    /// Name of the sending site, if configured.
    pub site: Option<String>,
    /// Time since the rollover.
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
