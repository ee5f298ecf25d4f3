//! A ring that nobody drains: the agent is stopped with SIGSTOP, and messages find no room.

use std::fs;
use std::thread;
use std::time::Duration;

use gdoi_lab::{Agent, Injector, Metrics, Network};
use nix::sys::signal::Signal;

use super::blind::{GROUP, overdue, rekey, unrelated};
use crate::kernel::in_network;

/// A ring of 4 MiB holds some 6,000 messages with their snapshots.
const MESSAGES: u64 = 20_000;

#[test]
fn in_a_full_ring_every_message_is_seen_or_counted_as_lost_and_what_was_due_is_uncertain() {
    in_network("in_a_full_ring", |_| {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let (config, events) = (path("config.toml"), path("events"));
        fs::write(&config, GROUP).unwrap();
        let agent = Agent::start(&[
            "--interface",
            Network::WATCH,
            "--log.level",
            "error",
            "--config",
            &config,
            "--event-file",
            &events,
        ])
        .unwrap();
        let injector = Injector::open(Network::INJECT).unwrap();
        injector.send_frame(&rekey(1)).unwrap();
        agent.until_counted(1).unwrap();
        agent.signal(Signal::SIGSTOP).unwrap();
        for number in 0..MESSAGES {
            injector.send_frame(&unrelated(number)).unwrap();
        }
        // The next rekey is due after 3 s, and overdue after 4.55 s more: it may be among the lost messages.
        thread::sleep(Duration::from_secs(8));
        agent.signal(Signal::SIGCONT).unwrap();
        let page = agent.until_counted(1 + MESSAGES).unwrap();
        let metrics = Metrics::parse(&page);
        let lost = metrics.sum(
            "gdoi_events_lost_total",
            &[("kind", "message"), ("reason", "ring_full")],
        );
        let seen = metrics.sum("gdoi_messages_tracked_total", &[]);
        assert!(lost > 0.0 && seen > 1_000.0, "{seen} seen, {lost} lost");
        let sent = 1.0 + MESSAGES as f64;
        assert!(
            (seen + lost - sent).abs() < f64::EPSILON,
            "{seen} + {lost} of {sent}"
        );
        assert!(agent.stop().unwrap().success());
        let text = fs::read_to_string(&events).unwrap();
        let told = overdue(&text);
        assert_eq!(told.len(), 1, "{text}");
        assert_eq!(told[0]["certainty"], "uncertain", "{text}");
    });
}
