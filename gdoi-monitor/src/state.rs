//! The objects of the API: the state at one moment.
//!
//! The agent and the reports write them, `show` and `top` read them back. Words are [`Text`], so that a reader accepts
//! those of a later agent; it ignores unknown fields.

mod incident;
mod view;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use gdoi_core::Snapshot;
use gdoi_core::snapshot::{
    DataPlaneState, EspTotal, GroupState, Histogram, KekState, KeyServerState, MemberState,
    RegistrationState, RekeyState, SpiState, SpiStatus,
};
use gdoi_core::transition::RegistrationKind;
use serde::{Deserialize, Serialize};

use crate::text::Text;
use crate::time::{Calendar, Moment};

pub use incident::{
    ConsideredCause, FactState, IncidentEvidence, IncidentFrame, IncidentMembers, IncidentState, NextAction,
    facts, incidents,
};
pub use view::{groups, members, spis};

/// One group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Group {
    /// Its name.
    pub name: Text,
    /// Whether the user named it.
    pub configured: bool,
    /// Transport of its rekeys.
    pub transport: Option<Text>,
    /// Destination of its multicast rekeys.
    pub rekey_address: Option<IpAddr>,
    /// Members known to belong to it.
    pub members: u64,
    /// Its key servers.
    pub key_servers: Vec<KeyServer>,
    /// Messages seen, by exchange.
    pub messages: BTreeMap<Text, u64>,
    /// Retransmitted messages, by exchange.
    pub retransmissions: BTreeMap<Text, u64>,
    /// Registrations.
    pub registration: Registration,
    /// Rekeys.
    pub rekey: Rekey,
    /// The KEK.
    pub kek: Kek,
    /// ESP.
    pub esp: DataPlane,
}

/// One key server of a group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeyServer {
    /// Its address.
    pub address: IpAddr,
    /// Whether it answers.
    pub up: Option<bool>,
    /// When it last sent something.
    pub last_seen: Option<Moment>,
    /// Whether it sent the latest rekey.
    pub pushes: bool,
    /// Completed registrations, by kind.
    pub completed: BTreeMap<Text, u64>,
    /// Failed registrations, by kind.
    pub failed: BTreeMap<Text, u64>,
    /// Failed registrations, by stage.
    pub failed_at: BTreeMap<Text, u64>,
    /// Rekeys by kind; each counts once.
    pub rekeys: BTreeMap<Text, u64>,
    /// Rekey messages.
    pub rekey_messages: u64,
    /// How it renews its KEK.
    pub behavior: Option<Text>,
}

/// Registrations of a group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Registration {
    /// Duration of completed registrations.
    pub duration: Spread,
    /// Registrations in progress.
    pub in_progress: u64,
    /// Whether a burst is active.
    pub burst_active: bool,
    /// Number of bursts.
    pub bursts: u64,
    /// Members in the current or the last burst.
    pub burst_members: u64,
    /// Members that registered twice around the expiry of a KEK.
    pub double: u64,
}

/// Rekeys of a group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Rekey {
    /// Retransmitted messages.
    pub retransmissions: u64,
    /// Acknowledgements.
    pub acknowledgements: u64,
    /// Recipients of the latest that have not acknowledged it.
    pub unacknowledged_members: Option<u64>,
    /// Recipients of the latest.
    pub recipients: u64,
    /// Their duration.
    pub duration: Spread,
    /// Start of the latest.
    pub last: Option<Moment>,
    /// Expected start of the next.
    pub next_expected: Option<Moment>,
    /// Whether it is overdue.
    pub overdue: bool,
}

/// The KEK of a group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Kek {
    /// The pair under which the latest rekey was sent.
    pub cookies: Option<Text>,
    /// Times the pair changed.
    pub changes: u64,
    /// When it was delivered.
    pub start: Option<Moment>,
    /// When it expires.
    pub expiry: Option<Moment>,
    /// Its lifetime in seconds.
    pub lifetime_seconds: Option<f64>,
    /// Source of the lifetime.
    pub lifetime_source: Option<Text>,
    /// How long before its expiry the last KEK was renewed, in seconds.
    pub lead_seconds: Option<f64>,
    /// Whether it is used beyond its lifetime.
    pub over_age: bool,
    /// Whether it expired before a rekey replaced it.
    pub expired: bool,
    /// Whether another key server uses another KEK for the same group.
    pub split: bool,
    /// When members that miss the renewal will register again.
    pub re_registration_window: Option<(Moment, Moment)>,
    /// The pairs so far, oldest first.
    #[serde(default)]
    pub chain: Vec<Text>,
}

/// ESP of a group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DataPlane {
    /// Packets.
    pub packets: u64,
    /// IP octets.
    pub octets: u64,
    /// SPIs in use.
    pub active: u64,
    /// Times one SPI replaced another.
    pub changes: u64,
    /// Time from a rekey to the first packet with the new SPI.
    pub rollover: Spread,
    /// Packets with a replaced SPI after the rollover window.
    pub stale_packets: u64,
    /// Sites that still send with a replaced SPI.
    pub lagging_sites: u64,
    /// Lifetime of the TEKs in seconds, where configured.
    pub tek_lifetime_seconds: Option<f64>,
}

/// Durations: their number and mean.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Spread {
    /// How many.
    pub count: u64,
    /// Their mean, in seconds; `None` when there are none.
    pub mean_seconds: Option<f64>,
}

/// One member.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Member {
    /// Its address; port 0 means the well-known ports.
    pub address: SocketAddr,
    /// Its group.
    pub group: Option<Text>,
    /// The key server it last registered at.
    pub key_server: Option<IpAddr>,
    /// When it was first seen.
    pub first_seen: Moment,
    /// When it last sent something.
    pub last_seen: Moment,
    /// When it last completed a registration.
    pub registered: Option<Moment>,
    /// Registrations it completed.
    pub registrations: u64,
    /// Registrations that failed since.
    pub failures: u64,
    /// When it was last sent a rekey.
    pub rekeyed: Option<Moment>,
    /// When it last acknowledged one.
    pub acknowledged: Option<Moment>,
    /// Rekeys in a row it has not acknowledged.
    pub unacknowledged: Option<u64>,
}

impl Member {
    /// Its address, with its port unless it is a well-known one.
    pub fn endpoint(&self) -> String {
        match self.address.port() {
            0 => self.address.ip().to_string(),
            _ => self.address.to_string(),
        }
    }
}

/// Readiness of an agent: the body of `/-/ready`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Readiness {
    /// Whether every wanted interface is monitored.
    pub ready: bool,
    /// The interfaces, in each direction that is monitored.
    pub interfaces: Vec<InterfaceStatus>,
    /// Checks that do not affect readiness.
    pub checks: Vec<ReadinessCheck>,
}

/// One interface in one direction.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct InterfaceStatus {
    /// Its name.
    pub name: Text,
    /// `ingress` or `egress`.
    pub direction: Text,
    /// Whether a program is attached.
    pub watched: bool,
    /// Where it is attached.
    pub mode: Option<Text>,
    /// Why it is not attached, or not in the preferred mode.
    pub reason: Option<Text>,
    /// Why some of its packets are not seen.
    pub blind_spots: Vec<Text>,
}

/// A check that does not affect [`Readiness::ready`].
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ReadinessCheck {
    /// What is checked.
    pub name: Text,
    /// Whether it passes.
    pub ok: bool,
    /// Why it fails.
    pub reason: Option<Text>,
}

/// One ESP SPI of one site.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SpiUse {
    /// The SPI.
    pub spi: Text,
    /// Name of the site.
    pub site: Option<Text>,
    /// Its group.
    pub group: Option<Text>,
    /// Its status.
    pub status: Text,
    /// The SPI that it replaced.
    pub replaces: Option<Text>,
    /// Packets.
    pub packets: u64,
    /// IP octets.
    pub octets: u64,
    /// Its first packet.
    pub first_seen: Moment,
    /// Its last packet.
    pub last_seen: Moment,
}
