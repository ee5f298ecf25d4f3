//! Several agents on one interface, and an agent that reloads its configuration continuously.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use gdoi_lab::{Agent, Injector, Metrics, Network};
use gdoi_wire::craft::Generator;

use crate::kernel::in_network;

/// Frames that also reach traffic control: before it, the kernel drops a frame that ends in its first tag.
fn frames(seed: u64, count: usize) -> Vec<Vec<u8>> {
    let is_countable = |frame: &Vec<u8>| frame.len() >= 20;
    Generator::new(seed).filter(is_countable).take(count).collect()
}

fn send(frames: &[Vec<u8>]) {
    let injector = Injector::open(Network::INJECT).unwrap();
    for frame in frames {
        injector.send_frame(frame).unwrap();
    }
}

fn mode(metrics: &Metrics) -> &'static str {
    ["xdp", "tcx", "clsact"]
        .into_iter()
        .find(|mode| metrics.sum("gdoi_capture_info", &[("mode", mode)]) > 0.0)
        .unwrap_or("none")
}

#[test]
fn two_agents_on_one_interface_count_the_same() {
    in_network("two_agents_on_one_interface_count_the_same", |network| {
        let quiet = ["--interface", Network::WATCH, "--log.level", "error"];
        let first = Agent::start(&quiet).unwrap();
        let second = Agent::start_on(11_849, &quiet).unwrap();
        assert_eq!(mode(&first.metrics().unwrap()), "xdp");
        assert_ne!(mode(&second.metrics().unwrap()), "xdp");
        send(&frames(0x2a, 2_000));
        let counts = |agent: &Agent, count: u64| {
            let metrics = Metrics::parse(&agent.until_counted(count).unwrap());
            [
                "gdoi_packets_total",
                "gdoi_messages_total",
                "gdoi_esp_packets_total",
                "gdoi_misses_total",
            ]
            .map(|name| metrics.sum(name, &[]).to_string())
        };
        let (one, other) = (counts(&first, 2_000), counts(&second, 2_000));
        assert_eq!(one, other);
        assert!(one[1] != "0" && one[2] != "0", "{one:?}");
        // The first one stops, and is killed: the other continues, and nothing of the first is left.
        first.kill().unwrap();
        assert!(!network.has_program().unwrap());
        send(&frames(0x2b, 1_000));
        counts(&second, 3_000);
        let third = Agent::start(&quiet).unwrap();
        assert_eq!(mode(&third.metrics().unwrap()), "xdp");
        assert!(second.stop().unwrap().success());
        send(&frames(0x2c, 500));
        counts(&third, 500);
    });
}

/// Open descriptors of an agent, and its memory in pages.
fn holds(agent: &Agent) -> (usize, u64) {
    let process = format!("/proc/{}", agent.id());
    let open = fs::read_dir(Path::new(&process).join("fd")).unwrap().count();
    let memory = fs::read_to_string(Path::new(&process).join("statm")).unwrap();
    (open, memory.split(' ').nth(1).unwrap().parse().unwrap())
}

#[test]
fn a_storm_of_reloads_loses_nothing_and_leaves_nothing() {
    in_network("a_storm_of_reloads_loses_nothing_and_leaves_nothing", |_| {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("gdoi.toml");
        // Another site means another table in the kernel: programs are loaded and replaced. That takes time, and
        // happens with each tenth reload.
        let write = |site: usize| {
            let text = format!(
                "[capture]\ninterfaces = [\"watch\"]\n[[group]]\nname = \"G\"\n\
                 [[group.site]]\nname = \"s\"\nprefixes = [\"10.{site}.0.0/16\"]\n"
            );
            fs::write(&file, text).unwrap();
        };
        write(0);
        let agent = Agent::start(&["--config", file.to_str().unwrap(), "--log.level", "off"]).unwrap();
        let (flowing, sent) = (AtomicBool::new(true), AtomicU64::new(0));
        let (before, after) = thread::scope(|scope| {
            scope.spawn(|| {
                let injector = Injector::open(Network::INJECT).unwrap();
                for frame in frames(0x5707, 500).iter().cycle() {
                    if !flowing.load(Ordering::Relaxed) {
                        break;
                    }
                    injector.send_frame(frame).unwrap();
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            });
            let storm = |rounds: std::ops::Range<usize>| -> Vec<_> {
                rounds
                    .map(|round| {
                        write(1 + round / 10);
                        agent.reload()
                    })
                    .collect()
            };
            // Everything that is allocated once exists after the first.
            let first = storm(0..20);
            let before = holds(&agent);
            let rest = storm(20..100);
            let after = holds(&agent);
            // Before the checks: otherwise the sender would never stop.
            flowing.store(false, Ordering::Relaxed);
            for answer in first.into_iter().chain(rest) {
                assert!(answer.unwrap());
            }
            (before, after)
        });
        let sent = sent.load(Ordering::Relaxed);
        let metrics = Metrics::parse(&agent.until_counted(sent).unwrap());
        let counted = metrics.sum("gdoi_packets_total", &[]);
        #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
        let all = sent as f64;
        assert!((counted - all).abs() < f64::EPSILON, "{counted} of {all}");
        eprintln!("{sent} packets; descriptors and pages after 20 reloads {before:?}, after 100 {after:?}");
        assert!(after.0 <= before.0 + 2, "{before:?}, {after:?}");
        // A ring and a table are 6 MiB, some 1,500 pages; eight of them would have been leaked.
        assert!(after.1 <= before.1 + 3_000, "{before:?}, {after:?}");
        assert!(agent.stop().unwrap().success());
    });
}
