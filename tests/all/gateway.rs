//! The agent on a Linux gateway: next to other programs, on interfaces of all kinds, with each packet counted once.

use std::collections::BTreeMap;
use std::fs;
use std::net::UdpSocket;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use gdoi_lab::{Agent, Injector, Metrics, Network, ip};
use gdoi_monitor::source::xdp::interface::Interface;
use gdoi_monitor::source::xdp::{AttachMode, Direction, Probe, ProbeSettings, netlink};
use gdoi_wire::craft::{self, ESP, Ethernet, Generator, Tag};

use crate::kernel::{in_network, traffic_control};

#[test]
fn next_to_another_program_it_counts_the_same() {
    in_network("next_to_another_program_it_counts_the_same", |network| {
        let alone = Counted::of(&["--mode", "xdp"], "xdp");
        let mut other = Probe::load(&ProbeSettings::default(), Direction::Ingress).unwrap();
        other.attach(&watched(), AttachMode::Native).unwrap();
        let beside = Counted::of(&[], traffic_control());
        assert_eq!(beside, alone);
        assert!(network.has_program().unwrap(), "the other program was replaced");
        let agent = Agent::start(&quiet(&[])).unwrap();
        let blind = agent.metrics().unwrap().by("gdoi_capture_blind_spot", "reason");
        assert!(blind.contains_key("other_xdp_program"), "{blind:?}");
    });
}

#[test]
fn what_is_forwarded_is_counted_once_and_what_is_sent_is_seen() {
    in_network("what_is_forwarded_is_counted_once", |network| {
        network.add_gateway().unwrap();
        let agent = Agent::start(&["--interface", "lan,wan", "--egress", "--log.level", "error"]).unwrap();
        let there = Network::packet_to_wan();
        let back = Network::packet_to_lan();
        let (lan, wan) = (
            Injector::open("lan-far").unwrap(),
            Injector::open("wan-far").unwrap(),
        );
        for _ in 0..300 {
            lan.send_frame(&there).unwrap();
        }
        for _ in 0..200 {
            wan.send_frame(&back).unwrap();
        }
        let socket = UdpSocket::bind("10.2.0.1:848").unwrap();
        for _ in 0..100 {
            socket.send_to(&[7; 60], "10.2.0.9:848").unwrap();
        }
        agent.until_counted(600).unwrap();
        let metrics = agent.metrics().unwrap();
        let count = |class, interface, direction| {
            metrics.sum(
                "gdoi_packets_total",
                &[
                    ("class", class),
                    ("interface", interface),
                    ("direction", direction),
                ],
            )
        };
        let got = [
            count("esp", "lan", "ingress"),
            count("esp", "wan", "ingress"),
            count("esp", "lan", "egress"),
            count("esp", "wan", "egress"),
            count("isakmp", "wan", "egress"),
        ];
        for (got, expect) in got.into_iter().zip([300.0, 200.0, 0.0, 0.0, 100.0]) {
            assert_number(got, expect);
        }
        // They were forwarded.
        assert!(network.sent_by(Network::WAN).unwrap() >= 400);
        assert!(network.sent_by(Network::LAN).unwrap() >= 200);
        assert_number(metrics.sum("gdoi_esp_packets_total", &[]), 500.0);
    });
}

#[test]
fn a_packet_of_a_vlan_is_counted_once() {
    in_network("a_packet_of_a_vlan_is_counted_once", |_| {
        let tagged = Ethernet::tagged(&[Tag {
            tpid: 0x8100,
            tci: 100,
        }]);
        let frame = craft::packet(
            &tagged,
            "10.1.0.9".parse().unwrap(),
            "10.2.0.9".parse().unwrap(),
            ESP,
            &craft::esp(0x1234, 1, &[0; 40]),
        );
        let made = ip(&[
            "link",
            "add",
            "link",
            Network::WATCH,
            "name",
            "watch.100",
            "type",
            "vlan",
            "id",
            "100",
        ]);
        if let Err(error) = made {
            assert!(error.to_string().contains("Unknown device type"), "{error}");
            eprintln!("SKIP a_packet_of_a_vlan_is_counted_once: this kernel has no VLAN interfaces");
            return;
        }

        ip(&["link", "set", "watch.100", "up"]).unwrap();
        let both = ["--interface", "watch*", "--log.level", "error"];
        assert_eq!(counted_of(&both, &frame), [("watch".to_owned(), 500.0)].into());
        let above = ["--interface", "watch.100", "--log.level", "error"];
        assert_eq!(
            counted_of(&above, &frame),
            [("watch.100".to_owned(), 500.0)].into()
        );
    });
}

#[test]
fn a_packet_of_a_bridge_is_counted_once() {
    in_network("a_packet_of_a_bridge_is_counted_once", |_| {
        let frame = Network::packet_to_wan();
        ip(&["link", "add", "br0", "type", "bridge"]).unwrap();
        ip(&["link", "set", Network::WATCH, "master", "br0"]).unwrap();
        ip(&["link", "set", "br0", "up"]).unwrap();
        let both = ["--interface", "watch,br0", "--log.level", "error"];
        assert_eq!(counted_of(&both, &frame), [("watch".to_owned(), 500.0)].into());
    });
}

#[test]
fn a_hundred_times_taken_away_and_put_back_nothing_leaks() {
    in_network(
        "a_hundred_times_taken_away_and_put_back_nothing_leaks",
        |network| {
            let agent = Agent::start(&["--interface", "wat*", "--log.level", "error"]).unwrap();
            let loaded = AtomicBool::new(true);
            thread::scope(|scope| {
                scope.spawn(|| {
                    let frames: Vec<_> = Generator::new(0xc0de).take(200).collect();
                    while loaded.load(Ordering::Relaxed) {
                        // While the interface is gone nothing can be sent.
                        let Ok(injector) = Injector::open(Network::INJECT) else {
                            continue;
                        };
                        for frame in &frames {
                            if injector.send_frame(frame).is_err() {
                                break;
                            }
                        }
                    }
                });
                let mut slowest = Duration::ZERO;
                // By then the agent's buffers and tables have their final size for such traffic.
                let mut half = None;
                for time in 1..=100 {
                    network.remove_pair().unwrap();
                    agent.until(|metrics| up(metrics) < 1.0).unwrap();
                    network.add_pair().unwrap();
                    let added = Instant::now();
                    agent.until(|metrics| up(metrics) >= 1.0).unwrap();
                    slowest = slowest.max(added.elapsed());
                    if time == 50 {
                        half = Some(Resources::of(&agent));
                    }
                }
                loaded.store(false, Ordering::Relaxed);
                let (before, after) = (half.unwrap(), Resources::of(&agent));
                eprintln!("watched again after at most {slowest:?}; {before:?}, then {after:?}");
                assert!(slowest < Duration::from_secs(1), "{slowest:?}");
                assert_eq!(after.descriptors, before.descriptors);
                assert!(
                    after.resident_kib < before.resident_kib + 16 * 1024,
                    "{before:?} {after:?}"
                );
            });
            assert!(agent.stop().unwrap().success());
        },
    );
}

fn up(metrics: &Metrics) -> f64 {
    metrics.sum("gdoi_capture_up", &[])
}

/// The resources of the agent: maps, programs and links are descriptors.
#[derive(Debug)]
struct Resources {
    descriptors: usize,
    resident_kib: u64,
}

impl Resources {
    fn of(agent: &Agent) -> Self {
        let folder = format!("/proc/{}", agent.id());
        let status = fs::read_to_string(format!("{folder}/status")).unwrap();
        let resident = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .unwrap();
        // Connections are descriptors too, and come and go with each request.
        let is_kernel_object = |path: &std::path::Path| path.to_string_lossy().contains("bpf");
        Self {
            descriptors: fs::read_dir(format!("{folder}/fd"))
                .unwrap()
                .filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
                .filter(|target| is_kernel_object(target))
                .count(),
            resident_kib: resident.trim().trim_end_matches(" kB").trim().parse().unwrap(),
        }
    }
}

/// The agent's counts of generated frames.
#[derive(Debug, PartialEq)]
struct Counted {
    packets: BTreeMap<String, f64>,
    octets: BTreeMap<String, f64>,
    misses: BTreeMap<String, f64>,
    messages: BTreeMap<String, f64>,
    esp: f64,
}

impl Counted {
    fn of(arguments: &[&str], mode: &str) -> Self {
        let agent = Agent::start(&quiet(arguments)).unwrap();
        let reached = agent.metrics().unwrap().by("gdoi_capture_info", "mode");
        assert!(reached.contains_key(mode), "{reached:?}");
        let injector = Injector::open(Network::INJECT).unwrap();
        // The kernel strips a tag together with two more octets, and drops a frame that ends before, where traffic
        // control does not see it.
        let is_whole = |frame: &Vec<u8>| {
            let is_tagged = matches!(frame[12..14], [0x81, 0x00] | [0x88, 0xa8]);
            !is_tagged || frame.len() >= 20
        };
        let frames = Generator::new(0x9a7e).filter(is_whole).take(20_000);
        for frame in frames {
            injector.send_frame(&frame).unwrap();
        }
        agent.until_counted(20_000).unwrap();
        let metrics = agent.metrics().unwrap();
        Self {
            packets: metrics.by("gdoi_packets_total", "class"),
            octets: metrics.by("gdoi_bytes_total", "class"),
            misses: metrics.by("gdoi_misses_total", "reason"),
            messages: metrics.by("gdoi_messages_total", "exchange"),
            esp: metrics.sum("gdoi_esp_packets_total", &[]),
        }
    }
}

/// The counts by interface when `frame` comes five hundred times.
fn counted_of(arguments: &[&str], frame: &[u8]) -> BTreeMap<String, f64> {
    let agent = Agent::start(arguments).unwrap();
    let injector = Injector::open(Network::INJECT).unwrap();
    for _ in 0..500 {
        injector.send_frame(frame).unwrap();
    }
    agent.until_counted(500).unwrap();
    let metrics = agent.metrics().unwrap();
    assert_number(metrics.sum("gdoi_esp_packets_total", &[]), 500.0);
    metrics.by("gdoi_packets_total", "interface")
}

fn watched() -> Interface {
    let links = netlink::links().unwrap();
    let link = links.iter().find(|link| link.name == Network::WATCH).unwrap();
    link.interface()
}

fn quiet<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    let mut all = vec!["--interface", Network::WATCH, "--log.level", "error"];
    all.extend(arguments);
    all
}

fn assert_number(got: f64, expect: f64) {
    assert!((got - expect).abs() < f64::EPSILON, "{got}, not {expect}");
}
