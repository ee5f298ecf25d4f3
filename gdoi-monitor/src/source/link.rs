//! Link layers a capture may have, down to the Ethertype of what they carry.

use std::collections::BTreeMap;
use std::fmt;

use gdoi_wire::{
    Capture, Dissected, ETHERTYPE_IPV4, ETHERTYPE_IPV6, Octets as _, ParseError, Ports, QuickClass,
};

use super::envelope::Envelope;

/// A link-layer header type of a capture, by the registry of tcpdump.org/linktypes.html.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LinkType {
    /// Ethernet (1).
    Ethernet,
    /// Cisco HDLC (104): two octets, then an Ethertype.
    CiscoHdlc,
    /// BSD loopback (0, 108): a protocol family in the byte order of the machine that captured (0) or the network's.
    Loopback,
    /// No link header (12, 14, 101, 228, 229): IPv4 or IPv6 by the version nibble.
    Raw,
    /// Linux cooked capture (113).
    Sll,
    /// Linux cooked capture, version 2 (276).
    Sll2,
    /// One that is not read, with its number.
    Unknown(u32),
}

impl LinkType {
    /// The link layer with this number.
    pub const fn from_number(number: u32) -> Self {
        match number {
            0 | 108 => Self::Loopback,
            1 => Self::Ethernet,
            12 | 14 | 101 | 228 | 229 => Self::Raw,
            104 => Self::CiscoHdlc,
            113 => Self::Sll,
            276 => Self::Sll2,
            other => Self::Unknown(other),
        }
    }

    /// Says what a frame of this link layer is. `None`: the link layer is not read.
    pub fn dissect(self, frame: &Capture<'_>, ports: &Ports) -> Option<Dissected> {
        // By far the most captures are of Ethernet, and its reader is the kernel's.
        if self == Self::Ethernet {
            return Some(gdoi_wire::dissect(frame, ports));
        }
        Some(match self.payload(frame)? {
            (Some(ethertype), at) => gdoi_wire::dissect_payload(frame, ports, ethertype, at),
            (None, _) => Dissected::Error(ParseError::EthernetTruncated),
        })
    }

    /// Says what a frame of this link layer is, if a glance tells.
    #[inline]
    pub fn quick_class(self, frame: &Capture<'_>, ports: &Ports) -> QuickClass {
        if self == Self::Ethernet {
            return gdoi_wire::quick_class(frame, ports);
        }
        match self.payload(frame) {
            Some((Some(ethertype), at)) => gdoi_wire::quick_class_payload(frame, ports, ethertype, at),
            _ => QuickClass::Unsure,
        }
    }

    /// What stands on the outside of a frame, for one that could not be dissected.
    pub fn envelope(self, frame: &Capture<'_>) -> Envelope {
        match self.payload(frame) {
            Some((Some(ethertype), at)) => Envelope::read(frame, ethertype, at),
            _ => Envelope::default(),
        }
    }

    /// The Ethertype of what a frame carries, if the frame was not cut before it, and where that begins.
    fn payload(self, frame: &Capture<'_>) -> Option<(Option<u16>, usize)> {
        Some(match self {
            Self::Ethernet => (frame.array(12).map(u16::from_be_bytes), 14),
            Self::Unknown(_) => return None,
            Self::CiscoHdlc => (frame.array(2).map(u16::from_be_bytes), 4),
            Self::Loopback => (frame.array(0).map(family), 4),
            Self::Raw => (frame.array(0).map(version), 0),
            Self::Sll => (frame.array(14).map(u16::from_be_bytes), 16),
            Self::Sll2 => (frame.array(0).map(u16::from_be_bytes), 20),
        })
    }
}

impl fmt::Display for LinkType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ethernet => write!(f, "Ethernet"),
            Self::CiscoHdlc => write!(f, "Cisco HDLC"),
            Self::Loopback => write!(f, "BSD loopback"),
            Self::Raw => write!(f, "raw IP"),
            Self::Sll => write!(f, "Linux cooked capture"),
            Self::Sll2 => write!(f, "Linux cooked capture v2"),
            Self::Unknown(number) => match KNOWN.iter().find(|(known, _)| known == number) {
                Some((_, name)) => write!(f, "{name} (link type {number})"),
                None => write!(f, "link type {number}"),
            },
        }
    }
}

/// Says how many frames of which link layers were refused.
pub(crate) struct UnreadLinks<'a>(pub(crate) &'a BTreeMap<LinkType, u64>);

impl fmt::Display for UnreadLinks<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (link, frames)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            let plural = if *frames == 1 { "" } else { "s" };
            write!(f, "{comma}{frames} frame{plural} of {link}")?;
        }
        write!(f, " not read")
    }
}

/// The Ethertype that a protocol family stands for. It is small, so its byte order shows.
fn family(octets: [u8; 4]) -> u16 {
    let family = u32::from_be_bytes(octets);
    match family.min(family.swap_bytes()) {
        2 => ETHERTYPE_IPV4,
        // Linux; OpenBSD and NetBSD; FreeBSD; Darwin.
        10 | 24 | 28 | 30 => ETHERTYPE_IPV6,
        _ => 0,
    }
}

/// The Ethertype of an IP packet. What is neither is read as IPv4, which names the miss.
const fn version([first]: [u8; 1]) -> u16 {
    match first >> 4 {
        6 => ETHERTYPE_IPV6,
        _ => ETHERTYPE_IPV4,
    }
}

/// Link layers that people capture and that are not read.
const KNOWN: [(u32, &str); 16] = [
    (6, "Token Ring"),
    (9, "PPP"),
    (50, "PPP in HDLC framing"),
    (51, "PPPoE"),
    (105, "IEEE 802.11"),
    (107, "Frame Relay"),
    (117, "OpenBSD pflog"),
    (119, "IEEE 802.11 with Prism header"),
    (127, "IEEE 802.11 with radiotap header"),
    (163, "IEEE 802.11 with AVS header"),
    (187, "Bluetooth"),
    (189, "USB"),
    (192, "PPI"),
    (220, "USB"),
    (239, "NFLOG"),
    (253, "Netlink"),
];
