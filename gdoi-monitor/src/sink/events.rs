//! The event file: one JSON object a line, as it happens.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::sync::Arc;

use gdoi_core::observation::LossKind;
use gdoi_core::snapshot::UNATTRIBUTED;
use gdoi_core::transition::{Severity, What};
use gdoi_core::{Timestamp, Transition};

use crate::event::Event;
use crate::time::Calendar;

/// Writes events, or counts that it could not.
#[derive(Debug)]
pub struct Events {
    file: Option<BufWriter<File>>,
    calendar: Calendar,
    counts: EventCounts,
    tally: Tally,
    /// The latest events, each as it was or would have been written.
    recent: VecDeque<Arc<str>>,
}

/// What became of the events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventCounts {
    /// Written, or wanted by nobody.
    pub told: u64,
    /// Lost because the file could not be written.
    pub lost: u64,
}

/// How often there was what, and when something was last missed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Events by group, type and severity; those of no group under [`UNATTRIBUTED`].
    pub events: BTreeMap<(String, &'static str, Severity), u64>,
    /// The end of the latest window in which something was lost, by what.
    pub losses: BTreeMap<LossKind, Timestamp>,
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

impl Events {
    /// Events that nobody wants to have in a file.
    pub fn nowhere(calendar: Calendar) -> Self {
        Self {
            file: None,
            calendar,
            counts: EventCounts::default(),
            tally: Tally::default(),
            recent: VecDeque::new(),
        }
    }

    /// Appends to the file at `path`.
    pub fn to_file(path: &Path, calendar: Calendar) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self {
            file: Some(BufWriter::new(file)),
            ..Self::nowhere(calendar)
        })
    }

    /// From here on, moments have other dates: the wall clock was set, or has drifted.
    pub fn set_calendar(&mut self, calendar: Calendar) {
        self.calendar = calendar;
    }

    /// The dates of moments on the source's clock.
    pub fn calendar(&self) -> Calendar {
        self.calendar
    }

    /// Writes every transition and leaves none; each drain ends on a whole line in the file.
    pub fn write(&mut self, transitions: &mut Vec<Transition>) {
        if transitions.is_empty() {
            return;
        }
        for transition in transitions.drain(..) {
            self.tally.add(&transition);
            let written = serde_json::to_string(&Event::new(&transition, self.calendar))
                .map_err(io::Error::from)
                .and_then(|event| self.tell(event));
            self.count(1, &written);
        }
        self.flush();
    }

    /// Brings what is buffered to the file.
    pub fn flush(&mut self) {
        if let Some(file) = &mut self.file
            && let Err(error) = file.flush()
        {
            self.count(0, &Err(error));
        }
    }

    /// What became of the events so far.
    pub fn counts(&self) -> EventCounts {
        self.counts
    }

    /// How often there was what.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The latest events, oldest first.
    pub fn recent(&self) -> Vec<Arc<str>> {
        self.recent.iter().cloned().collect()
    }

    fn tell(&mut self, event: String) -> io::Result<()> {
        let event: Arc<str> = event.into();
        if self.recent.len() == RECENT {
            self.recent.pop_front();
        }
        self.recent.push_back(Arc::clone(&event));
        match &mut self.file {
            Some(file) => file
                .write_all(event.as_bytes())
                .and_then(|()| file.write_all(b"\n")),
            None => Ok(()),
        }
    }

    fn count(&mut self, events: u64, written: &io::Result<()>) {
        match written {
            Ok(()) => self.counts.told += events,
            Err(error) => {
                // Once, or a full disk fills the log as well.
                if self.counts.lost == 0 {
                    tracing::error!(%error, "cannot write the event file; lost events are counted from here on");
                }
                self.counts.lost += events.max(1);
            }
        }
    }
}

/// Events that can still be asked for.
const RECENT: usize = 1_000;
