//! What the engine knows at one moment, for whoever asks.

use std::collections::BTreeSet;
use std::sync::Arc;

use gdoi_core::{Snapshot, Timestamp};
use gdoi_wire::record::Counters;

use crate::sink::{EventCounts, Tally};
use crate::source::xdp::{Attached, BlindSpot, Direction, Runs};
use crate::time::Calendar;

/// What the engine knows at one moment.
#[derive(Clone, Debug)]
pub struct State {
    /// The moment, on the kernel's clock since boot.
    pub now: Timestamp,
    /// The dates of moments on that clock.
    pub calendar: Calendar,
    /// The interfaces.
    pub captures: Vec<CaptureState>,
    /// Records of the kernel that could not be read.
    pub unread_records: u64,
    /// What became of the events.
    pub events: EventCounts,
    /// How often there was what.
    pub tally: Tally,
    /// The latest of them, as JSON, oldest first.
    pub recent: Vec<Arc<str>>,
    /// What the tracker knows.
    pub snapshot: Snapshot,
}

/// One interface in one direction.
#[derive(Clone, Debug)]
pub struct CaptureState {
    /// Its name.
    pub interface: String,
    /// Which of its frames are watched.
    pub direction: Direction,
    /// Where the program sits; `None` while it is not watched.
    pub attached: Option<Attached>,
    /// Why it is not watched, where that is known.
    pub why_not: Option<String>,
    /// What cannot be seen there.
    pub blind_spots: BTreeSet<BlindSpot>,
    /// What was counted.
    pub counters: Counters,
    /// How often and how long its programs ran, where the kernel counts it.
    pub runs: Option<Runs>,
    /// Octets that waited in its ring.
    pub ring_octets: u64,
    /// Slots of its SPI table that are taken, and how many there are.
    pub slots: (usize, usize),
}
