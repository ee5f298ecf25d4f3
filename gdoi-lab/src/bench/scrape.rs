//! Cost of a scrape with as many groups and members as anyone has: in the engine, which handles no packets meanwhile,
//! and in the server, which writes the page while the engine continues.

use std::time::Instant;

use anyhow::{Context as _, Result};
use gdoi_core::{Snapshot, Timestamp};
use gdoi_monitor::engine::{DiagnosisView, State};
use gdoi_monitor::exposition::{Exposition, Format};
use gdoi_monitor::http::Status;
use gdoi_monitor::sink::{EventCounts, Tally};
use gdoi_monitor::time::Calendar;

use super::crowd::registered;
use super::kernel::median;
use super::row::{Row, Unit, Wanted};

const ROUNDS: usize = 11;
const GROUPS: u32 = 170;
const MEMBERS: u32 = 10_000;

/// Cost of a scrape with ten thousand series.
pub(super) fn rows() -> Result<Vec<Row>> {
    let tracker = registered(GROUPS, MEMBERS);
    let exposition = Exposition::default();
    let (mut engine, mut page) = (Vec::new(), Vec::new());
    let mut text = Vec::new();
    for _ in 0..ROUNDS {
        let (took, snapshot) = timed(|| tracker.summary());
        engine.push(took);
        let state = known(snapshot);
        let (took, written) = timed(|| exposition.page(&state, &Status::default(), Format::Text));
        page.push(took);
        text = written.context("write the metrics page")?;
    }
    let lines = text.split(|octet| *octet == b'\n');
    let series = lines
        .filter(|line| !line.is_empty() && !line.starts_with(b"#"))
        .count();
    Ok(vec![
        Row::new(
            format!("a page of {series} series"),
            median(&mut page),
            Unit::Milliseconds,
        )
        .goal("P12", Wanted::AtMost(10.0))
        .aside(format!("{} bytes", text.len())),
        Row::new("the engine, meanwhile", median(&mut engine), Unit::Milliseconds),
    ])
}

/// The result of `work`, and its duration in milliseconds.
fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let start = Instant::now();
    let done = work();
    (start.elapsed().as_secs_f64() * 1e3, done)
}

fn known(snapshot: Snapshot) -> State {
    State {
        now: Timestamp::ZERO,
        calendar: Calendar::EPOCH,
        captures: Vec::new(),
        unread_records: 0,
        events: EventCounts::default(),
        tally: Tally::default(),
        recent: Vec::new(),
        snapshot,
        diagnosis: DiagnosisView::default(),
    }
}
