//! Ethernet and VLAN tags, then whatever is inside.
//!
//! ```text
//!  0           6          12      14
//! +-----------+-----------+-------+----------+
//! | destination  source   | type  | payload  |     type 0x8100 / 0x88a8 / 0x9100 / 0x9200: 2 octets of tag
//! +-----------+-----------+-------+----------+     control, then the next type (IEEE 802.1Q §9)
//! ```

use crate::network::{self, Ip, Network};
use crate::octets::Octets;
use crate::packet::{Miss, Ports, Seen, Vlan};
use crate::transport::transport;

/// What the link layer found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// IPv4 or IPv6.
    Carried(Carried),
    /// Tags that could not be read.
    Miss(Miss),
    /// Neither IPv4 nor IPv6.
    Other,
}

/// Where the IP packet is that a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Carried {
    vlan: Vlan,
    /// Of IPv4 or IPv6.
    ethertype: u16,
    /// Offset of the IP header.
    at: usize,
}

impl Carried {
    /// The VLAN tags around the packet.
    pub const fn vlan(&self) -> Vlan {
        self.vlan
    }
}

/// Says what one Ethernet frame is.
///
/// A quoted header inside an ICMP error is not a message: ICMP is not ours.
#[inline(always)]
pub fn dissect<O: Octets>(octets: &O, ports: &Ports) -> Seen {
    carried(octets, ports, link(octets, None))
}

/// Says what stands at `at` in a frame of any link layer, which called it `ethertype`: VLAN tags first, then IP.
#[inline(always)]
pub fn dissect_payload<O: Octets>(octets: &O, ports: &Ports, ethertype: u16, at: usize) -> Seen {
    carried(octets, ports, behind_tags(octets, Vlan::default(), ethertype, at))
}

/// The first part of [`dissect`]: down to the IP header. An outermost VLAN tag that was taken off is told beside the
/// frame: its tag control information.
///
/// The kernel's verifier follows every way through a program: in parts it is the sum of their ways, not the product.
#[inline(always)]
pub fn link<O: Octets>(octets: &O, tag: Option<u16>) -> Link {
    let Some([.., t0, t1]) = octets.array::<ETHERNET_OCTETS>(0) else {
        return Link::Miss(Miss::EthernetTruncated);
    };
    let vlan = tag.map_or(Vlan::default(), |tci| Vlan {
        depth: 1,
        tci: [tci, 0],
    });
    behind_tags(octets, vlan, u16::from_be_bytes([t0, t1]), ETHERNET_OCTETS)
}

/// The second part of [`dissect`]: down to the transport header, which [`transport()`](crate::transport()) reads.
#[inline(always)]
pub fn network<O: Octets>(octets: &O, carried: &Carried) -> Network {
    let Carried { vlan, ethertype, at } = *carried;
    let network = if ethertype == ETHERTYPE_IPV4 {
        network::ipv4(octets, at)
    } else {
        network::ipv6(octets, at)
    };
    match network {
        Network::Ip(ip) => Network::Ip(Ip { vlan, ..ip }),
        Network::Miss(_) | Network::Other => network,
    }
}

#[inline(always)]
fn carried<O: Octets>(octets: &O, ports: &Ports, link: Link) -> Seen {
    let network = match link {
        Link::Carried(carried) => network(octets, &carried),
        Link::Miss(miss) => return Seen::Miss(miss),
        Link::Other => return Seen::Other,
    };
    match network {
        Network::Other => Seen::Other,
        Network::Miss(miss) => Seen::Miss(miss),
        Network::Ip(ip) => transport(octets, ports, &ip),
    }
}

#[inline(always)]
fn behind_tags<O: Octets>(octets: &O, outer: Vlan, ethertype: u16, at: usize) -> Link {
    let (mut ethertype, mut at) = (ethertype, at);
    let mut vlan = outer;
    for _ in 0..MAX_TAGS {
        if !is_tag(ethertype) || vlan.depth == MAX_TAGS {
            break;
        }
        let Some([c0, c1, e0, e1]) = octets.array(at) else {
            return Link::Miss(Miss::EthernetTruncated);
        };
        let tci = u16::from_be_bytes([c0, c1]);
        vlan.tci = if vlan.depth == 0 {
            [tci, 0]
        } else {
            [vlan.tci[0], tci]
        };
        vlan.depth += 1;
        ethertype = u16::from_be_bytes([e0, e1]);
        at += TAG_OCTETS;
    }
    match ethertype {
        ETHERTYPE_IPV4 | ETHERTYPE_IPV6 => Link::Carried(Carried { vlan, ethertype, at }),
        other if is_tag(other) => Link::Miss(Miss::VlanDepth),
        _ => Link::Other,
    }
}

#[inline(always)]
pub(crate) const fn is_tag(ethertype: u16) -> bool {
    matches!(ethertype, 0x8100 | 0x88a8 | 0x9100 | 0x9200)
}

pub(crate) const ETHERNET_OCTETS: usize = 14;
pub(crate) const TAG_OCTETS: usize = 4;
const MAX_TAGS: u8 = 2;
/// IPv4 (RFC 894).
pub const ETHERTYPE_IPV4: u16 = 0x0800;
/// IPv6 (RFC 2464 §3).
pub const ETHERTYPE_IPV6: u16 = 0x86dd;
