//! From whom to whom a frame goes that could not be read: as far as its headers were kept.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use gdoi_wire::{Capture, ETHERTYPE_IPV4, ETHERTYPE_IPV6, Octets as _, Vlan};

const UDP: u8 = 17;

/// What stands on the outside of a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// The first two VLAN tags.
    pub vlan: Vlan,
    /// IP source and destination.
    pub addresses: Option<(IpAddr, IpAddr)>,
    /// UDP source and destination port.
    pub ports: Option<(u16, u16)>,
}

impl Envelope {
    /// Reads on from `at`, where the link layer says that `ethertype` begins.
    pub(super) fn read(frame: &Capture<'_>, ethertype: u16, at: usize) -> Self {
        let mut envelope = Self::default();
        let (mut ethertype, mut at) = (ethertype, at);
        while is_tag(ethertype) {
            let Some([tci, next]) = frame.array::<4>(at).map(halves) else {
                return envelope;
            };
            let depth = usize::from(envelope.vlan.depth);
            if let Some(slot) = envelope.vlan.tci.get_mut(depth) {
                *slot = tci;
                envelope.vlan.depth += 1;
            }
            ethertype = next;
            at += 4;
        }
        match ethertype {
            ETHERTYPE_IPV4 => envelope.ipv4(frame, at),
            ETHERTYPE_IPV6 => envelope.ipv6(frame, at),
            _ => {}
        }
        envelope
    }

    fn ipv4(&mut self, frame: &Capture<'_>, at: usize) {
        let (Some(source), Some(destination)) = (frame.array::<4>(at + 12), frame.array::<4>(at + 16)) else {
            return;
        };
        self.addresses = Some((Ipv4Addr::from(source).into(), Ipv4Addr::from(destination).into()));
        let (Some([header]), Some([_, offset]), Some([UDP])) = (
            frame.array(at),
            frame.array::<4>(at + 4).map(halves),
            frame.array(at + 9),
        ) else {
            return;
        };
        // Thirteen bits of offset; a later fragment has no ports.
        if offset << 3 == 0 {
            self.udp(frame, at + usize::from(header & 0x0f) * 4);
        }
    }

    fn ipv6(&mut self, frame: &Capture<'_>, at: usize) {
        let (Some(source), Some(destination)) = (frame.array::<16>(at + 8), frame.array::<16>(at + 24))
        else {
            return;
        };
        self.addresses = Some((Ipv6Addr::from(source).into(), Ipv6Addr::from(destination).into()));
        if frame.array(at + 6) == Some([UDP]) {
            self.udp(frame, at + 40);
        }
    }

    fn udp(&mut self, frame: &Capture<'_>, at: usize) {
        self.ports = frame.array::<4>(at).map(|ports| halves(ports).into());
    }
}

/// Every Ethertype of a VLAN tag.
const fn is_tag(ethertype: u16) -> bool {
    matches!(ethertype, 0x8100 | 0x88a8 | 0x9100 | 0x9200)
}

const fn halves([a, b, c, d]: [u8; 4]) -> [u16; 2] {
    [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])]
}
