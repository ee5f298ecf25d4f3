//! What a scrape costs, with as many groups and members as anybody has: the engine, which looks at no packet meanwhile,
//! and whoever writes the page, while the engine works on.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use gdoi_core::config::GroupConfig;
use gdoi_core::observation::Message;
use gdoi_core::{Config, Limits, Observation, Snapshot, Timestamp, Tracker, Transition};
use gdoi_monitor::engine::State;
use gdoi_monitor::http::Status;
use gdoi_monitor::sink::prometheus::Exposition;
use gdoi_monitor::sink::{EventCounts, Tally};
use gdoi_monitor::time::Calendar;
use gdoi_wire::isakmp::Header;

use super::kernel::median;
use super::row::{Row, Unit, Wanted};

/// What a scrape with ten thousand series costs.
pub(super) fn rows() -> Result<Vec<Row>> {
    let tracker = registered(GROUPS, MEMBERS)?;
    let exposition = Exposition::default();
    let (mut engine, mut page) = (Vec::new(), Vec::new());
    let mut text = Vec::new();
    for _ in 0..ROUNDS {
        let (took, snapshot) = timed(|| tracker.summary());
        engine.push(took);
        let state = known(snapshot);
        let (took, written) = timed(|| exposition.page(&state, &Status::default()));
        page.push(took);
        text = written.context("write the metrics page")?;
    }
    let lines = text.split(|octet| *octet == b'\n');
    let series = lines
        .filter(|line| !line.is_empty() && !line.starts_with(b"#"))
        .count();
    Ok(vec![
        Row::new(
            format!("a page of {series} series"),
            median(&mut page),
            Unit::Milliseconds,
        )
        .goal("P12", Wanted::AtMost(10.0))
        .aside(format!("{} octets", text.len())),
        Row::new("the engine, meanwhile", median(&mut engine), Unit::Milliseconds),
    ])
}

/// What was done, and the milliseconds that it took.
fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let done = work();
    (start.elapsed().as_secs_f64() * 1e3, done)
}

fn known(snapshot: Snapshot) -> State {
    State {
        now: Timestamp::ZERO,
        calendar: Calendar::EPOCH,
        captures: Vec::new(),
        unread_records: 0,
        events: EventCounts::default(),
        tally: Tally::default(),
        recent: Vec::new(),
        snapshot,
    }
}

/// A tracker of configured groups with two key servers each, whose members have all registered.
pub(super) fn registered(groups: u32, members: u32) -> Result<Tracker> {
    let group = |group| GroupConfig {
        name: format!("G{group:04}"),
        key_servers: [0, 1].map(|which| server(group, which).ip()).into(),
        ..GroupConfig::default()
    };
    let config = Config {
        groups: (0..groups).map(group).collect(),
    };
    let limits = Limits {
        members: members as usize,
        groups: groups as usize + 1,
        key_servers: 2 * groups as usize,
        spis: members as usize,
        ..Limits::default()
    };
    let mut tracker = Tracker::new(config, limits);
    let mut out: Vec<Transition> = Vec::new();
    let mut now = Timestamp::from_nanos(1_000_000_000_000);
    for member in 0..members {
        for message in registration(server(member % groups, member & 1), member)? {
            now = now.after(Duration::from_micros(100));
            tracker.observe(now, &Observation::Message(message), &mut out);
        }
        out.clear();
    }
    Ok(tracker)
}

/// Main mode and GROUPKEY-PULL of one member, in headers.
fn registration(server: SocketAddr, number: u32) -> Result<Vec<Message<'static>>> {
    let member = SocketAddr::new(Ipv4Addr::from_bits(0x1400_0000 + number).into(), 848);
    let initiator = u64::from(number).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let phase1 = [(1, 0), (1, 0), (4, 0), (4, 0), (5, 1), (5, 1)];
    (0..10_u8)
        .map(|place| {
            let responder = if place == 0 { 0 } else { initiator ^ 0x55 };
            let length = 80 + u32::from(place);
            let (next_payload, exchange, flags, message_id) = match phase1.get(usize::from(place)) {
                Some(&(next_payload, flags)) => (next_payload, MAIN_MODE, flags, 0_u32),
                None => (8, GROUPKEY_PULL, 1, 7),
            };
            let octets = [
                &initiator.to_be_bytes()[..],
                &responder.to_be_bytes(),
                &[next_payload, 0x10, exchange, flags],
                &message_id.to_be_bytes(),
                &length.to_be_bytes(),
            ]
            .concat();
            let octets: [u8; 28] = octets.as_slice().try_into().context("a header has 28 octets")?;
            let mut fingerprint = [place; 16];
            for (to, from) in fingerprint.iter_mut().zip(number.to_be_bytes()) {
                *to = from;
            }
            let (source, destination) = if place % 2 == 0 {
                (member, server)
            } else {
                (server, member)
            };
            Ok(Message {
                source,
                destination,
                header: Header::from(octets),
                datagram_octets: length,
                marked: false,
                fragmented: false,
                fingerprint: Some(fingerprint),
                payloads: &[],
            })
        })
        .collect()
}

fn server(group: u32, which: u32) -> SocketAddr {
    let address = Ipv4Addr::from_bits(0x0a00_0000 + 2 * group + which);
    SocketAddr::new(IpAddr::V4(address), 848)
}

const ROUNDS: usize = 11;
const GROUPS: u32 = 170;
const MEMBERS: u32 = 10_000;
const MAIN_MODE: u8 = 2;
const GROUPKEY_PULL: u8 = 32;
