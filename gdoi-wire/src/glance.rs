//! A glance at a frame: what nearly all frames are, told without following their headers.
//!
//! It knows IPv4 without options and IPv6 without extension headers behind at most one VLAN tag, whole packets, and
//! says of them what [`dissect`](crate::dissect) says: not ours, or ESP. Whatever it is not sure of it leaves to the
//! dissector. It makes no [`Packet`](crate::Packet), which is most of what a dissection costs.

use crate::frame::{ETHERNET_OCTETS, ETHERTYPE_IPV4, ETHERTYPE_IPV6, TAG_OCTETS, is_tag};
use crate::network::{AH, ESP, IPV4_OCTETS, IPV6_OCTETS, UDP, is_followed};
use crate::octets::Octets;
use crate::packet::{Esp, Ports, mapped};
use crate::transport::{ESP_OCTETS, MARKER_OCTETS, UDP_OCTETS};

/// What a frame is at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glance {
    /// ESP, in IP or in UDP, whole.
    Esp {
        /// What an observer sees of it.
        esp: Esp,
        /// IP source; an IPv4 address is held as IPv4-mapped IPv6.
        source: [u8; 16],
        /// Octets of the IP packet as its header declares them.
        ip_octets: u32,
    },
    /// Not ours.
    Other,
    /// Anything: ask [`dissect`](crate::dissect).
    Unsure,
}

/// Glances at one Ethernet frame.
#[inline(always)]
pub fn glance<O: Octets>(octets: &O, ports: &Ports) -> Glance {
    match octets.array::<ETHERNET_OCTETS>(0) {
        Some([.., t0, t1]) => glance_payload(octets, ports, u16::from_be_bytes([t0, t1]), ETHERNET_OCTETS),
        None => Glance::Unsure,
    }
}

/// Glances at what stands at `at` in a frame of any link layer, which called it `ethertype`.
#[inline(always)]
pub fn glance_payload<O: Octets>(octets: &O, ports: &Ports, ethertype: u16, at: usize) -> Glance {
    if !is_tag(ethertype) {
        return network(octets, ports, ethertype, at);
    }
    match octets.array(at) {
        Some([_, _, e0, e1]) => network(octets, ports, u16::from_be_bytes([e0, e1]), at + TAG_OCTETS),
        None => Glance::Unsure,
    }
}

#[inline(always)]
fn network<O: Octets>(octets: &O, ports: &Ports, ethertype: u16, at: usize) -> Glance {
    match ethertype {
        ETHERTYPE_IPV4 => ipv4(octets, ports, at),
        ETHERTYPE_IPV6 => ipv6(octets, ports, at),
        another_tag if is_tag(another_tag) => Glance::Unsure,
        _ => Glance::Other,
    }
}

#[inline(always)]
fn ipv4<O: Octets>(octets: &O, ports: &Ports, at: usize) -> Glance {
    let Some(header) = octets.array::<IPV4_OCTETS>(at) else {
        return Glance::Unsure;
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
        return Glance::Unsure;
    }
    if !matches!(protocol, UDP | ESP | AH) {
        return Glance::Other;
    }
    let total = usize::from(u16::from_be_bytes([l0, l1]));
    let is_fragment = u16::from_be_bytes([f0, f1]) & 0x3fff != 0;
    if is_fragment || total < IPV4_OCTETS || at + total > octets.wire_length() {
        return Glance::Unsure;
    }
    transport(octets, ports, protocol, at + IPV4_OCTETS, total - IPV4_OCTETS)
        .from(mapped([s0, s1, s2, s3]), total)
}

#[inline(always)]
fn ipv6<O: Octets>(octets: &O, ports: &Ports, at: usize) -> Glance {
    let Some([version, _, _, _, l0, l1, next, _]) = octets.array::<8>(at) else {
        return Glance::Unsure;
    };
    if version >> 4 != 6 || is_followed(next) {
        return Glance::Unsure;
    }
    if !matches!(next, UDP | ESP | AH) {
        return Glance::Other;
    }
    let payload = usize::from(u16::from_be_bytes([l0, l1]));
    let whole = IPV6_OCTETS + payload;
    let Some(source) = octets.array(at + 8) else {
        return Glance::Unsure;
    };
    if payload == 0 || at + whole > octets.wire_length() {
        return Glance::Unsure;
    }
    transport(octets, ports, next, at + IPV6_OCTETS, payload).from(source, whole)
}

/// What a whole IP packet carries.
enum Carried {
    Esp(Esp),
    Other,
    Unsure,
}

impl Carried {
    #[inline(always)]
    fn from(self, source: [u8; 16], ip_octets: usize) -> Glance {
        match self {
            Self::Esp(esp) => Glance::Esp {
                esp,
                source,
                ip_octets: ip_octets as u32,
            },
            Self::Other => Glance::Other,
            Self::Unsure => Glance::Unsure,
        }
    }
}

/// Reads the transport header at `at`, of a packet with `here` octets from there on.
#[inline(always)]
fn transport<O: Octets>(octets: &O, ports: &Ports, protocol: u8, at: usize, here: usize) -> Carried {
    match protocol {
        ESP if here >= ESP_OCTETS => esp(octets, at, false),
        UDP if here >= UDP_OCTETS => {
            let Some([s0, s1, d0, d1, l0, l1, _, _]) = octets.array::<UDP_OCTETS>(at) else {
                return Carried::Unsure;
            };
            let source = u16::from_be_bytes([s0, s1]);
            let destination = u16::from_be_bytes([d0, d1]);
            if ports.is_nat_t(source, destination) {
                let length = usize::from(u16::from_be_bytes([l0, l1]));
                // Four zero octets are the non-ESP marker (RFC 3948 §2.2).
                let is_marked = octets.array(at + UDP_OCTETS) == Some([0; MARKER_OCTETS]);
                return match length {
                    SHORTEST_ESP_IN_UDP.. if length <= here && !is_marked => {
                        esp(octets, at + UDP_OCTETS, true)
                    }
                    _ => Carried::Unsure,
                };
            }
            if ports.is_isakmp(source, destination) {
                Carried::Unsure
            } else {
                Carried::Other
            }
        }
        _ => Carried::Unsure,
    }
}

#[inline(always)]
fn esp<O: Octets>(octets: &O, at: usize, in_udp: bool) -> Carried {
    match octets.array::<ESP_OCTETS>(at) {
        Some([p0, p1, p2, p3, s0, s1, s2, s3]) => Carried::Esp(Esp {
            spi: u32::from_be_bytes([p0, p1, p2, p3]),
            sequence: u32::from_be_bytes([s0, s1, s2, s3]),
            in_udp,
        }),
        None => Carried::Unsure,
    }
}

const VERSION_4_NO_OPTIONS: u8 = 0x45;
const SHORTEST_ESP_IN_UDP: usize = UDP_OCTETS + ESP_OCTETS;
