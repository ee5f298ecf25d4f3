//! The packets of an attack.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::rc::Rc;
use std::time::Duration;

use gdoi_core::Timestamp;
use gdoi_wire::Exchange;
use gdoi_wire::craft::{Message, Random};
use gdoi_wire::isakmp::PAYLOAD_SEQ;

use super::{Attack, CookieChoice, Knowledge, Packets, Recipients, Source, Volley, When};
use crate::emission::{Emission, EspPackets, Sent};
use crate::message::{self, Content, Session};
use crate::scenario::{Group, Protocol, Scenario};
use crate::truth::{Kind, Truth};

const GDOI: u16 = 848;
const MTU: usize = 1_500;
/// Separates the contents of an attack's packets from the attack.
const CONTENTS: u64 = 0x6f63_7465_7473_0000;
/// Rekeys that [`When::EachDue`] means in a run without a fault.
const LAST_DUES: usize = 6;

/// What the attacker can see or know of a world.
pub(super) struct Target<'a> {
    group: &'a Group,
    start: Timestamp,
    duration: Duration,
    members: Vec<SocketAddr>,
    /// When rekeys of the group are due, and the KEK from then on. Where the world has a fault, those that it
    /// prevents are in the list too.
    dues: Vec<Due>,
    /// What passed, without the attack.
    passed: &'a [Emission],
}

struct Due {
    at: Timestamp,
    delivers_kek: bool,
    next_kek: [u8; 16],
    kek: [u8; 16],
}

impl<'a> Target<'a> {
    /// The group of an attack, by what happens in its world without the fault and passes in the one with it.
    pub(super) fn new(scenario: &Scenario, group: &'a Group, truth: &Truth, passed: &'a [Emission]) -> Self {
        let dues = truth.happened().iter().filter(|one| one.group == group.name);
        let dues = dues.filter_map(|one| match one.kind {
            Kind::Rekey {
                delivers_kek,
                cookies,
                next_cookies,
                ..
            } => Some(Due {
                at: one.at,
                delivers_kek,
                next_kek: next_cookies,
                kek: cookies,
            }),
            _ => None,
        });
        let members = if group.nat.is_some() {
            destinations(group, passed)
        } else {
            let address = |number| SocketAddr::new(group.member_address(number), GDOI);
            (0..group.members).map(address).collect()
        };
        Self {
            group,
            start: scenario.start,
            duration: scenario.duration,
            members,
            dues: dues.collect(),
            passed,
        }
    }

    fn key_server(&self) -> IpAddr {
        let first = self.group.key_servers.first().copied();
        let source = self.group.rekey_source.or(first);
        source.unwrap_or(Ipv4Addr::LOCALHOST.into())
    }

    /// The KEK at this time.
    fn kek(&self, at: Timestamp) -> Option<[u8; 16]> {
        let before = self.dues.iter().rfind(|due| due.at < at);
        let after = || self.dues.first().map(|due| due.kek);
        before.map(|due| due.next_kek).or_else(after)
    }
}

/// The members of a group whose addresses are translated.
fn destinations(group: &Group, passed: &[Emission]) -> Vec<SocketAddr> {
    let source = group.rekey_source;
    let is_server = |ip: IpAddr| group.key_servers.contains(&ip) || Some(ip) == source;
    let mut found = BTreeSet::new();
    for emission in passed {
        if let Emission::Sent(sent) = emission
            && is_server(sent.source.ip())
            && Some(sent.destination.ip()) == group.nat
        {
            found.insert(sent.destination);
        }
    }
    found.into_iter().collect()
}

/// Everything an attacker sends, in time order.
pub(super) fn packets(attack: &Attack, target: &Target<'_>) -> Vec<Emission> {
    let mut sender = Sender {
        attack,
        target,
        random: Random::new(attack.seed ^ CONTENTS),
        sent: Vec::new(),
    };
    for volley in &attack.volleys {
        sender.send_volley(volley);
    }
    let mut sent = sender.sent;
    sent.sort_by_key(Emission::at);
    let end = target.start.after(target.duration);
    sent.retain(|emission| emission.at() < end);
    sent
}

struct Sender<'a, 'b> {
    attack: &'a Attack,
    target: &'a Target<'b>,
    random: Random,
    sent: Vec<Emission>,
}

impl Sender<'_, '_> {
    fn send_volley(&mut self, volley: &Volley) {
        let times = self.times(volley.when);
        let made_up: [u8; 16] = self.random.array();
        let each = (volley.packets / times.len().max(1) as u64).max(1);
        let mut left = volley.packets;
        for (round, at) in times.into_iter().enumerate() {
            let share = each.min(left);
            left -= share;
            let mut now = at;
            let octets = self.content_seed();
            for number in 0..share {
                let cookies = match volley.cookies {
                    CookieChoice::Each => self.random.array(),
                    CookieChoice::MadeUp => made_up,
                    CookieChoice::Real => self.target.kek(now).unwrap_or(made_up),
                };
                let one = One {
                    at: now,
                    number,
                    sequence: round as u64,
                    cookies,
                    octets,
                };
                self.send(volley, &one);
                now = now.after(volley.every);
            }
        }
    }

    fn content_seed(&mut self) -> u64 {
        u64::from(self.random.word()) << 32 | u64::from(self.random.word())
    }

    /// When a volley begins, once or several times.
    fn times(&mut self, when: When) -> Vec<Timestamp> {
        let Target {
            start,
            duration,
            dues,
            ..
        } = self.target;
        let near = |random: &mut Random, at: Timestamp| {
            let spread = random.pick(&[0, 1, 5, 10, 30, 120]);
            let early = Duration::from_secs(spread) / 2;
            let shift = Duration::from_nanos(random.below(1 + spread * 1_000_000_000));
            Timestamp::from_nanos(at.after(shift).as_nanos().saturating_sub(early.as_nanos() as u64))
        };
        let fault = self.attack.fault.map(|fault| start.after(fault.at));
        let random = &mut self.random;
        let missing: Vec<Timestamp> = if let Some(fault) = fault {
            dues.iter().map(|due| due.at).filter(|at| *at >= fault).collect()
        } else {
            let skip = dues.len().saturating_sub(LAST_DUES);
            dues.iter().skip(skip).map(|due| due.at).collect()
        };
        let anywhere = |random: &mut Random| start.after(*duration * random.between(200, 950) as u32 / 1_000);
        let times = match when {
            When::At(part) => Vec::from([start.after(*duration * part as u32 / 1_000)]),
            When::Due => {
                let due = match fault {
                    Some(_) => missing.first().copied(),
                    None => dues
                        .get(random.below(dues.len() as u64) as usize)
                        .map(|due| due.at),
                };
                Vec::from([due.unwrap_or_else(|| anywhere(random))])
            }
            When::EachDue => missing,
            When::KekEnd => {
                let keks: Vec<Timestamp> = dues
                    .iter()
                    .filter(|due| due.delivers_kek)
                    .map(|due| due.at)
                    .collect();
                let after = |at: &&Timestamp| fault.is_none_or(|fault| **at >= fault);
                let end = keks.iter().find(after).copied();
                Vec::from([end.unwrap_or_else(|| anywhere(random))])
            }
        };
        times.into_iter().map(|at| near(random, at)).collect()
    }

    fn source(&mut self, volley: &Volley) -> SocketAddr {
        let knows = self.attack.knows;
        let ip = match volley.source {
            Source::KeyServer if knows != Knowledge::Nothing => self.target.key_server(),
            Source::Member if knows == Knowledge::Addresses => return self.member(),
            Source::Any => self.anywhere(),
            _ => self.own(),
        };
        SocketAddr::new(ip, GDOI)
    }

    fn own(&self) -> IpAddr {
        match self.target.key_server() {
            IpAddr::V4(_) => Ipv4Addr::new(203, 0, 113, 66).into(),
            IpAddr::V6(_) => Ipv6Addr::new(0x2001, 0xdb8, 0x66, 0, 0, 0, 0, 0x66).into(),
        }
    }

    fn anywhere(&mut self) -> IpAddr {
        let number = self.random.word();
        match self.target.key_server() {
            IpAddr::V4(_) => Ipv4Addr::from_bits(0x0a00_0000 | number & 0x00ff_ffff).into(),
            IpAddr::V6(_) => {
                Ipv6Addr::new(0x2001, 0xdb8, 0x66, 0, 0, 0, (number >> 16) as u16, number as u16).into()
            }
        }
    }

    fn member(&mut self) -> SocketAddr {
        let members = &self.target.members;
        let some = members.get(self.random.below(members.len() as u64) as usize);
        some.copied()
            .unwrap_or_else(|| SocketAddr::new(Ipv4Addr::LOCALHOST.into(), GDOI))
    }

    /// The recipient of a rekey.
    fn recipient(&mut self, volley: &Volley, number: u64) -> SocketAddr {
        if self.attack.knows != Knowledge::Addresses {
            return SocketAddr::new(self.anywhere(), GDOI);
        }
        if let Some(address) = self.target.group.rekey_address {
            return SocketAddr::new(address, GDOI);
        }
        let members = &self.target.members;
        let among = match volley.to {
            Recipients::All => members.len(),
            Recipients::Half => members.len().div_ceil(2),
            Recipients::One => 1,
        };
        let place = number as usize % among.max(1);
        match members.get(place) {
            Some(member) => *member,
            None => SocketAddr::new(self.anywhere(), GDOI),
        }
    }

    fn known_server(&mut self) -> SocketAddr {
        let ip = if self.attack.knows == Knowledge::Nothing {
            self.anywhere()
        } else {
            let servers = &self.target.group.key_servers;
            let some = servers.get(self.random.below(servers.len() as u64) as usize);
            some.copied().unwrap_or(self.target.key_server())
        };
        SocketAddr::new(ip, GDOI)
    }

    fn emit(&mut self, at: Timestamp, source: SocketAddr, destination: SocketAddr, datagram: Rc<[u8]>) {
        // One family each: an attacker who knows no address still has one.
        if source.is_ipv4() != destination.is_ipv4() {
            return;
        }
        self.sent.push(Emission::Sent(Sent {
            at,
            source,
            destination,
            datagram,
            identification: self.random.word(),
            mtu: MTU,
        }));
    }

    fn send(&mut self, volley: &Volley, one: &One) {
        let group = self.target.group;
        match volley.kind {
            Packets::Push | Packets::PushAcknowledged => {
                let octets = message::push_octets(group, Content::Tek);
                let datagram = self.push(one, octets);
                let (source, to) = (self.source(volley), self.recipient(volley, one.number));
                self.emit(one.at, source, to, datagram);
                if volley.kind == Packets::PushAcknowledged && !to.ip().is_multicast() {
                    let octets =
                        message::acknowledgement(one.cookies, one.sequence as u32, to.ip(), &mut self.random);
                    self.emit(one.at.after(Duration::from_millis(40)), to, source, octets);
                }
            }
            Packets::ShortPush => {
                let octets = self.random.pick(&[112, 188, 316]);
                let datagram = self.push(one, octets);
                let (source, to) = (self.source(volley), self.recipient(volley, one.number));
                self.emit(one.at, source, to, datagram);
            }
            Packets::Acknowledgement => {
                let from = self.recipient(volley, one.number);
                if from.ip().is_multicast() {
                    return;
                }
                let to = SocketAddr::new(self.target.key_server(), GDOI);
                let to = if self.attack.knows == Knowledge::Nothing {
                    SocketAddr::new(self.anywhere(), GDOI)
                } else {
                    to
                };
                let octets =
                    message::acknowledgement(one.cookies, one.sequence as u32, from.ip(), &mut self.random);
                self.emit(one.at, from, to, octets);
            }
            Packets::MulticastSpray => {
                let to = match self.own() {
                    IpAddr::V4(_) => IpAddr::from(Ipv4Addr::from_bits(
                        0xef00_0000 | self.random.word() & 0x00ff_ffff,
                    )),
                    IpAddr::V6(_) => {
                        IpAddr::from(Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 1, self.random.word() as u16))
                    }
                };
                let cookies = self.random.array();
                let datagram = self.push(&One { cookies, ..*one }, 420);
                let source = self.source(volley);
                self.emit(one.at, source, SocketAddr::new(to, GDOI), datagram);
            }
            Packets::Phase1Flood | Packets::Registration | Packets::RegistrationAnswered => {
                self.register(volley, one);
            }
            Packets::Informational => {
                let session = session(one.cookies);
                let datagram = message::informational(group, session, &mut self.random);
                let (source, to) = match volley.source {
                    Source::KeyServer => (self.source(volley), self.recipient(volley, one.number)),
                    _ => (self.source(volley), self.known_server()),
                };
                if !to.ip().is_multicast() {
                    self.emit(one.at, source, to, datagram);
                }
            }
            Packets::Malformed => {
                let datagram = message::malformed_push(session(one.cookies), &mut self.random);
                let (source, to) = match self.random.below(2) {
                    0 => (self.source(volley), self.known_server()),
                    _ => (self.source(volley), self.recipient(volley, one.number)),
                };
                self.emit(one.at, source, to, datagram);
            }
            Packets::Announcement => {
                let datagram = message::announcement(session(one.cookies), 8, &mut self.random);
                let (source, to) = (self.source(volley), self.known_server());
                self.emit(one.at, source, to, datagram);
            }
            Packets::Esp => self.esp(volley, one),
            Packets::Replay => self.replay(volley, one),
        }
    }

    /// A rekey: the same octets for every recipient of a round.
    fn push(&mut self, one: &One, octets: usize) -> Rc<[u8]> {
        let session = session(one.cookies);
        let mut random = Random::new(one.octets ^ one.sequence);
        let octets = random.octets(octets.next_multiple_of(16));
        match self.target.group.protocol {
            Protocol::Gdoi => {
                let message = Message {
                    flags: 1,
                    ..Message::new(Exchange::GroupkeyPush, session.initiator, session.responder)
                };
                message.octets(PAYLOAD_SEQ, &octets).into()
            }
            Protocol::GIkev2 => {
                let message = Message {
                    message_id: one.sequence as u32,
                    flags: 8,
                    ..Message::new(Exchange::GsaRekey, session.initiator, session.responder)
                };
                message.octets(46, &octets).into()
            }
        }
    }

    /// The beginning of a registration, repeated twice if nobody answers.
    fn register(&mut self, volley: &Volley, one: &One) {
        let group = self.target.group;
        let mut session = Session {
            initiator: self.random.array(),
            ..Session::default()
        };
        let source = match volley.source {
            Source::KeyServer => SocketAddr::new(self.anywhere(), GDOI),
            _ => self.source(volley),
        };
        let to = self.known_server();
        let request = message::request(group, 0, session, &mut self.random);
        self.emit(one.at, source, to, Rc::clone(&request));
        match volley.kind {
            Packets::RegistrationAnswered if self.attack.knows != Knowledge::Nothing => {
                session.responder = self.random.array();
                let response = message::response(group, 0, session, &mut self.random);
                for (number, wait) in [0, 10, 20, 30].into_iter().enumerate() {
                    let at = one
                        .at
                        .after(Duration::from_millis(20 + wait * 1_000 + number as u64));
                    if !self.is_down(at) {
                        self.emit(at, to, source, Rc::clone(&response));
                    }
                }
            }
            Packets::Registration => {
                for wait in [10, 20] {
                    self.emit(
                        one.at.after(Duration::from_secs(wait)),
                        source,
                        to,
                        Rc::clone(&request),
                    );
                }
            }
            _ => {}
        }
    }

    /// Whether the key servers are dead, and answer nobody.
    fn is_down(&self, at: Timestamp) -> bool {
        self.attack.fault.is_some_and(|fault| {
            let from = self.target.start.after(fault.at);
            at >= from && fault.lasting.is_none_or(|lasting| at < from.after(lasting))
        })
    }

    fn esp(&mut self, volley: &Volley, one: &One) {
        let before = self.target.passed.partition_point(|seen| seen.at() <= one.at);
        let real = self
            .target
            .passed
            .get(..before)
            .unwrap_or_default()
            .iter()
            .rev()
            .take(500);
        let real = real.filter_map(|emission| match emission {
            Emission::Esp(esp) => Some(*esp),
            _ => None,
        });
        let latest: Vec<EspPackets> = real.collect();
        let some = latest
            .get(self.random.below(latest.len() as u64) as usize)
            .copied();
        let spi = match (volley.cookies, some) {
            (CookieChoice::Real, Some(esp)) => esp.spi,
            (CookieChoice::MadeUp, _) => u32::from_be_bytes([0x77, 0x66, 0x55, one.sequence as u8]),
            _ => self.random.word() | 0x100,
        };
        let source = some.filter(|_| volley.source == Source::Member);
        self.sent.push(Emission::Esp(EspPackets {
            first: one.at,
            last: one.at,
            source: source.map_or_else(|| self.own(), |esp| esp.source),
            destination: self.own(),
            site: source.map_or(0, |esp| esp.site),
            spi,
            sequence: one.number as u32 + 1,
            packets: 1,
            encrypted: 96,
        }));
    }

    /// Sends something again that passed before.
    fn replay(&mut self, volley: &Volley, one: &One) {
        let is_push = |sent: &&Sent| {
            sent.datagram
                .get(18)
                .is_some_and(|exchange| matches!(exchange, 33 | 41))
        };
        let before = self.target.passed.partition_point(|seen| seen.at() <= one.at);
        let passed = self.target.passed.get(..before).unwrap_or_default();
        let sent = |emission: &Emission| match emission {
            Emission::Sent(sent) => Some(sent.clone()),
            _ => None,
        };
        let found = match volley.cookies {
            // The latest rekeys of the group, in the order of their recipients.
            CookieChoice::Real => {
                let latest = passed.iter().rev().filter_map(sent).filter(|sent| is_push(&sent));
                let kek = self.target.kek(one.at).unwrap_or_default();
                let of_group = latest.filter(|sent| sent.datagram.get(..16) == Some(&kek));
                let latest: Vec<Sent> = of_group.take(self.target.members.len().max(1)).collect();
                latest.get(one.number as usize % latest.len().max(1)).cloned()
            }
            // Old rekeys.
            CookieChoice::MadeUp => {
                let pushes: Vec<Sent> = passed
                    .iter()
                    .filter_map(sent)
                    .filter(|sent| is_push(&sent))
                    .collect();
                pushes
                    .get(self.random.below(pushes.len() as u64) as usize)
                    .cloned()
            }
            // Anything.
            CookieChoice::Each => {
                let all: Vec<Sent> = passed.iter().filter_map(sent).collect();
                all.get(self.random.below(all.len() as u64) as usize).cloned()
            }
        };
        if let Some(found) = found {
            self.sent.push(Emission::Sent(Sent { at: one.at, ..found }));
        }
    }
}

/// One packet of a volley.
#[derive(Clone, Copy)]
struct One {
    at: Timestamp,
    /// Its number in its round.
    number: u64,
    /// The number of its round.
    sequence: u64,
    cookies: [u8; 16],
    /// From which the octets of a rekey are made.
    octets: u64,
}

fn session(cookies: [u8; 16]) -> Session {
    let (initiator, responder) = cookies.split_at(8);
    Session {
        initiator: initiator.try_into().unwrap_or_default(),
        responder: responder.try_into().unwrap_or_default(),
        message_id: 0,
    }
}
