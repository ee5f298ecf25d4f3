//! Results of the dissector.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use strum::{IntoStaticStr, VariantArray};

use crate::isakmp::Header;

/// UDP ports of ISAKMP, without or with the non-ESP marker. Zero marks an unused entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ports {
    /// GDOI: UDP 848 (RFC 6407 §2.2). No marker, unless the sender adds one.
    pub isakmp: [u16; Self::SLOTS],
    /// NAT traversal: UDP 4500 (RFC 3948).
    pub nat_t: [u16; Self::SLOTS],
}

impl Ports {
    /// Maximum number of ports of each kind.
    pub const SLOTS: usize = 4;
    /// GDOI on 848, NAT traversal on 4500.
    pub const DEFAULT: Self = Self {
        isakmp: [848, 0, 0, 0],
        nat_t: [4500, 0, 0, 0],
    };

    /// Whether a datagram between these ports uses the framing of RFC 3948.
    #[inline(always)]
    pub const fn is_nat_t(&self, source: u16, destination: u16) -> bool {
        Self::any(self.nat_t, source, destination)
    }

    /// Whether a datagram between these ports is ISAKMP.
    #[inline(always)]
    pub const fn is_isakmp(&self, source: u16, destination: u16) -> bool {
        Self::any(self.isakmp, source, destination)
    }

    // Unrolled: a loop over rodata keeps the verifier from removing the unused entries.
    #[inline(always)]
    const fn any([a, b, c, d]: [u16; Self::SLOTS], source: u16, destination: u16) -> bool {
        (a != 0 && (source == a || destination == a))
            || (b != 0 && (source == b || destination == b))
            || (c != 0 && (source == c || destination == c))
            || (d != 0 && (source == d || destination == d))
    }
}

/// Why a packet of a monitored protocol could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case")]
#[repr(u8)]
pub enum ParseError {
    /// The frame ends inside the Ethernet header (in a capture: any link header) or a VLAN tag.
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
    /// Too many extension headers, or too long ones.
    Ipv6HeaderDepth,
    /// The frame or the IP payload ends inside the AH header.
    AhTruncated,
    /// A later fragment: its ports or its SPI are in the first one.
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
    /// Every parse error, in the order of the kernel's counters.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// Its name in metrics and in `decode`.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// The class under which a packet is counted.
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
    /// AH around anything but the above.
    Ah,
    /// A one-octet NAT keepalive (RFC 3948 §2.3).
    NatKeepalive,
    /// Another protocol, or a [`ParseError`].
    Other,
}

impl Class {
    /// Every class, in the order of the kernel's counters.
    pub const ALL: &'static [Self] = Self::VARIANTS;

    /// Its name in metrics.
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

/// Whether a readable packet is a fragment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fragment {
    /// Not a fragment.
    #[default]
    Whole,
    /// The first of several: it has the headers but not all octets.
    First,
}

/// The visible fields of ESP (RFC 4303 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Esp {
    /// Security parameters index. 0 is illegal on the wire and 1 to 255 are reserved (§2.1).
    pub spi: u32,
    /// The low 32 bits of the sequence number.
    pub sequence: u32,
    /// Inside UDP (RFC 3948).
    pub in_udp: bool,
}

/// The visible fields of AH (RFC 4302 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ah {
    /// Security parameters index.
    pub spi: u32,
    /// The low 32 bits of the sequence number.
    pub sequence: u32,
}

/// The content of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// An ISAKMP message.
    Isakmp {
        /// The 28 octets at the beginning of every message.
        header: Header,
        /// Offset of the header in the frame.
        offset: usize,
        /// Octets of the datagram from the header on, as declared by UDP.
        octets: u16,
        /// How many of them this packet has: fewer in a first fragment, at least the header.
        available: u16,
        /// After a non-ESP marker (RFC 3948 §2.2).
        marked: bool,
    },
    /// ESP, in IP or in UDP.
    Esp(Esp),
    /// AH around something else; the AH itself is [`Packet::ah`].
    Ah,
    /// A NAT keepalive.
    NatKeepalive,
}

/// A packet of a monitored protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// VLAN tags. The network card may have removed the outer one.
    pub vlan: Vlan,
    /// IP source; an IPv4 address is held as IPv4-mapped IPv6.
    pub source: [u8; 16],
    /// IP destination, in the same form.
    pub destination: [u8; 16],
    /// 4 or 6.
    pub ip_version: u8,
    /// Declared length of the IP packet, in octets.
    pub ip_octets: u32,
    /// UDP source port; 0 outside UDP.
    pub source_port: u16,
    /// UDP destination port; 0 outside UDP.
    pub destination_port: u16,
    /// Whether other frames have more of it.
    pub fragment: Fragment,
    /// The AH around the body.
    pub ah: Option<Ah>,
    /// The content.
    pub body: Body,
}

impl Packet {
    /// The class under which the packet is counted.
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

/// An address from the 16 octets of a record.
#[inline]
pub(crate) fn address(octets: [u8; 16]) -> IpAddr {
    // As a number: reading single octets took half of the time to decode a record.
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
    // As a number: single octets become a call that writes ten zeros one by one.
    (0xffff << 32 | u32::from_be_bytes(v4) as u128).to_be_bytes()
}

/// An address as the 16 octets of a record.
pub(crate) const fn octets_of(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => mapped(Ipv4Addr::octets(&v4)),
        IpAddr::V6(v6) => v6.octets(),
    }
}

/// Result of the dissector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dissected {
    /// Another protocol.
    Other,
    /// A packet of a monitored protocol.
    Packet(Packet),
    /// An unreadable packet of a monitored protocol, or possibly one.
    Error(ParseError),
}
