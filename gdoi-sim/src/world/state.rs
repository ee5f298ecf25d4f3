//! The state of each key server, member and group.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::rc::Rc;
use std::time::Duration;

use gdoi_core::Timestamp;
use gdoi_wire::craft::Random;

use super::registration::Attempt;
use super::service::Served;
use crate::message::{Content, Session};
use crate::scenario::{self, Action, Behavior};

/// SPIs below it are reserved (RFC 4303 §2.1).
const FIRST_SPI: u32 = 256;

/// The key that rekeys are encrypted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kek {
    pub(crate) cookies: [u8; 16],
    pub(crate) expiry: Timestamp,
    pub(crate) lifetime: Duration,
}

/// The key that traffic is encrypted with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tek {
    pub(crate) spi: u32,
    pub(crate) expiry: Timestamp,
    pub(crate) lifetime: Duration,
}

/// Everything that a key server gives a member.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) kek: Kek,
    /// The newest last.
    pub(crate) teks: Vec<Tek>,
    /// Of the last rekey under this KEK.
    pub(crate) sequence: u32,
}

impl Plan {
    pub(super) fn new(group: &scenario::Group, now: Timestamp, random: &mut Random) -> Self {
        Self {
            kek: Kek::new(group, now, random),
            teks: Vec::from([Tek::new(group, now, random)]),
            sequence: 0,
        }
    }

    pub(super) fn newest(&self) -> Option<Tek> {
        self.teks.last().copied()
    }
}

impl Kek {
    pub(super) fn new(group: &scenario::Group, now: Timestamp, random: &mut Random) -> Self {
        Self {
            cookies: random.array(),
            expiry: now.after(group.kek_lifetime),
            lifetime: group.kek_lifetime,
        }
    }
}

impl Tek {
    pub(super) fn new(group: &scenario::Group, now: Timestamp, random: &mut Random) -> Self {
        Self {
            spi: random.word() | FIRST_SPI,
            expiry: now.after(group.tek_lifetime),
            lifetime: group.tek_lifetime,
        }
    }
}

/// A group and its participants.
#[derive(Debug)]
pub(super) struct SimulatedGroup {
    pub(super) config: scenario::Group,
    pub(super) servers: Vec<usize>,
    pub(super) members: Range<usize>,
    pub(super) side: usize,
    /// During a split, the side of every key server except the first, and of every second member.
    pub(super) other_side: Option<usize>,
    /// IKE SAs between key servers.
    pub(super) coop: BTreeMap<(usize, usize), (Session, Timestamp)>,
}

/// Key servers that share one policy: all of a group, unless it is split.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) group: usize,
    pub(super) primary: usize,
    pub(super) plan: Plan,
    /// Members that get rekeys, with the number of rekeys in a row that each did not acknowledge.
    pub(super) registered: BTreeMap<usize, u32>,
    pub(super) generation: u64,
    /// A rekey came due while there was no primary.
    pub(super) overdue: bool,
    pub(super) over_age_told: bool,
    pub(super) keeps_kek_until: Timestamp,
    pub(super) merged: bool,
}

impl Side {
    pub(super) const fn new(group: usize, primary: usize, plan: Plan) -> Self {
        Self {
            group,
            primary,
            plan,
            registered: BTreeMap::new(),
            generation: 0,
            overdue: false,
            over_age_told: false,
            keeps_kek_until: Timestamp::ZERO,
            merged: false,
        }
    }
}

/// A key server.
#[derive(Debug)]
pub(super) struct Server {
    pub(super) address: IpAddr,
    pub(super) behavior: Behavior,
    pub(super) down_since: Option<Timestamp>,
    pub(super) busy_until: Timestamp,
    pub(super) served: BTreeMap<usize, Served>,
}

impl Server {
    pub(super) const fn new(address: IpAddr, behavior: Behavior) -> Self {
        Self {
            address,
            behavior,
            down_since: None,
            busy_until: Timestamp::ZERO,
            served: BTreeMap::new(),
        }
    }
}

/// A member.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) group: usize,
    /// From 0, within its group.
    pub(super) number: u32,
    /// As the key server sees it.
    pub(super) address: SocketAddr,
    /// The key server's view of its port 4500, if it is behind NAT.
    pub(super) nat_t: Option<SocketAddr>,
    pub(super) behavior: Behavior,
    pub(super) powered: bool,
    pub(super) attempt: Option<Attempt>,
    /// Index of the key server to try next, in the group's list.
    pub(super) next_server: usize,
    /// Raised by every change that invalidates planned timers.
    pub(super) generation: u64,
    pub(super) kek: Option<Kek>,
    /// The newest last.
    pub(super) teks: Vec<Tek>,
    /// Of the last rekey it accepted under its KEK.
    pub(super) sequence: u32,
    /// When it will register again, unless something changes.
    pub(super) re_registers: Option<Timestamp>,
    /// It registered because its KEK was about to expire, and got the same KEK.
    pub(super) registered_in_vain: Option<[u8; 16]>,
    /// Its current SPI, since when, and the number of packets.
    pub(super) outbound: Option<Outbound>,
    /// Active events for it, and their ends.
    pub(super) troubles: Vec<Trouble>,
}

/// A member's current SPI.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outbound {
    pub(super) spi: u32,
    pub(super) since: Timestamp,
    pub(super) expiry: Timestamp,
    pub(super) sent: u32,
    /// Its use beyond the end of the TEK is already recorded.
    pub(super) stale: bool,
}

/// A temporary event for a member.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trouble {
    pub(super) action: Action,
    pub(super) until: Timestamp,
    pub(super) larger_than: usize,
}

impl Member {
    pub(super) fn new(group: usize, number: u32, config: &scenario::Group) -> Self {
        let address = config.member_address(number);
        let mapped = |base: u16| base.wrapping_add(number as u16);
        let (address, nat_t) = match config.nat {
            None => (SocketAddr::new(address, 848), None),
            Some(nat) => (
                SocketAddr::new(nat, mapped(10_000)),
                Some(SocketAddr::new(nat, mapped(40_000))),
            ),
        };
        Self {
            group,
            number,
            address,
            nat_t,
            behavior: config.member,
            powered: false,
            attempt: None,
            next_server: number as usize % config.key_servers.len(),
            generation: 0,
            kek: None,
            teks: Vec::new(),
            sequence: 0,
            re_registers: None,
            registered_in_vain: None,
            outbound: None,
            troubles: Vec::new(),
        }
    }

    pub(super) fn has(&self, action: Action, now: Timestamp, octets: usize) -> bool {
        self.troubles
            .iter()
            .any(|trouble| trouble.action == action && now < trouble.until && octets > trouble.larger_than)
    }
}

/// A rekey in progress.
#[derive(Clone, Debug)]
pub(super) struct Push {
    pub(super) side: usize,
    pub(super) server: usize,
    pub(super) datagram: Rc<[u8]>,
    pub(super) content: Content,
    /// The KEK it is encrypted with.
    pub(super) under: [u8; 16],
    pub(super) sequence: u32,
    /// Its content.
    pub(super) plan: Rc<Plan>,
    /// Its recipients.
    pub(super) recipients: BTreeSet<usize>,
    /// Members that did not acknowledge it.
    pub(super) pending: BTreeSet<usize>,
    /// Members that accepted it.
    pub(super) taken: BTreeSet<usize>,
    pub(super) repeats: u32,
}
