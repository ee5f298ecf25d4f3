//! Captures of real peers over a veth pair at their own speed: the agent reports the same as `analyze`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use gdoi_lab::Pace;
use gdoi_lab::replay::Replay;
use serde_json::Value;

use crate::{captures, kernel, program};

/// Each lasts less than 45 seconds, and they run in parallel.
const CAPTURES: [&str; 8] = [
    "gdoid_a.pcap",
    "gdoid_badgroup.pcap",
    "gdoid_badpsk.pcap",
    "gdoid_frag.pcap",
    "gdoid_unicast.pcap",
    "nanosec_reg.pcap",
    "ss_natt.pcap",
    "ss_raw848main.pcap",
];

#[test]
fn live_and_from_a_file_the_same_events() {
    let name = "live_and_from_a_file_the_same_events";
    let Some(program) = program::path(name) else {
        return;
    };
    if !kernel::is_usable(name) {
        return;
    }
    let runs = CAPTURES.map(|capture| {
        let file = captures::recording(capture).path;
        // A thread each: it cannot leave the namespace.
        (capture, file.clone(), thread::spawn(move || live(file)))
    });
    for (capture, file, run) in runs {
        let live = run.join().unwrap();
        let analyzed = analyzed(&program, &file);
        assert!(!analyzed.is_empty(), "{capture}");
        assert_eq!(live, analyzed, "{capture}");
    }
}

type Events = BTreeMap<String, usize>;

fn live(file: PathBuf) -> Events {
    let out = tempfile::tempdir().unwrap();
    let replay = Replay {
        file,
        pace: Pace::Times(1.0),
        times: 1,
        out: out.path().to_owned(),
        agent: Vec::new(),
    };
    replay.run().unwrap();
    events(&fs::read_to_string(out.path().join("events.jsonl")).unwrap())
}

fn analyzed(program: &PathBuf, file: &Path) -> Events {
    let output = program::run(
        program,
        &["analyze", "--format", "jsonl", file.to_str().unwrap()],
        b"",
    );
    events(&String::from_utf8(output.stdout).unwrap())
}

/// Events without their times, and the number of each. Incidents have dates of their own: `diagnosis` compares those.
fn events(lines: &str) -> Events {
    let mut events = Events::new();
    for line in lines.lines() {
        let mut event: Value = serde_json::from_str(line).unwrap();
        if event["type"].as_str().unwrap().starts_with("incident_") {
            continue;
        }
        let fields = event.as_object_mut().unwrap();
        fields.retain(|name, _| name != "time" && !name.contains("_seconds"));
        *events.entry(event.to_string()).or_default() += 1;
    }
    events
}
