//! Hostile files: captures, configurations, saved states, scenarios.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use gdoi_core::{Limits, Timestamp, Tracker};
use gdoi_monitor::config::Config;
use gdoi_monitor::http::web::Web;
use gdoi_monitor::sink::state_file::{self, StateFile};
use gdoi_monitor::source::pcap::{CaptureReader, Frame, MonotonicReader};
use gdoi_sim::{Observer, Scenario, Simulation, scenario::Group};
use gdoi_wire::Ports;
use tempfile::TempDir;

/// A capture file.
///
/// # Panics
///
/// If the times of its frames decrease.
pub fn capture(octets: &[u8]) {
    let stream = Box::new(Cursor::new(octets.to_vec()));
    let Ok(reader) = CaptureReader::new(Path::new("hostile"), stream) else {
        return;
    };
    let mut recording = MonotonicReader::new(reader);
    let mut last = Timestamp::ZERO;
    let take = |frame: Frame<'_>| {
        frame.unwrap(&Ports::DEFAULT);
        frame.at
    };
    while let Ok(Some(at)) = recording.with_next(take) {
        assert!(at >= last, "time goes back");
        last = at;
    }
}

/// A configuration file.
pub fn config(octets: &[u8]) {
    if let Ok(text) = std::str::from_utf8(octets) {
        // An error is a valid result.
        drop(Config::parse(Path::new("hostile"), text));
    }
}

/// A web configuration, in an otherwise empty folder.
pub fn web(octets: &[u8]) {
    let place = file("web.yml");
    if fs::write(&place, octets).is_ok() {
        drop(Web::load(&place));
    }
}

/// The state of an agent: the content of its file after the boot id, with a message log of the same octets next to
/// it; or the saved tracker alone.
///
/// # Panics
///
/// If a restored tracker cannot continue, or cannot be saved and restored again.
pub fn state(octets: &[u8]) {
    let configuration = gdoi_core::Config::default;
    for kept in [octets, &damaged(octets)] {
        if let Ok(tracker) = Tracker::restore(configuration(), Limits::default(), kept) {
            go_on(tracker, Timestamp::ZERO);
        }
    }
    let Ok(state) = state_file::with_content(octets) else {
        return;
    };
    let (place, log) = (file("state"), file("state").with_added_extension("messages"));
    if fs::write(&place, state).is_err() || fs::write(&log, octets).is_err() {
        return;
    }
    let saved = StateFile::open(&place).ok();
    if let Some(Ok(Some(restored))) = saved.map(|saved| saved.restore(configuration(), Limits::default())) {
        go_on(restored.tracker, restored.at);
    }
}

/// A valid state of the current layout with changes: every three octets give a position and a value.
fn damaged(changes: &[u8]) -> Vec<u8> {
    let mut kept = KEPT.clone();
    for [high, low, change] in changes.as_chunks::<3>().0 {
        let at = usize::from(u16::from_be_bytes([*high, *low]));
        let at = at.checked_rem(kept.len()).unwrap_or_default();
        if let Some(octet) = kept.get_mut(at) {
            *octet ^= change;
        }
    }
    kept
}

/// Whether a tracker accepts the state that [`state`] changes: otherwise nothing would be tested.
pub fn takes_up_what_it_kept() -> bool {
    let tracker = Tracker::restore(gdoi_core::Config::default(), Limits::default(), &KEPT);
    tracker.is_ok_and(|tracker| !tracker.snapshot().members.is_empty())
}

/// The saved state of a small group after two hours; empty if that fails, which a test would notice.
static KEPT: LazyLock<Vec<u8>> = LazyLock::new(|| kept().unwrap_or_default());

fn kept() -> anyhow::Result<Vec<u8>> {
    let scenario = Scenario::parse(SMALL)?;
    let mut tracker = Tracker::new(gdoi_core::Config::default(), Limits::default());
    let mut observer = Observer::new(Duration::from_secs(10), true);
    let mut out = Vec::new();
    for emission in Simulation::new(&scenario, Some(1))? {
        observer.observe(&emission, &mut |at, seen| tracker.observe(at, seen, &mut out));
        out.clear();
    }
    Ok(tracker.save()?)
}

const SMALL: &str = "\
title = \"Small\"
seed = 1
duration = \"2h\"
[[group]]
name = \"G1\"
key_servers = [\"10.1.11.2\", \"10.1.12.2\"]
rekey_address = \"239.0.1.2\"
members = 4
boot_within = \"1m\"
traffic_every = \"10m\"
";

/// Runs a tracker for an hour, and saves it.
fn go_on(mut tracker: Tracker, at: Timestamp) {
    let mut out = Vec::new();
    let later = at.after(Duration::from_hours(1));
    tracker.advance(later, &mut out);
    let known = tracker.snapshot();
    tracker.finish(later, &mut out);
    if let Ok(kept) = tracker.save() {
        let again = Tracker::restore(gdoi_core::Config::default(), Limits::default(), &kept);
        assert!(again.is_ok(), "saved, and not taken up: {known:?}");
    }
}

/// A scenario file, and its first frames.
///
/// # Panics
///
/// If they are not in order.
pub fn scenario(octets: &[u8]) {
    let Ok(text) = std::str::from_utf8(octets) else {
        return;
    };
    let Ok(scenario) = Scenario::parse(text) else {
        return;
    };
    if takes_long(&scenario) {
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

/// A user may simulate a year of a million members; a fuzzer need not wait for them.
fn takes_long(scenario: &Scenario) -> bool {
    let is_busy = |group: &Group| {
        let turn = group.traffic_every;
        group.members > 64
            || group.retransmit_count > 8
            || group.kek_lifetime.min(group.tek_lifetime) < Duration::from_mins(1)
            || (!turn.is_zero() && turn < Duration::from_secs(1))
    };
    scenario.groups.len() > 4
        || scenario.duration > Duration::from_hours(24)
        || scenario.groups.iter().any(is_busy)
}

/// A file in a folder of this process.
fn file(name: &str) -> PathBuf {
    static FOLDER: LazyLock<Option<TempDir>> = LazyLock::new(|| tempfile::tempdir().ok());
    let folder = FOLDER.as_ref().map_or(Path::new("/nowhere"), TempDir::path);
    folder.join(format!("{name}-{:?}", std::thread::current().id()))
}
