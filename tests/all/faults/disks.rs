//! A disk that is full or read-only.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use gdoi_lab::{Agent, Injector, Network};
use gdoi_wire::craft::Generator;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::kernel::in_network;

#[test]
fn on_a_full_disk_it_watches_on_says_so_and_leaves_the_old_state_whole() {
    in_network("on_a_full_disk", |_| {
        let folder = tempfile::tempdir().unwrap();
        let disk = folder.path().join("disk");
        small_disk(&disk);
        let (state, events, log) = (disk.join("state"), disk.join("events"), folder.path().join("log"));
        let arguments = arguments(&state, &events);
        let start = || Agent::start_logging_to(&as_text(&arguments), File::create(&log).unwrap()).unwrap();
        // A complete state, then no room for another.
        assert!(start().stop().unwrap().success());
        let agent = start();
        fill(&disk);
        let before = fs::read(&state).unwrap();
        send(&agent, 3_000);
        let metrics = agent.metrics().unwrap();
        let lost = metrics.sum("gdoi_events_lost_total", &[("reason", "disk_full")]);
        assert!(lost > 0.0, "{lost}");
        // The API still has the events that are not on the disk, and the page shows the error.
        assert!(agent.page("/api/v1/events").unwrap().contains("\"type\""));
        assert!(agent.stop().unwrap().success());
        let said = fs::read_to_string(&log).unwrap();
        assert!(said.contains("cannot save the state"), "{said}");
        assert!(said.contains("cannot write events"), "{said}");
        assert_eq!(fs::read(&state).unwrap(), before, "the old state is not whole");
        for line in fs::read_to_string(&events).unwrap().lines() {
            serde_json::from_str::<serde_json::Value>(line).unwrap();
        }
        // It continues when there is room again.
        fs::remove_file(disk.join("filled")).unwrap();
        let agent = start();
        send(&agent, 3_000);
        assert!(agent.stop().unwrap().success());
        assert!(fs::read(&state).unwrap().len() > before.len());
    });
}

#[test]
fn a_state_folder_that_is_read_only_is_said_and_stops_nothing() {
    in_network("a_state_folder_that_is_read_only", |_| {
        let folder = tempfile::tempdir().unwrap();
        let disk = folder.path().join("disk");
        small_disk(&disk);
        let flags = MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        mount(None::<&str>, &disk, None::<&str>, flags, None::<&str>).unwrap();
        let (state, log) = (disk.join("state"), folder.path().join("log"));
        let arguments = arguments(&state, &folder.path().join("events"));
        let agent = Agent::start_logging_to(&as_text(&arguments), File::create(&log).unwrap()).unwrap();
        send(&agent, 1_000);
        assert!(agent.stop().unwrap().success());
        let said = fs::read_to_string(&log).unwrap();
        assert!(
            said.contains("cannot save the state") && said.contains("Read-only"),
            "{said}"
        );
    });
}

/// A disk of 256 KiB, which disappears with the thread.
fn small_disk(at: &Path) {
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    mount(
        None::<&str>,
        "/",
        None::<&str>,
        MsFlags::MS_REC | MsFlags::MS_PRIVATE,
        None::<&str>,
    )
    .unwrap();
    fs::create_dir(at).unwrap();
    mount(
        Some("small"),
        at,
        Some("tmpfs"),
        MsFlags::empty(),
        Some("size=256k"),
    )
    .unwrap();
}

/// Fills the disk.
fn fill(disk: &Path) {
    let mut file = File::create(disk.join("filled")).unwrap();
    while file.write_all(&[0; 512]).is_ok() {}
}

fn send(agent: &Agent, frames: usize) {
    let before = agent.metrics().unwrap().sum("gdoi_packets_total", &[]);
    let injector = Injector::open(Network::INJECT).unwrap();
    for frame in Generator::new(77).take(frames) {
        injector.send_frame(&frame).unwrap();
    }
    agent.until_counted(before as u64 + frames as u64).unwrap();
}

fn arguments(state: &Path, events: &Path) -> Vec<String> {
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let mut arguments = ["--interface", Network::WATCH, "--log.level", "warn"]
        .map(str::to_owned)
        .to_vec();
    arguments.extend([
        "--state-file".to_owned(),
        text(state),
        "--event-file".to_owned(),
        text(events),
    ]);
    arguments
}

fn as_text(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}
