//! The state of the engine at one moment.

use std::collections::BTreeSet;
use std::sync::Arc;

use gdoi_core::{Snapshot, Timestamp};
use gdoi_wire::record::Counters;

use crate::sink::{EventCounts, Tally};
use crate::source::xdp::{Attached, BlindSpot, Direction, Runs};
use crate::time::Calendar;

/// The state of the engine at one moment.
#[derive(Clone, Debug)]
pub struct State {
    /// The time, on the kernel's clock since boot.
    pub now: Timestamp,
    /// Converts that clock to dates.
    pub calendar: Calendar,
    /// The interfaces.
    pub captures: Vec<CaptureState>,
    /// Unreadable records of the kernel.
    pub unread_records: u64,
    /// Event counters.
    pub events: EventCounts,
    /// Totals by type.
    pub tally: Tally,
    /// The latest events as JSON, oldest first.
    pub recent: Vec<Arc<str>>,
    /// The tracker's state.
    pub snapshot: Snapshot,
}

/// One interface in one direction.
#[derive(Clone, Debug)]
pub struct CaptureState {
    /// Its name.
    pub interface: String,
    /// Which of its frames are monitored.
    pub direction: Direction,
    /// Where the program is attached; `None` while it is not.
    pub attached: Option<Attached>,
    /// Why it is not attached, if known.
    pub why_not: Option<String>,
    /// What cannot be seen there.
    pub blind_spots: BTreeSet<BlindSpot>,
    /// Counters of the program.
    pub counters: Counters,
    /// Run count and run time of its programs, if the kernel counts them.
    pub runs: Option<Runs>,
    /// Octets waiting in its ring.
    pub ring_octets: u64,
    /// Used slots of its SPI table, and the number of slots.
    pub slots: (usize, usize),
}
