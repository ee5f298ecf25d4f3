//! Ethernet with any number of tags.

use alloc::vec::Vec;

/// One VLAN tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Ethertype that announces the tag: 0x8100, 0x88a8, or one that old switches use.
    pub tpid: u16,
    /// Priority, drop eligibility and the 12-bit identifier.
    pub tci: u16,
}

impl Tag {
    /// A customer tag (IEEE 802.1Q) with priority 0.
    pub const fn vlan(identifier: u16) -> Self {
        Self {
            tpid: 0x8100,
            tci: identifier & 0x0fff,
        }
    }
}

/// An Ethernet header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ethernet {
    /// Sender.
    pub source: [u8; 6],
    /// Receiver.
    pub destination: [u8; 6],
    /// Tags, outermost first.
    pub tags: Vec<Tag>,
    /// A shorter frame is padded with zeros to this length: 60 as a network card does, 0 for no padding.
    pub minimum: usize,
}

impl Default for Ethernet {
    fn default() -> Self {
        Self {
            source: [0x02, 0, 0, 0, 0, 1],
            destination: [0x02, 0, 0, 0, 0, 2],
            tags: Vec::new(),
            minimum: 60,
        }
    }
}

impl Ethernet {
    /// With these tags, outermost first.
    pub fn tagged(tags: &[Tag]) -> Self {
        Self {
            tags: tags.to_vec(),
            ..Self::default()
        }
    }

    /// The frame around `packet`.
    pub fn around(&self, ethertype: u16, packet: &[u8]) -> Vec<u8> {
        let mut frame = Vec::with_capacity(14 + 4 * self.tags.len() + packet.len());
        frame.extend(self.destination);
        frame.extend(self.source);
        for Tag { tpid, tci } in &self.tags {
            frame.extend(tpid.to_be_bytes());
            frame.extend(tci.to_be_bytes());
        }
        frame.extend(ethertype.to_be_bytes());
        frame.extend(packet);
        if frame.len() < self.minimum {
            frame.resize(self.minimum, 0);
        }
        frame
    }
}
