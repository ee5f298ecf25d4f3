//! What the dissector says of a frame.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use strum::{IntoStaticStr, VariantArray};

use crate::isakmp::Header;

/// UDP ports that carry ISAKMP, plain or behind the non-ESP marker. Zero marks an unused entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// GDOI: UDP 848 (RFC 6407 §2.2). No marker, unless the sender puts one.
    pub isakmp: [u16; Self::SLOTS],
    /// NAT traversal: UDP 4500 (RFC 3948).
    pub nat_t: [u16; Self::SLOTS],
}

impl Ports {
    /// How many ports of each kind can be watched.
    pub const SLOTS: usize = 4;
    /// GDOI on 848, NAT traversal on 4500.
    pub const DEFAULT: Self = Self {
        isakmp: [848, 0, 0, 0],
        nat_t: [4500, 0, 0, 0],
    };

    /// Whether a datagram between these ports has the framing of RFC 3948.
    #[inline(always)]
    pub const fn is_nat_t(&self, source: u16, destination: u16) -> bool {
        Self::any(self.nat_t, source, destination)
    }

    /// Whether a datagram between these ports is ISAKMP.
    #[inline(always)]
    pub const fn is_isakmp(&self, source: u16, destination: u16) -> bool {
        Self::any(self.isakmp, source, destination)
    }

    // Written out: a loop over rodata keeps the verifier from dropping the unused entries.
    #[inline(always)]
    const fn any([a, b, c, d]: [u16; Self::SLOTS], source: u16, destination: u16) -> bool {
        (a != 0 && (source == a || destination == a))
            || (b != 0 && (source == b || destination == b))
            || (c != 0 && (source == c || destination == c))
            || (d != 0 && (source == d || destination == d))
    }
}

/// Why a packet that was ours to read could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
#[repr(u8)]
pub enum ParseError {
    /// The frame ends inside the Ethernet header (in a capture: whatever link header it has) or a VLAN tag.
    EthernetTruncated,
    /// More than two VLAN tags.
    VlanDepth,
    /// The IP version nibble contradicts the Ethertype.
    IpVersion,
    /// The frame ends inside the IPv4 header.
    Ipv4Truncated,
    /// IPv4 header length below five words or beyond the total length (RFC 791 §3.1).
    Ipv4HeaderLength,
    /// The IPv4 total length is beyond the frame.
    Ipv4TotalLength,
    /// The frame ends inside the IPv6 header or one of its extension headers.
    Ipv6Truncated,
    /// The IPv6 payload length is beyond the frame, or zero as in a jumbogram (RFC 2675).
    Ipv6PayloadLength,
    /// More extension headers, or longer ones, than are followed.
    Ipv6HeaderDepth,
    /// The frame or the IP payload ends inside the AH header.
    AhTruncated,
    /// A later fragment: its ports or its SPI are in the first.
    LaterFragment,
    /// The frame or the IP payload ends inside the UDP header.
    UdpTruncated,
    /// UDP length below eight or beyond the IP payload (RFC 768).
    UdpLength,
    /// An ISAKMP port with an empty datagram.
    IsakmpEmpty,
    /// The datagram is shorter than the 28 octets of an ISAKMP header (RFC 2408 §3.1).
    IsakmpShort,
    /// The datagram is long enough, but the frame was cut, or its first fragment ends, inside the ISAKMP header.
    IsakmpTruncated,
    /// The IP payload or the datagram ends inside the eight octets of SPI and sequence number (RFC 4303 §2).
    EspShort,
    /// The ESP packet is long enough, but the frame was cut, or its first fragment ends, inside these eight octets.
    EspTruncated,
}

impl ParseError {
    /// Every miss, in the order of the kernel's counters.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The word for it in metrics and in `decode`.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// What a packet is counted as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
#[repr(u8)]
pub enum Class {
    /// An ISAKMP message.
    Isakmp,
    /// ESP directly in IP.
    Esp,
    /// ESP in UDP (RFC 3948).
    EspUdp,
    /// AH around something else than the above.
    Ah,
    /// A one-octet NAT keepalive (RFC 3948 §2.3).
    NatKeepalive,
    /// Not ours, or a [`ParseError`].
    Other,
}

impl Class {
    /// Every class, in the order of the kernel's counters.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// The word for it in metrics.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The VLAN tags of a frame, outermost first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vlan {
    /// How many tags there are: 0 to 2.
    pub depth: u8,
    /// Tag control information: priority, drop eligibility and the 12-bit identifier (IEEE 802.1Q §9.6).
    pub tci: [u16; 2],
}

impl Vlan {
    /// The VLAN identifiers, outermost first.
    pub fn identifiers(&self) -> impl Iterator<Item = u16> + '_ {
        self.tci
            .iter()
            .take(usize::from(self.depth))
            .map(|tci| tci & 0x0fff)
    }
}

/// Whether a packet is a fragment that could still be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fragment {
    /// Not a fragment.
    #[default]
    Whole,
    /// The first of several: it has the headers, not all the octets.
    First,
}

/// ESP as an observer sees it (RFC 4303 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Esp {
    /// Security parameters index. 0 is illegal on the wire and 1 to 255 are reserved (§2.1).
    pub spi: u32,
    /// The low 32 bits of the sequence number.
    pub sequence: u32,
    /// Inside UDP (RFC 3948).
    pub in_udp: bool,
}

/// AH as an observer sees it (RFC 4302 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ah {
    /// Security parameters index.
    pub spi: u32,
    /// The low 32 bits of the sequence number.
    pub sequence: u32,
}

/// What a packet of ours carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// An ISAKMP message.
    Isakmp {
        /// The 28 octets that every message begins with.
        header: Header,
        /// Offset of the header in the frame.
        offset: usize,
        /// Octets of the datagram from the header on, as UDP declares them.
        octets: u16,
        /// How many of them are in this packet: fewer in a first fragment. At least the header.
        available: u16,
        /// Behind a non-ESP marker (RFC 3948 §2.2).
        marked: bool,
    },
    /// ESP, in IP or in UDP.
    Esp(Esp),
    /// AH around something else; the AH itself is [`Packet::ah`].
    Ah,
    /// A NAT keepalive.
    NatKeepalive,
}

/// A packet of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// VLAN tags. A network card may have removed the outer one before we saw it.
    pub vlan: Vlan,
    /// IP source; an IPv4 address is held as IPv4-mapped IPv6.
    pub source: [u8; 16],
    /// IP destination, held as the source is.
    pub destination: [u8; 16],
    /// 4 or 6.
    pub ip_version: u8,
    /// Octets of the IP packet as its header declares them.
    pub ip_octets: u32,
    /// UDP source port; 0 outside UDP.
    pub source_port: u16,
    /// UDP destination port; 0 outside UDP.
    pub destination_port: u16,
    /// Whether more of it follows in other frames.
    pub fragment: Fragment,
    /// The AH that was passed on the way to the body.
    pub ah: Option<Ah>,
    /// What it carries.
    pub body: Body,
}

impl Packet {
    /// What the packet is counted as.
    #[inline(always)]
    pub const fn class(&self) -> Class {
        match self.body {
            Body::Isakmp { .. } => Class::Isakmp,
            Body::Esp(Esp { in_udp: false, .. }) => Class::Esp,
            Body::Esp(Esp { in_udp: true, .. }) => Class::EspUdp,
            Body::Ah => Class::Ah,
            Body::NatKeepalive => Class::NatKeepalive,
        }
    }
}

/// An address in the 16 octets the records use, as the type users know.
#[inline]
pub(crate) fn address(octets: [u8; 16]) -> IpAddr {
    // As a number: octet by octet it takes half the time that decoding a record takes.
    let number = u128::from_be_bytes(octets);
    if number >> 32 == 0xffff {
        IpAddr::V4(Ipv4Addr::from_bits(number as u32))
    } else {
        IpAddr::V6(Ipv6Addr::from_bits(number))
    }
}

/// An IPv4 address as IPv4-mapped IPv6 (RFC 4291 §2.5.5.2).
#[inline(always)]
pub(crate) const fn mapped(v4: [u8; 4]) -> [u8; 16] {
    // As a number: octet by octet it becomes a call that writes ten zeros one by one.
    (0xffff << 32 | u32::from_be_bytes(v4) as u128).to_be_bytes()
}

/// An address in the 16 octets the records use.
pub(crate) const fn octets_of(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => mapped(Ipv4Addr::octets(&v4)),
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// What a frame is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dissected {
    /// Not ours.
    Other,
    /// Ours, and read.
    Packet(Packet),
    /// Ours, or possibly ours, and not readable.
    Error(ParseError),
}
