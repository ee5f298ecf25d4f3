//! An agent that is killed repeatedly in traffic.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use gdoi_lab::{Injector, Metrics, Network};
use gdoi_monitor::source::xdp::netlink::Changes;
use gdoi_wire::craft::Generator;

use super::{House, total};
use crate::kernel::in_network;

const KILLS: usize = 5;

#[test]
fn killed_in_traffic_again_and_again_it_counts_every_packet_once() {
    in_network(
        "killed_in_traffic_again_and_again_it_counts_every_packet_once",
        |_| {
            let house = House::new();
            let (flowing, sent) = (AtomicBool::new(true), AtomicU64::new(0));
            let mut agent = Some(house.start("xdp"));
            let changes = Changes::listen().unwrap();
            thread::scope(|scope| {
                scope.spawn(|| {
                    let injector = Injector::open(Network::INJECT).unwrap();
                    let frames: Vec<_> = Generator::new(0x9135)
                        .filter(|frame| frame.len() >= 60)
                        .take(500)
                        .collect();
                    for frame in frames.iter().cycle() {
                        if !flowing.load(Ordering::Relaxed) {
                            break;
                        }
                        injector.send_frame(frame).unwrap();
                        // At this pace an agent can start before the ring is full.
                        if sent.fetch_add(1, Ordering::Relaxed) % 16 == 0 {
                            thread::sleep(std::time::Duration::from_millis(1));
                        }
                    }
                });
                let mut before = 0.0;
                for _ in 0..KILLS {
                    let killed = agent.take().unwrap();
                    killed.until(|metrics| total(metrics) > before + 2_000.0).unwrap();
                    before = total(&killed.metrics().unwrap());
                    killed.kill().unwrap();
                    let next = agent.insert(house.start("xdp"));
                    // Counted packets stay counted.
                    assert!(total(&next.metrics().unwrap()) >= before);
                }
                flowing.store(false, Ordering::Relaxed);
            });
            let sent = sent.load(Ordering::Relaxed);
            let agent = agent.unwrap();
            agent.until_counted(sent).unwrap();
            // All are counted, but the last may not have reached the tracker; what never comes must be reported as
            // lost.
            let followed = |metrics: &Metrics| {
                metrics.sum("gdoi_messages_tracked_total", &[])
                    + metrics.sum("gdoi_events_lost_total", &[("kind", "message")])
            };
            agent
                .until(|metrics| {
                    let isakmp = metrics.sum("gdoi_packets_total", &[("class", "isakmp")]);
                    followed(metrics) + told_as_lost(&house.events()) >= isakmp
                })
                .unwrap();
            let metrics = agent.metrics().unwrap();
            #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
            let sent = sent as f64;
            let class = |class| metrics.sum("gdoi_packets_total", &[("class", class)]);
            let is = |left: f64, right: f64, what: &str| {
                assert!((left - right).abs() < f64::EPSILON, "{what}: {left} and {right}");
            };
            is(total(&metrics), sent, "packets and what was sent");
            is(
                metrics.sum("gdoi_esp_packets_total", &[]),
                class("esp") + class("esp_udp"),
                "ESP tracked and counted",
            );
            assert!(class("esp") > 1_000.0);
            assert!(followed(&metrics) <= class("isakmp"), "{}", followed(&metrics));
            assert!(!changes.take().unwrap());
        },
    );
}

/// Messages reported as lost. A killed agent may have reported what the next one reports again.
fn told_as_lost(events: &str) -> f64 {
    let events = events.lines().filter_map(|line| serde_json::from_str(line).ok());
    events
        .filter(|event: &serde_json::Value| event["type"] == "capture_loss")
        .filter_map(|event| event["count"].as_f64())
        .sum()
}
