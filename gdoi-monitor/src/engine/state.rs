//! The state of the engine at one moment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use gdoi_core::transition::{Cause, Certainty, Severity};
use gdoi_core::{Diagnosis, Snapshot, Timestamp};
use gdoi_wire::record::Counters;

use crate::sink::{EventCounts, Tally};
use crate::source::xdp::{Attached, BlindSpot, Direction, Runs};
use crate::state::{self, FactState, IncidentState};
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
    /// What is wrong, and why.
    pub diagnosis: DiagnosisView,
}

/// What is wrong, and why.
#[derive(Clone, Debug, Default)]
pub struct DiagnosisView {
    /// The incidents, the worst first.
    pub incidents: Vec<IncidentState>,
    /// What is worth knowing beside.
    pub facts: Vec<FactState>,
    /// Open incidents, by group, cause and severity.
    pub active: BTreeMap<(Option<String>, Cause, Severity), OpenIncidents>,
    /// Incidents since the start, by group and cause.
    pub totals: BTreeMap<(Option<String>, Cause), u64>,
    /// What was dropped because of the limits.
    pub overflow: u64,
}

/// Numbers of open incidents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenIncidents {
    /// All of them.
    pub count: u64,
    /// Those for whose cause another explanation has evidence.
    pub uncertain: u64,
}

impl DiagnosisView {
    /// What a diagnosis knows now.
    pub fn new(diagnosis: &Diagnosis, calendar: Calendar) -> Self {
        let mut active = BTreeMap::<_, OpenIncidents>::new();
        for incident in diagnosis.incidents().into_iter().filter(|one| one.is_open()) {
            let key = (incident.group.clone(), incident.cause, incident.severity);
            let open = active.entry(key).or_default();
            open.count += 1;
            open.uncertain += u64::from(incident.certainty == Certainty::Uncertain);
        }
        let totals = diagnosis.totals();
        Self {
            incidents: state::incidents(diagnosis, calendar, &[]),
            facts: state::facts(diagnosis, calendar),
            active,
            totals: totals
                .map(|(group, cause, count)| ((group.map(str::to_owned), cause), count))
                .collect(),
            overflow: diagnosis.overflow(),
        }
    }
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
