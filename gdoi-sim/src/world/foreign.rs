//! Foreign traffic through the gateway: tunnels of plain `IPsec`, their IKE, strangers; and messages of key servers
//! on an IKE SA after the registration.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use gdoi_wire::craft::marked;

use super::network::{Datagram, GDOI, Meaning, NAT_T, Node};
use super::tap::Point;
use super::{Simulation, WorldEvent};
use crate::emission::EspPackets;
use crate::message::{self, Session};

/// From the registration to the keepalive, and from there to the deletion.
pub(super) const IKE_SA_IDLE: Duration = Duration::from_secs(10);
const IKE_SA_CLOSES: Duration = Duration::from_secs(20);
/// SPIs below it are reserved (RFC 4303 §2.1).
const FIRST_SPI: u32 = 256;

/// A foreign event.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stranger {
    /// A packet of a tunnel in one of its directions, with its SPI.
    Esp {
        tunnel: u32,
        back: bool,
        spi: u32,
        sent: u32,
    },
    /// A tunnel's keys end.
    Rekey { tunnel: u32 },
    /// A stranger contacts a key server.
    Scan { number: u32 },
}

impl Simulation {
    pub(super) fn add_strangers(&mut self) {
        for tunnel in 0..self.foreign.tunnels {
            let wait = self.some(self.foreign.lifetime);
            self.after(wait, WorldEvent::Foreign(Stranger::Rekey { tunnel }));
        }
        if !self.foreign.scans_every.is_zero() {
            let scan = Stranger::Scan { number: 0 };
            self.after(self.foreign.scans_every, WorldEvent::Foreign(scan));
        }
    }

    pub(super) fn stranger(&mut self, stranger: Stranger) {
        match stranger {
            Stranger::Esp {
                tunnel,
                back,
                spi,
                sent,
            } => self.foreign_esp(tunnel, back, spi, sent),
            Stranger::Rekey { tunnel } => self.foreign_rekey(tunnel),
            Stranger::Scan { number } => self.scan(number),
        }
    }

    /// New SPIs in both directions, and the quick mode that made them.
    fn foreign_rekey(&mut self, tunnel: u32) {
        if self.foreign.ike {
            self.foreign_ike(tunnel);
        }
        for back in [false, true] {
            let spi = self.random.word() | FIRST_SPI;
            let wait = self.some(self.foreign.every);
            let esp = Stranger::Esp {
                tunnel,
                back,
                spi,
                sent: 0,
            };
            self.after(wait, WorldEvent::Foreign(esp));
        }
        let lifetime = self.foreign.lifetime * 9 / 10 + self.some(self.foreign.lifetime / 20);
        self.after(lifetime, WorldEvent::Foreign(Stranger::Rekey { tunnel }));
    }

    fn foreign_esp(&mut self, tunnel: u32, back: bool, spi: u32, sent: u32) {
        let (from, to) = ends(tunnel, back);
        let esp = EspPackets {
            first: self.now,
            last: self.now,
            source: from,
            destination: to,
            site: 0,
            spi,
            sequence: sent + 1,
            packets: 1,
            encrypted: 96,
        };
        self.emit_esp(esp, None, from, to);
        // The new keys are used from their first packet on.
        let packets = self.foreign.lifetime.as_secs() / self.foreign.every.as_secs().max(1);
        if u64::from(sent) < packets * 9 / 10 {
            let next = Stranger::Esp {
                tunnel,
                back,
                spi,
                sent: sent + 1,
            };
            self.after(self.foreign.every, WorldEvent::Foreign(next));
        }
    }

    /// Main mode with the domain of `IPsec`, and quick mode, on port 4500.
    fn foreign_ike(&mut self, tunnel: u32) {
        let (from, to) = ends(tunnel, false);
        let mut session = Session {
            initiator: self.random.array(),
            responder: [0; 8],
            message_id: 0,
        };
        for trip in 0..3 {
            let request = message::foreign_main_mode(trip, session, false, &mut self.random);
            self.pass_foreign((from, NAT_T), (to, NAT_T), &request);
            session.responder = if trip == 0 {
                self.random.array()
            } else {
                session.responder
            };
            let response = message::foreign_main_mode(trip, session, true, &mut self.random);
            self.pass_foreign((to, NAT_T), (from, NAT_T), &response);
        }
        session.message_id = self.random.word() | 1;
        for response in [false, true, false] {
            let octets = message::quick_mode(session, &mut self.random);
            let (source, destination) = if response { (to, from) } else { (from, to) };
            self.pass_foreign((source, NAT_T), (destination, NAT_T), &octets);
        }
    }

    /// A stranger's first message to a key server, or an invalid rekey; nobody answers.
    fn scan(&mut self, number: u32) {
        let servers = self.servers.len();
        let server = self.servers[number as usize % servers.max(1)].address;
        let IpAddr::V4(_) = server else {
            return;
        };
        let stranger = IpAddr::V4(Ipv4Addr::new(203, 0, 113, (66 + number % 100) as u8));
        let session = Session {
            initiator: self.random.array(),
            responder: [0; 8],
            message_id: 0xdead_beef,
        };
        if number.is_multiple_of(3) {
            let octets = message::malformed_push(session, &mut self.random);
            self.pass_foreign((stranger, GDOI), (server, GDOI), &octets);
        } else {
            let octets = message::main_mode(0, session, false, &mut self.random);
            self.pass_foreign((stranger, GDOI), (server, GDOI), &octets);
        }
        let next = Stranger::Scan { number: number + 1 };
        self.after(self.foreign.scans_every, WorldEvent::Foreign(next));
    }

    fn pass_foreign(&mut self, from: (IpAddr, u16), to: (IpAddr, u16), octets: &Rc<[u8]>) {
        let octets = if to.1 == NAT_T {
            marked(octets).into()
        } else {
            Rc::clone(octets)
        };
        let datagram = Datagram {
            source: SocketAddr::new(from.0, from.1),
            destination: SocketAddr::new(to.0, to.1),
            octets,
            to: Node::Nobody,
            meaning: Meaning::Talk { member: None },
        };
        self.passes(Point::KeyServers, &datagram);
    }

    /// A key server sends a keepalive on the IKE SA of a registration, and then deletes the SA.
    pub(super) fn end_ike_sa(&mut self, server: usize, member: usize, session: Session, closes: bool) {
        if self.servers[server].down_since.is_some() || !self.members[member].powered {
            return;
        }
        let config = self.groups[self.members[member].group].config.clone();
        let octets = message::informational(&config, session, &mut self.random);
        let talk = Meaning::Talk { member: Some(member) };
        self.send_to_member(server, member, true, octets, talk.clone());
        if closes {
            return;
        }
        let answer = message::informational(&config, session, &mut self.random);
        self.send_to_server(member, server, true, answer, talk);
        let closes = WorldEvent::EndIkeSa {
            server,
            member,
            session,
            closes: true,
        };
        self.after(IKE_SA_CLOSES, closes);
    }
}

/// The ends of a tunnel.
fn ends(tunnel: u32, back: bool) -> (IpAddr, IpAddr) {
    let one = IpAddr::V4(Ipv4Addr::new(198, 51, 100, (10 + tunnel % 100) as u8));
    let two = IpAddr::V4(Ipv4Addr::new(192, 0, 2, (10 + tunnel % 100) as u8));
    if back { (two, one) } else { (one, two) }
}
