//! A disk that hangs for a while: a frozen file system, as during a snapshot of a virtual machine. A writer blocks in
//! the kernel, and cannot even be killed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use gdoi_lab::{Agent, Injector, Network};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;

use super::blind::unrelated;
use super::consumers::{QUIET, registered_until_full};
use crate::kernel::in_network;

#[test]
fn while_the_disk_of_the_state_hangs_it_watches_on_and_then_keeps_all_of_it() {
    let name = "while_the_disk_of_the_state_hangs";
    in_network(name, move |_| {
        let folder = tempfile::tempdir().unwrap();
        let Some(disk) = disk(folder.path()) else {
            eprintln!("SKIP {name}: this kernel has no ext4 in a file");
            return;
        };
        let log = folder.path().join("log");
        let at = |name: &str| disk.join(name).to_str().unwrap().to_owned();
        let (state, flights) = (at("state"), at("flights"));
        fs::create_dir(&flights).unwrap();
        let arguments = [
            "--interface",
            Network::WATCH,
            "--log.level",
            "info",
            "--state-file",
            &state,
            "--flight-folder",
            &flights,
        ];
        let agent = Agent::start_logging_to(&arguments, File::create(&log).unwrap()).unwrap();
        send(&agent, 0..1_000);
        let frozen = Frozen::freeze(&disk);
        agent.signal(Signal::SIGUSR1).unwrap();
        let since = Instant::now();
        for part in 1..=30 {
            send(&agent, part * 1_000..(part + 1) * 1_000);
        }
        let metrics = agent.metrics().unwrap();
        let lost = metrics.sum("gdoi_events_lost_total", &[]);
        let took = since.elapsed();
        drop(frozen);
        // The ring would have filled up five times.
        assert!(lost.abs() < f64::EPSILON, "{lost} lost in {took:?}");
        assert!(took < Duration::from_secs(30), "it took {took:?}");
        until_said(&log, "the disk of the state file recovered");
        until_said(&log, "wrote the flight recorder");
        send(&agent, 31_000..32_000);
        assert!(agent.stop().unwrap().success());
        let said = fs::read_to_string(&log).unwrap();
        assert!(said.contains("hangs; continuing without it"), "{said}");
        let agent = Agent::start_logging_to(&arguments, File::create(&log).unwrap()).unwrap();
        let known = agent.metrics().unwrap().sum("gdoi_messages_tracked_total", &[]);
        assert!((known - 32_000.0).abs() < f64::EPSILON, "{known}");
        // The disk is removed after the agent.
        drop(agent);
    });
}

#[test]
fn while_the_disk_of_events_hangs_it_watches_on_and_counts_what_is_lost() {
    let name = "while_the_disk_of_events_hangs";
    in_network(name, move |_| {
        let folder = tempfile::tempdir().unwrap();
        let Some(disk) = disk(folder.path()) else {
            eprintln!("SKIP {name}: this kernel has no ext4 in a file");
            return;
        };
        let events = disk.join("events");
        let agent =
            Agent::start(&[&QUIET[..], &["--event-file", events.to_str().unwrap()]].concat()).unwrap();
        let frozen = Frozen::freeze(&disk);
        registered_until_full(&agent);
        drop(frozen);
        assert!(agent.stop().unwrap().success());
    });
}

/// Sends messages and waits until the agent has them.
fn send(agent: &Agent, numbers: std::ops::Range<u64>) {
    let injector = Injector::open(Network::INJECT).unwrap();
    let end = numbers.end;
    for number in numbers {
        injector.send_frame(&unrelated(number)).unwrap();
    }
    agent.until_counted(end).unwrap();
}

fn until_said(log: &Path, what: &str) {
    let since = Instant::now();
    while !fs::read_to_string(log).unwrap().contains(what) {
        assert!(
            since.elapsed() < Duration::from_secs(20),
            "{what} was not said: {}",
            fs::read_to_string(log).unwrap()
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A disk in a file, which disappears with the thread; `None` if the kernel does not support it.
fn disk(folder: &Path) -> Option<PathBuf> {
    let (image, disk) = (folder.join("image"), folder.join("disk"));
    File::create(&image).unwrap().set_len(64 << 20).unwrap();
    fs::create_dir(&disk).unwrap();
    let made = Command::new("mkfs.ext4").arg("-q").arg(&image).status().unwrap();
    assert!(made.success());
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
    let mounted = Command::new("mount")
        .args(["-o", "loop"])
        .arg(&image)
        .arg(&disk)
        .status();
    mounted.unwrap().success().then_some(disk)
}

/// A frozen file system, until this is dropped.
struct Frozen(PathBuf);

impl Frozen {
    fn freeze(disk: &Path) -> Self {
        fsfreeze("--freeze", disk);
        Self(disk.to_owned())
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        fsfreeze("--unfreeze", &self.0);
    }
}

fn fsfreeze(what: &str, disk: &Path) {
    let done = Command::new("fsfreeze").arg(what).arg(disk).status().unwrap();
    assert!(done.success(), "fsfreeze {what}");
}
