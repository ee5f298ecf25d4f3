//! Floods: what an attacker who wants to blind the monitor would send, as fast as the interface accepts it.

mod events;
mod outcome;
mod trial;

use std::net::{IpAddr, SocketAddr};

use gdoi_wire::Exchange;
use gdoi_wire::craft::{self, ESP, Ethernet, Message, Random};

pub use outcome::FloodOutcome;
pub use trial::Trial;

/// Frames sent with one system call.
const BATCH: usize = 64;
/// KEKs of the PUSH flood.
const FEW: u64 = 64;
/// After an Ethernet header.
const SOURCE: usize = 14 + 12;
const DESTINATION: usize = SOURCE + 4;
/// After an IPv4 header.
const SPI: usize = 14 + 20;
/// After a UDP header as well.
const COOKIES: usize = SPI + 8;
/// After an ISAKMP header as well.
const BODY: usize = COOKIES + 28;

/// The kind of a flood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// First messages of main mode to a key server, each from another address with another cookie.
    Cookies,
    /// GROUPKEY-PUSH to a member, each from another address under another KEK.
    KekSpis,
    /// GROUPKEY-PUSH from everywhere to everywhere, under few KEKs: a second destination confirms each.
    Pushes,
    /// ESP, each packet with another SPI.
    Spis,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Cookies, Self::KekSpis, Self::Pushes, Self::Spis];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cookies => "phase-1 cookies",
            Self::KekSpis => "KEK SPIs",
            Self::Pushes => "PUSH from everywhere",
            Self::Spis => "SPIs",
        }
    }
}

/// An endless stream of frames.
#[derive(Clone, Debug)]
pub struct Flood {
    kind: Kind,
    frames: Vec<Vec<u8>>,
    random: Random,
}

impl Flood {
    /// A flood against this key server and this member, both IPv4.
    pub fn new(kind: Kind, seed: u64, key_server: IpAddr, member: IpAddr) -> Self {
        let somebody: SocketAddr = ([198, 51, 100, 1], 848).into();
        let at = |address| SocketAddr::new(address, 848);
        let push = Message::new(Exchange::GroupkeyPush, [1; 8], [2; 8]).octets(18, &[0; 300]);
        let frame = match kind {
            Kind::Cookies => {
                let first = Message::new(Exchange::MainMode, [1; 8], [0; 8]).octets(1, &[0; 100]);
                craft::frame(&Ethernet::default(), somebody, at(key_server), &first)
            }
            Kind::KekSpis | Kind::Pushes => craft::frame(&Ethernet::default(), somebody, at(member), &push),
            Kind::Spis => craft::packet(
                &Ethernet::default(),
                somebody.ip(),
                member,
                ESP,
                &craft::esp(1, 1, &[0; 40]),
            ),
        };
        Self {
            kind,
            frames: vec![frame; BATCH],
            random: Random::new(seed),
        }
    }

    /// The next frames.
    pub fn batch(&mut self) -> &[Vec<u8>] {
        let Self { kind, frames, random } = self;
        for frame in &mut *frames {
            put(frame, SOURCE, &somewhere(random));
            match kind {
                Kind::Cookies => put(frame, COOKIES, &random.next().to_be_bytes()),
                Kind::KekSpis => {
                    put(frame, COOKIES, &random.next().to_be_bytes());
                    put(frame, COOKIES + 8, &random.next().to_be_bytes());
                }
                Kind::Pushes => {
                    put(frame, COOKIES, &(1 + random.below(FEW)).to_be_bytes());
                    put(frame, DESTINATION, &somewhere(random));
                    // Distinguishes rekeys.
                    put(frame, BODY, &random.next().to_be_bytes());
                }
                // 0 to 255 are reserved (RFC 4303 §2.1).
                Kind::Spis => put(frame, SPI, &(random.word() | 0x100).to_be_bytes()),
            }
        }
        frames
    }
}

/// An address in 128.0.0.0/2, where no scenario has addresses.
fn somewhere(random: &mut Random) -> [u8; 4] {
    (random.word() & 0x3fff_ffff | 0x8000_0000).to_be_bytes()
}

fn put<const N: usize>(frame: &mut [u8], at: usize, octets: &[u8; N]) {
    if let Some(place) = frame.get_mut(at..at + N) {
        place.copy_from_slice(octets);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use gdoi_wire::{Body, Capture, Dissected, Ports, dissect};

    use super::*;

    #[test]
    fn every_frame_is_read_and_is_another() {
        for kind in Kind::ALL {
            let mut flood = Flood::new(kind, 1, [10, 1, 11, 2].into(), [10, 1, 13, 2].into());
            let mut seen = BTreeSet::new();
            for _ in 0..10 {
                for frame in flood.batch() {
                    let Dissected::Packet(packet) = dissect(&Capture::whole(frame), &Ports::DEFAULT) else {
                        panic!("{kind:?} is not read");
                    };
                    let is_esp = matches!(packet.body, Body::Esp(_));
                    assert_eq!(is_esp, kind == Kind::Spis);
                    seen.insert(frame.clone());
                }
            }
            assert_eq!(seen.len(), 640, "{kind:?}");
        }
    }
}
