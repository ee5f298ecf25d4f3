//! Ethernet and VLAN tags, then whatever is inside.
//!
//! ```text
//!  0           6          12      14
//! +-----------+-----------+-------+----------+
//! | destination  source   | type  | payload  |     type 0x8100 / 0x88a8 / 0x9100 / 0x9200: 2 octets of tag
//! +-----------+-----------+-------+----------+     control, then the next type (IEEE 802.1Q §9)
//! ```

use crate::network::{self, Ip, L3};
use crate::octets::Octets;
use crate::packet::{Dissected, ParseError, Ports, Vlan};
use crate::transport::dissect_l4;

pub(crate) const ETHERNET_OCTETS: usize = 14;
pub(crate) const TAG_OCTETS: usize = 4;
const MAX_TAGS: u8 = 2;
/// IPv4 (RFC 894).
pub const ETHERTYPE_IPV4: u16 = 0x0800;
/// IPv6 (RFC 2464 §3).
pub const ETHERTYPE_IPV6: u16 = 0x86dd;

/// Result of the link layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum L2 {
    /// IPv4 or IPv6.
    Ip(L3Offset),
    /// Unreadable tags.
    Error(ParseError),
    /// Neither IPv4 nor IPv6.
    Other,
}

/// Position of the IP packet in a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct L3Offset {
    vlan: Vlan,
    /// Of IPv4 or IPv6.
    ethertype: u16,
    /// Offset of the IP header.
    offset: usize,
}

impl L3Offset {
    /// The VLAN tags around the packet.
    pub const fn vlan(&self) -> Vlan {
        self.vlan
    }
}

/// Dissects one Ethernet frame.
///
/// A header quoted by an ICMP error is not a message: ICMP is not dissected.
#[inline(always)]
pub fn dissect<O: Octets>(octets: &O, ports: &Ports) -> Dissected {
    dissect_from_l2(octets, ports, dissect_l2(octets, None))
}

/// The first part of [`dissect`]: down to the IP header. `tag` is the tag control information of an outermost VLAN tag
/// that was stripped from the frame.
///
/// The kernel's verifier follows every path through a program: split into parts, the paths add up instead of
/// multiplying.
#[inline(always)]
pub fn dissect_l2<O: Octets>(octets: &O, tag: Option<u16>) -> L2 {
    let Some([.., t0, t1]) = octets.array::<ETHERNET_OCTETS>(0) else {
        return L2::Error(ParseError::EthernetTruncated);
    };
    let vlan = tag.map_or(Vlan::default(), |tci| Vlan {
        depth: 1,
        tci: [tci, 0],
    });
    skip_tags(octets, vlan, u16::from_be_bytes([t0, t1]), ETHERNET_OCTETS)
}

/// The second part of [`dissect`]: down to the transport header, which [`dissect_l4`](crate::dissect_l4) reads.
#[inline(always)]
pub fn dissect_l3<O: Octets>(octets: &O, carried: &L3Offset) -> L3 {
    let L3Offset {
        vlan,
        ethertype,
        offset,
    } = *carried;
    let network = if ethertype == ETHERTYPE_IPV4 {
        network::ipv4::<_, false>(octets, offset)
    } else {
        network::ipv6::<_, false>(octets, offset)
    };
    match network {
        L3::Ip(ip) => L3::Ip(Ip { vlan, ..ip }),
        L3::Error(_) | L3::Other => network,
    }
}

#[inline(always)]
fn dissect_from_l2<O: Octets>(octets: &O, ports: &Ports, link: L2) -> Dissected {
    let network = match link {
        L2::Ip(carried) => dissect_l3(octets, &carried),
        L2::Error(error) => return Dissected::Error(error),
        L2::Other => return Dissected::Other,
    };
    match network {
        L3::Other => Dissected::Other,
        L3::Error(error) => Dissected::Error(error),
        L3::Ip(ip) => dissect_l4(octets, ports, &ip),
    }
}

#[inline(always)]
fn skip_tags<O: Octets>(octets: &O, outer: Vlan, ethertype: u16, offset: usize) -> L2 {
    let (mut ethertype, mut offset) = (ethertype, offset);
    let mut vlan = outer;
    for _ in 0..MAX_TAGS {
        if !is_tag(ethertype) || vlan.depth == MAX_TAGS {
            break;
        }
        let Some([c0, c1, e0, e1]) = octets.array(offset) else {
            return L2::Error(ParseError::EthernetTruncated);
        };
        let tci = u16::from_be_bytes([c0, c1]);
        vlan.tci = if vlan.depth == 0 {
            [tci, 0]
        } else {
            [vlan.tci[0], tci]
        };
        vlan.depth += 1;
        ethertype = u16::from_be_bytes([e0, e1]);
        offset += TAG_OCTETS;
    }
    match ethertype {
        ETHERTYPE_IPV4 | ETHERTYPE_IPV6 => L2::Ip(L3Offset {
            vlan,
            ethertype,
            offset,
        }),
        other if is_tag(other) => L2::Error(ParseError::VlanDepth),
        _ => L2::Other,
    }
}

#[inline(always)]
pub(crate) const fn is_tag(ethertype: u16) -> bool {
    matches!(ethertype, 0x8100 | 0x88a8 | 0x9100 | 0x9200)
}
