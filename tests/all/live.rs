//! Captures of real peers over a veth pair to the real agent: its counts equal tshark's.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Seek as _};
use std::path::Path;

use gdoi_lab::replay::Replay;
use gdoi_lab::{Agent, Injector, Metrics, Network, Pace};
use gdoi_wire::craft::Generator;
use serde_json::Value;

use crate::{captures, kernel};

#[test]
fn a_key_server_and_its_members() {
    check("gdoid_live_cbc.pcap", 1, &[]);
}

#[test]
fn the_demonstration_is_counted_as_it_was_sent() {
    let name = "the_demonstration_is_counted_as_it_was_sent";
    if !kernel::is_usable(name) {
        return;
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/demo.pcap");
    let offline = crate::replay::replay(&file, gdoi_core::Config::default());
    let out = tempfile::tempdir().unwrap();
    let replay = Replay {
        file,
        pace: Pace::Max,
        times: 1,
        out: out.path().to_owned(),
        agent: Vec::new(),
    };
    // A thread of its own: it cannot leave the namespace.
    let outcome = std::thread::spawn(move || replay.run()).join().unwrap().unwrap();
    let counted = |name| format!("{}", outcome.metrics.sum(name, &[]));
    assert!(offline.messages > 0 && offline.esp > 0);
    assert_eq!(counted("gdoi_packets_total"), outcome.sent.to_string());
    assert_eq!(counted("gdoi_messages_total"), offline.messages.to_string());
    assert_eq!(counted("gdoi_esp_packets_total"), offline.esp.to_string());
    assert_eq!(counted("gdoi_events_lost_total"), "0");
}

#[test]
fn behind_a_vlan_tag() {
    check("der_live_cbc_vlan100.pcap", 1, &[]);
}

#[test]
fn nothing_is_lost_at_full_speed() {
    check("gdoid_live_cbc.pcap", 50, &[]);
    check("der_live_cbc_vlan100.pcap", 50, &[]);
}

#[test]
fn behind_a_translator() {
    // Its first messages are on port 500.
    check("ss_natt.pcap", 3, &["--isakmp-port", "848,500"]);
}

#[test]
fn the_program_logs_when_asked() {
    let name = "the_program_logs_when_asked";
    if !kernel::is_usable(name) {
        return;
    }
    let lines = |level: &'static str| {
        let mut log = tempfile::tempfile().unwrap();
        let to = log.try_clone().unwrap();
        let run = std::thread::spawn(move || {
            let _network = Network::enter().unwrap();
            let arguments = [
                "--interface",
                Network::WATCH,
                "--log.level",
                "debug",
                "--kernel-log",
                level,
            ];
            let agent = Agent::start_logging_to(&arguments, to).unwrap();
            let injector = Injector::open(Network::INJECT).unwrap();
            let frames: Vec<_> = Generator::new(5).take(500).collect();
            for frame in &frames {
                injector.send_frame(frame).unwrap();
            }
            agent.until_counted(500).unwrap();
            assert!(agent.stop().unwrap().success());
        });
        run.join().unwrap();
        let mut text = String::new();
        log.rewind().unwrap();
        log.read_to_string(&mut text).unwrap();
        text.lines()
            .filter(|line| line.contains("ISAKMP exchange"))
            .count()
    };
    assert_eq!(lines("off"), 0);
    assert!(lines("debug") > 50);
}

fn check(capture: &str, times: u32, agent: &[&str]) {
    if !kernel::is_usable(capture) {
        return;
    }
    let recording = captures::recording(capture);
    let out = tempfile::tempdir().unwrap();
    let replay = Replay {
        file: recording.path.clone(),
        pace: Pace::Max,
        times,
        out: out.path().to_owned(),
        agent: agent.iter().map(ToString::to_string).collect(),
    };
    // A thread of its own: it cannot leave the namespace.
    let outcome = std::thread::spawn(move || replay.run()).join().unwrap().unwrap();
    let expected = Expected::of_oracle(&recording.summary(), times);
    let got = Expected::of(&outcome.metrics);
    assert_eq!(got, expected, "{capture}");
    let lost = outcome.metrics.sum("gdoi_events_lost_total", &[]);
    assert!(lost.abs() < f64::EPSILON, "{capture}: {lost} lost");
    let page = fs::read_to_string(out.path().join("metrics.prom")).unwrap();
    assert_eq!(Metrics::parse(&page), outcome.metrics, "{capture}");
}

#[derive(Debug, PartialEq)]
struct Expected {
    esp: f64,
    messages: BTreeMap<String, f64>,
}

impl Expected {
    fn of(metrics: &Metrics) -> Self {
        let messages = metrics.by("gdoi_messages_total", "exchange");
        let esp = metrics.sum("gdoi_esp_packets_total", &[]);
        assert!(
            (metrics.sum("gdoi_packets_total", &[("class", "isakmp")]) - messages.values().sum::<f64>())
                .abs()
                < f64::EPSILON,
            "messages counted by the program and by the tracker"
        );
        Self { esp, messages }
    }

    fn of_oracle(summary: &Value, times: u32) -> Self {
        let number = |name: &str| summary[name].as_f64().unwrap() * f64::from(times);
        let mut messages = BTreeMap::new();
        for (exchange, count) in summary["isakmp_by_version_exchange"].as_object().unwrap() {
            let count = count.as_f64().unwrap() * f64::from(times);
            *messages.entry(name_of(exchange)).or_insert(0.0) += count;
        }
        Self {
            esp: number("esp_native") + number("esp_in_udp"),
            messages,
        }
    }
}

/// `v0x10/xchg32` is GROUPKEY-PULL.
fn name_of(exchange: &str) -> String {
    let (version, number) = exchange.split_once("/xchg").unwrap();
    let version = u8::from_str_radix(version.strip_prefix("v0x").unwrap(), 16).unwrap() >> 4;
    gdoi_wire::Exchange::from_wire(version, number.parse().unwrap())
        .name()
        .to_owned()
}
