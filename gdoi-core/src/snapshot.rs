//! The state at one moment.
//!
//! Counters never decrease and never vanish. A group, a key server or a combination of labels that was counted once
//! is in every later snapshot.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use core::time::Duration;

use gdoi_wire::Exchange;
use serde::{Deserialize, Serialize};

use crate::observation::Esp;
use crate::time::Timestamp;
use crate::transition::{
    Anomaly, Cookies, ExpectationUnknown, LifetimeSource, RegistrationKind, RegistrationStage, RekeyKind,
    Spi, Transport, Verdict,
};

/// The state at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// Messages by group, key server and exchange. Their sum is the number of messages observed.
    ///
    /// Exchanges without a name count under `Exchange::Unknown(0)`, key servers beyond the limit under
    /// [`OTHER_KEY_SERVER`].
    pub messages: BTreeMap<(String, IpAddr, Exchange), u64>,
    /// ESP by group. The sum is all ESP observed.
    pub esp: BTreeMap<String, EspTotal>,
    /// ESP that was unattributed when it was counted, and whose group was found later: it is in that group's total
    /// now. An exposition with counters that only grow adds it to the unattributed ESP.
    pub esp_attributed_later: EspTotal,
    /// The groups by name, [`UNATTRIBUTED`] among them.
    pub groups: BTreeMap<String, GroupState>,
    /// The members, in the order they were first seen. Empty in a summary.
    pub members: Vec<MemberState>,
    /// The ESP SPIs, in the order they were first seen. Empty in a summary.
    pub spis: Vec<SpiState>,
    /// Use of each table.
    pub tables: Vec<TableState>,
    /// Messages that contradict the protocol, by group.
    pub anomalies: BTreeMap<(String, Anomaly), u64>,
    /// Observations whose time was earlier than one before.
    pub clock_steps: u64,
    /// Objects without an entry of their own, by the full table.
    pub overflow: BTreeMap<&'static str, u64>,
}

/// ESP traffic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EspTotal {
    /// ESP packets.
    pub packets: u64,
    /// Octets of those packets, from the IP header on.
    pub octets: u64,
}

impl EspTotal {
    /// Adds what one observation counted.
    pub(crate) const fn add(&mut self, esp: &Esp) {
        self.packets = self.packets.saturating_add(esp.packets);
        self.octets = self.octets.saturating_add(esp.octets);
    }

    /// This and another total.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            packets: self.packets.saturating_add(other.packets),
            octets: self.octets.saturating_add(other.octets),
        }
    }

    /// This without what another total counted.
    #[must_use]
    pub(crate) const fn minus(self, other: Self) -> Self {
        Self {
            packets: self.packets.saturating_sub(other.packets),
            octets: self.octets.saturating_sub(other.octets),
        }
    }
}

/// State of one group at the time of the snapshot.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GroupState {
    /// Whether the group is configured.
    pub configured: bool,
    /// How its rekeys are sent; `None` before one was seen or configured.
    pub transport: Option<Transport>,
    /// The multicast address of its rekeys; `None` for unicast.
    pub rekey_address: Option<IpAddr>,
    /// Its key servers by address.
    pub key_servers: BTreeMap<IpAddr, KeyServerState>,
    /// Retransmitted messages, by exchange.
    pub retransmissions: BTreeMap<Exchange, u64>,
    /// Members known to belong to it.
    pub members: u64,
    /// Its registrations.
    pub registration: RegistrationState,
    /// Its rekeys.
    pub rekey: RekeyState,
    /// Its KEK.
    pub kek: KekState,
    /// Its ESP.
    pub esp: DataPlaneState,
}

/// State of one key server of a group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KeyServerState {
    /// Whether it answers; `None` before the first request to it.
    pub up: Option<bool>,
    /// When it last sent a message.
    pub last_seen: Option<Timestamp>,
    /// Whether it sent the latest rekey of the group.
    pub pushes: bool,
    /// Registrations completed, by kind. Both kinds are always there.
    pub completed: BTreeMap<RegistrationKind, u64>,
    /// Registrations failed, by kind. Both kinds are always there.
    pub failed: BTreeMap<RegistrationKind, u64>,
    /// Registrations failed, by the stage they reached.
    pub failed_at: BTreeMap<RegistrationStage, u64>,
    /// Rekeys, each counted once, by what they delivered.
    pub rekeys: BTreeMap<(RekeyKind, Transport), u64>,
    /// Rekey messages, retransmissions included.
    pub rekey_messages: u64,
    /// How it renews its KEK; `None` before the first KEK cycle was seen.
    pub behavior: Option<Verdict>,
}

/// Registrations of a group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RegistrationState {
    /// Duration of the completed ones.
    pub duration: Histogram,
    /// Registrations in progress.
    pub in_progress: u64,
    /// Whether a burst is in progress.
    pub burst_active: bool,
    /// Bursts so far.
    pub bursts: u64,
    /// Members in the present burst, or in the last one.
    pub burst_members: u64,
    /// Members that registered shortly before and shortly after their KEK expired.
    pub double: u64,
}

/// Rekeys of a group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RekeyState {
    /// Retransmitted messages.
    pub retransmissions: u64,
    /// Acknowledgements seen.
    pub acknowledgements: u64,
    /// Recipients of the latest rekey that have not acknowledged it; `None` if no acknowledgement was ever seen.
    pub unacknowledged_members: Option<u64>,
    /// Recipients of the latest rekey.
    pub recipients: u64,
    /// Duration of rekeys, from the first message to the last.
    pub duration: Histogram,
    /// When the latest rekey began.
    pub last: Option<Timestamp>,
    /// Expected start of the next rekey; `None` if unknown.
    pub next_expected: Option<Timestamp>,
    /// Whether it is overdue.
    pub overdue: bool,
    /// Whether it is known when the next one is due.
    pub expectation: Expectation,
}

/// Whether it is known when the next rekey is due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expectation {
    /// Why it is not known; `None` when it is.
    pub unknown: Option<ExpectationUnknown>,
    /// Time between rekeys, if known.
    pub interval: Option<Duration>,
}

/// The KEK of a group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct KekState {
    /// The KEK of the latest rekey, by its cookies.
    pub cookies: Option<Cookies>,
    /// KEK changes so far.
    pub changes: u64,
    /// When the current KEK was delivered; `None` if that was not seen.
    pub start: Option<Timestamp>,
    /// When the current KEK expires.
    pub expiry: Option<Timestamp>,
    /// The KEK lifetime, configured or learned.
    pub lifetime: Option<Duration>,
    /// Source of the lifetime.
    pub lifetime_source: Option<LifetimeSource>,
    /// How long before its expiry the last KEK was renewed, in seconds; negative after it.
    pub lead_seconds: Option<f64>,
    /// Whether it is used after its lifetime.
    pub over_age: bool,
    /// Whether its lifetime ended without a renewal.
    pub expired: bool,
    /// Whether two key servers use different KEKs: a split brain.
    pub split: bool,
    /// When members that miss the renewal register again, at the earliest and at the latest.
    pub re_registration_window: Option<(Timestamp, Timestamp)>,
    /// The KEKs so far, by their cookies, the oldest first; bounded.
    pub chain: Vec<Cookies>,
}

/// ESP of a group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DataPlaneState {
    /// SPIs in use.
    pub active: u64,
    /// Rollovers so far.
    pub changes: u64,
    /// Time from a rekey to the first packet with the new SPI.
    pub rollover: Histogram,
    /// Packets with a replaced SPI after the time for the rollover.
    pub stale_packets: u64,
    /// Sites that still send a replaced SPI.
    pub lagging_sites: u64,
    /// The configured TEK lifetime; headers do not show it.
    pub tek_lifetime: Option<Duration>,
}

/// State of one member.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberState {
    /// Its address. Port 0 means one of the well-known ports.
    pub address: SocketAddr,
    /// Its group; `None` when unknown or ambiguous.
    pub group: Option<String>,
    /// The key server that it last registered at, or that last sent it a rekey.
    pub key_server: Option<IpAddr>,
    /// When it was first seen.
    pub first_seen: Timestamp,
    /// When it last sent a message.
    pub last_seen: Timestamp,
    /// When it last completed a registration.
    pub registered: Option<Timestamp>,
    /// Registrations completed.
    pub registrations: u32,
    /// Registrations failed since the last completed one.
    pub failures: u32,
    /// When it was last sent a rekey; `None` for multicast.
    pub rekeyed: Option<Timestamp>,
    /// When it last acknowledged a rekey.
    pub acknowledged: Option<Timestamp>,
    /// Rekeys in a row that it has not acknowledged; `None` if no acknowledgement was ever seen.
    pub unacknowledged: Option<u32>,
}

/// State of one ESP SPI of one site.
#[derive(Clone, Debug, PartialEq)]
pub struct SpiState {
    /// The SPI.
    pub spi: Spi,
    /// The sending site, if configured.
    pub site: Option<String>,
    /// Its group, if known.
    pub group: Option<String>,
    /// Whether it is in use.
    pub status: SpiStatus,
    /// The SPI it replaced.
    pub replaces: Option<Spi>,
    /// Its traffic.
    pub total: EspTotal,
    /// When its first packet was seen.
    pub first_seen: Timestamp,
    /// When its last packet was seen.
    pub last_seen: Timestamp,
}

/// Whether an SPI is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpiStatus {
    /// In use.
    Active,
    /// Not sent for 20 seconds.
    Idle,
    /// Another one replaced it.
    Replaced,
    /// Another one replaced it, and it is still sent.
    Stale,
}

/// Use of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TableState {
    /// What it holds.
    pub kind: &'static str,
    /// Entries in use.
    pub entries: u64,
    /// The maximum number of entries.
    pub capacity: u64,
    /// Entries that were evicted because it was full.
    pub evictions: u64,
}

/// Durations, counted in buckets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Histogram {
    /// For each of [`Self::BOUNDS`], the number of durations between the previous bound and this one; not cumulative.
    pub counts: [u64; HISTOGRAM_BUCKETS],
    /// Durations above every bound.
    pub beyond: u64,
    /// Sum of all durations.
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
    /// Upper bounds of the buckets: from a registration in a laboratory to the rekey of a large group.
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

    /// Durations observed.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum::<u64>().saturating_add(self.beyond)
    }

    /// Counts one more duration.
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

/// Name of the group for everything that belongs to no known group.
pub const UNATTRIBUTED: &str = "unattributed";

/// The key server for everything beyond the limit of key servers: the unspecified address.
pub const OTHER_KEY_SERVER: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

const HISTOGRAM_BUCKETS: usize = 14;
