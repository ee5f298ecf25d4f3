//! What is known at one moment.
//!
//! Counters never go down and never vanish. A group, a key server or a combination of labels that was counted once is
//! in every later snapshot.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;

use gdoi_wire::Exchange;
use serde::{Deserialize, Serialize};

use crate::time::Timestamp;
use crate::transition::{
    Anomaly, Cookies, LifetimeSource, RegistrationKind, RegistrationStage, RekeyKind, Spi, Transport, Verdict,
};

/// What is known at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Messages by group, key server and exchange. Their sum is the number of messages observed.
    ///
    /// Exchanges without a name are together under `Exchange::Unknown(0)`, what found no room under
    /// [`OTHER_KEY_SERVER`].
    pub messages: BTreeMap<(String, IpAddr, Exchange), u64>,
    /// ESP by group. Their sum is what was observed.
    pub esp: BTreeMap<String, EspTotal>,
    /// The groups by name, [`UNATTRIBUTED`] among them.
    pub groups: BTreeMap<String, GroupState>,
    /// The members, in the order they were first seen.
    pub members: Vec<MemberState>,
    /// The ESP SPIs, in the order they were first seen.
    pub spis: Vec<SpiState>,
    /// How full each table is.
    pub tables: Vec<TableState>,
    /// Messages that contradict the protocol, by group.
    pub anomalies: BTreeMap<(String, Anomaly), u64>,
    /// Times the clock of the source went backwards.
    pub clock_steps: u64,
    /// Messages of group or key server that found no room of their own, by what was full.
    pub overflow: BTreeMap<&'static str, u64>,
}

/// ESP counted for a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EspTotal {
    /// Packets.
    pub packets: u64,
    /// IP octets.
    pub octets: u64,
}

/// One group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GroupState {
    /// Whether the user named it.
    pub configured: bool,
    /// How its rekeys travel, once one was seen or configured.
    pub transport: Option<Transport>,
    /// Where its rekeys go, when multicast.
    pub rekey_address: Option<IpAddr>,
    /// Its key servers.
    pub key_servers: BTreeMap<IpAddr, KeyServerState>,
    /// Messages sent again, by exchange.
    pub retransmissions: BTreeMap<Exchange, u64>,
    /// Members known to belong to it.
    pub members: u64,
    /// Registrations.
    pub registration: RegistrationState,
    /// Rekeys.
    pub rekey: RekeyState,
    /// The KEK.
    pub kek: KekState,
    /// ESP.
    pub esp: DataPlaneState,
}

/// One key server of a group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeyServerState {
    /// Whether it answers, as far as can be seen. `None` before anything was asked of it.
    pub up: Option<bool>,
    /// When it last sent something.
    pub last_seen: Option<Timestamp>,
    /// Whether it sent the latest rekey of the group.
    pub pushes: bool,
    /// Registrations that ended well, by kind. Both kinds are always there.
    pub completed: BTreeMap<RegistrationKind, u64>,
    /// Registrations that ended badly, by kind. Both kinds are always there.
    pub failed: BTreeMap<RegistrationKind, u64>,
    /// Registrations that ended badly, by stage.
    pub failed_at: BTreeMap<RegistrationStage, u64>,
    /// Rekeys, each once.
    pub rekeys: BTreeMap<(RekeyKind, Transport), u64>,
    /// Rekey messages.
    pub rekey_messages: u64,
    /// How it renews its KEK; `None` before the first cycle was seen.
    pub behavior: Option<Verdict>,
}

/// Registrations of a group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RegistrationState {
    /// How long the completed ones took.
    pub duration: Histogram,
    /// Begun and not ended.
    pub in_progress: u64,
    /// Whether many come at once.
    pub burst_active: bool,
    /// How often many came at once.
    pub bursts: u64,
    /// Members in the present burst; in the last one when there is none.
    pub burst_members: u64,
    /// Members that registered shortly before and shortly after the KEK expired.
    pub double: u64,
}

/// Rekeys of a group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RekeyState {
    /// Messages sent again.
    pub retransmissions: u64,
    /// Acknowledgements.
    pub acknowledgements: u64,
    /// Recipients of the latest rekey that have not acknowledged it; `None` where acknowledgements were never seen.
    pub unacknowledged_members: Option<u64>,
    /// Recipients of the latest rekey.
    pub recipients: u64,
    /// How long rekeys took, from the first message to the last.
    pub duration: Histogram,
    /// The beginning of the latest.
    pub last: Option<Timestamp>,
    /// The beginning of the next, where it can be foretold.
    pub next_expected: Option<Timestamp>,
    /// Whether it is due and has not come.
    pub overdue: bool,
}

/// The KEK of a group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KekState {
    /// The pair under which the latest rekey was sent.
    pub cookies: Option<Cookies>,
    /// Times the pair changed.
    pub changes: u64,
    /// When the present KEK was delivered. `None` when that was not seen.
    pub start: Option<Timestamp>,
    /// When it expires.
    pub expiry: Option<Timestamp>,
    /// Its lifetime.
    pub lifetime: Option<Duration>,
    /// Where the lifetime is known from.
    pub lifetime_source: Option<LifetimeSource>,
    /// How long before its expiry the last KEK was renewed, in seconds; negative when after.
    pub lead_seconds: Option<f64>,
    /// Whether it is used beyond its lifetime.
    pub over_age: bool,
    /// Whether its lifetime ended and no rekey had replaced it.
    pub expired: bool,
    /// Whether another key server uses another KEK for the same group.
    pub split: bool,
    /// When members that miss the renewal will register again, at the earliest and at the latest.
    pub re_registration_window: Option<(Timestamp, Timestamp)>,
    /// The pairs so far, oldest first; bounded.
    pub chain: Vec<Cookies>,
}

/// ESP of a group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DataPlaneState {
    /// SPIs that were sent lately.
    pub active: u64,
    /// Times an SPI took the place of another.
    pub changes: u64,
    /// From a rekey to the first packet with the new SPI.
    pub rollover: Histogram,
    /// Packets with a replaced SPI, after the time for the change had passed.
    pub stale_packets: u64,
    /// Sites that still send a replaced SPI.
    pub lagging_sites: u64,
    /// Lifetime of the TEKs, where configured: headers do not tell it.
    pub tek_lifetime: Option<Duration>,
}

/// One member.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberState {
    /// Its address; port 0 stands for the well-known ones.
    pub address: SocketAddr,
    /// Its group; `None` when nothing tells, or several are possible.
    pub group: Option<String>,
    /// The key server it last registered at.
    pub key_server: Option<IpAddr>,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// When it last sent something.
    pub last_seen: Timestamp,
    /// When it last completed a registration.
    pub registered: Option<Timestamp>,
    /// Registrations it completed.
    pub registrations: u32,
    /// Registrations that failed since the last completed one.
    pub failures: u32,
    /// When it was last sent a rekey, when unicast.
    pub rekeyed: Option<Timestamp>,
    /// When it last acknowledged one.
    pub acknowledged: Option<Timestamp>,
    /// Rekeys in a row it has not acknowledged; `None` where acknowledgements were never seen.
    pub unacknowledged: Option<u32>,
}

/// One ESP SPI of one site.
#[derive(Clone, Debug, PartialEq)]
pub struct SpiState {
    /// Which.
    pub spi: Spi,
    /// The site, where one is configured.
    pub site: Option<String>,
    /// Its group, where something tells.
    pub group: Option<String>,
    /// What it is now.
    pub status: SpiStatus,
    /// What it took the place of.
    pub replaces: Option<Spi>,
    /// ESP counted.
    pub total: EspTotal,
    /// Its first packet.
    pub first_seen: Timestamp,
    /// Its last packet.
    pub last_seen: Timestamp,
}

/// What an SPI is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpiStatus {
    /// In use.
    Active,
    /// Not sent for a while.
    Idle,
    /// Another took its place.
    Replaced,
    /// Another took its place, and it is still sent.
    Stale,
}

/// How full a table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TableState {
    /// What it holds.
    pub kind: &'static str,
    /// Entries in use.
    pub entries: u64,
    /// Entries there can be.
    pub capacity: u64,
    /// Entries that had to make room.
    pub evictions: u64,
}

/// Durations, counted in buckets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    /// For each of the bounds, how many were at most as long; not cumulative.
    pub counts: [u64; HISTOGRAM_BUCKETS],
    /// How many were longer than every bound.
    pub beyond: u64,
    /// Their sum.
    pub sum: Duration,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: [0; HISTOGRAM_BUCKETS],
            beyond: 0,
            sum: Duration::ZERO,
        }
    }
}

impl Histogram {
    /// Upper bounds of the buckets: from a registration in a laboratory to a rekey that a large group takes minutes for.
    pub const BOUNDS: [Duration; HISTOGRAM_BUCKETS] = [
        Duration::from_millis(5),
        Duration::from_millis(10),
        Duration::from_millis(50),
        Duration::from_millis(100),
        Duration::from_millis(500),
        Duration::from_secs(1),
        Duration::from_secs(2),
        Duration::from_secs(5),
        Duration::from_secs(10),
        Duration::from_secs(30),
        Duration::from_mins(1),
        Duration::from_mins(2),
        Duration::from_mins(5),
        Duration::from_mins(10),
    ];

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum::<u64>().saturating_add(self.beyond)
    }

    /// Counts one more.
    pub fn observe(&mut self, duration: Duration) {
        self.sum = self.sum.saturating_add(duration);
        let bucket = Self::BOUNDS
            .iter()
            .zip(self.counts.iter_mut())
            .find(|(bound, _)| duration <= **bound);
        match bucket {
            Some((_, count)) => *count += 1,
            None => self.beyond += 1,
        }
    }
}

/// The group of what belongs to no known group.
pub const UNATTRIBUTED: &str = "unattributed";

/// The key server of what found no room: the unspecified address, which is nobody's.
pub const OTHER_KEY_SERVER: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

const HISTOGRAM_BUCKETS: usize = 14;
