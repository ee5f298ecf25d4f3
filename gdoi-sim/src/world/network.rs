//! The network's effect on datagrams.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use gdoi_core::Timestamp;
use gdoi_core::observation::{Loss, LossKind};
use gdoi_wire::craft::marked;

use super::registration::Outcome;
use super::tap::Point;
use super::{Simulation, WorldEvent};
use crate::emission::Emission;
use crate::scenario::Action;

pub(super) const GDOI: u16 = 848;
pub(super) const NAT_T: u16 = 4500;

/// A datagram, and its meaning to receivers that can decrypt it.
#[derive(Clone, Debug)]
pub(super) struct Datagram {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) octets: Rc<[u8]>,
    pub(super) to: Node,
    pub(super) meaning: Meaning,
}

/// Its receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Server(usize),
    Member(usize),
    Nobody,
}

/// Its meaning.
#[derive(Clone, Debug)]
pub(super) enum Meaning {
    Request {
        member: usize,
        attempt: u64,
        trip: u8,
    },
    Response {
        attempt: u64,
        trip: u8,
        responder: [u8; 8],
        outcome: Outcome,
        /// It completes the registration.
        last: bool,
    },
    /// From one cooperating key server to another.
    Announcement {
        from: usize,
        to: usize,
    },
    Push {
        push: u64,
    },
    Acknowledgement {
        member: usize,
        push: u64,
    },
    /// Changes nobody's state.
    Talk {
        member: Option<usize>,
    },
}

impl Simulation {
    /// From a member: lost before the gateway, or seen when it arrives.
    pub(super) fn send_to_server(
        &mut self,
        member: usize,
        server: usize,
        nat_t: bool,
        octets: Rc<[u8]>,
        meaning: Meaning,
    ) {
        let (source, mut destination, octets) = self.ends(member, server, nat_t, octets);
        if let Meaning::Acknowledgement { .. } = meaning {
            destination.set_ip(self.rekey_source(member, destination.ip()));
        }
        let datagram = Datagram {
            source,
            destination,
            octets,
            to: Node::Server(server),
            meaning,
        };
        let lost = self.loses();
        self.passes(Point::Branch, &datagram);
        self.passes_core(&datagram, lost);
        if !lost {
            self.deliver(datagram);
        }
    }

    /// From a key server: seen, and then perhaps lost.
    pub(super) fn send_to_member(
        &mut self,
        server: usize,
        member: usize,
        nat_t: bool,
        octets: Rc<[u8]>,
        meaning: Meaning,
    ) {
        let (destination, mut source, octets) = self.ends(member, server, nat_t, octets);
        if let Meaning::Push { .. } = meaning {
            source.set_ip(self.rekey_source(member, source.ip()));
        }
        let datagram = Datagram {
            source,
            destination,
            octets,
            to: Node::Member(member),
            meaning,
        };
        self.passes(Point::KeyServers, &datagram);
        let lost = self.loses();
        self.passes_core(&datagram, lost);
        if lost || self.members[member].has(Action::BlockToMembers, self.now, datagram.octets.len()) {
            return;
        }
        self.deliver(datagram);
    }

    /// The source address of a member's rekeys, at a key server of this address.
    fn rekey_source(&self, member: usize, server: IpAddr) -> IpAddr {
        let config = &self.groups[self.members[member].group].config;
        config.rekey_source.unwrap_or(server)
    }

    /// From a key server to all of `members` that are up: seen once.
    pub(super) fn send_to_group(
        &mut self,
        server: usize,
        address: IpAddr,
        members: &[usize],
        octets: &Rc<[u8]>,
        push: u64,
    ) {
        // Even if no member is left that has the KEK.
        let side = self.pushes.get(&push).map(|push| push.side);
        let config = side.map(|side| &self.groups[self.sides[side].group].config);
        let source = config.and_then(|config| config.rekey_source);
        let source = source.unwrap_or(self.servers[server].address);
        let mut datagram = Datagram {
            source: SocketAddr::new(source, GDOI),
            destination: SocketAddr::new(address, GDOI),
            octets: Rc::clone(octets),
            to: Node::Nobody,
            meaning: Meaning::Push { push },
        };
        self.passes(Point::KeyServers, &datagram);
        self.passes_core(&datagram, false);
        for member in members {
            datagram.to = Node::Member(*member);
            if !self.loses() && !self.members[*member].has(Action::BlockToMembers, self.now, octets.len()) {
                self.deliver(datagram.clone());
            }
        }
    }

    /// Between key servers: seen.
    pub(super) fn send_between_servers(
        &mut self,
        from: usize,
        to: usize,
        octets: Rc<[u8]>,
        meaning: Meaning,
    ) {
        let datagram = Datagram {
            source: SocketAddr::new(self.servers[from].address, GDOI),
            destination: SocketAddr::new(self.servers[to].address, GDOI),
            octets,
            to: Node::Nobody,
            meaning,
        };
        self.passes(Point::KeyServers, &datagram);
    }

    pub(super) fn arrive(&mut self, datagram: &Datagram) {
        let Datagram {
            to,
            octets,
            meaning,
            source: _,
            destination: _,
        } = datagram;
        match *to {
            Node::Nobody => {}
            Node::Server(server) => {
                self.passes(Point::KeyServers, datagram);
                let member = match meaning {
                    Meaning::Request { member, .. } | Meaning::Acknowledgement { member, .. } => {
                        Some(*member)
                    }
                    Meaning::Talk { member } => *member,
                    Meaning::Announcement { .. } | Meaning::Response { .. } | Meaning::Push { .. } => None,
                };
                let blocked = member.is_some_and(|member| {
                    self.members[member].has(Action::BlockToServers, self.now, octets.len())
                });
                if !blocked && self.servers[server].down_since.is_none() {
                    self.server_reads(server, meaning);
                }
            }
            Node::Member(member) => {
                self.passes(Point::Branch, datagram);
                if self.members[member].powered {
                    self.member_reads(member, meaning.clone());
                }
            }
        }
    }

    fn server_reads(&mut self, server: usize, meaning: &Meaning) {
        match *meaning {
            Meaning::Request {
                member,
                attempt,
                trip,
            } => self.asked(server, member, attempt, trip),
            Meaning::Acknowledgement { member, push } => self.acknowledged(member, push),
            Meaning::Announcement { .. }
            | Meaning::Response { .. }
            | Meaning::Push { .. }
            | Meaning::Talk { .. } => {}
        }
    }

    fn member_reads(&mut self, member: usize, meaning: Meaning) {
        match meaning {
            Meaning::Response {
                attempt,
                trip,
                responder,
                outcome,
                last: _,
            } => {
                self.answered(member, attempt, trip, responder, outcome);
            }
            Meaning::Push { push } => self.pushed(member, push),
            Meaning::Announcement { .. }
            | Meaning::Request { .. }
            | Meaning::Acknowledgement { .. }
            | Meaning::Talk { .. } => {}
        }
    }

    pub(super) fn deliver(&mut self, datagram: Datagram) {
        let mut wait = self.network.delay + self.some(self.network.jitter);
        if self.per_mille(self.network.late_per_mille) {
            wait += 10 * self.network.delay;
        }
        if self.per_mille(self.network.doubled_per_mille) {
            self.after(
                wait + Duration::from_millis(1),
                WorldEvent::Arrive(datagram.clone()),
            );
            if let Node::Member(_) = datagram.to {
                self.after(Duration::from_millis(1), WorldEvent::Pass(datagram.clone()));
            }
        }
        self.after(wait, WorldEvent::Arrive(datagram));
    }

    fn loses(&mut self) -> bool {
        self.per_mille(self.network.lost_per_mille)
    }

    fn per_mille(&mut self, chance: u32) -> bool {
        chance != 0 && self.random.below(1_000) < u64::from(chance)
    }

    /// Member's end, key server's end and the datagram on the wire. Through NAT, messages after the NAT detection use
    /// port 4500 and a marker (RFC 3947 §4).
    fn ends(
        &self,
        member: usize,
        server: usize,
        nat_t: bool,
        octets: Rc<[u8]>,
    ) -> (SocketAddr, SocketAddr, Rc<[u8]>) {
        let (row, server) = (&self.members[member], self.servers[server].address);
        match row.nat_t {
            Some(mapped) if nat_t => (mapped, SocketAddr::new(server, NAT_T), marked(&octets).into()),
            _ => (row.address, SocketAddr::new(server, GDOI), octets),
        }
    }

    /// The gateway is blind from now on.
    pub(super) fn blind(&mut self, lasting: Duration) {
        self.blind_until = self.now.after(lasting);
        self.after(lasting, WorldEvent::Unblind { since: self.now });
    }

    pub(super) fn unblind(&mut self, since: Timestamp) {
        let loss = Loss {
            from: since,
            until: self.now,
            kind: LossKind::Blind,
            count: None,
        };
        self.seen.push_back(Emission::Loss(self.now, loss));
    }
}
