//! Frames of every kind, valid and invalid, from a seed.

mod payload;

use alloc::vec::Vec;
use core::net::{Ipv4Addr, Ipv6Addr};

use super::{ETHERTYPE_IPV4, ETHERTYPE_IPV6, Ethernet, Extension, Ipv4, Ipv6, Random, Tag};

/// SPIs that recur.
const POOL: usize = 48;
/// SPIs below it are reserved; setting its bit keeps pool entries above it.
const FIRST_SPI: u32 = 256;
/// One length field in this many is false.
const LIES: u64 = 24;
const SHORTEST: usize = 14;
const LONGEST: usize = 9_000;
const ETHERTYPE_ARP: u16 = 0x0806;

/// An endless stream of frames that reaches every [`crate::Class`] and every [`crate::ParseError`] at the default
/// ports.
///
/// It serves to compare two readers of the same frames. Every frame has 14 to 9,000 octets, most at most 1,514; the
/// same seed gives the same frames. A frame is valid or has one false length, and may then be cut, changed or
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
            // ARP, a length instead of a type, MPLS, PPPoE, LLDP, or random octets as an IP header.
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
            // One in many of these chains is longer than a dissector has to follow.
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

    /// Mostly not a fragment; sometimes a first one, a later one with or without more to follow, or the last possible
    /// offset. Sometimes too few of `octets` remain for the headers.
    fn fragment<'a>(&mut self, octets: &'a [u8], offset: &mut u16, more: &mut bool) -> &'a [u8] {
        (*offset, *more) = match self.random.below(24) {
            0 | 1 => (0, true),
            2 => (1 + (self.random.half() >> 3) % 0x1fff, self.random.one_in(2)),
            3 => (self.random.pick(&[1, 0x1fff]), self.random.one_in(2)),
            _ => (0, false),
        };
        let kept = match self.random.below(4) {
            0 if *more => self.random.below(48),
            // Inside the eight octets after the UDP header.
            1 if *more => self.random.between(8, 16),
            _ => return octets,
        };
        octets.get(..kept as usize).unwrap_or(octets)
    }

    fn distort(&mut self, frame: &mut Vec<u8>) {
        match self.random.below(20) {
            0 | 1 => frame.truncate(self.random.below(frame.len() as u64 + 1) as usize),
            // Near the ends of the headers that a dissector reads as blocks.
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

    /// A false length, sometimes off by one.
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

    /// The next frame; the stream never ends.
    fn next(&mut self) -> Option<Vec<u8>> {
        Some(self.frame())
    }
}
