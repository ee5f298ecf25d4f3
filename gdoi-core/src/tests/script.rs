//! A small language for scenarios.

use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use std::string::{String, ToString as _};
use std::vec::Vec;

use gdoi_wire::isakmp::Header;

use crate::config::GroupConfig;
use crate::observation::{Esp, Loss, LossKind, Message, OpenGap, Site};
use crate::transition::{Transition, What};
use crate::{Config, Limits, Observation, Snapshot, Timestamp, Tracker};

/// The key server of most scenarios.
pub(super) const KS: &str = "10.0.0.1";
/// A cooperating key server.
pub(super) const KS2: &str = "10.0.0.2";
/// The destination of multicast rekeys.
pub(super) const MULTICAST: &str = "239.0.1.2";

/// A scenario in progress.
pub(super) struct Script {
    pub(super) tracker: Tracker,
    pub(super) out: Vec<Transition>,
    pub(super) now: Timestamp,
    /// Number of phases 1 so far: each has its own cookies.
    associations: u64,
    /// Domain of interpretation in SA payloads (RFC 6407 §2.1).
    pub(super) domain: u64,
    /// Call `advance` for each second before an observation.
    pub(super) finely: bool,
}

/// Octets of one message on the wire.
#[derive(Clone, Copy)]
pub(super) struct Wire {
    pub(super) cookies: (u64, u64),
    pub(super) next_payload: u8,
    pub(super) version: u8,
    pub(super) exchange: u8,
    pub(super) flags: u8,
    pub(super) message_id: u32,
    pub(super) length: u32,
    pub(super) fingerprint: u64,
}

impl Wire {
    fn header(&self) -> Header {
        let mut octets = [0; 28];
        octets[..8].copy_from_slice(&self.cookies.0.to_be_bytes());
        octets[8..16].copy_from_slice(&self.cookies.1.to_be_bytes());
        octets[16] = self.next_payload;
        octets[17] = self.version;
        octets[18] = self.exchange;
        octets[19] = self.flags;
        octets[20..24].copy_from_slice(&self.message_id.to_be_bytes());
        octets[24..].copy_from_slice(&self.length.to_be_bytes());
        Header::from(octets)
    }

    /// One message of a GROUPKEY-PULL.
    pub(super) fn pull(cookies: (u64, u64), message_id: u32, number: usize) -> Self {
        Self {
            cookies,
            next_payload: 8,
            version: 0x10,
            exchange: 32,
            flags: 1,
            message_id,
            length: [84, 252, 52, 420][number - 1],
            fingerprint: cookies.0 * 64 + u64::from(message_id) * 8 + number as u64,
        }
    }

    pub(super) fn message(&self, [source, destination]: [SocketAddr; 2]) -> Message<'static> {
        let mut fingerprint = [0; 16];
        fingerprint[..8].copy_from_slice(&self.fingerprint.to_be_bytes());
        fingerprint[8..].copy_from_slice(&self.fingerprint.wrapping_mul(31).to_be_bytes());
        Message {
            source,
            destination,
            header: self.header(),
            datagram_octets: self.length,
            marked: false,
            fragmented: false,
            fingerprint: Some(fingerprint),
            payloads: &[],
        }
    }
}

pub(super) fn address(address: &str) -> IpAddr {
    address.parse().unwrap()
}

pub(super) fn member(number: u32) -> String {
    std::format!("10.1.{}.{}", number / 250, number % 250 + 1)
}

/// A configured group with its key servers, used by most scenarios.
pub(super) fn group(name: &str) -> GroupConfig {
    GroupConfig {
        name: name.to_string(),
        key_servers: [KS, KS2].map(address).to_vec(),
        ..GroupConfig::default()
    }
}

pub(super) fn script(groups: impl IntoIterator<Item = GroupConfig>) -> Script {
    limited(groups, Limits::default())
}

pub(super) fn limited(groups: impl IntoIterator<Item = GroupConfig>, limits: Limits) -> Script {
    let config = Config {
        groups: groups.into_iter().collect(),
    };
    Script {
        tracker: Tracker::new(config, limits),
        out: Vec::new(),
        now: Timestamp::from_nanos(1_000_000_000_000),
        associations: 0,
        domain: 2,
        finely: false,
    }
}

impl Script {
    /// Lets time pass, in seconds.
    pub(super) fn wait(&mut self, seconds: f64) -> &mut Self {
        self.now = self.now.after(Duration::from_secs_f64(seconds));
        self
    }

    /// Waits until a time since the beginning, in seconds.
    pub(super) fn at(&mut self, seconds: f64) -> &mut Self {
        let then = Timestamp::from_nanos(1_000_000_000_000).after(Duration::from_secs_f64(seconds));
        assert!(then >= self.now, "scenarios do not go back");
        self.now = then;
        self
    }

    pub(super) fn observe(&mut self, observation: &Observation<'_>) -> &mut Self {
        if self.finely {
            let mut then = self.tracker.state.now;
            while then < self.now {
                self.tracker.advance(then, &mut self.out);
                then = then.after(Duration::from_millis(700));
            }
        }
        self.tracker.observe(self.now, observation, &mut self.out);
        self
    }

    pub(super) fn send(&mut self, source: SocketAddr, destination: SocketAddr, wire: Wire) -> &mut Self {
        self.observe(&Observation::Message(wire.message([source, destination])))
    }

    /// One message on port 848.
    pub(super) fn message(&mut self, source: &str, destination: &str, wire: Wire) -> &mut Self {
        let port = |host: &str| SocketAddr::new(address(host), 848);
        self.send(port(source), port(destination), wire)
    }

    /// The first `messages` of the six of main mode. Returns its cookies.
    pub(super) fn main_mode(&mut self, member: &str, server: &str, messages: usize) -> (u64, u64) {
        self.associations += 1;
        let cookies = (0xa000 + self.associations, 0xb000 + self.associations);
        for number in 1..=messages {
            self.main_mode_message(member, server, cookies, number);
        }
        cookies
    }

    /// Main mode that gets no further than so many messages: the last one is repeated twice. Its cookies.
    pub(super) fn stalled_main_mode(&mut self, member: &str, server: &str, messages: usize) -> (u64, u64) {
        let cookies = self.main_mode(member, server, messages);
        for _ in 0..2 {
            self.main_mode_message(member, server, cookies, messages);
        }
        cookies
    }

    /// One message of main mode.
    pub(super) fn main_mode_message(
        &mut self,
        member: &str,
        server: &str,
        cookies: (u64, u64),
        number: usize,
    ) {
        let (next_payload, flags) = [(1, 0), (1, 0), (4, 0), (4, 0), (5, 1), (5, 1)][number - 1];
        let wire = Wire {
            cookies: (cookies.0, if number == 1 { 0 } else { cookies.1 }),
            next_payload,
            version: 0x10,
            exchange: 2,
            flags,
            message_id: 0,
            length: 80 + u32::try_from(number).unwrap(),
            // The domain of interpretation is in octets 4 to 7.
            fingerprint: if number <= 2 {
                self.domain
            } else {
                cookies.0 * 16 + number as u64
            },
        };
        self.wait(0.001);
        if number % 2 == 1 {
            self.message(member, server, wire);
        } else {
            self.message(server, member, wire);
        }
    }

    /// One message of a GROUPKEY-PULL.
    pub(super) fn pull_message(
        &mut self,
        member: &str,
        server: &str,
        cookies: (u64, u64),
        message_id: u32,
        number: usize,
    ) {
        let wire = Wire::pull(cookies, message_id, number);
        self.wait(0.001);
        if number % 2 == 1 {
            self.message(member, server, wire);
        } else {
            self.message(server, member, wire);
        }
    }

    /// A whole registration.
    pub(super) fn register(&mut self, member: &str, server: &str) -> &mut Self {
        let cookies = self.main_mode(member, server, 6);
        for number in 1..=4 {
            self.pull_message(member, server, cookies, 7, number);
        }
        self
    }

    /// A GROUPKEY-PUSH under KEK number `kek` with this sequence number.
    pub(super) fn push(&mut self, server: &str, destination: &str, kek: u64, sequence: u64) -> &mut Self {
        self.push_of(server, destination, kek, sequence, 700)
    }

    pub(super) fn push_of(
        &mut self,
        server: &str,
        destination: &str,
        kek: u64,
        sequence: u64,
        length: u32,
    ) -> &mut Self {
        let wire = Wire {
            cookies: (0xcafe_0000_0000_0000 | kek, 0xbeef_0000_0000_0000 | kek),
            next_payload: 18,
            version: 0x10,
            exchange: 33,
            flags: 1,
            message_id: 0,
            length,
            fingerprint: kek << 32 | sequence,
        };
        self.message(server, destination, wire)
    }

    /// A GROUPKEY-PUSH-ACK.
    pub(super) fn acknowledge(&mut self, member: &str, server: &str, kek: u64) -> &mut Self {
        let wire = Wire {
            cookies: (0xcafe_0000_0000_0000 | kek, 0xbeef_0000_0000_0000 | kek),
            next_payload: 8,
            version: 0x10,
            exchange: 35,
            flags: 0,
            message_id: 0,
            length: 84,
            fingerprint: 9,
        };
        self.message(member, server, wire)
    }

    /// ESP packets of one SPI during the second before now.
    pub(super) fn esp(&mut self, spi: u32, site: u32, packets: u64) -> &mut Self {
        let esp = Esp {
            spi,
            site: (site > 0).then_some(Site(site)),
            packets,
            octets: packets * 100,
            first: self.now.before(Duration::from_secs(1)),
            last: self.now,
        };
        self.observe(&Observation::Esp(esp))
    }

    /// Nothing was monitored for the last seconds.
    pub(super) fn blind(&mut self, seconds: f64) -> &mut Self {
        let loss = Loss {
            from: self.now.before(Duration::from_secs_f64(seconds)),
            until: self.now,
            kind: LossKind::Blind,
            count: None,
        };
        self.observe(&Observation::Loss(loss))
    }

    /// Nothing has been monitored for the last seconds, and the gap continues.
    pub(super) fn still_blind(&mut self, seconds: f64) -> &mut Self {
        let blind = OpenGap {
            since: self.now.before(Duration::from_secs_f64(seconds)),
            until: self.now,
        };
        self.observe(&Observation::OpenGap(blind))
    }

    /// Fires timers up to now.
    pub(super) fn advance(&mut self) -> &mut Self {
        self.tracker.advance(self.now, &mut self.out);
        self
    }

    pub(super) fn finish(&mut self) -> &mut Self {
        self.tracker.finish(self.now, &mut self.out);
        self
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        self.tracker.snapshot()
    }

    /// The names of the events, only of these types.
    pub(super) fn names(&self, of: &[&str]) -> Vec<&'static str> {
        let names = self.out.iter().map(|transition| transition.what.name());
        names.filter(|name| of.contains(name)).collect()
    }

    pub(super) fn count(&self, name: &str) -> usize {
        self.names(&[name]).len()
    }

    pub(super) fn whats(&self) -> impl DoubleEndedIterator<Item = &What> {
        self.out.iter().map(|transition| &transition.what)
    }
}
