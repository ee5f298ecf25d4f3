//! Events: counts them, keeps the latest, and passes them to the outputs.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use gdoi_core::observation::LossKind;
use gdoi_core::snapshot::UNATTRIBUTED;
use gdoi_core::transition::{Severity, What};
use gdoi_core::{Timestamp, Transition};

use super::output::{EventLoss, Output, OutputLine};
use crate::event::DatedTransition;
use crate::time::Calendar;

/// Number of events kept for the API.
const RECENT: usize = 1_000;

/// Handles events as they happen.
#[derive(Debug)]
pub struct EventSink {
    outputs: Vec<Output>,
    calendar: Calendar,
    told: u64,
    tally: Tally,
    /// The latest events, as JSON.
    recent: VecDeque<Arc<str>>,
}

/// Event counters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventCounts {
    /// All events.
    pub told: u64,
    /// Events that an output could not write, by reason, summed over outputs.
    pub lost: [u64; EventLoss::ALL.len()],
    /// Lines of the log that could not be written.
    pub lost_lines: u64,
    /// Outputs that currently fail, and why.
    pub troubles: Vec<(&'static str, String)>,
}

/// Totals by type, and when something was last missed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Events by group, type and severity; those without a group under [`UNATTRIBUTED`].
    pub events: BTreeMap<(String, &'static str, Severity), u64>,
    /// The end of the latest window in which something was lost, by kind.
    pub losses: BTreeMap<LossKind, Timestamp>,
    /// Times the wall clock was set.
    pub clock_settings: u64,
}

impl Tally {
    fn add(&mut self, transition: &Transition) {
        let what = &transition.what;
        let group = transition.group.as_deref().unwrap_or(UNATTRIBUTED);
        *self
            .events
            .entry((group.to_owned(), what.name(), what.severity()))
            .or_default() += 1;
        if let What::CaptureLoss(loss) = what {
            let last = self.losses.entry(loss.kind).or_default();
            *last = loss.until.max(*last);
        }
    }
}

impl EventSink {
    /// No output.
    pub fn nowhere(calendar: Calendar) -> Self {
        Self::to(Vec::new(), calendar)
    }

    /// With these outputs.
    pub fn to(outputs: Vec<Output>, calendar: Calendar) -> Self {
        Self {
            outputs,
            calendar,
            told: 0,
            tally: Tally::default(),
            recent: VecDeque::new(),
        }
    }

    /// Counts that the wall clock was set.
    pub fn clock_was_set(&mut self) {
        self.tally.clock_settings += 1;
    }

    /// From here on times have other dates: the wall clock was set, or has drifted.
    pub fn set_calendar(&mut self, calendar: Calendar) {
        self.calendar = calendar;
    }

    /// Converts the source's clock to dates.
    pub fn calendar(&self) -> Calendar {
        self.calendar
    }

    /// Handles and removes all transitions.
    pub fn write(&mut self, transitions: &mut Vec<Transition>) {
        if transitions.is_empty() {
            return;
        }
        let mut lines = Vec::new();
        for transition in transitions.drain(..) {
            self.tally.add(&transition);
            self.told += 1;
            let event = DatedTransition::new(&transition, self.calendar);
            match serde_json::to_string(&event) {
                Ok(json) => lines.push(self.line(transition, json.into())),
                Err(error) => tracing::error!(%error, "cannot write an event as JSON"),
            }
        }
        if let Some((last, others)) = self.outputs.split_last_mut() {
            for output in others {
                output.take(lines.clone());
            }
            last.take(lines);
        }
    }

    /// Waits a while until all outputs have written everything.
    pub fn flush(&mut self) {
        for output in &self.outputs {
            output.flush();
        }
    }

    /// The event counters so far.
    pub fn counts(&self) -> EventCounts {
        let outputs = || self.outputs.iter();
        EventCounts {
            told: self.told,
            lost: EventLoss::ALL.map(|why| outputs().map(|output| output.lost(why)).sum()),
            lost_lines: super::log::lost(),
            troubles: outputs()
                .filter_map(|output| Some((output.name(), output.trouble()?)))
                .collect(),
        }
    }

    /// Totals by type.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The latest events, oldest first.
    pub fn recent(&self) -> Vec<Arc<str>> {
        self.recent.iter().cloned().collect()
    }

    /// Keeps an event among the latest, and prepares it for the outputs.
    fn line(&mut self, transition: Transition, json: Arc<str>) -> OutputLine {
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(Arc::clone(&json));
        OutputLine {
            json,
            kind: transition.what.name(),
            severity: transition.what.severity(),
            group: transition.group,
            key_server: transition.key_server,
        }
    }
}
