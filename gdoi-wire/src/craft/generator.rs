//! Frames of every kind, good and bad, from a seed.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{
    AH, Ah, ESP, ETHERTYPE_IPV4, ETHERTYPE_IPV6, Ethernet, Extension, Ipv4, Ipv6, KEEPALIVE, Message, Random,
    Tag, UDP, Udp, chain, esp, marked,
};
use crate::exchange::Exchange;

/// An endless stream of frames that reaches every [`crate::Class`] and every [`crate::Miss`] at the default ports.
///
/// For comparing two readers of the same frames. Every frame has 14 to 9,000 octets, most at most 1,514; the same seed
/// gives the same frames. A frame is built right, or with a lie in one of its lengths, and may then be cut, changed or
/// lengthened.
#[derive(Clone, Debug)]
pub struct Generator {
    random: Random,
    pool: [u32; POOL],
}

impl Generator {
    /// From a seed.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let pool = core::array::from_fn(|_| random.word() | FIRST_SPI);
        Self { random, pool }
    }

    fn frame(&mut self) -> Vec<u8> {
        let ethernet = self.ethernet();
        let mut frame = if self.random.below(100) < 92 {
            self.ip_frame(&ethernet)
        } else {
            // ARP, a length in the place of a type, MPLS, PPPoE, LLDP, or an IP header of chance.
            let kinds = [
                ETHERTYPE_ARP,
                46,
                0x8847,
                0x8864,
                0x88cc,
                ETHERTYPE_IPV4,
                ETHERTYPE_IPV6,
            ];
            let kind = self.random.pick(&kinds);
            ethernet.around(kind, &self.some_octets(0, 60))
        };
        self.distort(&mut frame);
        frame.resize(frame.len().clamp(SHORTEST, LONGEST), 0);
        frame
    }

    fn ip_frame(&mut self, ethernet: &Ethernet) -> Vec<u8> {
        if self.random.one_in(3) {
            let (source, destination) = (self.host_v6(), self.host_v6());
            let (protocol, octets) = self.transport(source.into(), destination.into());
            let packet = self.ipv6(source, destination, protocol, &octets);
            ethernet.around(ETHERTYPE_IPV6, &packet)
        } else {
            let (source, destination) = (self.host_v4(), self.host_v4());
            let (protocol, octets) = self.transport(source.into(), destination.into());
            let packet = self.ipv4(source, destination, protocol, &octets);
            ethernet.around(ETHERTYPE_IPV4, &packet)
        }
    }

    fn ethernet(&mut self) -> Ethernet {
        let depth = self
            .random
            .pick(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 2, 3, 4]);
        let tags: Vec<Tag> = (0..depth)
            .map(|_| Tag {
                tpid: self.random.pick(&[0x8100, 0x8100, 0x88a8, 0x9100, 0x9200]),
                tci: self.random.half(),
            })
            .collect();
        Ethernet {
            source: self.random.array(),
            destination: self.random.array(),
            tags,
            minimum: if self.random.one_in(3) { 0 } else { 60 },
        }
    }

    fn host_v4(&mut self) -> Ipv4Addr {
        let [b, c, d] = self.random.array();
        Ipv4Addr::new(self.random.pick(&[10, 10, 172, 239]), b, c, d)
    }

    fn host_v6(&mut self) -> Ipv6Addr {
        let host = u128::from(self.random.next()) << 64 | u128::from(self.random.next());
        let prefix = self.random.pick(&[0x2001, 0xfd00, 0xff1e]);
        Ipv6Addr::from(host >> 16 | prefix << 112)
    }

    fn ipv4(&mut self, source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, octets: &[u8]) -> Vec<u8> {
        let mut ip = Ipv4::new(source, destination);
        ip.identification = self.random.half();
        ip.service = self.random.octet();
        if self.random.one_in(5) {
            ip.options = self.some_octets(1, 40);
        }
        let octets = self.fragment(octets, &mut ip.offset, &mut ip.more_fragments);
        ip.dont_fragment = !ip.more_fragments && self.random.one_in(2);
        if self.random.one_in(LIES) {
            ip.header_words = Some(self.random.octet() & 0x0f);
        }
        if self.random.one_in(LIES) {
            let real = 20 + ip.options.len() + octets.len();
            ip.total_length = Some(self.lie(real));
        }
        if self.random.one_in(4 * LIES) {
            ip.version = self.random.octet() & 0x0f;
        }
        ip.around(protocol, octets)
    }

    fn ipv6(&mut self, source: Ipv6Addr, destination: Ipv6Addr, protocol: u8, octets: &[u8]) -> Vec<u8> {
        let mut ip = Ipv6::new(source, destination);
        if self.random.one_in(2) {
            // One in many of these chains is longer than any dissector has to follow.
            let count = self.random.pick(&[1, 1, 1, 2, 2, 3, 4, 7, 8, 9, 10]);
            ip.extensions = (0..count).map(|_| self.extension()).collect();
        }
        let (mut offset, mut more) = (0, false);
        let octets = self.fragment(octets, &mut offset, &mut more);
        if offset != 0 || more || self.random.one_in(16) {
            ip.extensions.push(Extension::Fragment {
                offset,
                more,
                identification: self.random.word(),
            });
        }
        if self.random.one_in(LIES) {
            ip.payload_length = Some(if self.random.one_in(3) {
                0
            } else {
                self.lie(octets.len())
            });
        }
        if self.random.one_in(4 * LIES) {
            ip.version = self.random.octet() & 0x0f;
        }
        ip.around(protocol, octets)
    }

    fn extension(&mut self) -> Extension {
        let most = if self.random.one_in(8) { 300 } else { 14 };
        Extension::Options {
            kind: self.random.pick(&[0, 43, 60, 60, 135, 139, 140]),
            octets: self.some_octets(0, most),
            length: self.random.one_in(LIES).then(|| self.random.octet()),
        }
    }

    /// Mostly not a fragment; a first one, a later one with and without more behind it, the last possible offset. What
    /// remains of `octets` in it is sometimes too little for the headers.
    fn fragment<'a>(&mut self, octets: &'a [u8], offset: &mut u16, more: &mut bool) -> &'a [u8] {
        (*offset, *more) = match self.random.below(24) {
            0 | 1 => (0, true),
            2 => (1 + (self.random.half() >> 3) % 0x1fff, self.random.one_in(2)),
            3 => (self.random.pick(&[1, 0x1fff]), self.random.one_in(2)),
            _ => (0, false),
        };
        let kept = match self.random.below(4) {
            0 if *more => self.random.below(48),
            // Inside the eight octets behind the UDP header.
            1 if *more => self.random.between(8, 16),
            _ => return octets,
        };
        octets.get(..kept as usize).unwrap_or(octets)
    }

    fn transport(&mut self, source: IpAddr, destination: IpAddr) -> (u8, Vec<u8>) {
        match self.random.below(100) {
            0..=49 => (UDP, self.udp(source, destination)),
            50..=74 => (ESP, self.esp()),
            75..=86 => (AH, self.ah(source, destination)),
            87..=91 => (TCP, self.some_octets(20, 400)),
            92..=95 => {
                // An error that quotes a message of ours is not a message.
                let mut icmp = Vec::from([3, 4, 0, 0, 0, 0, 5, 0]);
                let quoted = self.udp(source, destination);
                icmp.extend(packet_of(source, destination, &quoted));
                (if source.is_ipv4() { ICMP } else { ICMP6 }, icmp)
            }
            _ => (self.random.octet(), self.some_octets(0, 200)),
        }
    }

    fn udp(&mut self, source: IpAddr, destination: IpAddr) -> Vec<u8> {
        let payload = self.datagram();
        let (mut from, mut to) = match self.random.below(10) {
            0..=4 => (848, 848),
            5 | 6 => (self.random.half(), 848),
            7 | 8 => (4500, 4500),
            _ => (
                self.random.half(),
                self.random.pick(&[53, 500, 847, 849, 4499, 4500]),
            ),
        };
        if self.random.one_in(2) {
            (from, to) = (to, from);
        }
        let mut udp = Udp::new(from, to);
        if self.random.one_in(LIES) {
            udp.length = Some(self.lie(8 + payload.len()));
        }
        if self.random.one_in(LIES) {
            udp.checksum = Some(self.random.pick(&[0, 0xffff]));
        }
        udp.around(source, destination, &payload)
    }

    fn datagram(&mut self) -> Vec<u8> {
        match self.random.below(20) {
            0..=8 => self.isakmp(),
            9..=11 => marked(&self.isakmp()),
            12..=14 => self.esp(),
            15 => KEEPALIVE.to_vec(),
            16 => self.some_octets(0, 4),
            17 => self.some_octets(0, 36),
            18 => marked(&self.some_octets(0, 36)),
            _ => Vec::new(),
        }
    }

    fn isakmp(&mut self) -> Vec<u8> {
        let exchange = self.random.below(Exchange::NAMED.len() as u64 + 2) as usize;
        let exchange = Exchange::NAMED.get(exchange).copied();
        let mut message = Message::new(
            exchange.unwrap_or(Exchange::Unknown(self.random.octet())),
            self.random.array(),
            self.random.array(),
        );
        if self.random.one_in(4) {
            message.responder = [0; 8];
        }
        if self.random.one_in(LIES) {
            message.version = self.random.octet();
        }
        if self.random.one_in(LIES) {
            message.flags = self.random.octet();
        }
        if !self.random.one_in(3) {
            message.message_id = self.random.word();
        }
        let (first, body) = if message.flags == 0 {
            let bodies: Vec<(u8, Vec<u8>)> = (0..self.random.below(6))
                .map(|_| (self.random.octet() & 0x1f, self.some_octets(0, 120)))
                .collect();
            let bodies: Vec<(u8, &[u8])> = bodies
                .iter()
                .map(|(kind, body)| (*kind, body.as_slice()))
                .collect();
            chain(&bodies)
        } else {
            let most = if self.random.one_in(60) { 8_800 } else { 1_380 };
            (self.random.octet() & 0x3f, self.some_octets(0, most))
        };
        if self.random.one_in(LIES) {
            message.length = Some(self.random.pick(&[0, 27, 28, 0xffff, u32::MAX]));
        }
        message.octets(first, &body)
    }

    fn esp(&mut self) -> Vec<u8> {
        let spi = match self.random.below(16) {
            0 => u32::from(self.random.octet()),
            1 => self.random.pick(&[0, 1, 255, 256, 257, u32::MAX]),
            2..=5 => self.random.word(),
            _ => self.random.pick(&self.pool),
        };
        let sequence = self.random.word();
        let most = if self.random.one_in(4) { 8 } else { 1_400 };
        let mut packet = esp(spi, sequence, &self.some_octets(0, most));
        if self.random.one_in(LIES) {
            packet.truncate(self.random.below(9) as usize);
        }
        packet
    }

    fn ah(&mut self, source: IpAddr, destination: IpAddr) -> Vec<u8> {
        let (next, inner) = match self.random.below(8) {
            0..=2 => (UDP, self.udp(source, destination)),
            3 | 4 => (ESP, self.esp()),
            5 => (TCP, self.some_octets(20, 80)),
            6 => (
                self.random.pick(&[4, 41, 44, AH, 59, 60]),
                self.some_octets(0, 80),
            ),
            _ => (self.random.octet(), self.some_octets(0, 40)),
        };
        let mut ah = Ah::new(self.random.word(), self.random.word());
        ah.icv = self.some_octets(0, 32);
        if self.random.one_in(LIES / 2) {
            ah.length = Some(self.random.pick(&[0, 1, 2, 255, 60]));
        }
        let mut packet = ah.around(next, &inner);
        if self.random.one_in(LIES) {
            packet.truncate(self.random.below(13) as usize);
        }
        packet
    }

    fn distort(&mut self, frame: &mut Vec<u8>) {
        match self.random.below(20) {
            0 | 1 => frame.truncate(self.random.below(frame.len() as u64 + 1) as usize),
            // Around the ends of the headers a dissector reads as blocks.
            2 => {
                let end = self
                    .random
                    .pick(&[14, 18, 22, 34, 38, 42, 46, 50, 54, 58, 62, 66, 70, 74, 78, 90]);
                frame.truncate(end + self.random.pick(&[0, 1, 7]) - 1);
            }
            3 | 4 => {
                for _ in 0..self.random.between(1, 4) {
                    let at = self.random.below((frame.len() as u64).min(128)) as usize;
                    if let Some(octet) = frame.get_mut(at) {
                        *octet = self.random.octet();
                    }
                }
            }
            5 => frame.extend(self.some_octets(1, 64)),
            6 if self.random.one_in(8) => {
                let more = self.random.below(LONGEST as u64) as usize;
                frame.resize(frame.len().max(more), 0x5a);
            }
            _ => {}
        }
    }

    fn some_octets(&mut self, least: u64, most: u64) -> Vec<u8> {
        let count = self.random.between(least, most) as usize;
        self.random.octets(count)
    }

    /// A length that is not, or hardly, the real one.
    fn lie(&mut self, real: usize) -> u16 {
        match self.random.below(4) {
            0 => self.random.below(40) as u16,
            1 => self.random.half(),
            2 => u16::MAX,
            _ => (real + self.random.below(17) as usize).saturating_sub(8) as u16,
        }
    }
}

impl Iterator for Generator {
    type Item = Vec<u8>;

    /// The next frame; there is always one.
    fn next(&mut self) -> Option<Vec<u8>> {
        Some(self.frame())
    }
}

fn packet_of(source: IpAddr, destination: IpAddr, datagram: &[u8]) -> Vec<u8> {
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => Ipv4::new(source, destination).around(UDP, datagram),
        (IpAddr::V6(source), IpAddr::V6(destination)) => Ipv6::new(source, destination).around(UDP, datagram),
        _ => Vec::new(),
    }
}

/// SPIs that come again and again.
const POOL: usize = 48;
/// SPIs below it are reserved; setting its bit keeps a pool entry out of them.
const FIRST_SPI: u32 = 256;
/// One length in so many is a lie.
const LIES: u64 = 24;
const SHORTEST: usize = 14;
const LONGEST: usize = 9_000;
const ETHERTYPE_ARP: u16 = 0x0806;
const ICMP: u8 = 1;
const TCP: u8 = 6;
const ICMP6: u8 = 58;
