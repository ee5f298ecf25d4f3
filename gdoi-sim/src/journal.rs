//! A journal of every datagram and its effect, and of what passed the gateway: from it the judge decides who could
//! have known what.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use gdoi_core::Timestamp;

use crate::truth::Reason;

/// Everything that happened and was seen. Numbers are indices into the lists.
#[derive(Clone, Debug, Default)]
pub(crate) struct Journal {
    pub(crate) members: Vec<MemberEntry>,
    pub(crate) servers: Vec<ServerEntry>,
    pub(crate) attempts: Vec<AttemptEntry>,
    pub(crate) pushes: Vec<PushEntry>,
    pub(crate) keks: Vec<KekEntry>,
    pub(crate) teks: Vec<TekEntry>,
    pub(crate) outages: Vec<Outage>,
    /// When each side's next rekey is due.
    pub(crate) due: BTreeMap<usize, Timestamp>,
    pub(crate) sightings: Vec<Sighting>,
    /// By SPI and site of the sender.
    pub(crate) esp: BTreeMap<(u32, u32), EspSeen>,
}

/// A member.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MemberEntry {
    pub(crate) group: usize,
    /// As the key server sees it.
    pub(crate) address: SocketAddr,
    pub(crate) nat_t: Option<SocketAddr>,
    /// Before any NAT.
    pub(crate) inside: IpAddr,
    /// Number of its site, as in [`crate::Scenario::config`].
    pub(crate) site: u32,
}

/// A key server of a group. One that serves several groups has an entry for each, with one address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ServerEntry {
    pub(crate) group: usize,
    pub(crate) address: IpAddr,
}

/// A registration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AttemptEntry {
    pub(crate) member: usize,
    pub(crate) server: usize,
    pub(crate) reason: Reason,
    pub(crate) began: Timestamp,
    pub(crate) end: Option<(Timestamp, AttemptEnd)>,
    pub(crate) same_kek: bool,
}

/// How a registration ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AttemptEnd {
    /// The member received the policy of the group.
    Completed,
    /// The member gave up.
    Failed,
    /// The member lost power.
    Abandoned,
}

/// A rekey, or a heartbeat that looks like one.
#[derive(Clone, Debug)]
pub(crate) struct PushEntry {
    pub(crate) group: usize,
    pub(crate) side: usize,
    pub(crate) server: usize,
    pub(crate) at: Timestamp,
    /// The KEK it was sent under.
    pub(crate) under: [u8; 16],
    pub(crate) kind: PushKind,
    pub(crate) forced: bool,
    pub(crate) recipients: Vec<usize>,
    /// When it was first repeated.
    pub(crate) repeated: Option<Timestamp>,
    /// When its last repeat was over.
    pub(crate) end: Option<Timestamp>,
    /// Members that accepted it.
    pub(crate) taken: Vec<usize>,
    /// Members without an acknowledgement that reached the key server before the end.
    pub(crate) unacknowledged: Vec<usize>,
    /// Members that get no more rekeys after it.
    pub(crate) dropped: Vec<usize>,
}

/// The kind of a rekey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PushKind {
    /// Deletes keys.
    Delete,
    /// Changes nothing.
    Heartbeat,
    /// Delivers a KEK, alone or with a TEK.
    Kek,
    /// Delivers a TEK.
    Tek,
}

/// A KEK.
#[derive(Clone, Copy, Debug)]
pub(crate) struct KekEntry {
    pub(crate) group: usize,
    pub(crate) side: usize,
    pub(crate) cookies: [u8; 16],
    pub(crate) made: Timestamp,
    pub(crate) lifetime: Duration,
    /// The rekey that delivered it.
    pub(crate) push: Option<usize>,
}

impl KekEntry {
    pub(crate) const fn expiry(&self) -> Timestamp {
        self.made.after(self.lifetime)
    }
}

/// A TEK.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TekEntry {
    pub(crate) group: usize,
    pub(crate) side: usize,
    pub(crate) spi: u32,
    pub(crate) made: Timestamp,
    pub(crate) lifetime: Duration,
    /// The rekey that delivered it.
    pub(crate) push: Option<usize>,
}

impl TekEntry {
    pub(crate) const fn expiry(&self) -> Timestamp {
        self.made.after(self.lifetime)
    }
}

/// A rekey was due and was not sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outage {
    pub(crate) group: usize,
    pub(crate) side: usize,
    pub(crate) due: Timestamp,
    pub(crate) end: Option<Timestamp>,
}

/// A datagram passed the gateway.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sighting {
    pub(crate) at: Timestamp,
    pub(crate) about: About,
}

/// The meaning of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// A member acknowledges a rekey.
    Acknowledgement { member: usize, push: usize },
    /// A cooperating key server announces itself.
    Announcement { from: usize, to: usize },
    /// Changes nobody's state: negotiations of key servers, notifications, strangers.
    Other,
    /// A rekey on its way to a member; `None` for multicast.
    Push { push: usize, member: Option<usize> },
    /// A request of a member.
    Request { attempt: usize, trip: u8 },
    /// A response of a key server.
    Response { attempt: usize, trip: u8, last: bool },
}

/// ESP of one SPI and site that passed the gateway.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EspSeen {
    /// Its group; `None` for foreign ESP.
    pub(crate) group: Option<usize>,
    pub(crate) first: Timestamp,
    pub(crate) last: Timestamp,
    pub(crate) packets: u64,
}
