//! The tracker's reports of a script, in the terms of the model.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use gdoi_core::config::{Config, GroupConfig, IpNet, Profile, SiteConfig};
use gdoi_core::observation::{Esp, Message, Site};
use gdoi_core::transition::{Rekey, RekeyKind, Transition, What};
use gdoi_core::{Limits, Observation, Timestamp, Tracker};
use gdoi_wire::isakmp::Header;

use super::script::{Act, Script};
use super::{Facts, count, note};

const GROUP: &str = "G";
const KEY_SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 848);
const MULTICAST: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(239, 0, 1, 2)), 848);

/// The tracker's reports of a script.
pub(super) struct Tracked {
    pub(super) facts: Facts,
    /// Rekeys by their beginning: what they reportedly delivered.
    kinds: BTreeMap<Timestamp, RekeyKind>,
}

impl Tracked {
    pub(super) fn of(script: &Script) -> Self {
        let mut tracker = Tracker::new(configuration(script.multicast), Limits::default());
        let mut out = Vec::new();
        for &(at, act) in &script.acts {
            observe(&mut tracker, at, act, script.multicast, &mut out);
        }
        tracker.finish(script.end, &mut out);
        let mut said = Self {
            facts: Facts::new(),
            kinds: BTreeMap::new(),
        };
        // The order of reports follows the beginnings; numbers are assigned in that order.
        for transition in &out {
            said.kind(transition);
        }
        for transition in &out {
            said.say(transition);
        }
        for (index, kind) in said.kinds.values().enumerate() {
            let what = format!("rekey {} was {}", index + 1, kind.name());
            count(&mut said.facts, what, 1);
        }
        said.totals(&tracker);
        said
    }

    fn kind(&mut self, transition: &Transition) {
        let (began, kind) = match &transition.what {
            What::Rekey(rekey) => (rekey.began, rekey.kind),
            What::RekeyClassified(later) => (later.began, later.kind),
            _ => return,
        };
        self.kinds.insert(transition.at.before(began), kind);
    }

    fn say(&mut self, transition: &Transition) {
        let at = transition.at;
        let member = transition.member.map_or(0, |member| number_of(member.ip()));
        let what = match &transition.what {
            What::RegistrationStarted(_) => format!("member {member} begins"),
            What::RegistrationCompleted(_) => format!("member {member} is registered"),
            What::RegistrationFailed(end) => format!("member {member} failed at {}", end.stage.name()),
            What::Rekey(rekey) => self.rekey(at, rekey),
            What::RekeyRetransmitted(again) => {
                format!("repeated {} to {}", again.retransmissions, again.recipients)
            }
            What::RekeyUnacknowledged(_) => format!("member {member} has not acknowledged"),
            What::SpiChanged(changed) => {
                let from = changed.from.map(|spi| spi.0);
                format!("{:x} takes the place of {from:x?}", changed.to.0)
            }
            _ => return,
        };
        note(&mut self.facts, at, &what);
    }

    fn rekey(&self, at: Timestamp, rekey: &Rekey) -> String {
        let began = at.before(rekey.began);
        let number = self.kinds.range(..=began).count();
        let acknowledged = rekey.acknowledged;
        format!(
            "rekey {number} to {}, repeats {}, acknowledged {acknowledged:?}",
            rekey.recipients, rekey.retransmissions
        )
    }

    fn totals(&mut self, tracker: &Tracker) {
        let known = tracker.snapshot();
        if let Some(group) = known.groups.get(GROUP) {
            for (what, number) in [
                ("repeats", group.rekey.retransmissions),
                ("acknowledgements", group.rekey.acknowledgements),
                ("changes of the KEK", group.kek.changes),
                ("changes of the SPI", group.esp.changes),
            ] {
                count(&mut self.facts, what.to_owned(), number);
            }
        }
    }
}

fn configuration(multicast: bool) -> Config {
    let site = SiteConfig {
        name: "site".to_owned(),
        member: None,
        prefixes: IpNet::new(IpAddr::V4(Ipv4Addr::new(192, 168, 0, 0)), 16)
            .into_iter()
            .collect(),
    };
    let group = GroupConfig {
        name: GROUP.to_owned(),
        key_servers: vec![KEY_SERVER.ip()],
        rekey_address: multicast.then(|| MULTICAST.ip()),
        retransmit: Some(Profile::Cisco.retransmit()),
        sites: vec![site],
        ..GroupConfig::default()
    };
    Config { groups: vec![group] }
}

fn observe(tracker: &mut Tracker, at: Timestamp, act: Act, multicast: bool, out: &mut Vec<Transition>) {
    let message = match act {
        Act::Esp { spi } => {
            let esp = Esp {
                spi,
                site: Some(Site(1)),
                packets: 1,
                octets: 100,
                first: at,
                last: at,
            };
            tracker.observe(at, &Observation::Esp(esp), out);
            return;
        }
        Act::Acknowledgement { member, kek } => Wire {
            from_member: true,
            member: address_of(member),
            cookies: (0xcafe_0000 + u64::from(kek), 0xbeef_0000 + u64::from(kek)),
            exchange: 35,
            next_payload: 8,
            flags: 0,
            message_id: 0,
            octets: 84,
            fingerprint: at.as_nanos(),
        },
        Act::Push {
            member,
            kek,
            sequence,
        } => Wire {
            from_member: false,
            member: if multicast { MULTICAST } else { address_of(member) },
            cookies: (0xcafe_0000 + u64::from(kek), 0xbeef_0000 + u64::from(kek)),
            exchange: 33,
            next_payload: 18,
            flags: 1,
            message_id: 0,
            octets: 700 + sequence,
            fingerprint: u64::from(kek) << 32 | u64::from(sequence),
        },
        Act::Registration {
            registration,
            member,
            number,
        } => registering(registration as u64, address_of(member), number),
    };
    tracker.observe(at, &Observation::Message(message.message()), out);
}

/// One message on the wire.
struct Wire {
    from_member: bool,
    member: SocketAddr,
    cookies: (u64, u64),
    exchange: u8,
    next_payload: u8,
    flags: u8,
    message_id: u32,
    octets: u32,
    fingerprint: u64,
}

/// Main mode 1 to 6, PULL 1 to 4.
fn registering(registration: u64, member: SocketAddr, number: u8) -> Wire {
    let (exchange, next_payload, flags) = match number {
        1 | 2 => (2, 1, 0),
        3 | 4 => (2, 4, 0),
        5 | 6 => (2, 5, 1),
        _ => (32, 8, 1),
    };
    let responder = if number == 1 { 0 } else { 0xb000 + registration };
    // In a clear SA payload the domain of interpretation is in octets 4 to 7: 2 is GDOI.
    let fingerprint = if number <= 2 {
        2
    } else {
        registration << 8 | u64::from(number)
    };
    Wire {
        from_member: number % 2 == 1,
        member,
        cookies: (0xa000 + registration, responder),
        exchange,
        next_payload,
        flags,
        message_id: if exchange == 32 { 7 } else { 0 },
        octets: 80 + u32::from(number),
        fingerprint,
    }
}

impl Wire {
    fn message(&self) -> Message<'static> {
        let (initiator, responder) = self.cookies;
        let kinds = [self.next_payload, 0x10, self.exchange, self.flags];
        let numbers = u64::from(self.message_id) << 32 | u64::from(self.octets);
        let mut header = [0; 28];
        let octets = initiator
            .to_be_bytes()
            .into_iter()
            .chain(responder.to_be_bytes())
            .chain(kinds)
            .chain(numbers.to_be_bytes());
        for (to, from) in header.iter_mut().zip(octets) {
            *to = from;
        }
        let fingerprint = u128::from(self.fingerprint) << 64 | u128::from(self.fingerprint);
        let (source, destination) = if self.from_member {
            (self.member, KEY_SERVER)
        } else {
            (KEY_SERVER, self.member)
        };
        Message {
            source,
            destination,
            header: Header::from(header),
            datagram_octets: self.octets,
            marked: false,
            fragmented: false,
            fingerprint: Some(fingerprint.to_be_bytes()),
            payloads: &[],
        }
    }
}

fn address_of(member: usize) -> SocketAddr {
    let last = u8::try_from(member).unwrap_or(u8::MAX);
    SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 1, 0, last)), 848)
}

fn number_of(address: IpAddr) -> usize {
    match address {
        IpAddr::V4(address) => usize::from(address.octets()[3]),
        IpAddr::V6(_) => usize::MAX,
    }
}
