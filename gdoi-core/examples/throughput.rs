//! How many observations a second one core takes, and how much memory a member costs.
//!
//! `cargo run --release -p gdoi-core --example throughput`
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a measurement for people"
)]
#![expect(clippy::cast_precision_loss, reason = "ratios for people")]

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::time::Duration;

use gdoi_core::config::GroupConfig;
use gdoi_core::observation::{Esp, Message};
use gdoi_core::{Config, Limits, Observation, Timestamp, Tracker, Transition};
use gdoi_wire::isakmp::Header;

const KEY_SERVER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const ROUNDS: u32 = 10;

fn main() {
    println!("members  storm/s  steady/s  esp/s  octets/member");
    for members in [1_000, 10_000, 100_000] {
        measure(members);
    }
}

fn measure(members: u32) {
    let config = Config {
        groups: vec![GroupConfig {
            name: "G1".into(),
            key_servers: vec![KEY_SERVER.into()],
            ..GroupConfig::default()
        }],
    };
    let limits = Limits {
        associations: 131_072,
        ..Limits::default()
    };
    let mut tracker = Tracker::new(config.clone(), limits);
    let mut out = Vec::new();
    let mut now = Timestamp::from_nanos(1_000_000_000_000);
    let octets = grow(members, &config, limits);
    let storm = storm(members);
    let begun = on_cpu();
    feed(&mut tracker, &storm, &mut now, &mut out);
    let storm_rate = rate(storm.len(), begun);
    drop(storm);
    let rekeys: Vec<Vec<Sent>> = (0..ROUNDS)
        .map(|round| rekey(members, u64::from(round)))
        .collect();
    let begun = on_cpu();
    for rekey in &rekeys {
        feed(&mut tracker, rekey, &mut now, &mut out);
        now = now.after(Duration::from_mins(10));
    }
    let steady_rate = rate(rekeys.iter().map(Vec::len).sum(), begun);
    let esp_rate = esp(&mut tracker, &mut now, &mut out);
    println!("{members:7}  {storm_rate:.0}  {steady_rate:.0}  {esp_rate:.0}  {octets:.0}");
}

/// What a member costs that registered some time ago, one a second, and is sent rekeys.
fn grow(members: u32, config: &Config, limits: Limits) -> f64 {
    let mut tracker = Tracker::new(config.clone(), limits);
    let mut out = Vec::new();
    let mut now = Timestamp::from_nanos(1_000_000_000_000);
    let before = resident();
    for member in 0..members {
        feed(
            &mut tracker,
            &registration(member..member + 1),
            &mut now,
            &mut out,
        );
        now = now.after(Duration::from_secs(1));
    }
    let after = resident();
    after.saturating_sub(before) as f64 / f64::from(members)
}

/// Observations a second. The kernel counts in ticks of some milliseconds.
fn rate(observations: usize, begun: Duration) -> f64 {
    let taken = on_cpu().saturating_sub(begun).max(Duration::from_millis(1));
    observations as f64 / taken.as_secs_f64()
}

/// Time this thread has run: others on the machine do not count.
fn on_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}

/// Resident octets of this process.
fn resident() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    statm.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

fn feed(tracker: &mut Tracker, messages: &[Sent], now: &mut Timestamp, out: &mut Vec<Transition>) {
    for sent in messages {
        *now = now.after(Duration::from_micros(3));
        let seen = Observation::Message(sent.message());
        tracker.observe(*now, &seen, out);
        if out.len() > 4_096 {
            out.clear();
        }
    }
}

fn esp(tracker: &mut Tracker, now: &mut Timestamp, out: &mut Vec<Transition>) -> f64 {
    let begun = on_cpu();
    let observations = 1_000_000_u32;
    for number in 0..observations {
        *now = now.after(Duration::from_micros(3));
        let esp = Esp {
            spi: 0x1000 + number % 1_024,
            site: None,
            packets: 10,
            octets: 1_000,
            first: *now,
            last: *now,
        };
        tracker.observe(*now, &Observation::Esp(esp), out);
        out.clear();
    }
    rate(observations as usize, begun)
}

/// One message, as small as it goes.
struct Sent {
    member: u32,
    from_member: bool,
    header: Header,
    fingerprint: u64,
}

impl Sent {
    fn message(&self) -> Message<'static> {
        let member = SocketAddr::new(IpAddr::V4(Ipv4Addr::from(0x0b00_0000 + self.member)), 848);
        let server = SocketAddr::new(IpAddr::V4(KEY_SERVER), 848);
        let (source, destination) = if self.from_member {
            (member, server)
        } else {
            (server, member)
        };
        let mut fingerprint = [0; 16];
        for (to, from) in fingerprint.iter_mut().zip(self.fingerprint.to_be_bytes()) {
            *to = from;
        }
        Message {
            source,
            destination,
            header: self.header,
            datagram_octets: self.header.length(),
            marked: false,
            fragmented: false,
            fingerprint: Some(fingerprint),
            payloads: &[],
        }
    }
}

fn header(
    cookies: (u64, u64),
    next_payload: u8,
    exchange: u8,
    flags: u8,
    message_id: u32,
    length: u32,
) -> Header {
    let mut octets = Vec::with_capacity(28);
    octets.extend(cookies.0.to_be_bytes());
    octets.extend(cookies.1.to_be_bytes());
    octets.extend([next_payload, 0x10, exchange, flags]);
    octets.extend(message_id.to_be_bytes());
    octets.extend(length.to_be_bytes());
    let octets: [u8; 28] = octets.try_into().unwrap();
    Header::from(octets)
}

/// Every member registers, five hundred at a time.
fn storm(members: u32) -> Vec<Sent> {
    let batches = 0..members.div_ceil(500);
    batches
        .flat_map(|batch| registration(batch * 500..members.min((batch + 1) * 500)))
        .collect()
}

/// These members register, message by message through all of them.
fn registration(members: Range<u32>) -> Vec<Sent> {
    let phase1 = [(1, 0), (1, 0), (4, 0), (4, 0), (5, 1), (5, 1)];
    let mut sent = Vec::new();
    for number in 0..10_u32 {
        for member in members.clone() {
            let initiator = u64::from(member).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let cookies = (initiator, if number == 0 { 0 } else { initiator ^ 0x55 });
            let header = match phase1.get(number as usize) {
                Some(&(next_payload, flags)) => header(cookies, next_payload, 2, flags, 0, 80 + number),
                None => header(cookies, 8, 32, 1, 7, 80 + number),
            };
            sent.push(Sent {
                member,
                from_member: number % 2 == 0,
                header,
                fingerprint: if number < 2 {
                    2
                } else {
                    u64::from(member * 16 + number)
                },
            });
        }
    }
    sent
}

/// One unicast rekey: to every member, which acknowledges.
fn rekey(members: u32, sequence: u64) -> Vec<Sent> {
    let mut sent = Vec::new();
    for member in 0..members {
        let cookies = (0xcafe, 0xbeef);
        sent.push(Sent {
            member,
            from_member: false,
            header: header(cookies, 18, 33, 1, 0, 700),
            fingerprint: sequence,
        });
        sent.push(Sent {
            member,
            from_member: true,
            header: header(cookies, 8, 35, 0, 0, 84),
            fingerprint: 0,
        });
    }
    sent
}
