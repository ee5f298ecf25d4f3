//! The inverse of the dissector: frames for tests and simulation.
//!
//! Each layer is a value with public fields whose `around` puts it around the octets of the layer above. Lengths and
//! checksums are right unless a field says otherwise: an `Option` that is `Some` is a lie told on the wire. A frame is
//! a `Vec<u8>`, so cutting it is `Vec::truncate`.
//!
//! ```
//! use gdoi_wire::craft::{Ethernet, Message, frame};
//! use gdoi_wire::{Body, Capture, Dissected, Exchange, Ports, dissect};
//!
//! let push = Message::new(Exchange::GroupkeyPush, [1; 8], [2; 8]).octets(18, &[0; 64]);
//! let sent = frame(&Ethernet::default(), ([10, 0, 0, 1], 848).into(), ([10, 0, 0, 2], 848).into(), &push);
//! let Dissected::Packet(packet) = dissect(&Capture::whole(&sent), &Ports::DEFAULT) else { panic!() };
//! assert!(matches!(packet.body, Body::Isakmp { octets: 92, .. }));
//! ```

mod carrier;
mod ethernet;
mod generator;
mod ip;
mod isakmp;
mod random;
mod transport;

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

pub use carrier::{Carrier, Content, Framing};
pub use ethernet::{Ethernet, Tag};
pub use generator::Generator;
pub use ip::{Extension, Ipv4, Ipv6};
pub use isakmp::{Message, chain, marked, payload};
pub use random::Random;
pub use transport::{AhFields, Udp, esp};

/// Protocol number of UDP (RFC 768).
pub const UDP: u8 = 17;
/// Protocol number of ESP (RFC 4303).
pub const ESP: u8 = 50;
/// Protocol number of AH (RFC 4302).
pub const AH: u8 = 51;
/// The datagram that keeps a NAT mapping alive (RFC 3948 §2.3).
pub const KEEPALIVE: [u8; 1] = [0xff];
/// Ethertype of IPv4.
pub const ETHERTYPE_IPV4: u16 = 0x0800;
/// Ethertype of IPv6.
pub const ETHERTYPE_IPV6: u16 = 0x86dd;

/// The frame of a UDP datagram that needs no fragment. If the address families differ, the IPv4 address is mapped
/// into IPv6.
pub fn frame(ethernet: &Ethernet, source: SocketAddr, destination: SocketAddr, datagram: &[u8]) -> Vec<u8> {
    let udp = Udp::new(source.port(), destination.port());
    let octets = udp.around(source.ip(), destination.ip(), datagram);
    packet(ethernet, source.ip(), destination.ip(), UDP, &octets)
}

/// The frame of an IP packet with any protocol. If the address families differ, the IPv4 address is mapped into IPv6.
pub fn packet(
    ethernet: &Ethernet,
    source: IpAddr,
    destination: IpAddr,
    protocol: u8,
    octets: &[u8],
) -> Vec<u8> {
    if let (IpAddr::V4(source), IpAddr::V4(destination)) = (source, destination) {
        let ip = Ipv4::new(source, destination);
        return ethernet.around(ETHERTYPE_IPV4, &ip.around(protocol, octets));
    }
    let ip = Ipv6::new(as_v6(source), as_v6(destination));
    ethernet.around(ETHERTYPE_IPV6, &ip.around(protocol, octets))
}

/// The frames of a UDP datagram, in as many fragments as a link of `mtu` octets needs.
pub fn frames(
    ethernet: &Ethernet,
    source: SocketAddr,
    destination: SocketAddr,
    datagram: &[u8],
    mtu: usize,
    identification: u32,
) -> Vec<Vec<u8>> {
    let udp = Udp::new(source.port(), destination.port());
    let octets = udp.around(source.ip(), destination.ip(), datagram);
    match (source.ip(), destination.ip()) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let ip = Ipv4 {
                identification: identification as u16,
                ..Ipv4::new(source, destination)
            };
            let packets = ip.fragments(UDP, &octets, mtu);
            packets
                .iter()
                .map(|ip| ethernet.around(ETHERTYPE_IPV4, ip))
                .collect()
        }
        (source, destination) => {
            let ip = Ipv6::new(as_v6(source), as_v6(destination));
            let packets = ip.fragments(UDP, &octets, mtu, identification);
            packets
                .iter()
                .map(|ip| ethernet.around(ETHERTYPE_IPV6, ip))
                .collect()
        }
    }
}

fn as_v6(address: IpAddr) -> core::net::Ipv6Addr {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

/// The Internet checksum (RFC 1071) over several pieces; only the last may have an odd length.
fn checksum(pieces: &[&[u8]]) -> u16 {
    let mut sum = 0_u64;
    for piece in pieces {
        // Two words at once: a carry out of the lower one counts the same as one at the end (RFC 1071 §2).
        let (pairs, rest) = piece.as_chunks();
        sum += pairs
            .iter()
            .map(|pair| u64::from(u32::from_be_bytes(*pair)))
            .sum::<u64>();
        for word in rest.chunks(2) {
            let high = word.first().copied().unwrap_or_default();
            let low = word.get(1).copied().unwrap_or_default();
            sum += u64::from(u16::from_be_bytes([high, low]));
        }
    }
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !(sum as u16)
}
