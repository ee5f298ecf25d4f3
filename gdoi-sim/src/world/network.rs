//! What the network does to datagrams, and what the gateway next to the key servers sees of them.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use gdoi_core::Timestamp;
use gdoi_core::observation::{Loss, LossKind};
use gdoi_wire::craft::marked;

use super::registration::Outcome;
use super::{Event, Simulation};
use crate::emission::{Emission, Sent};
use crate::scenario::Action;

/// A datagram, and what it means to who can decrypt it.
#[derive(Clone, Debug)]
pub(super) struct Datagram {
    pub(super) source: SocketAddr,
    pub(super) destination: SocketAddr,
    pub(super) octets: Rc<[u8]>,
    pub(super) to: Node,
    pub(super) meaning: Meaning,
}

/// Who receives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Server(usize),
    Member(usize),
    Nobody,
}

/// What it means.
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
    /// From a member: lost before the gateway or seen when it arrives.
    pub(super) fn send_to_server(
        &mut self,
        member: usize,
        server: usize,
        nat_t: bool,
        datagram: Rc<[u8]>,
        meaning: Meaning,
    ) {
        let (source, destination, datagram) = self.ends(member, server, nat_t, datagram);
        let packet = Datagram {
            source,
            destination,
            octets: datagram,
            to: Node::Server(server),
            meaning,
        };
        if self.loses() {
            return;
        }
        self.deliver(packet);
    }

    /// From a key server: seen, and then perhaps lost.
    pub(super) fn mail_member(
        &mut self,
        server: usize,
        member: usize,
        nat_t: bool,
        datagram: Rc<[u8]>,
        meaning: Meaning,
    ) {
        let (destination, source, datagram) = self.ends(member, server, nat_t, datagram);
        let packet = Datagram {
            source,
            destination,
            octets: datagram,
            to: Node::Member(member),
            meaning,
        };
        self.pass(&packet);
        if self.loses() || self.members[member].has(Action::BlockToMembers, self.now, packet.octets.len()) {
            return;
        }
        self.deliver(packet);
    }

    /// From a key server to whoever of `members` is there: seen once.
    pub(super) fn mail_group(
        &mut self,
        server: usize,
        address: IpAddr,
        members: &[usize],
        datagram: &Rc<[u8]>,
        push: u64,
    ) {
        let mut packet = Datagram {
            source: SocketAddr::new(self.servers[server].address, GDOI),
            destination: SocketAddr::new(address, GDOI),
            octets: Rc::clone(datagram),
            to: Node::Nobody,
            meaning: Meaning::Push { push },
        };
        self.pass(&packet);
        for member in members {
            packet.to = Node::Member(*member);
            if !self.loses() && !self.members[*member].has(Action::BlockToMembers, self.now, datagram.len()) {
                self.deliver(packet.clone());
            }
        }
    }

    /// Between key servers: seen.
    pub(super) fn between_servers(&mut self, from: usize, to: usize, datagram: Rc<[u8]>) {
        let packet = Datagram {
            source: SocketAddr::new(self.servers[from].address, GDOI),
            destination: SocketAddr::new(self.servers[to].address, GDOI),
            octets: datagram,
            to: Node::Nobody,
            meaning: Meaning::Talk { member: None },
        };
        self.pass(&packet);
    }

    /// The gateway sees it, unless it is blind.
    pub(super) fn pass(&mut self, packet: &Datagram) {
        self.datagrams = self.datagrams.wrapping_add(1);
        if self.now < self.blind_until {
            return;
        }
        self.seen.push_back(Emission::Sent(Sent {
            at: self.now,
            source: packet.source,
            destination: packet.destination,
            datagram: Rc::clone(&packet.octets),
            identification: self.datagrams,
            mtu: self.network.mtu,
        }));
    }

    pub(super) fn arrive(&mut self, packet: Datagram) {
        let Datagram {
            to,
            octets: datagram,
            meaning,
            ..
        } = &packet;
        match *to {
            Node::Nobody => {}
            Node::Server(server) => {
                self.pass(&packet);
                let member = match meaning {
                    Meaning::Request { member, .. } | Meaning::Acknowledgement { member, .. } => {
                        Some(*member)
                    }
                    Meaning::Talk { member } => *member,
                    Meaning::Response { .. } | Meaning::Push { .. } => None,
                };
                let blocked = member.is_some_and(|member| {
                    self.members[member].has(Action::BlockToServers, self.now, datagram.len())
                });
                if !blocked && self.servers[server].down_since.is_none() {
                    self.server_reads(server, meaning);
                }
            }
            Node::Member(member) => {
                if self.members[member].powered {
                    self.member_reads(member, packet.meaning);
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
            Meaning::Response { .. } | Meaning::Push { .. } | Meaning::Talk { .. } => {}
        }
    }

    fn member_reads(&mut self, member: usize, meaning: Meaning) {
        match meaning {
            Meaning::Response {
                attempt,
                trip,
                responder,
                outcome,
            } => {
                self.answered(member, attempt, trip, responder, outcome);
            }
            Meaning::Push { push } => self.pushed(member, push),
            Meaning::Request { .. } | Meaning::Acknowledgement { .. } | Meaning::Talk { .. } => {}
        }
    }

    fn deliver(&mut self, packet: Datagram) {
        let mut wait = self.network.delay + self.some(self.network.jitter);
        if self.per_mille(self.network.late_per_mille) {
            wait += 10 * self.network.delay;
        }
        if self.per_mille(self.network.doubled_per_mille) {
            self.after(wait + Duration::from_millis(1), Event::Arrive(packet.clone()));
            if let Node::Member(_) = packet.to {
                self.after(Duration::from_millis(1), Event::Pass(packet.clone()));
            }
        }
        self.after(wait, Event::Arrive(packet));
    }

    fn loses(&mut self) -> bool {
        self.per_mille(self.network.lost_per_mille)
    }

    fn per_mille(&mut self, chance: u32) -> bool {
        chance != 0 && self.random.below(1_000) < u64::from(chance)
    }

    /// Member's end, key server's end and the datagram as it is on the wire. Behind NAT what follows the detection of
    /// NAT is on port 4500 behind a marker (RFC 3947 §4).
    fn ends(
        &self,
        member: usize,
        server: usize,
        nat_t: bool,
        datagram: Rc<[u8]>,
    ) -> (SocketAddr, SocketAddr, Rc<[u8]>) {
        let (row, server) = (&self.members[member], self.servers[server].address);
        match row.nat_t {
            Some(mapped) if nat_t => (mapped, SocketAddr::new(server, NAT_T), marked(&datagram).into()),
            _ => (row.address, SocketAddr::new(server, GDOI), datagram),
        }
    }

    /// From now on the gateway is blind.
    pub(super) fn blind(&mut self, lasting: Duration) {
        self.blind_until = self.now.after(lasting);
        self.after(lasting, Event::Unblind { since: self.now });
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

const GDOI: u16 = 848;
const NAT_T: u16 = 4500;
