//! The lines of `decode`. Their field names are a contract.

use std::net::{IpAddr, Ipv6Addr};

use gdoi_wire::isakmp::Header;
use gdoi_wire::layers::{AhHeader, Envelope, Layer, Layers, Unwrapped};
use gdoi_wire::{Esp, Fragment, Packet, ParseError, Vlan};
use serde::{Serialize, Serializer};

use crate::hex::Hex;
use crate::source::pcap::Frame;
use crate::time::Moment;

/// One line.
#[derive(Clone, Copy, Serialize)]
pub(super) struct DecodedLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a str>,
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
    encapsulation: Encapsulation,
    #[serde(flatten)]
    kind: LineKind,
}

/// The encapsulation of a packet, outermost first; null if there is none.
#[derive(Clone, Copy)]
struct Encapsulation {
    layers: Layers,
    /// How many layers are around this packet.
    depth: usize,
    /// In UDP (RFC 3948).
    in_udp: bool,
}

/// The fields that depend on the kind of packet.
#[derive(Clone, Copy, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum LineKind {
    Isakmp(Isakmp),
    Esp { spi: Hex<4>, sequence: u32 },
    Ah { spi: Hex<4>, sequence: u32 },
    NatKeepalive,
    Miss { reason: &'static str },
}

/// An ISAKMP header.
#[derive(Clone, Copy, Serialize)]
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
}

impl<'a> DecodedLine<'a> {
    /// The common fields of the lines of one frame. `file` is the name of the capture, if any.
    pub(super) fn new(file: Option<&'a str>, frame: &Frame<'_>, unwrapped: &Unwrapped) -> Self {
        Self {
            file,
            frame: frame.number,
            time: Moment(frame.at),
            time_ns: frame.at.as_nanos(),
            vlan: Vlan::default(),
            source: None,
            destination: None,
            source_port: None,
            destination_port: None,
            fragment: None,
            encapsulation: Encapsulation {
                layers: unwrapped.layers,
                depth: usize::MAX,
                in_udp: false,
            },
            kind: LineKind::NatKeepalive,
        }
    }

    /// An ISAKMP message in a datagram that has `octets` from the header on.
    pub(super) fn isakmp(&self, packet: &Packet, header: Header, octets: u32, marked: bool) -> Self {
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
        });
        self.packet(packet, marked, kind)
    }

    /// An ESP packet.
    pub(super) fn esp(&self, packet: &Packet, esp: Esp) -> Self {
        let kind = LineKind::Esp {
            spi: Hex::spi(esp.spi),
            sequence: esp.sequence,
        };
        self.packet(packet, esp.in_udp, kind)
    }

    /// An AH around the packet.
    pub(super) fn ah(&self, header: &AhHeader) -> Self {
        let AhHeader {
            ah,
            vlan,
            source,
            destination,
            depth,
        } = *header;
        Self {
            vlan,
            source: Some(address(source)),
            destination: Some(address(destination)),
            encapsulation: Encapsulation {
                depth: depth.into(),
                ..self.encapsulation
            },
            kind: LineKind::Ah {
                spi: Hex::spi(ah.spi),
                sequence: ah.sequence,
            },
            ..*self
        }
    }

    /// A NAT keepalive.
    pub(super) fn nat_keepalive(&self, packet: &Packet) -> Self {
        self.packet(packet, false, LineKind::NatKeepalive)
    }

    /// An unreadable packet.
    pub(super) fn miss(&self, envelope: &Envelope, reason: ParseError) -> Self {
        let Envelope {
            vlan,
            addresses,
            ports,
        } = *envelope;
        let (source, destination) = addresses.unzip();
        let (source_port, destination_port) = ports.unzip();
        Self {
            vlan,
            source,
            destination,
            source_port,
            destination_port,
            fragment: (reason == ParseError::LaterFragment).then_some("later"),
            kind: LineKind::Miss {
                reason: reason.name(),
            },
            ..*self
        }
    }

    fn packet(&self, packet: &Packet, in_udp: bool, kind: LineKind) -> Self {
        // In UDP, at least one port is not 0; in other protocols both are.
        let udp = packet.source_port != 0 || packet.destination_port != 0;
        Self {
            vlan: packet.vlan,
            source: Some(packet.source_address()),
            destination: Some(packet.destination_address()),
            source_port: udp.then_some(packet.source_port),
            destination_port: udp.then_some(packet.destination_port),
            fragment: match packet.fragment {
                Fragment::Whole => None,
                Fragment::First => Some("first"),
            },
            encapsulation: Encapsulation {
                in_udp,
                ..self.encapsulation
            },
            kind,
            ..*self
        }
    }
}

impl Serialize for Encapsulation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self {
            layers,
            depth,
            in_udp,
        } = self;
        let layers = layers.iter().take(*depth);
        let names = layers.chain(in_udp.then_some(Layer::Udp)).map(Layer::name);
        if names.clone().next().is_none() {
            return serializer.serialize_none();
        }
        serializer.collect_seq(names)
    }
}

/// An IPv4 address is held as IPv4-mapped IPv6.
fn address(octets: [u8; 16]) -> IpAddr {
    Ipv6Addr::from(octets).to_canonical()
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
