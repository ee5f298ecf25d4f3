//! UDP, ESP and AH: what a packet of ours carries.

use crate::isakmp::{HEADER_OCTETS, Header};
use crate::network::{ESP, Ip, UDP};
use crate::octets::Octets;
use crate::packet::{Body, Esp, Fragment, Miss, Packet, Ports, Seen};

/// The second half of [`dissect`](crate::dissect): reads the transport layer of `ip`, which stands in `octets`.
#[inline(always)]
pub fn transport<O: Octets>(octets: &O, ports: &Ports, ip: &Ip) -> Seen {
    let (source_port, destination_port, body) = match ip.protocol {
        ESP => match esp(octets, ip.at, ip.end - ip.at, ip.end - ip.at, false) {
            Ok(body) => (0, 0, body),
            Err(miss) => return Seen::Miss(miss),
        },
        UDP => {
            if ip.at + UDP_OCTETS > ip.end {
                return Seen::Miss(Miss::UdpTruncated);
            }
            let Some([s0, s1, d0, d1, l0, l1, _, _]) = octets.array::<UDP_OCTETS>(ip.at) else {
                return Seen::Miss(Miss::UdpTruncated);
            };
            let source = u16::from_be_bytes([s0, s1]);
            let destination = u16::from_be_bytes([d0, d1]);
            let nat_t = ports.is_nat_t(source, destination);
            if nat_t || ports.is_isakmp(source, destination) {
                let length = usize::from(u16::from_be_bytes([l0, l1]));
                let here = ip.end - ip.at;
                // In a first fragment the UDP length is that of the datagram, of which only a part is here.
                if length < UDP_OCTETS || (ip.fragment == Fragment::Whole && length > here) {
                    return Seen::Miss(Miss::UdpLength);
                }
                // What lies behind the IP packet in the frame is padding, not the rest of the datagram.
                let here = if here < length { here } else { length };
                let (length, here) = (length - UDP_OCTETS, here - UDP_OCTETS);
                match datagram(octets, ip.at + UDP_OCTETS, length, here, nat_t) {
                    Ok(body) => (source, destination, body),
                    Err(miss) => return Seen::Miss(miss),
                }
            } else if ip.ah.is_some() {
                (0, 0, Body::Ah)
            } else {
                return Seen::Other;
            }
        }
        // Only an AH leads here with another protocol inside.
        _ => (0, 0, Body::Ah),
    };
    Seen::Packet(Packet {
        vlan: ip.vlan,
        source: ip.source,
        destination: ip.destination,
        ip_version: ip.version,
        ip_octets: ip.octets,
        source_port,
        destination_port,
        fragment: ip.fragment,
        ah: ip.ah,
        body,
    })
}

/// A datagram on one of our ports: ISAKMP, ISAKMP behind the non-ESP marker, ESP or a keepalive (RFC 3948 §2).
///
/// Of `length` octets `here` are in this packet. The marker is accepted on the ISAKMP ports too: an implementation
/// that uses one port for everything puts it there.
#[inline(always)]
fn datagram<O: Octets>(octets: &O, at: usize, length: usize, here: usize, nat_t: bool) -> Result<Body, Miss> {
    if length == 0 {
        return Err(Miss::IsakmpEmpty);
    }
    if length < MARKER_OCTETS {
        // Read with the octet before it: LLVM makes `at + 1 > end` into `at >= end`, from which the verifier learns
        // nothing ("R4 offset is outside of the packet").
        return match octets.array::<2>(at - 1) {
            Some([_, 0xff]) if length == 1 && here == 1 => Ok(Body::NatKeepalive),
            _ => Err(Miss::IsakmpShort),
        };
    }
    if here < MARKER_OCTETS {
        return Err(Miss::IsakmpTruncated);
    }
    let Some(first) = octets.array::<MARKER_OCTETS>(at) else {
        return Err(Miss::IsakmpTruncated);
    };
    if first == [0; MARKER_OCTETS] && (nat_t || is_marked(octets, at, here)) {
        isakmp(
            octets,
            at + MARKER_OCTETS,
            length - MARKER_OCTETS,
            here - MARKER_OCTETS,
            true,
        )
    } else if nat_t {
        esp(octets, at, length, here, true)
    } else {
        isakmp(octets, at, length, here, false)
    }
}

/// Whether four zero octets on an ISAKMP port are a marker, or the beginning of an initiator cookie.
///
/// The version of the header tells: with a marker it stands four octets later.
#[inline(always)]
fn is_marked<O: Octets>(octets: &O, at: usize, here: usize) -> bool {
    if here < VERSION_AT + VERSION_SPAN {
        return true;
    }
    match octets.array::<VERSION_SPAN>(at + VERSION_AT) {
        Some([unmarked, _, _, _, marked]) => is_version(marked) || !is_version(unmarked),
        None => true,
    }
}

/// Whether this is 1.0 (RFC 2408 §3.1) or 2.0 (RFC 7296 §3.1).
#[inline(always)]
const fn is_version(octet: u8) -> bool {
    matches!(octet, 0x10 | 0x20)
}

#[inline(always)]
fn isakmp<O: Octets>(octets: &O, at: usize, length: usize, here: usize, marked: bool) -> Result<Body, Miss> {
    if length < HEADER_OCTETS {
        return Err(Miss::IsakmpShort);
    }
    if here < HEADER_OCTETS {
        return Err(Miss::IsakmpTruncated);
    }
    let Some(header) = octets.array::<HEADER_OCTETS>(at) else {
        return Err(Miss::IsakmpTruncated);
    };
    Ok(Body::Isakmp {
        header: Header::from(header),
        at,
        octets: length as u16,
        here: here as u16,
        marked,
    })
}

#[inline(always)]
fn esp<O: Octets>(octets: &O, at: usize, length: usize, here: usize, in_udp: bool) -> Result<Body, Miss> {
    if length < ESP_OCTETS {
        return Err(Miss::EspShort);
    }
    if here < ESP_OCTETS {
        return Err(Miss::EspTruncated);
    }
    let Some([p0, p1, p2, p3, s0, s1, s2, s3]) = octets.array::<ESP_OCTETS>(at) else {
        return Err(Miss::EspTruncated);
    };
    Ok(Body::Esp(Esp {
        spi: u32::from_be_bytes([p0, p1, p2, p3]),
        sequence: u32::from_be_bytes([s0, s1, s2, s3]),
        in_udp,
    }))
}

pub(crate) const UDP_OCTETS: usize = 8;
pub(crate) const ESP_OCTETS: usize = 8;
pub(crate) const MARKER_OCTETS: usize = 4;
/// Offset of the version in an ISAKMP header.
const VERSION_AT: usize = 17;
/// From there to where it stands behind a marker.
const VERSION_SPAN: usize = MARKER_OCTETS + 1;
