//! Interfaces that exist and see nothing: without a carrier, or in another network namespace.

use std::fs;
use std::process::{Child, Command};

use gdoi_lab::{Agent, Injector, Network, ip, until_carrying};
use gdoi_wire::craft::Generator;
use nix::unistd::gettid;
use serde_json::Value;

use super::blind::{GROUP, rekey};
use crate::kernel::in_network;

/// A bug: the reported windows ended when the loss of the carrier was noticed, and did not cover later traffic on
/// other interfaces.
#[test]
fn while_an_interface_has_no_carrier_no_silence_is_certain() {
    in_network("while_an_interface_has_no_carrier", |_| {
        link(&["add", "lan0", "type", "veth", "peer", "name", "lan1"]);
        for end in ["lan0", "lan1"] {
            link(&["set", end, "arp", "off", "up"]);
        }
        until_carrying(&["lan0", "lan1"]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.toml");
        fs::write(&config, GROUP).unwrap();
        let agent = Agent::start(&[
            "--interface",
            Network::WATCH,
            "--interface",
            "lan1",
            "--config",
            config.to_str().unwrap(),
            "--log.level",
            "error",
        ])
        .unwrap();
        let no_carrier = [("interface", Network::WATCH), ("reason", "no_carrier")];
        let is_dark = |dark: bool| {
            agent.until(move |metrics| (metrics.sum("gdoi_capture_blind_spot", &no_carrier) > 0.0) == dark)
        };
        let is_overdue =
            |is: bool| agent.until(move |metrics| (metrics.sum("gdoi_rekey_overdue", &[]) > 0.0) == is);
        is_dark(false).unwrap();
        link(&["set", Network::INJECT, "down"]);
        is_dark(true).unwrap();
        // After the end of the reported loss.
        agent.page("/metrics").unwrap();
        let injector = Injector::open("lan0").unwrap();
        injector.send_frame(&rekey(1)).unwrap();
        is_overdue(true).unwrap();
        let told = events(&agent, "rekey_overdue");
        assert_eq!(told[0]["certainty"], "uncertain", "{told:?}");
        link(&["set", Network::INJECT, "up"]);
        is_dark(false).unwrap();
        // One at its beginning, one for the whole.
        assert_eq!(events(&agent, "capture_loss").len(), 2);
        // With the carrier back, there is no other explanation.
        injector.send_frame(&rekey(2)).unwrap();
        is_overdue(false).unwrap();
        is_overdue(true).unwrap();
        let told = events(&agent, "rekey_overdue");
        assert_eq!(told[1]["certainty"], "likely", "{told:?}");
        assert!(agent.stop().unwrap().success());
    });
}

#[test]
fn an_interface_that_moves_to_another_namespace_leaves_no_program_there_and_is_watched_when_it_is_back() {
    in_network("an_interface_that_moves_to_another_namespace", |_| {
        let elsewhere = Elsewhere::new();
        for mode in ["xdp", "tc"] {
            let agent =
                Agent::start(&["--interface", "wat*", "--mode", mode, "--log.level", "error"]).unwrap();
            let up = |up: bool| agent.until(move |metrics| (metrics.sum("gdoi_capture_up", &[]) > 0.0) == up);
            let frames: Vec<_> = Generator::new(7)
                .filter(|frame| frame.len() >= 20)
                .take(500)
                .collect();
            let send = || {
                let injector = Injector::open(Network::INJECT).unwrap();
                injector.send_batch(&frames).unwrap();
            };
            send();
            agent.until_counted(500).unwrap();
            link(&["set", Network::WATCH, "netns", &elsewhere.path()]);
            up(false).unwrap();
            elsewhere.run(&["ip", "link", "set", Network::WATCH, "up"]);
            let there = elsewhere.run(&["ip", "-details", "link", "show", Network::WATCH]);
            assert!(!there.contains("prog/xdp"), "{there}");
            send();
            let home = format!("/proc/{}/task/{}/ns/net", std::process::id(), gettid());
            elsewhere.run(&["ip", "link", "set", Network::WATCH, "netns", &home]);
            link(&["set", Network::WATCH, "arp", "off", "up"]);
            until_carrying(&[Network::INJECT, Network::WATCH]).unwrap();
            up(true).unwrap();
            send();
            // Packets during its absence are not counted.
            agent.until_counted(1_000).unwrap();
            assert!(agent.stop().unwrap().success());
        }
    });
}

fn link(arguments: &[&str]) {
    ip(&[&["link"], arguments].concat()).unwrap();
}

/// The events of a type in the API.
fn events(agent: &Agent, kind: &str) -> Vec<Value> {
    let events: Vec<Value> = serde_json::from_str(&agent.page("/api/v1/events").unwrap()).unwrap();
    events.into_iter().filter(|event| event["type"] == kind).collect()
}

/// Another network namespace, as long as its process lives.
struct Elsewhere(Child);

impl Elsewhere {
    fn new() -> Self {
        let here = fs::read_link("/proc/thread-self/ns/net").unwrap();
        let process = Command::new("unshare")
            .args(["--net", "sleep", "600"])
            .spawn()
            .unwrap();
        let elsewhere = Self(process);
        // It has entered its namespace once that differs from ours.
        while fs::read_link(elsewhere.path()).unwrap() == here {
            std::thread::yield_now();
        }
        elsewhere
    }

    fn path(&self) -> String {
        format!("/proc/{}/ns/net", self.0.id())
    }

    fn run(&self, words: &[&str]) -> String {
        let net = format!("--net={}", self.path());
        let output = Command::new("nsenter").arg(net).args(words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}
