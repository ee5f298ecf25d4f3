//! The gateway's view of the traffic, at any position.
//!
//! The tap has its own random numbers: what happens in the world does not depend on the observer.

use std::net::{IpAddr, SocketAddr};

use gdoi_core::Timestamp;
use gdoi_wire::craft::Random;

use super::network::{Datagram, Meaning, Node};
use super::{Simulation, WorldEvent};
use crate::emission::{Emission, EspPackets, Sent};
use crate::journal::{About, EspSeen, Journal, Sighting};
use crate::scenario::{Direction, Place, Vantage};

/// Separates the tap's random numbers from the world's.
const TAP: u64 = 0x7461_7020_7461_7020;

/// The position of the gateway, and what it saw.
#[derive(Debug)]
pub(super) struct Tap {
    vantage: Vantage,
    random: Random,
    seed: u64,
    start: Timestamp,
    /// The address of the member at the branch.
    branch: Option<IpAddr>,
    /// Present if the judge needs it.
    journal: Option<Box<Journal>>,
}

/// A point on the path of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Point {
    Branch,
    Core,
    KeyServers,
}

impl Tap {
    pub(super) fn new(vantage: Vantage, seed: u64, start: Timestamp, journal: bool) -> Self {
        Self {
            vantage,
            random: Random::new(seed ^ TAP),
            seed,
            start,
            branch: None,
            journal: journal.then(Box::default),
        }
    }

    pub(super) fn journal(&mut self) -> Option<&mut Journal> {
        self.journal.as_deref_mut()
    }

    pub(super) const fn kept(&self) -> Option<&Journal> {
        match &self.journal {
            Some(journal) => Some(journal),
            None => None,
        }
    }

    const fn point(&self) -> Point {
        match self.vantage.place {
            Place::Branch => Point::Branch,
            Place::Core => Point::Core,
            Place::KeyServers | Place::OwnNat => Point::KeyServers,
        }
    }

    /// Whether the gateway monitors at this time.
    fn watches(&self, now: Timestamp) -> bool {
        let Vantage { since, holes, .. } = &self.vantage;
        now >= self.start.after(*since)
            && !holes.iter().any(|hole| {
                let from = self.start.after(hole.at);
                from <= now && now < from.after(hole.lasting)
            })
    }

    /// Whether a flow, or this packet of it, takes another path.
    fn misses(&mut self, from: u64, to: u64) -> bool {
        let (flows, packets) = (
            self.vantage.missed_flows_per_mille,
            self.vantage.missed_packets_per_mille,
        );
        let flow = flows != 0
            && Random::new(self.seed ^ from.rotate_left(23) ^ to.rotate_left(47)).below(1_000)
                < u64::from(flows);
        flow || packets != 0 && self.random.below(1_000) < u64::from(packets)
    }
}

impl Simulation {
    /// Locates the branch, once all members exist.
    pub(super) fn place_tap(&mut self) {
        let Vantage { group, member, .. } = self.tap.vantage;
        let branch = (group as usize).checked_sub(1).and_then(|group| {
            let members = (group < self.groups.len()).then(|| self.groups[group].members.clone())?;
            members.clone().nth((member as usize).checked_sub(1)?)
        });
        self.tap.branch = branch.map(|member| self.inside_address(member));
    }

    pub(super) fn inside_address(&self, member: usize) -> IpAddr {
        let row = &self.members[member];
        self.groups[row.group].config.member_address(row.number)
    }

    /// A datagram is at a point of its path. One that will be lost half way is seen by half of the gateways in the
    /// core.
    pub(super) fn passes(&mut self, point: Point, datagram: &Datagram) {
        if self.tap.point() != point {
            return;
        }
        self.datagrams = self.datagrams.wrapping_add(1);
        if self.now >= self.blind_until {
            self.see(datagram);
        }
    }

    /// Lets a datagram pass the core after half of the delay, unless it was lost before.
    pub(super) fn passes_core(&mut self, datagram: &Datagram, lost: bool) {
        if self.tap.point() != Point::Core || lost && self.tap.random.one_in(2) {
            return;
        }
        let half = self.network.delay / 2;
        self.after(half, WorldEvent::PassCore(datagram.clone()));
    }

    fn see(&mut self, datagram: &Datagram) {
        if !self.tap.watches(self.now) || !self.is_on_the_way(datagram) {
            return;
        }
        let (from, to) = (bits(datagram.source.ip()), bits(datagram.destination.ip()));
        if self.tap.misses(from, to) {
            return;
        }
        let about = about(datagram);
        self.emit(datagram, datagram.source, datagram.destination, Some(about));
        if self.tap.vantage.mirrored {
            self.emit(datagram, datagram.source, datagram.destination, None);
        }
        if self.tap.vantage.place == Place::OwnNat {
            let (source, destination) = self.other_side_of_nat(datagram);
            if (source, destination) != (datagram.source, datagram.destination) {
                self.emit(datagram, source, destination, None);
            }
        }
    }

    fn emit(
        &mut self,
        datagram: &Datagram,
        source: SocketAddr,
        destination: SocketAddr,
        about: Option<About>,
    ) {
        self.seen.push_back(Emission::Sent(Sent {
            at: self.now,
            source,
            destination,
            datagram: std::rc::Rc::clone(&datagram.octets),
            identification: self.datagrams,
            mtu: self.network.mtu,
        }));
        let at = self.now;
        if let (Some(journal), Some(about)) = (self.tap.journal(), about) {
            journal.sightings.push(Sighting { at, about });
        }
    }

    /// Whether this gateway is on the path between these two, and sees this direction.
    fn is_on_the_way(&self, datagram: &Datagram) -> bool {
        let member = datagram.member();
        let to_members = match datagram.to {
            Node::Server(_) => false,
            Node::Member(_) => true,
            // Multicast goes to members; between two key servers, the first one's messages count as sent.
            Node::Nobody => {
                datagram.destination.ip().is_multicast() || datagram.source < datagram.destination
            }
        };
        let direction = match self.tap.vantage.direction {
            Direction::Both => true,
            Direction::ToMembers => to_members,
            Direction::ToServers => !to_members,
        };
        let here = match (self.tap.vantage.place, member) {
            (Place::KeyServers | Place::OwnNat, _) => true,
            (Place::Branch, Some(member)) => self.tap.branch == Some(self.inside_address(member)),
            (Place::Branch, None) => false,
            (Place::Core, Some(member)) => is_in_core(self.inside_address(member)),
            (Place::Core, None) => datagram.destination.ip().is_multicast(),
        };
        direction && here
    }

    /// The ends of a datagram inside the gateway's NAT.
    fn other_side_of_nat(&self, datagram: &Datagram) -> (SocketAddr, SocketAddr) {
        let Some(member) = datagram.member() else {
            return (datagram.source, datagram.destination);
        };
        let inside = |server: SocketAddr| SocketAddr::new(self.inside_address(member), server.port());
        match datagram.to {
            Node::Server(_) => (inside(datagram.destination), datagram.destination),
            Node::Member(_) => (datagram.source, inside(datagram.source)),
            Node::Nobody => (datagram.source, datagram.destination),
        }
    }

    /// ESP passes between two sites; with its group, if it has one.
    pub(super) fn emit_esp(&mut self, mut esp: EspPackets, group: Option<usize>, from: IpAddr, to: IpAddr) {
        let here = match self.tap.vantage.place {
            Place::KeyServers | Place::OwnNat => true,
            Place::Branch => self.tap.branch == Some(from) || self.tap.branch == Some(to),
            Place::Core => is_in_core(from) || is_in_core(to),
        };
        let direction = match self.tap.vantage.direction {
            Direction::Both => true,
            Direction::ToMembers => from < to,
            Direction::ToServers => from > to,
        };
        let watches = self.now >= self.blind_until && self.tap.watches(self.now);
        if !here || !direction || !watches || self.tap.misses(bits(from), bits(to)) {
            return;
        }
        esp.first = esp.first.max(self.tap.start.after(self.tap.vantage.since));
        if self.tap.vantage.mirrored {
            esp.packets = esp.packets.saturating_mul(2);
        }
        if let Some(journal) = self.tap.journal() {
            let seen = journal.esp.entry((esp.spi, esp.site)).or_insert(EspSeen {
                group,
                first: esp.first,
                last: esp.last,
                packets: 0,
            });
            seen.last = esp.last;
            seen.packets += u64::from(esp.packets);
        }
        self.seen.push_back(Emission::Esp(esp));
    }
}

fn about(datagram: &Datagram) -> About {
    match (&datagram.meaning, datagram.to) {
        (Meaning::Request { attempt, trip, .. }, _) => About::Request {
            attempt: *attempt as usize,
            trip: *trip,
        },
        (
            Meaning::Response {
                attempt, trip, last, ..
            },
            _,
        ) => About::Response {
            attempt: *attempt as usize,
            trip: *trip,
            last: *last,
        },
        (Meaning::Push { push }, to) => About::Push {
            push: *push as usize,
            member: match to {
                Node::Member(member) if !datagram.destination.ip().is_multicast() => Some(member),
                _ => None,
            },
        },
        (Meaning::Acknowledgement { member, push }, _) => About::Acknowledgement {
            member: *member,
            push: *push as usize,
        },
        (Meaning::Announcement { from, to }, _) => About::Announcement { from: *from, to: *to },
        (Meaning::Talk { .. }, _) => About::Other,
    }
}

/// The path of every second member leads through the core.
pub(crate) fn is_in_core(member: IpAddr) -> bool {
    match member {
        IpAddr::V4(v4) => v4.to_bits() >> 8 & 1 == 1,
        IpAddr::V6(v6) => v6.to_bits() >> 64 & 1 == 1,
    }
}

fn bits(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(v4) => u64::from(v4.to_bits()),
        IpAddr::V6(v6) => (v6.to_bits() >> 64) as u64 ^ v6.to_bits() as u64,
    }
}

impl Datagram {
    /// The member at one of its ends.
    fn member(&self) -> Option<usize> {
        match (&self.meaning, self.to) {
            (_, Node::Member(member)) => Some(member),
            (Meaning::Request { member, .. } | Meaning::Acknowledgement { member, .. }, _) => Some(*member),
            (Meaning::Talk { member }, _) => *member,
            _ => None,
        }
    }
}
