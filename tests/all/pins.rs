//! With pins, an agent that ends, is killed or changes its settings misses nothing: the next one continues.

mod killed;
mod others;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use gdoi_lab::{Agent, Frames, Injector, Metrics, Network};
use gdoi_monitor::source::xdp::netlink::Changes;
use gdoi_wire::craft::Generator;
use tempfile::TempDir;

use crate::kernel::{bpf_folder, in_network, traffic_control};
use crate::program;

/// An agent with a state and pins, and its files.
struct House {
    bpf: TempDir,
    files: TempDir,
}

impl House {
    fn new() -> Self {
        let files = tempfile::tempdir().unwrap();
        Self {
            bpf: bpf_folder(),
            files,
        }
    }

    fn pins(&self) -> PathBuf {
        self.bpf.path().join("gdoi-monitor")
    }

    fn file(&self, name: &str) -> String {
        self.files.path().join(name).to_str().unwrap().to_owned()
    }

    fn arguments(&self, mode: &str) -> Vec<String> {
        let pins = self.pins();
        [
            "--interface",
            Network::WATCH,
            "--mode",
            mode,
            "--log.level",
            "warn",
            "--pin-folder",
            pins.to_str().unwrap(),
            "--state-file",
            &self.file("state"),
            "--event-file",
            &self.file("events"),
        ]
        .map(str::to_owned)
        .to_vec()
    }

    fn start(&self, mode: &str) -> Agent {
        self.start_with(mode, &[])
    }

    fn start_with(&self, mode: &str, others: &[&str]) -> Agent {
        let arguments = self.arguments(mode);
        let arguments: Vec<_> = arguments
            .iter()
            .map(String::as_str)
            .chain(others.iter().copied())
            .collect();
        Agent::start(&arguments).unwrap()
    }

    fn events(&self) -> String {
        fs::read_to_string(self.file("events")).unwrap_or_default()
    }
}

#[test]
fn what_happens_between_two_agents_is_told_by_the_second() {
    for mode in ["xdp", "tc"] {
        if mode == "tc" && traffic_control() == "clsact" {
            eprintln!(
                "SKIP what_happens_between_two_agents_is_told_by_the_second: a filter at clsact cannot be pinned"
            );
            continue;
        }
        in_network(
            "what_happens_between_two_agents_is_told_by_the_second",
            move |_| {
                let frames = Frames::read(&demo()).unwrap().frames;
                let injector = Injector::open(Network::INJECT).unwrap();
                let send = |part: &[gdoi_lab::Frame]| {
                    for frame in part {
                        injector.send_frame(&frame.octets).unwrap();
                    }
                };
                // Without an interruption, for comparison.
                let whole = House::new();
                let agent = whole.start(mode);
                send(&frames);
                let count = u64::try_from(frames.len()).unwrap();
                let expect = told(&agent.until_counted(count).unwrap());
                assert!(agent.stop().unwrap().success());
                program_detach(&whole.pins());

                let house = House::new();
                let third = frames.len() / 3;
                let agent = house.start(mode);
                send(&frames[..third]);
                agent.until_counted(u64::try_from(third).unwrap()).unwrap();
                let changes = Changes::listen().unwrap();
                assert!(agent.stop().unwrap().success());
                send(&frames[third..2 * third]);
                let agent = house.start(mode);
                // The interface has not changed at all.
                assert!(!changes.take().unwrap(), "{mode}");
                send(&frames[2 * third..]);
                let found = told(&agent.until_counted(count).unwrap());
                assert_eq!(found, expect, "{mode}");
                assert!(!house.events().contains("capture_loss"), "{}", house.events());
            },
        );
    }
}

#[test]
fn set_up_otherwise_it_goes_on_counting() {
    // An eighth of a part of the table, one part, and two.
    for slots in [["4096", "512"], ["512", "8192"]] {
        in_network("set_up_otherwise_it_goes_on_counting", move |_| {
            goes_on_with(slots);
        });
    }
}

/// An agent with a table of this size, and then one with another.
fn goes_on_with([before, after]: [&str; 2]) {
    let house = House::new();
    let injector = Injector::open(Network::INJECT).unwrap();
    let frames: Vec<_> = Generator::new(0x5e7).take(900).collect();
    let send = |part: &[Vec<u8>]| part.iter().for_each(|frame| injector.send_frame(frame).unwrap());
    let agent = house.start_with("xdp", &["--spi-slots", before]);
    send(&frames[..300]);
    agent.until_counted(300).unwrap();
    assert!(agent.stop().unwrap().success());
    send(&frames[300..600]);
    let agent = house.start_with("xdp", &["--spi-slots", after]);
    send(&frames[600..]);
    let metrics = Metrics::parse(&agent.until_counted(900).unwrap());
    let esp = metrics.sum("gdoi_packets_total", &[("class", "esp")])
        + metrics.sum("gdoi_packets_total", &[("class", "esp_udp")]);
    let tracked = metrics.sum("gdoi_esp_packets_total", &[]);
    assert!(
        (total(&metrics) - 900.0).abs() < f64::EPSILON,
        "{}",
        total(&metrics)
    );
    assert!(
        (esp - tracked).abs() < f64::EPSILON,
        "{esp} counted, {tracked} tracked"
    );
    assert!(!house.events().contains("capture_loss"), "{}", house.events());
    // A single set of maps is left.
    let spot = house.pins().join("watch-ingress");
    let folders = fs::read_dir(spot)
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().path().is_dir());
    assert_eq!(folders.count(), 1);
}

#[test]
fn an_interface_that_was_put_back_meanwhile_is_watched_again() {
    in_network(
        "an_interface_that_was_put_back_meanwhile_is_watched_again",
        |network| {
            let house = House::new();
            let agent = house.start("auto");
            assert!(agent.stop().unwrap().success());
            assert!(network.has_program().unwrap());
            network.remove_pair().unwrap();
            network.add_pair().unwrap();
            assert!(!network.has_program().unwrap());
            let agent = house.start("auto");
            assert!(network.has_program().unwrap());
            assert!(
                house.events().contains("capture_loss"),
                "it was blind, and says so"
            );
            // The same while an agent runs, with its remaining capabilities.
            network.remove_pair().unwrap();
            agent
                .until(|metrics| metrics.sum("gdoi_capture_up", &[]) < 1.0)
                .unwrap();
            network.add_pair().unwrap();
            agent
                .until(|metrics| metrics.sum("gdoi_capture_up", &[]) >= 1.0)
                .unwrap();
            agent.kill().unwrap();
            assert!(network.has_program().unwrap());
            let agent = house.start("auto");
            assert!(agent.stop().unwrap().success());
        },
    );
}

/// The tracker's counters of groups, without times.
fn told(page: &str) -> BTreeMap<String, BTreeMap<String, f64>> {
    let metrics = Metrics::parse(page);
    TOLD.iter()
        .map(|(name, label)| ((*name).to_owned(), metrics.by(name, label)))
        .collect()
}

fn total(metrics: &Metrics) -> f64 {
    metrics.sum("gdoi_packets_total", &[])
}

fn program_detach(pins: &Path) {
    let (status, said) = detach(pins);
    assert_eq!(status, Some(0), "{said}");
}

fn detach(pins: &Path) -> (Option<i32>, String) {
    let program = program::path("detach").unwrap();
    let output = Command::new(program)
        .args(["detach", "--pin-folder"])
        .arg(pins)
        .output()
        .unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

fn demo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/demo.pcap")
}

/// Without rekeys: they are reported after some time, which may pass before the end on a slow machine.
const TOLD: [(&str, &str); 7] = [
    ("gdoi_packets_total", "class"),
    ("gdoi_esp_packets_total", "group"),
    ("gdoi_messages_total", "exchange"),
    ("gdoi_registrations_total", "result"),
    ("gdoi_rekey_acks_total", "group"),
    ("gdoi_kek_changes_total", "group"),
    ("gdoi_spi_changes_total", "group"),
];
