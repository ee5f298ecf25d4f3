//! IPv4 and IPv6 down to the transport header.
//!
//! ```text
//! IPv4 (RFC 791 §3.1)                               IPv6 (RFC 8200 §3)
//!  0 version, IHL   2 total length                   0 version       4 payload length   6 next header
//!  6 flags, offset  9 protocol   12 source           8 source       24 destination
//! 16 destination   20 options
//! ```

use crate::layers::Layer;
use crate::octets::Octets;
use crate::packet::{Ah, Fragment, ParseError, Vlan, mapped};

pub(crate) const UDP: u8 = 17;
pub(crate) const ESP: u8 = 50;
pub(crate) const AH: u8 = 51;
const FRAGMENT: u8 = 44;
pub(crate) const IPV4_OCTETS: usize = 20;
pub(crate) const IPV6_OCTETS: usize = 40;
const AH_OCTETS: usize = 12;
/// The fixed fields have twelve octets, which are three words; the field counts words minus two.
const AH_MIN_LENGTH: usize = 1;
/// RFC 8200 §4.1 recommends an order with seven headers; one more for a second destination options header.
const MAX_EXTENSION_HEADERS: usize = 8;
/// Headers beyond this offset are not followed: the kernel reads them in the first buffer of a frame, which every
/// driver makes larger. A real chain of headers has a few hundred octets.
const MAX_HEADER_OCTETS: usize = 1024;

/// An IP packet up to its transport header; possibly of a monitored protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ip {
    pub(crate) vlan: Vlan,
    pub(crate) source: [u8; 16],
    pub(crate) destination: [u8; 16],
    pub(crate) version: u8,
    /// Declared length of the IP packet, in octets.
    pub(crate) octets: u32,
    /// The transport protocol: UDP, ESP, or the protocol inside an AH.
    pub(crate) protocol: u8,
    /// Offset of the transport header.
    pub(crate) offset: usize,
    /// Offset of the end of the IP packet.
    pub(crate) end: usize,
    pub(crate) fragment: Fragment,
    pub(crate) ah: Option<Ah>,
}

impl Ip {
    /// A packet of another protocol that carries nothing.
    const fn uncarried(protocol: u8) -> Self {
        Self {
            vlan: Vlan {
                depth: 0,
                tci: [0; 2],
            },
            source: [0; 16],
            destination: [0; 16],
            version: 0,
            octets: 0,
            protocol,
            offset: 0,
            end: 0,
            fragment: Fragment::Whole,
            ah: None,
        }
    }
}

/// Result of the network layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum L3 {
    /// Another protocol.
    Other,
    /// Possibly a monitored protocol.
    Ip(Ip),
    /// An unreadable packet of a monitored protocol, or possibly one.
    Error(ParseError),
}

/// Reads IPv4 at `offset`.
///
/// With `ANY`, every protocol is passed on; for those that are neither monitored nor carriers, only the number. A
/// total length of 0, which segmentation offload leaves, then means the length of the frame.
#[inline(always)]
pub(crate) fn ipv4<O: Octets, const ANY: bool>(octets: &O, offset: usize) -> L3 {
    let Some(h) = octets.array::<IPV4_OCTETS>(offset) else {
        return L3::Error(ParseError::Ipv4Truncated);
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
        d0,
        d1,
        d2,
        d3,
    ] = h;
    if vihl >> 4 != 4 {
        return L3::Error(ParseError::IpVersion);
    }
    let header = usize::from(vihl & 0x0f) * 4;
    if header < IPV4_OCTETS {
        return L3::Error(ParseError::Ipv4HeaderLength);
    }
    if !is_wanted::<ANY>(protocol) {
        return if ANY {
            L3::Ip(Ip::uncarried(protocol))
        } else {
            L3::Other
        };
    }
    let mut total = usize::from(u16::from_be_bytes([l0, l1]));
    if ANY && total == 0 {
        total = octets.wire_length() - offset;
    }
    if total < header {
        return L3::Error(ParseError::Ipv4HeaderLength);
    }
    if offset + total > octets.wire_length() {
        return L3::Error(ParseError::Ipv4TotalLength);
    }
    let fragment = match fragment(u16::from_be_bytes([f0, f1]) & 0x1fff, f0 & 0x20 != 0) {
        Ok(fragment) => fragment,
        Err(error) => return L3::Error(error),
    };
    let ip = Ip {
        vlan: Vlan::default(),
        source: mapped([s0, s1, s2, s3]),
        destination: mapped([d0, d1, d2, d3]),
        version: 4,
        octets: total as u32,
        protocol,
        offset: offset + header,
        end: offset + total,
        fragment,
        ah: None,
    };
    if protocol == AH {
        through_ah(octets, ip)
    } else {
        L3::Ip(ip)
    }
}

/// Reads IPv6 at `offset` and follows its extension headers (RFC 8200 §4). With `ANY` as [`ipv4`] does.
#[inline(always)]
pub(crate) fn ipv6<O: Octets, const ANY: bool>(octets: &O, offset: usize) -> L3 {
    let Some([version, _, _, _, l0, l1, next, _]) = octets.array::<8>(offset) else {
        return L3::Error(ParseError::Ipv6Truncated);
    };
    if version >> 4 != 6 {
        return L3::Error(ParseError::IpVersion);
    }
    if !is_followed(next) && !is_wanted::<ANY>(next) {
        return if ANY {
            L3::Ip(Ip::uncarried(next))
        } else {
            L3::Other
        };
    }
    let (Some(source), Some(destination)) = (octets.array(offset + 8), octets.array(offset + 24)) else {
        return L3::Error(ParseError::Ipv6Truncated);
    };
    let mut payload = usize::from(u16::from_be_bytes([l0, l1]));
    if ANY && payload == 0 {
        payload = octets.wire_length().saturating_sub(offset + IPV6_OCTETS);
    }
    let mut ip = Ip {
        vlan: Vlan::default(),
        source,
        destination,
        version: 6,
        octets: (IPV6_OCTETS + payload) as u32,
        protocol: next,
        offset: offset + IPV6_OCTETS,
        end: offset + IPV6_OCTETS + payload,
        fragment: Fragment::Whole,
        ah: None,
    };
    for _ in 0..MAX_EXTENSION_HEADERS {
        if !is_followed(ip.protocol) {
            break;
        }
        if ip.offset - offset > MAX_HEADER_OCTETS {
            return L3::Error(ParseError::Ipv6HeaderDepth);
        }
        let Some([next, length, o0, o1, _, _, _, _]) = octets.array::<8>(ip.offset) else {
            return L3::Error(ParseError::Ipv6Truncated);
        };
        if ip.protocol == FRAGMENT {
            let offset = u16::from_be_bytes([o0, o1]);
            match fragment(offset >> 3, offset & 1 != 0) {
                Ok(Fragment::Whole) => {}
                Ok(Fragment::First) => ip.fragment = Fragment::First,
                // The fragment header of a later fragment names the protocol of the whole packet (RFC 8200 §4.5).
                Err(error) if is_wanted::<ANY>(next) || is_followed(next) => {
                    return L3::Error(error);
                }
                Err(_) => return L3::Other,
            }
            ip.offset += 8;
        } else {
            ip.offset += (usize::from(length) + 1) * 8;
        }
        ip.protocol = next;
    }
    if is_followed(ip.protocol) || ip.offset - offset > MAX_HEADER_OCTETS {
        return L3::Error(ParseError::Ipv6HeaderDepth);
    }
    if !is_wanted::<ANY>(ip.protocol) {
        return if ANY {
            L3::Ip(Ip::uncarried(ip.protocol))
        } else {
            L3::Other
        };
    }
    if payload == 0 || ip.end > octets.wire_length() || ip.offset > ip.end {
        return L3::Error(ParseError::Ipv6PayloadLength);
    }
    if ip.protocol == AH {
        through_ah(octets, ip)
    } else {
        L3::Ip(ip)
    }
}

/// Steps over one AH to its payload (RFC 4302 §2): its length field counts words beyond two.
#[inline(always)]
pub(crate) fn through_ah<O: Octets>(octets: &O, mut ip: Ip) -> L3 {
    if ip.offset + AH_OCTETS > ip.end {
        return L3::Error(ParseError::AhTruncated);
    }
    let Some([next, length, _, _, p0, p1, p2, p3, s0, s1, s2, s3]) = octets.array::<AH_OCTETS>(ip.offset)
    else {
        return L3::Error(ParseError::AhTruncated);
    };
    ip.ah = Some(Ah {
        spi: u32::from_be_bytes([p0, p1, p2, p3]),
        sequence: u32::from_be_bytes([s0, s1, s2, s3]),
    });
    let beyond = ip.offset + (usize::from(length) + 2) * 4;
    // With a false length, the SPI of the AH is still right: the body is then the AH itself.
    if usize::from(length) >= AH_MIN_LENGTH && beyond <= ip.end {
        ip.offset = beyond;
        ip.protocol = next;
    }
    L3::Ip(ip)
}

/// Whether a protocol may be monitored or, with `ANY`, may carry a monitored one.
#[inline(always)]
const fn is_wanted<const ANY: bool>(protocol: u8) -> bool {
    matches!(protocol, UDP | ESP | AH) || ANY && Layer::of_protocol(protocol).is_some()
}

#[inline(always)]
const fn fragment(offset: u16, more: bool) -> Result<Fragment, ParseError> {
    match (offset, more) {
        (0, false) => Ok(Fragment::Whole),
        (0, true) => Ok(Fragment::First),
        _ => Err(ParseError::LaterFragment),
    }
}

/// Extension headers to skip: hop-by-hop, routing, fragment, destination options, mobility, HIP, shim6.
#[inline(always)]
pub(crate) const fn is_followed(protocol: u8) -> bool {
    matches!(protocol, 0 | 43 | FRAGMENT | 60 | 135 | 139 | 140)
}
