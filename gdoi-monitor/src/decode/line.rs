//! The lines of `decode`. Their field names are part of the interface.

use std::net::IpAddr;
use std::path::Path;

use gdoi_wire::isakmp::Header;
use gdoi_wire::{Ah, Esp, Fragment, Packet, ParseError, Vlan};
use serde::{Serialize, Serializer};

use crate::hex::Hex;
use crate::source::envelope::Envelope;
use crate::source::pcap::Frame;
use crate::time::Moment;

/// One line.
#[derive(Serialize)]
pub(super) struct DecodedLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a Path>,
    frame: u64,
    time: Moment,
    time_ns: u64,
    #[serde(serialize_with = "identifiers")]
    vlan: Vlan,
    source: Option<IpAddr>,
    destination: Option<IpAddr>,
    source_port: Option<u16>,
    destination_port: Option<u16>,
    fragment: Option<&'static str>,
    #[serde(flatten)]
    kind: LineKind,
}

/// What differs from kind to kind.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum LineKind {
    Isakmp(Isakmp),
    Esp {
        spi: Hex<4>,
        sequence: u32,
        encapsulation: Option<&'static str>,
    },
    Ah {
        spi: Hex<4>,
        sequence: u32,
    },
    NatKeepalive,
    Miss {
        reason: &'static str,
    },
}

/// An ISAKMP header.
#[derive(Serialize)]
struct Isakmp {
    initiator_cookie: Hex<8>,
    responder_cookie: Hex<8>,
    next_payload: u8,
    #[serde(serialize_with = "version")]
    version: (u8, u8),
    exchange: u8,
    exchange_name: &'static str,
    flags: u8,
    message_id: u32,
    length: u32,
    length_check: &'static str,
    encapsulation: Option<&'static str>,
}

impl<'a> DecodedLine<'a> {
    /// An ISAKMP message in a datagram that has `octets` from the header on.
    pub(super) fn isakmp(
        file: Option<&'a Path>,
        frame: &Frame<'_>,
        packet: &Packet,
        header: Header,
        octets: u32,
        marked: bool,
    ) -> Self {
        let kind = LineKind::Isakmp(Isakmp {
            initiator_cookie: Hex(header.initiator_cookie().0),
            responder_cookie: Hex(header.responder_cookie().0),
            next_payload: header.next_payload(),
            version: header.version(),
            exchange: header.exchange_type(),
            exchange_name: header.exchange().name(),
            flags: header.flags(),
            message_id: header.message_id(),
            length: header.length(),
            length_check: header.length_check(octets).name(),
            encapsulation: encapsulation(marked),
        });
        Self::packet(file, frame, packet, kind)
    }

    /// An ESP packet.
    pub(super) fn esp(file: Option<&'a Path>, frame: &Frame<'_>, packet: &Packet, esp: Esp) -> Self {
        let kind = LineKind::Esp {
            spi: Hex::spi(esp.spi),
            sequence: esp.sequence,
            encapsulation: encapsulation(esp.in_udp),
        };
        Self::packet(file, frame, packet, kind)
    }

    /// The AH of a packet.
    pub(super) fn ah(file: Option<&'a Path>, frame: &Frame<'_>, packet: &Packet, ah: Ah) -> Self {
        let kind = LineKind::Ah {
            spi: Hex::spi(ah.spi),
            sequence: ah.sequence,
        };
        Self::packet(file, frame, packet, kind)
    }

    /// A NAT keepalive.
    pub(super) fn nat_keepalive(file: Option<&'a Path>, frame: &Frame<'_>, packet: &Packet) -> Self {
        Self::packet(file, frame, packet, LineKind::NatKeepalive)
    }

    /// A packet that could not be read.
    pub(super) fn miss(file: Option<&'a Path>, frame: &Frame<'_>, miss: ParseError) -> Self {
        let Envelope {
            vlan,
            addresses,
            ports,
        } = frame.link.envelope(&frame.capture());
        let (source, destination) = addresses.unzip();
        let (source_port, destination_port) = ports.unzip();
        Self {
            file,
            frame: frame.number,
            time: Moment(frame.at),
            time_ns: frame.at.as_nanos(),
            vlan,
            source,
            destination,
            source_port,
            destination_port,
            fragment: (miss == ParseError::LaterFragment).then_some("later"),
            kind: LineKind::Miss { reason: miss.name() },
        }
    }

    fn packet(file: Option<&'a Path>, frame: &Frame<'_>, packet: &Packet, kind: LineKind) -> Self {
        // Neither port is 0 in UDP between hosts that want an answer; outside UDP both are.
        let udp = packet.source_port != 0 || packet.destination_port != 0;
        Self {
            file,
            frame: frame.number,
            time: Moment(frame.at),
            time_ns: frame.at.as_nanos(),
            vlan: packet.vlan,
            source: Some(packet.source_address()),
            destination: Some(packet.destination_address()),
            source_port: udp.then_some(packet.source_port),
            destination_port: udp.then_some(packet.destination_port),
            fragment: match packet.fragment {
                Fragment::Whole => None,
                Fragment::First => Some("first"),
            },
            kind,
        }
    }
}

fn encapsulation(in_udp: bool) -> Option<&'static str> {
    in_udp.then_some("udp")
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes every field by reference"
)]
fn identifiers<S: Serializer>(vlan: &Vlan, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(vlan.identifiers())
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes every field by reference"
)]
fn version<S: Serializer>((major, minor): &(u8, u8), serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{major}.{minor}"))
}
