//! What becomes of events: they are counted, the latest are kept, and outputs write them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use gdoi_core::observation::LossKind;
use gdoi_core::snapshot::UNATTRIBUTED;
use gdoi_core::transition::{Severity, What};
use gdoi_core::{Timestamp, Transition};

use super::output::{EventLoss, Output, OutputLine};
use crate::event::DatedTransition;
use crate::time::Calendar;

/// Events that can still be asked for.
const RECENT: usize = 1_000;

/// Takes events as they happen.
#[derive(Debug)]
pub struct EventSink {
    outputs: Vec<Output>,
    calendar: Calendar,
    told: u64,
    tally: Tally,
    /// The latest events, each as it was or would have been written.
    recent: VecDeque<Arc<str>>,
}

/// What became of the events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventCounts {
    /// All there were.
    pub told: u64,
    /// Those that an output could not write, by why, each output for itself.
    pub lost: [u64; EventLoss::ALL.len()],
    /// Lines of the log that nobody took.
    pub lost_lines: u64,
    /// Outputs that cannot write now, and why.
    pub troubles: Vec<(&'static str, String)>,
}

/// How often there was what, and when something was last missed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Events by group, type and severity; those of no group under [`UNATTRIBUTED`].
    pub events: BTreeMap<(String, &'static str, Severity), u64>,
    /// The end of the latest window in which something was lost, by what.
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
    /// Events that nobody writes.
    pub fn nowhere(calendar: Calendar) -> Self {
        Self::to(Vec::new(), calendar)
    }

    /// Events that `outputs` write.
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

    /// From here on, moments have other dates: the wall clock was set, or has drifted.
    pub fn set_calendar(&mut self, calendar: Calendar) {
        self.calendar = calendar;
    }

    /// The dates of moments on the source's clock.
    pub fn calendar(&self) -> Calendar {
        self.calendar
    }

    /// Takes every transition and leaves none.
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

    /// Waits a while until all outputs have written what they took.
    pub fn flush(&mut self) {
        for output in &self.outputs {
            output.flush();
        }
    }

    /// What became of the events so far.
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

    /// How often there was what.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The latest events, oldest first.
    pub fn recent(&self) -> Vec<Arc<str>> {
        self.recent.iter().cloned().collect()
    }

    /// Keeps an event among the latest, and makes it ready to be written.
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
