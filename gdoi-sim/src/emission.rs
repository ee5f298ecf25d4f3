//! What a gateway next to the key servers sees.

use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use gdoi_core::Timestamp;
use gdoi_core::observation::Loss;
use gdoi_wire::craft::{self, ESP, Ethernet, Random, Tag};

/// Something that passes the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Emission {
    /// A datagram.
    Sent(Sent),
    /// ESP packets.
    Esp(EspPackets),
    /// The gateway did not see the traffic, and knows it.
    Loss(Timestamp, Loss),
}

/// A datagram of key management.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// When it passes.
    pub at: Timestamp,
    /// Its source.
    pub source: SocketAddr,
    /// Its destination.
    pub destination: SocketAddr,
    /// The UDP payload.
    pub datagram: Rc<[u8]>,
    /// Distinguishes its fragments from those of other packets.
    pub identification: u32,
    /// Largest IP packet on the path.
    pub mtu: usize,
}

/// ESP packets of one member with one SPI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EspPackets {
    /// When the first passes.
    pub first: Timestamp,
    /// When the last passes, and all are reported.
    pub last: Timestamp,
    /// The sending host: header preservation keeps its address on the outside (RFC 5374 §3.1).
    pub source: IpAddr,
    /// The receiving host.
    pub destination: IpAddr,
    /// Site of the sender, from 1 in the order of the groups and their members, numbered as in
    /// [`crate::Scenario::config`].
    pub site: u32,
    /// Security parameters index.
    pub spi: u32,
    /// Sequence number of the first.
    pub sequence: u32,
    /// Number of packets.
    pub packets: u32,
    /// Octets of each packet after its sequence number.
    pub encrypted: u32,
}

impl Emission {
    /// Its time.
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::Sent(sent) => sent.at,
            Self::Esp(esp) => esp.last,
            Self::Loss(at, _) => *at,
        }
    }

    /// The frames, with these VLAN identifiers. Several ESP packets yield only the first one; a loss yields none.
    pub fn frames(&self, vlan: &[u16]) -> Vec<Vec<u8>> {
        let tags: Vec<Tag> = vlan.iter().copied().map(Tag::vlan).collect();
        match self {
            Self::Sent(sent) => {
                let ethernet = ethernet(&tags, sent.source.ip(), sent.destination.ip());
                let Sent {
                    source,
                    destination,
                    datagram,
                    identification,
                    mtu,
                    at: _,
                } = sent;
                craft::frames(&ethernet, *source, *destination, datagram, *mtu, *identification)
            }
            Self::Esp(esp) => {
                let ethernet = ethernet(&tags, esp.source, esp.destination);
                let seed = u64::from(esp.spi) << 32 | u64::from(esp.sequence);
                let encrypted = Random::new(seed).octets(esp.encrypted as usize);
                let packet = craft::esp(esp.spi, esp.sequence, &encrypted);
                Vec::from([craft::packet(
                    &ethernet,
                    esp.source,
                    esp.destination,
                    ESP,
                    &packet,
                )])
            }
            Self::Loss(..) => Vec::new(),
        }
    }
}

/// Hardware addresses made from IP addresses, with the group bit for multicast (RFC 1112 §6.4).
fn ethernet(tags: &[Tag], source: IpAddr, destination: IpAddr) -> Ethernet {
    Ethernet {
        source: hardware(source),
        destination: hardware(destination),
        ..Ethernet::tagged(tags)
    }
}

fn hardware(address: IpAddr) -> [u8; 6] {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            if v4.is_multicast() {
                [0x01, 0x00, 0x5e, b & 0x7f, c, d]
            } else {
                [0x02, 0, a, b, c, d]
            }
        }
        IpAddr::V6(v6) => {
            let [.., a, b, c, d] = v6.octets();
            if v6.is_multicast() {
                [0x33, 0x33, a, b, c, d]
            } else {
                [0x02, 6, a, b, c, d]
            }
        }
    }
}
