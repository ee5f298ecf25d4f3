//! Many members, as headers: input to fill a tracker.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use gdoi_core::config::GroupConfig;
use gdoi_core::observation::Message;
use gdoi_core::{Config, Limits, Observation, Timestamp, Tracker, Transition};
use gdoi_wire::isakmp::{HEADER_OCTETS, Header};

const VERSION_1: u8 = 0x10;
const MAIN_MODE: u8 = 2;
const GROUPKEY_PULL: u8 = 32;
const GROUPKEY_PUSH: u8 = 33;
const PUSH_ACK: u8 = 35;

/// A tracker of configured groups with two key servers each, whose members have all registered.
pub(super) fn registered(groups: u32, members: u32) -> Tracker {
    let mut tracker = configured(groups, members);
    let mut out: Vec<Transition> = Vec::new();
    let mut now = Timestamp::from_nanos(1_000_000_000_000);
    for member in 0..members {
        for message in registration(server(member % groups, member & 1), member) {
            now = now.after(Duration::from_micros(100));
            tracker.observe(now, &Observation::Message(message), &mut out);
        }
        out.clear();
    }
    tracker
}

/// A tracker of configured groups with two key servers each, with room for this many members.
pub(super) fn configured(groups: u32, members: u32) -> Tracker {
    let group = |group| GroupConfig {
        name: format!("G{group:04}"),
        key_servers: [0, 1].map(|which| server(group, which).ip()).into(),
        ..GroupConfig::default()
    };
    let config = Config {
        groups: (0..groups).map(group).collect(),
    };
    let limits = Limits {
        members: members as usize,
        groups: groups as usize + 1,
        key_servers: 2 * groups as usize,
        spis: members as usize,
        ..Limits::default()
    };
    Tracker::new(config, limits)
}

/// Main mode and GROUPKEY-PULL of one member.
pub(super) fn registration(server: SocketAddr, number: u32) -> [Message<'static>; 10] {
    let initiator = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let phase1 = [(1, 0), (1, 0), (4, 0), (4, 0), (5, 1), (5, 1)];
    let mut place = 0_u8;
    [(); 10].map(|()| {
        let responder = if place == 0 { 0 } else { initiator ^ 0x55 };
        let (next_payload, exchange, flags, message_id) = match phase1.get(usize::from(place)) {
            Some(&(next_payload, flags)) => (next_payload, MAIN_MODE, flags, 0),
            None => (8, GROUPKEY_PULL, 1, 7),
        };
        let header = Fields {
            cookies: [initiator, responder],
            kind: [next_payload, VERSION_1, exchange, flags],
            message_id,
            length: 80 + u32::from(place),
        };
        let ends = if place.is_multiple_of(2) {
            [member(number), server]
        } else {
            [server, member(number)]
        };
        let message = header.message(ends, u64::from(number) << 8 | u64::from(place));
        place += 1;
        message
    })
}

/// A rekey to one member, and its acknowledgement.
pub(super) fn rekey(server: SocketAddr, number: u32, sequence: u32) -> [Message<'static>; 2] {
    let header = |kind, length| Fields {
        cookies: [0xcafe, 0xbeef],
        kind,
        message_id: 0,
        length,
    };
    let push = header([18, VERSION_1, GROUPKEY_PUSH, 1], 700);
    let ack = header([8, VERSION_1, PUSH_ACK, 0], 84);
    let member = member(number);
    [
        push.message([server, member], u64::from(sequence)),
        ack.message([member, server], u64::from(number)),
    ]
}

/// The address of a key server of a group.
pub(super) fn server(group: u32, which: u32) -> SocketAddr {
    let address = Ipv4Addr::from_bits(0x0a00_0000 + 2 * group + which);
    SocketAddr::new(IpAddr::V4(address), 848)
}

fn member(number: u32) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::from_bits(0x1400_0000 + number).into(), 848)
}

/// The fields of an ISAKMP header (RFC 2408 §3.1).
struct Fields {
    cookies: [u64; 2],
    /// Next payload, version, exchange type, flags.
    kind: [u8; 4],
    message_id: u32,
    length: u32,
}

impl Fields {
    fn message(&self, [source, destination]: [SocketAddr; 2], body: u64) -> Message<'static> {
        let [initiator, responder] = self.cookies.map(u64::to_be_bytes);
        let parts: [&[u8]; 5] = [
            &initiator,
            &responder,
            &self.kind,
            &self.message_id.to_be_bytes(),
            &self.length.to_be_bytes(),
        ];
        let mut octets = [0; HEADER_OCTETS];
        for (to, from) in octets.iter_mut().zip(parts.into_iter().flatten()) {
            *to = *from;
        }
        let mut fingerprint = [0x5a; 16];
        for (to, from) in fingerprint.iter_mut().zip(body.to_be_bytes()) {
            *to = from;
        }
        Message {
            source,
            destination,
            header: Header::from(octets),
            datagram_octets: self.length,
            marked: false,
            fragmented: false,
            fingerprint: Some(fingerprint),
            payloads: &[],
        }
    }
}
