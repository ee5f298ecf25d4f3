//! UDP, ESP and AH.

use crate::isakmp::{HEADER_OCTETS, Header};
use crate::network::{ESP, Ip, UDP};
use crate::octets::Octets;
use crate::packet::{Body, Dissected, Esp, Fragment, Packet, ParseError, Ports};

pub(crate) const UDP_OCTETS: usize = 8;
pub(crate) const ESP_OCTETS: usize = 8;
pub(crate) const MARKER_OCTETS: usize = 4;
/// Offset of the version in an ISAKMP header.
const VERSION_AT: usize = 17;
/// Distance from there to its offset after a marker.
const VERSION_SPAN: usize = MARKER_OCTETS + 1;

/// The last part of [`dissect`](crate::dissect): reads the transport layer of `ip` in `octets`.
#[inline(always)]
pub fn dissect_l4<O: Octets>(octets: &O, ports: &Ports, ip: &Ip) -> Dissected {
    let (source_port, destination_port, body) = match ip.protocol {
        ESP => match esp(octets, ip.offset, ip.end - ip.offset, ip.end - ip.offset, false) {
            Ok(body) => (0, 0, body),
            Err(error) => return Dissected::Error(error),
        },
        UDP => {
            if ip.offset + UDP_OCTETS > ip.end {
                return Dissected::Error(ParseError::UdpTruncated);
            }
            let Some([s0, s1, d0, d1, l0, l1, _, _]) = octets.array::<UDP_OCTETS>(ip.offset) else {
                return Dissected::Error(ParseError::UdpTruncated);
            };
            let source = u16::from_be_bytes([s0, s1]);
            let destination = u16::from_be_bytes([d0, d1]);
            let nat_t = ports.is_nat_t(source, destination);
            if nat_t || ports.is_isakmp(source, destination) {
                let length = usize::from(u16::from_be_bytes([l0, l1]));
                let available = ip.end - ip.offset;
                // In a first fragment the UDP length is that of the datagram, of which only a part is here.
                if length < UDP_OCTETS || (ip.fragment == Fragment::Whole && length > available) {
                    return Dissected::Error(ParseError::UdpLength);
                }
                // Octets after the IP packet in the frame are padding, not the rest of the datagram.
                let available = if available < length { available } else { length };
                let (length, available) = (length - UDP_OCTETS, available - UDP_OCTETS);
                match datagram(octets, ip.offset + UDP_OCTETS, length, available, nat_t) {
                    Ok(body) => (source, destination, body),
                    Err(error) => return Dissected::Error(error),
                }
            } else if ip.ah.is_some() {
                (0, 0, Body::Ah)
            } else {
                return Dissected::Other;
            }
        }
        // Only an AH leads here with another protocol inside.
        _ => (0, 0, Body::Ah),
    };
    Dissected::Packet(Packet {
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

/// A datagram on a configured port: ISAKMP, ISAKMP after the non-ESP marker, ESP or a keepalive (RFC 3948 §2).
///
/// `available` of its `length` octets are in this packet. The marker is accepted on the ISAKMP ports too: an
/// implementation that uses one port for everything sends it there.
#[inline(always)]
fn datagram<O: Octets>(
    octets: &O,
    offset: usize,
    length: usize,
    available: usize,
    nat_t: bool,
) -> Result<Body, ParseError> {
    if length == 0 {
        return Err(ParseError::IsakmpEmpty);
    }
    if length < MARKER_OCTETS {
        // Read with the octet before it: LLVM turns `offset + 1 > end` into `offset >= end`, from which the verifier
        // learns nothing ("R4 offset is outside of the packet").
        return match octets.array::<2>(offset - 1) {
            Some([_, 0xff]) if length == 1 && available == 1 => Ok(Body::NatKeepalive),
            _ => Err(ParseError::IsakmpShort),
        };
    }
    if available < MARKER_OCTETS {
        return Err(ParseError::IsakmpTruncated);
    }
    let Some(first) = octets.array::<MARKER_OCTETS>(offset) else {
        return Err(ParseError::IsakmpTruncated);
    };
    if first == [0; MARKER_OCTETS] && (nat_t || is_marked(octets, offset, available)) {
        isakmp(
            octets,
            offset + MARKER_OCTETS,
            length - MARKER_OCTETS,
            available - MARKER_OCTETS,
            true,
        )
    } else if nat_t {
        esp(octets, offset, length, available, true)
    } else {
        isakmp(octets, offset, length, available, false)
    }
}

/// Whether four zero octets on an ISAKMP port are a marker, or the beginning of an initiator cookie.
///
/// The version in the header decides: with a marker it is four octets later.
#[inline(always)]
fn is_marked<O: Octets>(octets: &O, offset: usize, available: usize) -> bool {
    if available < VERSION_AT + VERSION_SPAN {
        return true;
    }
    match octets.array::<VERSION_SPAN>(offset + VERSION_AT) {
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
fn isakmp<O: Octets>(
    octets: &O,
    offset: usize,
    length: usize,
    available: usize,
    marked: bool,
) -> Result<Body, ParseError> {
    if length < HEADER_OCTETS {
        return Err(ParseError::IsakmpShort);
    }
    if available < HEADER_OCTETS {
        return Err(ParseError::IsakmpTruncated);
    }
    let Some(header) = octets.array::<HEADER_OCTETS>(offset) else {
        return Err(ParseError::IsakmpTruncated);
    };
    Ok(Body::Isakmp {
        header: Header::from(header),
        offset,
        octets: length as u16,
        available: available as u16,
        marked,
    })
}

#[inline(always)]
fn esp<O: Octets>(
    octets: &O,
    offset: usize,
    length: usize,
    available: usize,
    in_udp: bool,
) -> Result<Body, ParseError> {
    if length < ESP_OCTETS {
        return Err(ParseError::EspShort);
    }
    if available < ESP_OCTETS {
        return Err(ParseError::EspTruncated);
    }
    let Some([p0, p1, p2, p3, s0, s1, s2, s3]) = octets.array::<ESP_OCTETS>(offset) else {
        return Err(ParseError::EspTruncated);
    };
    Ok(Body::Esp(Esp {
        spi: u32::from_be_bytes([p0, p1, p2, p3]),
        sequence: u32::from_be_bytes([s0, s1, s2, s3]),
        in_udp,
    }))
}
