//! What comes in files: captures, configurations, saved state, scenarios.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use gdoi_core::{Limits, Timestamp, Tracker};
use gdoi_monitor::config::Config;
use gdoi_monitor::http::web::Web;
use gdoi_monitor::sink::saved::Saved;
use gdoi_monitor::source::pcap::Reader;
use gdoi_sim::{Scenario, Simulation};
use gdoi_wire::Ports;
use tempfile::TempDir;

/// A capture file.
pub fn capture(octets: &[u8]) {
    let stream = Box::new(Cursor::new(octets.to_vec()));
    let Ok(mut reader) = Reader::new(Path::new("hostile"), stream) else {
        return;
    };
    while let Ok(Some(frame)) = reader.next_frame() {
        frame.dissect(&Ports::DEFAULT);
    }
}

/// A configuration file.
pub fn config(octets: &[u8]) {
    if let Ok(text) = std::str::from_utf8(octets) {
        // Refused or not: an error is an answer.
        drop(Config::parse(Path::new("hostile"), text));
    }
}

/// A web configuration, in a folder where nothing else is.
pub fn web(octets: &[u8]) {
    let place = file("web.yml");
    if fs::write(&place, octets).is_ok() {
        drop(Web::load(&place));
    }
}

/// The file with the state of an agent: eight octets of time, then what the tracker saved. In front of them comes what
/// names this run of the machine.
///
/// # Panics
///
/// When a tracker that was taken up cannot go on, or be saved and taken up again.
pub fn state(octets: &[u8]) {
    let (Ok(boot), place) = (fs::read("/proc/sys/kernel/random/boot_id"), file("state")) else {
        return;
    };
    if fs::write(&place, [&boot, octets].concat()).is_err() {
        return;
    }
    let saved = Saved::at(&place);
    let configuration = gdoi_core::Config::default;
    let Ok(Some(mut restored)) = saved.restore(configuration(), Limits::default()) else {
        return;
    };
    let mut out = Vec::new();
    let later = restored.at.after(Duration::from_hours(1));
    restored.tracker.advance(later, &mut out);
    let known = restored.tracker.snapshot();
    restored.tracker.finish(later, &mut out);
    if let Ok(kept) = restored.tracker.save() {
        let again = Tracker::restore(configuration(), Limits::default(), &kept);
        assert!(again.is_ok(), "saved, and not taken up: {known:?}");
    }
}

/// A scenario file, and the first of what passes.
///
/// # Panics
///
/// When it does not pass in order.
pub fn scenario(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else {
        return;
    };
    let Ok(scenario) = Scenario::parse(text) else {
        return;
    };
    // A user may ask for a million members; a fuzzer need not wait for them.
    if scenario.groups.len() > 4 || scenario.groups.iter().any(|group| group.members > 64) {
        return;
    }
    if let Ok(mut simulation) = Simulation::new(&scenario, Some(1)) {
        let mut now = Timestamp::ZERO;
        for emission in simulation.by_ref().take(200) {
            assert!(emission.at() >= now, "what passes goes back in time");
            now = emission.at();
        }
    }
}

/// A file in a folder of this process alone.
fn file(name: &str) -> PathBuf {
    static FOLDER: LazyLock<Option<TempDir>> = LazyLock::new(|| tempfile::tempdir().ok());
    let folder = FOLDER.as_ref().map_or(Path::new("/nowhere"), TempDir::path);
    folder.join(format!("{name}-{:?}", std::thread::current().id()))
}
