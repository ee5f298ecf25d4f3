//! A quick classification that covers nearly all frames without following their headers.
//!
//! It knows whole packets of IPv4 without options and IPv6 without extension headers, with at most one VLAN tag. Its
//! answers, another protocol or ESP, equal those of [`unwrap`](crate::layers::unwrap); anything uncertain is left to
//! the dissector. It makes no [`Packet`](crate::Packet), which is most of the cost of a dissection.

use crate::frame::{ETHERNET_OCTETS, ETHERTYPE_IPV4, ETHERTYPE_IPV6, TAG_OCTETS, is_tag};
use crate::layers::{self, Layer};
use crate::network::{ESP, IPV4_OCTETS, IPV6_OCTETS, UDP, is_followed};
use crate::octets::Octets;
use crate::packet::{Esp, Ports, mapped};
use crate::transport::{ESP_OCTETS, MARKER_OCTETS, UDP_OCTETS};

/// The protocol of most packets.
const TCP: u8 = 6;
const VERSION_4_NO_OPTIONS: u8 = 0x45;
const SHORTEST_ESP_IN_UDP: usize = UDP_OCTETS + ESP_OCTETS;

/// Result of the quick classification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuickClass {
    /// ESP, in IP or in UDP, whole.
    Esp {
        /// Its visible fields.
        esp: Esp,
        /// IP source; an IPv4 address is held as IPv4-mapped IPv6.
        source: [u8; 16],
        /// Declared length of the IP packet, in octets.
        ip_octets: u32,
    },
    /// Another protocol.
    Other,
    /// Undecided: call [`unwrap`](crate::layers::unwrap).
    Unsure,
}

/// Classifies one Ethernet frame.
#[inline(always)]
pub fn quick_class<O: Octets>(octets: &O, ports: &Ports) -> QuickClass {
    match octets.array::<ETHERNET_OCTETS>(0) {
        Some([.., t0, t1]) => {
            quick_class_payload(octets, ports, u16::from_be_bytes([t0, t1]), ETHERNET_OCTETS)
        }
        None => QuickClass::Unsure,
    }
}

/// Classifies the payload at `offset` of a frame of any link layer, whose header names it `ethertype`.
#[inline(always)]
pub(crate) fn quick_class_payload<O: Octets>(
    octets: &O,
    ports: &Ports,
    ethertype: u16,
    offset: usize,
) -> QuickClass {
    if !is_tag(ethertype) {
        return network(octets, ports, ethertype, offset);
    }
    match octets.array(offset) {
        Some([_, _, e0, e1]) => network(octets, ports, u16::from_be_bytes([e0, e1]), offset + TAG_OCTETS),
        None => QuickClass::Unsure,
    }
}

#[inline(always)]
fn network<O: Octets>(octets: &O, ports: &Ports, ethertype: u16, offset: usize) -> QuickClass {
    match ethertype {
        ETHERTYPE_IPV4 => ipv4(octets, ports, offset),
        ETHERTYPE_IPV6 => ipv6(octets, ports, offset),
        other if layers::is_harmless_ethertype(other) => QuickClass::Other,
        _ => QuickClass::Unsure,
    }
}

#[inline(always)]
fn ipv4<O: Octets>(octets: &O, ports: &Ports, offset: usize) -> QuickClass {
    let Some(header) = octets.array::<IPV4_OCTETS>(offset) else {
        return QuickClass::Unsure;
    };
    let [
        vihl,
        _,
        l0,
        l1,
        _,
        _,
        f0,
        f1,
        _,
        protocol,
        _,
        _,
        s0,
        s1,
        s2,
        s3,
        ..,
    ] = header;
    if vihl != VERSION_4_NO_OPTIONS {
        return QuickClass::Unsure;
    }
    if !matches!(protocol, UDP | ESP) {
        return uncounted(protocol);
    }
    let total = usize::from(u16::from_be_bytes([l0, l1]));
    let is_fragment = u16::from_be_bytes([f0, f1]) & 0x3fff != 0;
    if is_fragment || total < IPV4_OCTETS || offset + total > octets.wire_length() {
        return QuickClass::Unsure;
    }
    transport(octets, ports, protocol, offset + IPV4_OCTETS, total - IPV4_OCTETS)
        .from(mapped([s0, s1, s2, s3]), total)
}

#[inline(always)]
fn ipv6<O: Octets>(octets: &O, ports: &Ports, offset: usize) -> QuickClass {
    let Some([version, _, _, _, l0, l1, next, _]) = octets.array::<8>(offset) else {
        return QuickClass::Unsure;
    };
    if version >> 4 != 6 || is_followed(next) {
        return QuickClass::Unsure;
    }
    if !matches!(next, UDP | ESP) {
        return uncounted(next);
    }
    let payload = usize::from(u16::from_be_bytes([l0, l1]));
    let whole = IPV6_OCTETS + payload;
    let Some(source) = octets.array(offset + 8) else {
        return QuickClass::Unsure;
    };
    if payload == 0 || offset + whole > octets.wire_length() {
        return QuickClass::Unsure;
    }
    transport(octets, ports, next, offset + IPV6_OCTETS, payload).from(source, whole)
}

/// A protocol that is neither UDP nor ESP.
#[inline(always)]
const fn uncounted(protocol: u8) -> QuickClass {
    if protocol == TCP || layers::is_harmless(protocol) {
        QuickClass::Other
    } else {
        QuickClass::Unsure
    }
}

/// The content of a whole IP packet.
enum QuickBody {
    Esp(Esp),
    Other,
    Unsure,
}

impl QuickBody {
    #[inline(always)]
    fn from(self, source: [u8; 16], ip_octets: usize) -> QuickClass {
        match self {
            Self::Esp(esp) => QuickClass::Esp {
                esp,
                source,
                ip_octets: ip_octets as u32,
            },
            Self::Other => QuickClass::Other,
            Self::Unsure => QuickClass::Unsure,
        }
    }
}

/// Reads the transport header at `offset` of a packet that has `available` octets from there.
#[inline(always)]
fn transport<O: Octets>(
    octets: &O,
    ports: &Ports,
    protocol: u8,
    offset: usize,
    available: usize,
) -> QuickBody {
    match protocol {
        ESP if available >= ESP_OCTETS => esp(octets, offset, false),
        UDP if available >= UDP_OCTETS => {
            let Some([s0, s1, d0, d1, l0, l1, _, _]) = octets.array::<UDP_OCTETS>(offset) else {
                return QuickBody::Unsure;
            };
            let source = u16::from_be_bytes([s0, s1]);
            let destination = u16::from_be_bytes([d0, d1]);
            let length = usize::from(u16::from_be_bytes([l0, l1]));
            if ports.is_nat_t(source, destination) {
                // Four zero octets are the non-ESP marker (RFC 3948 §2.2).
                let is_marked = octets.array(offset + UDP_OCTETS) == Some([0; MARKER_OCTETS]);
                return match length {
                    SHORTEST_ESP_IN_UDP.. if length <= available && !is_marked => {
                        esp(octets, offset + UDP_OCTETS, true)
                    }
                    _ => QuickBody::Unsure,
                };
            }
            if ports.is_isakmp(source, destination)
                || Layer::of_ports(source, destination).is_some()
                || layers::may_be_isakmp(octets, offset + UDP_OCTETS, length)
            {
                QuickBody::Unsure
            } else {
                QuickBody::Other
            }
        }
        _ => QuickBody::Unsure,
    }
}

#[inline(always)]
fn esp<O: Octets>(octets: &O, offset: usize, in_udp: bool) -> QuickBody {
    match octets.array::<ESP_OCTETS>(offset) {
        Some([p0, p1, p2, p3, s0, s1, s2, s3]) => QuickBody::Esp(Esp {
            spi: u32::from_be_bytes([p0, p1, p2, p3]),
            sequence: u32::from_be_bytes([s0, s1, s2, s3]),
            in_udp,
        }),
        None => QuickBody::Unsure,
    }
}
