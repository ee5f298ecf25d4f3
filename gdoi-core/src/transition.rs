//! Everything that can be reported, as a closed set.
//!
//! A [`Transition`] serialises to the object of event streams and reports: `type`, `severity`, `group`, `key_server` and
//! `member` where they apply, then the fields of the type. The agent adds the date: only it knows the wall clock.

mod cause;
mod fields;
mod findings;
mod grounds;
mod incident;
mod names;
mod sentence;
mod serial;
mod words;

use alloc::boxed::Box;
use alloc::string::String;
use core::net::{IpAddr, SocketAddr};

use serde::{Serialize, Serializer};

pub use cause::*;
pub use fields::*;
pub use findings::*;
pub use grounds::*;
pub(crate) use grounds::{restore_grounds, save_grounds};
pub use incident::*;
pub use names::*;
pub use sentence::Span;
pub use words::*;

use crate::observation::{Loss, LossKind};
use crate::time::Timestamp;

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Transition {
    /// The time, on the source's clock.
    pub at: Timestamp,
    /// The group; `None` when it concerns none, or an unknown one.
    pub group: Option<String>,
    /// The key server it concerns, if any.
    pub key_server: Option<IpAddr>,
    /// The member it concerns, if any. Port 0 means one of the well-known ports.
    pub member: Option<SocketAddr>,
    /// What happened.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum What {
    /// The source missed something.
    CaptureLoss(Loss),
    /// The clock of the source went backwards.
    ClockStep(ClockStep),
    /// The configuration contradicts the traffic.
    ConfigurationContradicted(ConfigurationContradicted),
    /// A cooperating key server is no longer heard.
    CoopSilent(CoopSilent),
    /// A member registered shortly before and shortly after the KEK expired.
    DoubleReregistration(DoubleReregistration),
    /// Messages of neither a key server nor a member.
    Forgery(Forgery),
    /// Something learned was forgotten.
    Forgotten(Forgotten),
    /// Something belongs to one of several groups, and nothing shows to which.
    GroupAmbiguous(GroupAmbiguous),
    /// A group was seen for the first time.
    GroupDiscovered(GroupDiscovered),
    /// Two groups turned out to be one.
    GroupMerged(GroupMerged),
    /// A key server sends heartbeats that look like rekeys.
    Heartbeats(Heartbeats),
    /// An incident is over. Diagnosis reports incidents, the tracker does not.
    IncidentClosed(Box<Incident>),
    /// An incident began, or began again.
    IncidentOpened(Box<Incident>),
    /// An incident grew, or is known better.
    IncidentUpdated(Box<Incident>),
    /// The verdict on how a key server renews its KEK has changed.
    KekBehavior(KekBehavior),
    /// A reported change of the KEK did not happen.
    KekChangeRevoked(KekChangeRevoked),
    /// Rekeys are sent under another KEK.
    KekChanged(KekChanged),
    /// The lifetime of the KEK ended without a renewal.
    KekExpired(KekExpired),
    /// A KEK is used beyond its lifetime.
    KekOverAge(KekOverAge),
    /// Two key servers of one group use different KEKs: a split brain.
    KekSplit(KekSplit),
    /// A key server that was silent answers again.
    KeyServerAnswers(KeyServerAnswers),
    /// Rekeys come from another key server.
    KeyServerChanged(KeyServerChanged),
    /// A key server answers nobody.
    KeyServerSilent(KeyServerSilent),
    /// A message contradicts the protocol.
    Malformed(Malformed),
    /// A key server stopped sending rekeys to a member.
    MemberLost(MemberLost),
    /// A member is at another address or port.
    MemberReaddressed(MemberReaddressed),
    /// Two captures of one group were merged.
    MergedTaps(MergedTaps),
    /// Members register regularly without rekeys.
    PullOnly(PullOnly),
    /// A member registered again.
    ReRegistration(ReRegistration),
    /// A burst of registrations is over.
    RegistrationBurstEnded(RegistrationBurst),
    /// Many members register at once.
    RegistrationBurstStarted(RegistrationBurst),
    /// A registration completed.
    RegistrationCompleted(RegistrationEnd),
    /// A registration failed.
    RegistrationFailed(RegistrationEnd),
    /// A member registers repeatedly although its rekeys reach it.
    RegistrationLoop(RegistrationLoop),
    /// A registration started.
    RegistrationStarted(RegistrationStarted),
    /// The group of earlier registrations is known now.
    RegistrationsAttributed(RegistrationsAttributed),
    /// A rekey: one, for any number of members and repeats.
    Rekey(Rekey),
    /// An earlier rekey delivered something else than reported.
    RekeyClassified(RekeyClassified),
    /// Whether it is known when the next rekey is due has changed.
    RekeyExpectation(RekeyExpectation),
    /// The time between rekeys has changed.
    RekeyIntervalChanged(RekeyIntervalChanged),
    /// Members register after every rekey: the rekeys do not reach them.
    RekeyNotReceived(RekeyNotReceived),
    /// No rekey came when one was due.
    RekeyOverdue(RekeyOverdue),
    /// A rekey was retransmitted.
    RekeyRetransmitted(RekeyRetransmitted),
    /// A member did not acknowledge a rekey.
    RekeyUnacknowledged(RekeyUnacknowledged),
    /// ESP of a group uses another SPI.
    SpiChanged(SpiChanged),
    /// An ESP SPI was seen for the first time.
    SpiFirstSeen(SpiFirstSeen),
    /// A replaced SPI is still sent.
    SpiStale(SpiStale),
}

impl What {
    /// The `type` of the event.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::CaptureLoss(_) => "capture_loss",
            Self::ClockStep(_) => "clock_step",
            Self::ConfigurationContradicted(_) => "configuration_contradicted",
            Self::CoopSilent(_) => "coop_silent",
            Self::DoubleReregistration(_) => "double_reregistration",
            Self::Forgery(_) => "forgery",
            Self::Forgotten(_) => "forgotten",
            Self::GroupAmbiguous(_) => "group_ambiguous",
            Self::GroupDiscovered(_) => "group_discovered",
            Self::GroupMerged(_) => "group_merged",
            Self::Heartbeats(_) => "heartbeats",
            Self::IncidentClosed(_) => "incident_closed",
            Self::IncidentOpened(_) => "incident_opened",
            Self::IncidentUpdated(_) => "incident_updated",
            Self::KekBehavior(_) => "kek_behavior",
            Self::KekChangeRevoked(_) => "kek_change_revoked",
            Self::KekChanged(_) => "kek_changed",
            Self::KekExpired(_) => "kek_expired",
            Self::KekOverAge(_) => "kek_over_age",
            Self::KekSplit(_) => "kek_split",
            Self::KeyServerAnswers(_) => "key_server_answers",
            Self::KeyServerChanged(_) => "key_server_changed",
            Self::KeyServerSilent(_) => "key_server_silent",
            Self::Malformed(_) => "malformed",
            Self::MemberLost(_) => "member_lost",
            Self::MemberReaddressed(_) => "member_readdressed",
            Self::MergedTaps(_) => "merged_taps",
            Self::PullOnly(_) => "pull_only",
            Self::ReRegistration(_) => "re_registration",
            Self::RegistrationBurstEnded(_) => "registration_burst_ended",
            Self::RegistrationBurstStarted(_) => "registration_burst_started",
            Self::RegistrationCompleted(_) => "registration_completed",
            Self::RegistrationFailed(_) => "registration_failed",
            Self::RegistrationLoop(_) => "registration_loop",
            Self::RegistrationStarted(_) => "registration_started",
            Self::RegistrationsAttributed(_) => "registrations_attributed",
            Self::Rekey(_) => "rekey",
            Self::RekeyClassified(_) => "rekey_classified",
            Self::RekeyExpectation(_) => "rekey_expectation",
            Self::RekeyIntervalChanged(_) => "rekey_interval_changed",
            Self::RekeyNotReceived(_) => "rekey_not_received",
            Self::RekeyOverdue(_) => "rekey_overdue",
            Self::RekeyRetransmitted(_) => "rekey_retransmitted",
            Self::RekeyUnacknowledged(_) => "rekey_unacknowledged",
            Self::SpiChanged(_) => "spi_changed",
            Self::SpiFirstSeen(_) => "spi_first_seen",
            Self::SpiStale(_) => "spi_stale",
        }
    }

    /// What it rests on, where that is said.
    pub const fn grounds(&self) -> Option<Grounds> {
        match self {
            Self::CoopSilent(it) => Some(it.grounds),
            Self::Forgery(it) => Some(it.grounds),
            Self::KekExpired(it) => Some(it.grounds),
            Self::KekOverAge(it) => Some(it.grounds),
            Self::KeyServerSilent(it) => Some(it.grounds),
            Self::MemberLost(it) => Some(it.grounds),
            Self::RegistrationCompleted(it) | Self::RegistrationFailed(it) => Some(it.grounds),
            Self::RekeyNotReceived(it) => Some(it.grounds),
            Self::RekeyOverdue(it) => Some(it.grounds),
            Self::RekeyUnacknowledged(it) => Some(it.grounds),
            _ => None,
        }
    }

    /// How urgent it is.
    pub const fn severity(&self) -> Severity {
        match self {
            Self::Forgotten(_)
            | Self::GroupDiscovered(_)
            | Self::GroupMerged(_)
            | Self::Heartbeats(_)
            | Self::IncidentClosed(_)
            | Self::KekChangeRevoked(_)
            | Self::KekChanged(_)
            | Self::KeyServerAnswers(_)
            | Self::MemberReaddressed(_)
            | Self::MergedTaps(_)
            | Self::PullOnly(_)
            | Self::ReRegistration(_)
            | Self::RegistrationBurstEnded(_)
            | Self::RegistrationCompleted(_)
            | Self::RegistrationStarted(_)
            | Self::RegistrationsAttributed(_)
            | Self::Rekey(_)
            | Self::RekeyClassified(_)
            | Self::RekeyExpectation(_)
            | Self::RekeyIntervalChanged(_)
            | Self::SpiChanged(_)
            | Self::SpiFirstSeen(_) => Severity::Info,
            Self::CaptureLoss(loss) => match loss.kind {
                LossKind::Silence => Severity::Info,
                LossKind::Blind | LossKind::Messages | LossKind::Spis => Severity::Warning,
            },
            Self::ClockStep(_)
            | Self::ConfigurationContradicted(_)
            | Self::CoopSilent(_)
            | Self::DoubleReregistration(_)
            | Self::Forgery(_)
            | Self::GroupAmbiguous(_)
            | Self::KeyServerChanged(_)
            | Self::Malformed(_)
            | Self::MemberLost(_)
            | Self::RegistrationFailed(_)
            | Self::RegistrationLoop(_)
            | Self::RekeyNotReceived(_)
            | Self::RekeyUnacknowledged(_)
            | Self::SpiStale(_) => Severity::Warning,
            Self::IncidentOpened(incident) | Self::IncidentUpdated(incident) => incident.severity,
            Self::KekBehavior(behavior) => behavior.verdict.severity(),
            Self::RegistrationBurstStarted(burst) => match burst.character {
                BurstCharacter::Wave => Severity::Info,
                BurstCharacter::Storm => Severity::Warning,
            },
            Self::RekeyRetransmitted(repeat) => match repeat.transport {
                Transport::Multicast => Severity::Info,
                Transport::Unicast => Severity::Warning,
            },
            Self::KekSplit(split) if split.merged => Severity::Info,
            Self::KekSplit(_) | Self::KekOverAge(_) => Severity::Critical,
            Self::KekExpired(expired) => match expired.grounds.certainty {
                Certainty::Certain | Certainty::Likely => Severity::Critical,
                Certainty::Uncertain => Severity::Warning,
            },
            Self::KeyServerSilent(silent) => match silent.grounds.certainty {
                Certainty::Certain => Severity::Critical,
                Certainty::Likely | Certainty::Uncertain => Severity::Warning,
            },
            Self::RekeyOverdue(overdue) => match overdue.grounds.certainty {
                Certainty::Certain | Certainty::Likely => Severity::Critical,
                Certainty::Uncertain => Severity::Warning,
            },
        }
    }
}

impl Serialize for Transition {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self {
            at: _,
            group,
            key_server,
            member,
            what,
        } = self;
        let object = Object {
            name: what.name(),
            severity: what.severity(),
            group: group.as_deref(),
            key_server: *key_server,
            member: member.map(serial::Endpoint),
            what,
        };
        object.serialize(serializer)
    }
}

/// A transition in an event stream.
#[derive(Serialize)]
struct Object<'a> {
    #[serde(rename = "type")]
    name: &'static str,
    severity: Severity,
    group: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_server: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    member: Option<serial::Endpoint>,
    #[serde(flatten)]
    what: &'a What,
}
