//! Times without a monitor: what was due then is uncertain, never missed.

use std::fs;
use std::thread;
use std::time::Duration;

use gdoi_lab::{Agent, Injector, Network};
use gdoi_wire::Exchange;
use gdoi_wire::craft::{self, Ethernet, Message};
use serde_json::Value;

use crate::kernel::in_network;

pub(super) const GROUP: &str = "\
[[group]]
name = \"G1\"
key_servers = [\"10.1.11.2\"]
tek_lifetime = \"3s\"
retransmit = { interval = \"100ms\", count = 1 }
";

/// A bug: time advanced to the end of the window before the window was known, and what was due in it was missed for
/// certain.
#[test]
fn what_was_due_while_no_agent_ran_is_uncertain() {
    in_network("what_was_due_while_no_agent_ran", |_| {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let (config, state, events) = (path("config.toml"), path("state"), path("events"));
        fs::write(&config, GROUP).unwrap();
        let start = || {
            let files = [
                "--config",
                &config,
                "--state-file",
                &state,
                "--event-file",
                &events,
            ];
            Agent::start(
                &[
                    &["--interface", Network::WATCH, "--log.level", "error"],
                    &files[..],
                ]
                .concat(),
            )
            .unwrap()
        };
        let agent = start();
        let injector = Injector::open(Network::INJECT).unwrap();
        injector.send_frame(&rekey(1)).unwrap();
        agent.until_counted(1).unwrap();
        assert!(agent.stop().unwrap().success());
        // The next is due after 3 s, and overdue after 4.55 s more.
        thread::sleep(Duration::from_secs(8));
        assert!(start().stop().unwrap().success());
        let text = fs::read_to_string(&events).unwrap();
        let told = overdue(&text);
        assert_eq!(told.len(), 1, "{text}");
        assert_eq!(told[0]["certainty"], "uncertain", "{text}");
    });
}

/// The events about missing rekeys.
pub(super) fn overdue(events: &str) -> Vec<Value> {
    let events = events.lines().map(|line| serde_json::from_str(line).unwrap());
    events
        .filter(|event: &Value| event["type"] == "rekey_overdue")
        .collect()
}

/// One of the rekeys of the group.
pub(super) fn rekey(number: u8) -> Vec<u8> {
    let push = Message::new(Exchange::GroupkeyPush, [1; 8], [2; 8]).octets(18, &[number; 400]);
    let (server, member) = (([10, 1, 11, 2], 848).into(), ([10, 1, 13, 2], 848).into());
    craft::frame(&Ethernet::default(), server, member, &push)
}

/// An unrelated message in clear text: it takes as much memory as any.
pub(super) fn unrelated(number: u64) -> Vec<u8> {
    let first = Message::new(Exchange::MainMode, (1 + number).to_be_bytes(), [0; 8]).octets(1, &[0; 484]);
    let (somebody, server) = (([10, 9, 9, 9], 848).into(), ([10, 8, 8, 8], 848).into());
    craft::frame(&Ethernet::default(), somebody, server, &first)
}
