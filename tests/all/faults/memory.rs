//! Memory that has an end. That a flood does not reach it is part of `floods.rs`.

use std::fs::{self, File};
use std::time::{Duration, Instant};

use gdoi_lab::flood::{Flood, Kind};
use gdoi_lab::{Agent, Injector, Network};

use crate::kernel::in_network;

#[test]
fn with_too_little_memory_it_ends_with_a_word_and_its_state_is_whole() {
    in_network("with_too_little_memory", |_| {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let log = folder.path().join("log");
        let arguments = [&QUIET[..], &["--state-file", state.to_str().unwrap()]].concat();
        assert!(Agent::start(&arguments).unwrap().stop().unwrap().success());
        let before = fs::read(&state).unwrap();
        // Enough to start, too little for tables that are full.
        let limit = ["--data=50331648"];
        let agent = Agent::start_within(&limit, &arguments, File::create(&log).unwrap()).unwrap();
        let id = agent.id();
        let is_there =
            || fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| !stat.contains(") Z "));
        flood(Duration::from_secs(20), is_there);
        assert!(!is_there(), "it did with the memory it had");
        drop(agent);
        let said = fs::read_to_string(&log).unwrap();
        assert!(said.contains("memory allocation of "), "{said}");
        let after = fs::read(&state).unwrap();
        assert!(after.len() >= before.len());
        // The next one takes it up.
        let agent = Agent::start_logging_to(&arguments, File::create(&log).unwrap()).unwrap();
        assert!(agent.stop().unwrap().success());
        assert_eq!(fs::read_to_string(&log).unwrap(), "");
    });
}

/// Floods for a time, as long as it is wanted.
fn flood(time: Duration, is_wanted: impl Fn() -> bool) {
    let injector = Injector::open(Network::INJECT).unwrap();
    let mut floods = Kind::ALL.map(|kind| Flood::new(kind, 5, [10, 1, 11, 2].into(), [10, 1, 13, 2].into()));
    let begun = Instant::now();
    while begun.elapsed() < time && is_wanted() {
        for flood in &mut floods {
            injector.send_batch(flood.batch()).unwrap();
        }
    }
}

const QUIET: [&str; 4] = ["--interface", Network::WATCH, "--log.level", "warn"];
