//! Compares the simulator's truth with the logs of real key servers and members: a world with the intervals of a
//! recording has the rekeys of the recording.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::play;
use crate::scenario::{Action, KekClock, Scenario, ScriptedEvent, Timers};
use crate::truth::Kind;

/// A second of a recording is a minute of the world, because the world's timers assume longer lifetimes.
const SCALE: f64 = 60.0;

fn logs() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/recordings/truth");
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
        .iter()
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (
                name,
                serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap(),
            )
        })
        .collect()
}

fn lines<'a>(log: &'a Value, peer: &str) -> impl Iterator<Item = &'a Vec<Value>> {
    log[peer]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line.as_array().unwrap())
}

/// Seconds of the day in a line.
fn seconds(line: &[Value]) -> f64 {
    let time = line[0].as_str().unwrap();
    let part = |from: usize, until: usize| time.get(from..until).unwrap().parse::<f64>().unwrap();
    3_600.0 * part(0, 2) + 60.0 * part(2, 4) + part(4, time.len())
}

/// A rekey: seconds since the KEK was made, and whether it delivered a KEK.
type Rekeys = Vec<(f64, bool)>;

/// The rekeys sent to a member until the key server deleted its keys.
fn logged(log: &Value, member: &str) -> Rekeys {
    let is_kek = |line: &&Vec<Value>| line[1] == "kek_spi";
    let made: Vec<_> = lines(log, "ks").filter(is_kek).collect();
    let first = lines(log, member)
        .filter(is_kek)
        .find(|line| line[2].as_str().unwrap().bytes().any(|digit| digit != b'0'));
    let own = made
        .iter()
        .find(|line| first.is_some_and(|first| first[2] == line[2]))
        .or(made.first());
    let Some(own) = own else {
        return Vec::new();
    };
    let deleted = lines(log, "ks")
        .find(|line| line[1] == "delete_push")
        .map_or(f64::MAX, |line| seconds(line));
    // The clocks of the keys begin when the first member has them.
    let is_begun = |line: &&Vec<Value>| line[2] == "PHASE 2" && seconds(line) >= seconds(own);
    let Some(begun) = lines(log, "ks").find(is_begun) else {
        return Vec::new();
    };
    let mut held = own[2].clone();
    let mut rekeys = Vec::new();
    let mut pushed = None;
    for line in lines(log, member) {
        if line[1] == "got_seq" && line[3] == "PUSH" {
            pushed = Some(seconds(line)).filter(|at| *at < deleted);
        } else if line[1] == "kek_spi"
            && let Some(at) = pushed.take()
        {
            let delivers = std::mem::replace(&mut held, line[2].clone()) != held;
            rekeys.push((at - seconds(begun), delivers));
        }
    }
    rekeys
}

/// A key server with separate clocks for KEK and TEK, and one member.
fn world(rekeys: &Rekeys) -> Scenario {
    let interval = |delivers: bool| {
        let first = rekeys.iter().find(|(_, kek)| *kek == delivers);
        let seconds = first.map_or(1_000.0, |(at, _)| at.round());
        // With these timers a key is renewed when a tenth of its life is left.
        Duration::from_secs_f64(seconds * SCALE / 0.9)
    };
    let mut scenario = super::library("multicast");
    scenario.events.clear();
    scenario.groups.truncate(1);
    let last = rekeys.last().map_or(0.0, |(at, _)| *at);
    scenario.duration = Duration::from_secs_f64((last + 2.0) * SCALE);
    let group = &mut scenario.groups[0];
    group.key_servers.truncate(1);
    (group.members, group.timers) = (1, Timers::Rfc);
    (group.kek_clock, group.traffic_every) = (KekClock::Own, Duration::ZERO);
    (group.tek_lifetime, group.kek_lifetime) = (interval(false), interval(true));
    scenario
}

fn played(scenario: &Scenario) -> Rekeys {
    let (_, happened) = play(scenario, 1);
    let rekeys = happened.iter().filter_map(|one| match one.kind {
        Kind::Rekey { delivers_kek, .. } => {
            Some((one.at.since(scenario.start).as_secs_f64() / SCALE, delivers_kek))
        }
        _ => None,
    });
    rekeys.collect()
}

#[test]
fn a_world_with_the_intervals_of_a_recording_has_its_rekeys() {
    let mut compared = 0;
    for (name, log) in logs() {
        for member in ["gm1", "gm2"] {
            let real = logged(&log, member);
            if real.len() < 3 || !real.iter().any(|(_, kek)| *kek) {
                continue;
            }
            compared += real.len();
            let ours = played(&world(&real));
            // The reference implementation polls its clocks; two may fire at once, in either order.
            let is_near = |one: f64, other: f64| (one - other).abs() < 1.0;
            for (at, kek) in &real {
                let same = ours
                    .iter()
                    .filter(|(other, of)| is_near(*at, *other) && of == kek);
                assert_eq!(same.count(), 1, "{name} {member} at {at}\n{ours:?}\n{real:?}");
            }
            let last = real.last().map_or(0.0, |(at, _)| at + 1.0);
            let sent = ours.iter().filter(|(at, _)| *at < last).count();
            // A member that restarts misses at most one.
            let starts = lines(&log, member).filter(|line| line[1] == "done" && line[2] == "PHASE 2");
            let away = starts.count().saturating_sub(1);
            assert!(sent <= real.len() + away, "{name} {member}\n{ours:?}\n{real:?}");
        }
    }
    assert!(compared > 60, "{compared} rekeys");
}

/// A rekey is sent under the KEK that the previous one left, also if it delivers another.
#[test]
fn a_kek_is_delivered_under_the_one_before() {
    for (_, log) in logs() {
        let real = logged(&log, "gm1");
        if real.len() < 3 {
            continue;
        }
        let (_, happened) = play(&world(&real), 1);
        let mut held: Option<[u8; 16]> = None;
        for one in happened {
            if let Kind::Rekey {
                cookies,
                next_cookies,
                delivers_kek,
                ..
            } = one.kind
            {
                assert!(held.is_none_or(|held| held == cookies));
                assert_eq!(delivers_kek, cookies != next_cookies);
                held = Some(next_cookies);
            }
        }
    }
}

/// A wrong key and an unknown group: no member ever registers.
#[test]
fn who_is_refused_registers_as_rarely_as_in_the_recordings() {
    let rows = [
        ("gdoid_badpsk", Action::RefuseAuthentication),
        ("gdoid_badgroup", Action::RefuseGroup),
    ];
    for (name, action) in rows {
        let (_, log) = logs().into_iter().find(|(known, _)| known == name).unwrap();
        let real = lines(&log, "gm1")
            .filter(|line| line[1] == "done" && line[2] == "PHASE 2")
            .count();
        let mut scenario = super::library("multicast");
        scenario.duration = Duration::from_mins(10);
        scenario.events = Vec::from([ScriptedEvent {
            lasting: scenario.duration,
            ..ScriptedEvent::plain(Duration::ZERO, action)
        }]);
        let (_, happened) = play(&scenario, 1);
        let ours = super::count(&happened, |kind| {
            matches!(kind, Kind::RegistrationCompleted { .. })
        });
        assert_eq!((real, ours), (0, 0), "{name}");
    }
}

/// Exchanges of a recording, as tshark counts them.
fn exchanges(summary: &Path) -> BTreeMap<String, u64> {
    let summary: Value = serde_json::from_slice(&std::fs::read(summary).unwrap()).unwrap();
    serde_json::from_value(summary["isakmp_by_version_exchange"].clone()).unwrap()
}

/// Rekeys are compared where a peer logged them. The second key server and the plain IKE of strongSwan sent none, so that
/// there is nothing to compare; derived recordings repeat one that has a log.
#[test]
fn a_recording_without_a_log_has_no_rekey() {
    let logged: Vec<String> = logs().into_iter().map(|(name, _)| name).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/recordings/oracle");
    let mut without = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let Some(name) = file.strip_suffix(".pcap.summary.json") else {
            continue;
        };
        if name.starts_with("der_") || logged.iter().any(|known| known == name) {
            continue;
        }
        without += 1;
        let rekeys = exchanges(&path)
            .into_iter()
            .filter(|(name, _)| name.ends_with("/xchg33"));
        assert_eq!(rekeys.count(), 0, "{name}");
    }
    assert!(without > 5, "{without} recordings");
}

/// The second key server repeats its last answer; what a registration consists of is the same.
#[test]
fn a_registration_has_the_messages_of_another_stack() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/data/recordings/oracle");
    let real = exchanges(&folder.join("nanosec_reg.pcap.summary.json"));
    let mut scenario = super::library("multicast");
    scenario.groups.truncate(1);
    (scenario.groups[0].members, scenario.groups[0].traffic_every) = (1, Duration::ZERO);
    scenario.events.clear();
    scenario.duration = scenario.groups[0].boot_within + Duration::from_mins(1);
    let (emissions, _) = play(&scenario, 1);
    let count = |exchange: u8| {
        let of = emissions.iter().filter(|one| match one {
            crate::Emission::Sent(sent) => sent.datagram.get(18) == Some(&exchange),
            _ => false,
        });
        of.count() as u64
    };
    assert_eq!(count(2), real["v0x10/xchg2"]);
    let repeats = real["v0x10/xchg32"] - count(32);
    assert_eq!((count(32), repeats, count(33)), (4, 4, 0));
}
