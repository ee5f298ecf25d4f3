//! Link layers of captures, by the registry of tcpdump.org/linktypes.html, down to their content.

use core::fmt;

use super::not_read::Wireless;
use super::{Begins, NotRead, Onward, Step, Stop};
use crate::frame::{ETHERTYPE_IPV4, ETHERTYPE_IPV6};
use crate::octets::Octets;

/// Recorder headers may be nested: PPI before radiotap, ERF before PPP.
const MAX_HEADERS: usize = 4;
const MAX_PRESENT_WORDS: usize = 16;
/// Attributes of NFLOG; about twenty are known.
const MAX_ATTRIBUTES: usize = 32;
const MAX_RECORD_EXTENSIONS: usize = 8;
const PRISM_OCTETS: usize = 144;
/// An AVS header has 64 octets; a longer one would be cut anyway.
const MAX_AVS_OCTETS: u32 = 4096;
const JUNIPER_MARK: [u8; 3] = [0x4d, 0x47, 0x43];
const NFULA_PAYLOAD: u8 = 9;
/// LLC without an Ethernet header (`linux/if_ether.h`).
const LINUX_802_2: u16 = 0x0004;
/// Unnumbered information.
const UNNUMBERED: u8 = 0x03;
/// A number below it is a length (IEEE 802.3 §3.2.6).
pub(super) const FIRST_ETHERTYPE: u16 = 0x0600;
const FIRST_ETHERTYPE_32: u32 = 0x0600;

/// A link-layer header type of a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkType(pub u32);

impl LinkType {
    /// Ethernet.
    pub const ETHERNET: Self = Self(1);

    /// What follows the link header of a frame.
    #[inline]
    pub fn start<O: Octets>(self, octets: &O) -> Step {
        let (mut link, mut at) = (self, 0);
        for _ in 0..MAX_HEADERS {
            match link.header(octets, at)? {
                Start::Onward(onward) => return Ok(onward),
                Start::Link(inner, next) => (link, at) = (inner, next),
            }
        }
        Err(Stop::NotRead(NotRead::Link(self)))
    }

    /// Reads the link header at `at`.
    fn header<O: Octets>(self, octets: &O, at: usize) -> Result<Start, Stop> {
        let start = |begins, length| Ok(Start::Onward(Onward::new(begins, at + length)));
        match self.0 {
            0 | 108 => family(octets, at),
            1 => start(Begins::Ethernet, 0),
            9 => start(Begins::Ppp, 0),
            // A direction, then PPP from after its address octet.
            166 => start(Begins::Ppp, 2),
            204 => start(Begins::Ppp, 1),
            12 | 14 | 101 | 228 | 229 => start(Begins::Ip, 0),
            50 => Ok(Start::Link(serial(octets, at)?, at)),
            51 => start(Begins::Layer(super::Layer::Pppoe), 0),
            // LLC for ATM (RFC 2684).
            11 | 100 => start(Begins::Llc, 0),
            104 => ethertype(octets, at + 2),
            205 => ethertype(octets, at + 3),
            105 => start(Begins::Wireless { padded: false }, 0),
            107 => frame_relay(octets, at),
            206 => frame_relay(octets, at + 1),
            109 => family_before(octets, at, 12),
            113 => cooked(octets, at + 14, at + 16),
            276 => cooked(octets, at, at + 20),
            117 => packet_filter_log(octets, at),
            119 => start(Begins::Wireless { padded: false }, PRISM_OCTETS),
            127 => radiotap(octets, at),
            163 => {
                let [a, b, c, d] = need(octets, at + 4)?;
                let length = u32::from_be_bytes([a, b, c, d]).min(MAX_AVS_OCTETS);
                start(Begins::Wireless { padded: false }, length as usize)
            }
            178..=181 => juniper(self, octets, at),
            192 => {
                let [_, _, l0, l1, t0, t1, t2, t3] = need(octets, at)?;
                let inner = Self(u32::from_le_bytes([t0, t1, t2, t3]));
                Ok(Start::Link(inner, at + usize::from(u16::from_le_bytes([l0, l1]))))
            }
            197 => extensible_record(octets, at),
            219 => start(Begins::Layer(super::Layer::Mpls), 0),
            239 => netfilter_log(octets, at),
            _ => Err(Stop::NotRead(NotRead::Link(self))),
        }
    }

    const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            0 | 108 => "BSD loopback",
            1 => "Ethernet",
            6 => "Token Ring",
            9 => "PPP",
            10 => "FDDI",
            11 | 100 => "LLC over ATM",
            12 | 14 | 101 => "raw IP",
            50 => "PPP in HDLC framing",
            51 => "PPPoE",
            104 => "Cisco HDLC",
            105 => "IEEE 802.11",
            107 => "Frame Relay",
            109 => "OpenBSD enc",
            113 => "Linux cooked capture",
            117 => "pflog",
            119 => "IEEE 802.11 with Prism header",
            127 => "IEEE 802.11 with radiotap header",
            163 => "IEEE 802.11 with AVS header",
            166 => "PPP of pppd",
            178 => "Juniper Ethernet",
            179 => "Juniper PPP",
            180 => "Juniper Frame Relay",
            181 => "Juniper Cisco HDLC",
            187 | 201 => "Bluetooth",
            189 | 220 => "USB of Linux",
            192 => "PPI",
            197 => "ERF",
            204 => "PPP with direction",
            205 => "Cisco HDLC with direction",
            206 => "Frame Relay with direction",
            219 => "MPLS",
            227 => "CAN",
            228 => "raw IPv4",
            229 => "raw IPv6",
            239 => "NFLOG",
            249 => "USB of Windows",
            253 => "Netlink",
            276 => "Linux cooked capture v2",
            _ => return None,
        })
    }
}

impl fmt::Display for LinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} (link type {})", self.0),
            None => write!(f, "link type {}", self.0),
        }
    }
}

/// What follows a link header.
enum Start {
    /// A frame of another link layer: the recorder put a header before it.
    Link(LinkType, usize),
    Onward(Onward),
}

/// A protocol family in the byte order of the recording machine, or an Ethertype.
fn family<O: Octets>(octets: &O, at: usize) -> Result<Start, Stop> {
    family_before(octets, at, 4)
}

/// The same at the beginning of a header of `length` octets.
fn family_before<O: Octets>(octets: &O, at: usize, length: usize) -> Result<Start, Stop> {
    let family = u32::from_be_bytes(need(octets, at)?);
    // The number is small, so its byte order is evident.
    let family = family.min(family.swap_bytes());
    let begins = match family {
        FIRST_ETHERTYPE_32..=0xffff => Begins::Ethertype(family as u16),
        _ => match of_family(family) {
            Some(ethertype) => Begins::Ethertype(ethertype),
            None => return Err(Stop::NotRead(NotRead::Family(family))),
        },
    };
    Ok(Start::Onward(Onward::new(begins, at + length)))
}

const fn of_family(family: u32) -> Option<u16> {
    match family {
        2 => Some(ETHERTYPE_IPV4),
        // Linux; OpenBSD and NetBSD; FreeBSD; Darwin.
        10 | 24 | 28 | 30 => Some(ETHERTYPE_IPV6),
        _ => None,
    }
}

fn ethertype<O: Octets>(octets: &O, at: usize) -> Result<Start, Stop> {
    let ethertype = u16::from_be_bytes(need(octets, at)?);
    Ok(Start::Onward(Onward::new(Begins::Ethertype(ethertype), at + 2)))
}

/// Linux cooked capture: an Ethertype, or a small number for protocols without one.
fn cooked<O: Octets>(octets: &O, protocol: usize, payload: usize) -> Result<Start, Stop> {
    let begins = match u16::from_be_bytes(need(octets, protocol)?) {
        LINUX_802_2 => Begins::Llc,
        // IPX without LLC, CAN and the like.
        0..FIRST_ETHERTYPE => return Err(Stop::Harmless),
        ethertype => Begins::Ethertype(ethertype),
    };
    Ok(Start::Onward(Onward::new(begins, payload)))
}

/// PPP or Cisco HDLC, by the address octet.
fn serial<O: Octets>(octets: &O, at: usize) -> Result<LinkType, Stop> {
    Ok(match need(octets, at)? {
        [0x0f | 0x8f] => LinkType(104),
        _ => LinkType(9),
    })
}

/// Q.922 address of two to four octets, then RFC 2427, or an Ethertype in Cisco's form.
fn frame_relay<O: Octets>(octets: &O, at: usize) -> Result<Start, Stop> {
    let mut next = at;
    for _ in 0..4 {
        let [address] = need(octets, next)?;
        next += 1;
        // The low bit marks the last octet of the address.
        if address & 1 == 0 {
            continue;
        }
        return match need(octets, next)? {
            [UNNUMBERED, 0] => Ok(Start::Onward(Onward::new(Begins::Nlpid, next + 2))),
            [UNNUMBERED, _] => Ok(Start::Onward(Onward::new(Begins::Nlpid, next + 1))),
            _ => ethertype(octets, next),
        };
    }
    Err(Stop::Truncated)
}

/// Length and family, then the rest of a header padded to words.
fn packet_filter_log<O: Octets>(octets: &O, at: usize) -> Result<Start, Stop> {
    let [length, family] = need(octets, at)?;
    match of_family(family.into()) {
        Some(ethertype) => Ok(Start::Onward(Onward::new(
            Begins::Ethertype(ethertype),
            at + usize::from(length).next_multiple_of(4),
        ))),
        None => Err(Stop::NotRead(NotRead::Family(family.into()))),
    }
}

/// Version, padding, length, then words that say which fields follow (radiotap.org).
fn radiotap<O: Octets>(octets: &O, at: usize) -> Result<Start, Stop> {
    let [_, _, l0, l1, p0, p1, p2, p3] = need(octets, at)?;
    let length = usize::from(u16::from_le_bytes([l0, l1]));
    let first = u32::from_le_bytes([p0, p1, p2, p3]);
    let (mut present, mut next) = (first, at + 8);
    for _ in 0..MAX_PRESENT_WORDS {
        if present >> 31 == 0 {
            break;
        }
        present = u32::from_le_bytes(need(octets, next)?);
        next += 4;
    }
    // A time of eight octets may precede the flags.
    if first & 1 != 0 {
        next = at + (next - at).next_multiple_of(8) + 8;
    }
    let padded = first & 2 != 0 && matches!(octets.array(next), Some([flags]) if flags & 0x20 != 0);
    Ok(Start::Onward(Onward::new(
        Begins::Wireless { padded },
        at + length,
    )))
}

/// Family, version, resource, then attributes, one of which is the packet (`linux/netfilter/nfnetlink_log.h`).
fn netfilter_log<O: Octets>(octets: &O, at: usize) -> Result<Start, Stop> {
    let [family] = need(octets, at)?;
    let Some(ethertype) = of_family(family.into()) else {
        return Err(Stop::NotRead(NotRead::Family(family.into())));
    };
    let mut next = at + 4;
    for _ in 0..MAX_ATTRIBUTES {
        let [l0, l1, k0, k1] = need(octets, next)?;
        // In the byte order of the recording machine: attribute types are below 256.
        let (length, kind) = if k1 == 0 {
            (u16::from_le_bytes([l0, l1]), k0)
        } else {
            (u16::from_be_bytes([l0, l1]), k1)
        };
        if length < 4 {
            return Err(Stop::Truncated);
        }
        if kind == NFULA_PAYLOAD {
            return Ok(Start::Onward(Onward::new(Begins::Ethertype(ethertype), next + 4)));
        }
        next += usize::from(length).next_multiple_of(4);
    }
    Err(Stop::Harmless)
}

/// A mark, flags, perhaps extensions; if there is no link header, four octets precede the packet.
fn juniper<O: Octets>(link: LinkType, octets: &O, at: usize) -> Result<Start, Stop> {
    let [m0, m1, m2, flags] = need(octets, at)?;
    if [m0, m1, m2] != JUNIPER_MARK {
        return Err(Stop::NotRead(NotRead::Link(link)));
    }
    let mut next = at + 4;
    if flags & 0x80 != 0 {
        next += 2 + usize::from(u16::from_be_bytes(need(octets, next)?));
    }
    if flags & 0x02 != 0 {
        return Ok(Start::Onward(Onward::new(Begins::Ip, next + 4)));
    }
    let inner = match link.0 {
        179 => 9,
        180 => 107,
        181 => 104,
        _ => 1,
    };
    Ok(Start::Link(LinkType(inner), next))
}

/// Sixteen octets, extension headers of eight each, then content by type.
fn extensible_record<O: Octets>(octets: &O, at: usize) -> Result<Start, Stop> {
    let [kind] = need(octets, at + 8)?;
    let mut next = at + 16;
    let mut more = kind;
    for _ in 0..MAX_RECORD_EXTENSIONS {
        if more & 0x80 == 0 {
            break;
        }
        [more] = need(octets, next)?;
        next += 8;
    }
    let onward = |begins, at| Ok(Start::Onward(Onward::new(begins, at)));
    match kind & 0x7f {
        1 => Ok(Start::Link(serial(octets, next)?, next)),
        // Ethernet after an offset and a padding octet; with a colour or a hash.
        2 | 11 | 16 | 20 => onward(Begins::Ethernet, next + 2),
        22 => onward(Begins::Ethertype(ETHERTYPE_IPV4), next),
        23 => onward(Begins::Ethertype(ETHERTYPE_IPV6), next),
        // Padding, provenance.
        27 | 48 => Err(Stop::Harmless),
        _ => Err(Stop::NotRead(NotRead::Link(LinkType(197)))),
    }
}

/// The header of an IEEE 802.11 frame (§9.2); LLC follows it.
#[inline(always)]
pub(super) fn wireless<O: Octets>(octets: &O, at: usize, padded: bool) -> Step {
    let cut = Stop::NotRead(NotRead::Wireless(Wireless::Cut));
    let not_read = |why| Err(Stop::NotRead(NotRead::Wireless(why)));
    let [mut control, mut flags] = octets.array(at).ok_or(cut)?;
    // Cisco's access points swap the two octets; the version, which is 0, shows it.
    if control.trailing_zeros() < 2 && flags.trailing_zeros() >= 2 {
        (control, flags) = (flags, control);
    }
    let [kind, subtype] = [control >> 2 & 3, control >> 4];
    // Management, control, and data frames without data.
    if kind != 2 || subtype & 4 != 0 {
        return Err(Stop::Harmless);
    }
    let mut length = 24;
    // From one access point to another: a fourth address.
    if flags & 3 == 3 {
        length += 6;
    }
    if subtype & 8 != 0 {
        let [quality] = octets.array(at + length).ok_or(cut)?;
        if quality & 0x80 != 0 {
            return not_read(Wireless::Aggregated);
        }
        // High throughput control.
        length += if flags & 0x80 == 0 { 2 } else { 6 };
    }
    if flags & 0x40 != 0 {
        return not_read(Wireless::Encrypted);
    }
    let [sequence] = octets.array(at + 22).ok_or(cut)?;
    if sequence & 0x0f != 0 {
        return not_read(Wireless::Fragment);
    }
    if padded {
        length = length.next_multiple_of(4);
    }
    Ok(Onward::new(Begins::Llc, at + length))
}

/// The octets of a link header, or an error if the frame ends inside it.
#[inline(always)]
fn need<O: Octets, const N: usize>(octets: &O, at: usize) -> Result<[u8; N], Stop> {
    octets.array(at).ok_or(Stop::Truncated)
}
