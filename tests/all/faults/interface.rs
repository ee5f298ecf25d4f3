//! An interface that is removed during a flood, and added again.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use gdoi_lab::flood::{Flood, Kind};
use gdoi_lab::{Agent, Injector, Network, Resources};

use crate::kernel::in_network;

#[test]
fn an_interface_that_is_pulled_out_in_a_flood_takes_no_count_along_and_is_watched_again() {
    in_network("an_interface_that_is_pulled_out_in_a_flood", |network| {
        let agent = Agent::start(&["--interface", "wat*", "--log.level", "error"]).unwrap();
        let before = Resources::of(agent.id()).unwrap().bpf_objects;
        let total = || agent.metrics().unwrap().sum("gdoi_packets_total", &[]);
        let mut counted = 0.0;
        for _ in 0..5 {
            let wanted = AtomicBool::new(true);
            thread::scope(|scope| {
                let _stops = Unwanted(&wanted);
                scope.spawn(|| flood(&wanted));
                let reached = counted + 20_000.0;
                agent
                    .until(|metrics| metrics.sum("gdoi_packets_total", &[]) >= reached)
                    .unwrap();
                network.remove_pair().unwrap();
                agent
                    .until(|metrics| metrics.sum("gdoi_capture_up", &[]) < 1.0)
                    .unwrap();
            });
            let after = total();
            assert!(after >= counted + 20_000.0, "{after} after {counted}");
            counted = after;
            // Traffic has stopped: with the next poll of the counters each message is known, or counted as lost.
            agent
                .until(|metrics| {
                    let seen = metrics.sum("gdoi_messages_tracked_total", &[]);
                    let lost = metrics.sum("gdoi_events_lost_total", &[("kind", "message")]);
                    let messages = metrics.sum("gdoi_packets_total", &[("class", "isakmp")]);
                    (seen + lost - messages).abs() < f64::EPSILON
                })
                .unwrap();
            network.add_pair().unwrap();
            agent
                .until(|metrics| metrics.sum("gdoi_capture_up", &[]) >= 1.0)
                .unwrap();
            assert!(total() >= counted);
        }
        assert!(agent.page("/api/v1/events").unwrap().contains("capture_loss"));
        assert_eq!(Resources::of(agent.id()).unwrap().bpf_objects, before);
        assert!(agent.stop().unwrap().success());
    });
}

/// Floods until stopped, or until the interface is gone.
fn flood(wanted: &AtomicBool) {
    let injector = Injector::open(Network::INJECT).unwrap();
    let mut flood = Flood::new(Kind::Cookies, 6, [10, 1, 11, 2].into(), [10, 1, 13, 2].into());
    while wanted.load(Ordering::Relaxed) && injector.send_batch(flood.batch()).is_ok() {}
}

/// Stops the flood even on a panic: otherwise the test would wait for it.
struct Unwanted<'a>(&'a AtomicBool);

impl Drop for Unwanted<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}
