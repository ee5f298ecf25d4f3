//! IPv4 and IPv6 down to the transport header.
//!
//! ```text
//! IPv4 (RFC 791 §3.1)                               IPv6 (RFC 8200 §3)
//!  0 version, IHL   2 total length                   0 version       4 payload length   6 next header
//!  6 flags, offset  9 protocol   12 source           8 source       24 destination
//! 16 destination   20 options
//! ```

use crate::octets::Octets;
use crate::packet::{Ah, Fragment, Miss, Vlan, mapped};

/// An IP packet that may be ours, read up to its transport header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ip {
    pub(crate) vlan: Vlan,
    pub(crate) source: [u8; 16],
    pub(crate) destination: [u8; 16],
    pub(crate) version: u8,
    /// Octets of the IP packet as its header declares them.
    pub(crate) octets: u32,
    /// The transport protocol: UDP, ESP, or whatever an AH protects.
    pub(crate) protocol: u8,
    /// Offset of the transport header.
    pub(crate) at: usize,
    /// Offset of the end of the IP packet.
    pub(crate) end: usize,
    pub(crate) fragment: Fragment,
    pub(crate) ah: Option<Ah>,
}

/// What the network layer found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Not ours.
    Other,
    /// A packet that may be ours.
    Ip(Ip),
    /// Ours, or possibly ours, and not readable.
    Miss(Miss),
}

/// Reads IPv4 at `at`.
#[inline(always)]
pub(crate) fn ipv4<O: Octets>(octets: &O, at: usize) -> Network {
    let Some(h) = octets.array::<IPV4_OCTETS>(at) else {
        return Network::Miss(Miss::Ipv4Truncated);
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
        return Network::Miss(Miss::IpVersion);
    }
    let header = usize::from(vihl & 0x0f) * 4;
    if header < IPV4_OCTETS {
        return Network::Miss(Miss::Ipv4HeaderLength);
    }
    if !matches!(protocol, UDP | ESP | AH) {
        return Network::Other;
    }
    let total = usize::from(u16::from_be_bytes([l0, l1]));
    if total < header {
        return Network::Miss(Miss::Ipv4HeaderLength);
    }
    if at + total > octets.wire_length() {
        return Network::Miss(Miss::Ipv4TotalLength);
    }
    let fragment = match fragment(u16::from_be_bytes([f0, f1]) & 0x1fff, f0 & 0x20 != 0) {
        Ok(fragment) => fragment,
        Err(miss) => return Network::Miss(miss),
    };
    let ip = Ip {
        vlan: Vlan::default(),
        source: mapped([s0, s1, s2, s3]),
        destination: mapped([d0, d1, d2, d3]),
        version: 4,
        octets: total as u32,
        protocol,
        at: at + header,
        end: at + total,
        fragment,
        ah: None,
    };
    if protocol == AH {
        through_ah(octets, ip)
    } else {
        Network::Ip(ip)
    }
}

/// Reads IPv6 at `at` and follows its extension headers (RFC 8200 §4).
#[inline(always)]
pub(crate) fn ipv6<O: Octets>(octets: &O, at: usize) -> Network {
    let Some([version, _, _, _, l0, l1, next, _]) = octets.array::<8>(at) else {
        return Network::Miss(Miss::Ipv6Truncated);
    };
    if version >> 4 != 6 {
        return Network::Miss(Miss::IpVersion);
    }
    if !is_followed(next) && !matches!(next, UDP | ESP | AH) {
        return Network::Other;
    }
    let (Some(source), Some(destination)) = (octets.array(at + 8), octets.array(at + 24)) else {
        return Network::Miss(Miss::Ipv6Truncated);
    };
    let payload = usize::from(u16::from_be_bytes([l0, l1]));
    let mut ip = Ip {
        vlan: Vlan::default(),
        source,
        destination,
        version: 6,
        octets: (IPV6_OCTETS + payload) as u32,
        protocol: next,
        at: at + IPV6_OCTETS,
        end: at + IPV6_OCTETS + payload,
        fragment: Fragment::Whole,
        ah: None,
    };
    for _ in 0..MAX_EXTENSION_HEADERS {
        if !is_followed(ip.protocol) {
            break;
        }
        if ip.at - at > MAX_HEADER_OCTETS {
            return Network::Miss(Miss::Ipv6HeaderDepth);
        }
        let Some([next, length, o0, o1, _, _, _, _]) = octets.array::<8>(ip.at) else {
            return Network::Miss(Miss::Ipv6Truncated);
        };
        if ip.protocol == FRAGMENT {
            let offset = u16::from_be_bytes([o0, o1]);
            match fragment(offset >> 3, offset & 1 != 0) {
                Ok(Fragment::Whole) => {}
                Ok(Fragment::First) => ip.fragment = Fragment::First,
                // The header of a later fragment names the protocol of the whole packet (RFC 8200 §4.5).
                Err(miss) if matches!(next, UDP | ESP | AH) || is_followed(next) => {
                    return Network::Miss(miss);
                }
                Err(_) => return Network::Other,
            }
            ip.at += 8;
        } else {
            ip.at += (usize::from(length) + 1) * 8;
        }
        ip.protocol = next;
    }
    if is_followed(ip.protocol) || ip.at - at > MAX_HEADER_OCTETS {
        return Network::Miss(Miss::Ipv6HeaderDepth);
    }
    if !matches!(ip.protocol, UDP | ESP | AH) {
        return Network::Other;
    }
    if payload == 0 || ip.end > octets.wire_length() || ip.at > ip.end {
        return Network::Miss(Miss::Ipv6PayloadLength);
    }
    if ip.protocol == AH {
        through_ah(octets, ip)
    } else {
        Network::Ip(ip)
    }
}

/// Steps over one AH to what it protects (RFC 4302 §2): its length field counts words beyond two.
#[inline(always)]
fn through_ah<O: Octets>(octets: &O, mut ip: Ip) -> Network {
    if ip.at + AH_OCTETS > ip.end {
        return Network::Miss(Miss::AhTruncated);
    }
    let Some([next, length, _, _, p0, p1, p2, p3, s0, s1, s2, s3]) = octets.array::<AH_OCTETS>(ip.at) else {
        return Network::Miss(Miss::AhTruncated);
    };
    ip.ah = Some(Ah {
        spi: u32::from_be_bytes([p0, p1, p2, p3]),
        sequence: u32::from_be_bytes([s0, s1, s2, s3]),
    });
    let beyond = ip.at + (usize::from(length) + 2) * 4;
    // A length that lies leaves an AH whose SPI is still true: the body is then the AH itself.
    if usize::from(length) >= AH_MIN_LENGTH && beyond <= ip.end {
        ip.at = beyond;
        ip.protocol = next;
    }
    Network::Ip(ip)
}

#[inline(always)]
const fn fragment(offset: u16, more: bool) -> Result<Fragment, Miss> {
    match (offset, more) {
        (0, false) => Ok(Fragment::Whole),
        (0, true) => Ok(Fragment::First),
        _ => Err(Miss::LaterFragment),
    }
}

/// Extension headers that are stepped over: hop-by-hop, routing, fragment, destination options, mobility, HIP, shim6.
#[inline(always)]
pub(crate) const fn is_followed(protocol: u8) -> bool {
    matches!(protocol, 0 | 43 | FRAGMENT | 60 | 135 | 139 | 140)
}

pub(crate) const UDP: u8 = 17;
pub(crate) const ESP: u8 = 50;
pub(crate) const AH: u8 = 51;
const FRAGMENT: u8 = 44;
pub(crate) const IPV4_OCTETS: usize = 20;
pub(crate) const IPV6_OCTETS: usize = 40;
const AH_OCTETS: usize = 12;
/// Twelve octets of fixed fields are three words, and the field counts words minus two.
const AH_MIN_LENGTH: usize = 1;
/// RFC 8200 §4.1 recommends an order with seven; one more for a second destination options header.
const MAX_EXTENSION_HEADERS: usize = 8;
/// Headers beyond this are not followed: the kernel reads them in the first buffer of a frame, which every driver makes
/// larger. A chain of real headers has a few hundred octets.
const MAX_HEADER_OCTETS: usize = 1024;
