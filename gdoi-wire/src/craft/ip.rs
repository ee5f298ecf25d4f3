//! IPv4 with options and IPv6 with extension headers, whole or in fragments.

use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};

use super::checksum;

/// An IPv4 header (RFC 791 §3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ipv4 {
    /// Source address.
    pub source: Ipv4Addr,
    /// Destination address.
    pub destination: Ipv4Addr,
    /// Version nibble.
    pub version: u8,
    /// Differentiated services and congestion bits.
    pub service: u8,
    /// Identification: the same in all fragments of a packet.
    pub identification: u16,
    /// The bit that forbids fragments.
    pub dont_fragment: bool,
    /// More fragments follow.
    pub more_fragments: bool,
    /// Fragment offset in units of eight octets.
    pub offset: u16,
    /// Time to live.
    pub ttl: u8,
    /// Options, padded with zeros to words; at most 40 octets are written.
    pub options: Vec<u8>,
    /// A false header length, in words.
    pub header_words: Option<u8>,
    /// A false total length.
    pub total_length: Option<u16>,
    /// A false header checksum.
    pub checksum: Option<u16>,
}

impl Ipv4 {
    /// A plain header between two addresses.
    pub const fn new(source: Ipv4Addr, destination: Ipv4Addr) -> Self {
        Self {
            source,
            destination,
            version: 4,
            service: 0,
            identification: 0,
            dont_fragment: false,
            more_fragments: false,
            offset: 0,
            ttl: 64,
            options: Vec::new(),
            header_words: None,
            total_length: None,
            checksum: None,
        }
    }

    /// The packet around `payload`.
    pub fn around(&self, protocol: u8, payload: &[u8]) -> Vec<u8> {
        let mut options = self.options.clone();
        options.truncate(40);
        options.resize(options.len().next_multiple_of(4), 0);
        let words = self.header_words.unwrap_or((5 + options.len() / 4) as u8);
        let total = self
            .total_length
            .unwrap_or((20 + options.len() + payload.len()).min(0xffff) as u16);
        let flags = u16::from(self.dont_fragment) << 14 | u16::from(self.more_fragments) << 13;
        let mut first = Vec::with_capacity(20 + options.len() + payload.len());
        first.extend([self.version << 4 | words & 0x0f, self.service]);
        first.extend(total.to_be_bytes());
        first.extend(self.identification.to_be_bytes());
        first.extend((flags | self.offset & 0x1fff).to_be_bytes());
        first.extend([self.ttl, protocol]);
        let mut rest = Vec::with_capacity(8 + options.len());
        rest.extend(self.source.octets());
        rest.extend(self.destination.octets());
        rest.extend(&options);
        let sum = self.checksum.unwrap_or_else(|| checksum(&[&first, &rest]));
        first.extend(sum.to_be_bytes());
        first.extend(rest);
        first.extend(payload);
        first
    }

    /// The packets that a link of `mtu` octets needs for `payload`, none of them larger than `mtu`.
    pub fn fragments(&self, protocol: u8, payload: &[u8], mtu: usize) -> Vec<Vec<u8>> {
        let header = 20 + self.options.len().min(40).next_multiple_of(4);
        if header + payload.len() <= mtu {
            return Vec::from([self.around(protocol, payload)]);
        }
        let room = mtu.saturating_sub(header) / 8 * 8;
        pieces(payload, room)
            .map(|(offset, more, piece)| {
                let fragment = Self {
                    offset,
                    more_fragments: more,
                    ..self.clone()
                };
                fragment.around(protocol, piece)
            })
            .collect()
    }
}

/// An IPv6 extension header (RFC 8200 §4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Extension {
    /// A header with the form of options: hop-by-hop 0, routing 43, destination 60, mobility 135, HIP 139, shim6 140.
    Options {
        /// The number that announces it.
        kind: u8,
        /// What follows next header and length; padded with zeros to a multiple of eight octets in total.
        octets: Vec<u8>,
        /// A false length, in units of eight octets beyond the first eight.
        length: Option<u8>,
    },
    /// A fragment header (RFC 8200 §4.5).
    Fragment {
        /// In units of eight octets.
        offset: u16,
        /// More fragments follow.
        more: bool,
        /// The same in all fragments of a packet.
        identification: u32,
    },
}

impl Extension {
    /// The shortest header of this kind.
    pub const fn shortest(kind: u8) -> Self {
        Self::Options {
            kind,
            octets: Vec::new(),
            length: None,
        }
    }

    const fn kind(&self) -> u8 {
        match self {
            Self::Options { kind, .. } => *kind,
            Self::Fragment { .. } => 44,
        }
    }

    fn write(&self, next: u8, packet: &mut Vec<u8>) {
        match self {
            Self::Options { octets, length, .. } => {
                let size = (2 + octets.len()).next_multiple_of(8);
                packet.extend([next, length.unwrap_or((size / 8 - 1).min(255) as u8)]);
                packet.extend(octets);
                packet.resize(packet.len() + size - 2 - octets.len(), 0);
            }
            Self::Fragment {
                offset,
                more,
                identification,
            } => {
                packet.extend([next, 0]);
                packet.extend((offset << 3 | u16::from(*more)).to_be_bytes());
                packet.extend(identification.to_be_bytes());
            }
        }
    }
}

/// An IPv6 header (RFC 8200 §3) and its extension headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ipv6 {
    /// Source address.
    pub source: Ipv6Addr,
    /// Destination address.
    pub destination: Ipv6Addr,
    /// Version nibble.
    pub version: u8,
    /// Hop limit.
    pub hop_limit: u8,
    /// Extension headers in order.
    pub extensions: Vec<Extension>,
    /// A false payload length.
    pub payload_length: Option<u16>,
}

impl Ipv6 {
    /// A plain header between two addresses.
    pub const fn new(source: Ipv6Addr, destination: Ipv6Addr) -> Self {
        Self {
            source,
            destination,
            version: 6,
            hop_limit: 64,
            extensions: Vec::new(),
            payload_length: None,
        }
    }

    /// The packet around `payload`.
    pub fn around(&self, protocol: u8, payload: &[u8]) -> Vec<u8> {
        let nexts = self.extensions.iter().map(Extension::kind).chain([protocol]);
        let mut rest = Vec::with_capacity(payload.len() + 64);
        for (extension, next) in self.extensions.iter().zip(nexts.clone().skip(1)) {
            extension.write(next, &mut rest);
        }
        rest.extend(payload);
        let length = self.payload_length.unwrap_or(rest.len().min(0xffff) as u16);
        let mut packet = Vec::with_capacity(40 + rest.len());
        packet.extend([self.version << 4, 0, 0, 0]);
        packet.extend(length.to_be_bytes());
        packet.extend(nexts.take(1));
        packet.push(self.hop_limit);
        packet.extend(self.source.octets());
        packet.extend(self.destination.octets());
        packet.extend(rest);
        packet
    }

    /// The packets that a link of `mtu` octets needs for `payload`. This header's extensions precede the fragment
    /// header of each.
    pub fn fragments(&self, protocol: u8, payload: &[u8], mtu: usize, identification: u32) -> Vec<Vec<u8>> {
        let whole = self.around(protocol, payload);
        if whole.len() <= mtu {
            return Vec::from([whole]);
        }
        let room = mtu.saturating_sub(whole.len() - payload.len() + 8) / 8 * 8;
        pieces(payload, room)
            .map(|(offset, more, piece)| {
                let mut fragment = self.clone();
                fragment.extensions.push(Extension::Fragment {
                    offset,
                    more,
                    identification,
                });
                fragment.around(protocol, piece)
            })
            .collect()
    }
}

/// Offset in units of eight octets, whether more follows, and the octets of each fragment.
fn pieces(payload: &[u8], room: usize) -> impl Iterator<Item = (u16, bool, &[u8])> {
    let room = room.max(8);
    payload.chunks(room).enumerate().map(move |(index, piece)| {
        let start = index * room;
        ((start / 8) as u16, start + piece.len() < payload.len(), piece)
    })
}
