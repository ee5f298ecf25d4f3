//! The report of `analyze`, in each format.

pub(crate) mod assets;
mod contents;
mod diagnosis;
mod findings;
mod html;
mod json;
mod lanes;
mod meaning;
mod seen_message;
mod text;
pub(crate) mod timeline;
mod verdict;

use std::io::{self, Write};

use gdoi_core::transition::FrameId;
use gdoi_core::{Diagnosis, Snapshot, Timestamp, Transition};

pub(crate) use contents::{Contents, clock_words};
pub(crate) use findings::Findings;
pub(crate) use seen_message::SeenMessage;

use crate::event::DatedTransition;
use crate::text::Json;
use crate::time::Calendar;
use timeline::Timeline;
use verdict::Behaviors;

/// More events than people read; formats for programs have all of them.
const MOST_EVENTS: usize = 10_000;

/// The format of a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ReportFormat {
    /// For people.
    #[default]
    Text,
    /// One document.
    Json,
    /// Only the events, one per line.
    Jsonl,
    /// For people, in a browser.
    Html,
}

/// A report in the making. `jsonl` is written continuously, the other formats at the end.
pub(crate) struct Report<W> {
    out: W,
    format: ReportFormat,
    findings: Findings,
    gathered: Gathered,
    events: json::Events,
}

/// Data for the end of a report, all bounded.
#[derive(Default)]
struct Gathered {
    kept: KeptEvents,
    timeline: Timeline,
    behaviors: Behaviors,
    diagnosis: Diagnosis,
}

/// Events for the end of a report.
#[derive(Default)]
struct KeptEvents {
    events: Vec<Transition>,
    /// Events beyond the limit.
    beyond: u64,
}

/// Input for the end of a report.
pub(crate) struct Ending<'a> {
    /// The captures, by name.
    pub(crate) files: &'a [String],
    /// Errors: what was not read.
    pub(crate) errors: &'a [String],
    /// Notes: everything was read.
    pub(crate) notes: &'a [String],
    /// The contents of the captures.
    pub(crate) contents: &'a Contents,
    /// The final state of the groups.
    pub(crate) snapshot: &'a Snapshot,
}

impl<W: Write> Report<W> {
    pub(crate) fn new(format: ReportFormat, out: W) -> Self {
        Self {
            out,
            format,
            findings: Findings::default(),
            gathered: Gathered::default(),
            events: json::Events::new(),
        }
    }

    /// Handles a message.
    pub(crate) fn see(&mut self, seen_message: &SeenMessage) {
        if self.is_for_people() {
            self.gathered.timeline.see(seen_message);
        }
    }

    /// Handles an event and the frames that prove it; `now` is the frame that caused it.
    pub(crate) fn event(
        &mut self,
        transition: Transition,
        frames: Vec<FrameId>,
        now: Option<FrameId>,
    ) -> io::Result<()> {
        // The report shows incidents as they are at the end, not how they changed.
        let diagnosis = &mut self.gathered.diagnosis;
        diagnosis.handle_transition(&transition, &frames, &mut Vec::new());
        self.findings.take(&transition, Calendar::EPOCH, frames);
        self.gathered.behaviors.take(&transition);
        let event = DatedTransition::new(&transition, Calendar::EPOCH);
        match self.format {
            ReportFormat::Json => self.events.add(&event)?,
            ReportFormat::Jsonl => {
                serde_json::to_writer(Json(&mut self.out), &event)?;
                self.out.write_all(b"\n")?;
            }
            ReportFormat::Text | ReportFormat::Html => {
                self.gathered.timeline.take(&transition, now);
                self.gathered.kept.take(transition);
            }
        }
        Ok(())
    }

    /// Writes the rest, and returns the findings.
    pub(crate) fn end(mut self, ending: &Ending<'_>) -> io::Result<Findings> {
        let end = ending.contents.span.map_or(Timestamp::ZERO, |(_, end)| end);
        self.gathered.diagnosis.finish(end, &mut Vec::new());
        let (out, gathered) = (&mut self.out, &self.gathered);
        match self.format {
            ReportFormat::Json => json::write(out, ending, &self.findings, gathered, self.events)?,
            ReportFormat::Jsonl => {}
            ReportFormat::Text => text::write(out, ending, &self.findings, gathered)?,
            ReportFormat::Html => html::write(out, ending, &self.findings, gathered)?,
        }
        self.out.flush()?;
        Ok(self.findings)
    }

    const fn is_for_people(&self) -> bool {
        matches!(self.format, ReportFormat::Text | ReportFormat::Html)
    }
}

impl KeptEvents {
    fn take(&mut self, transition: Transition) {
        if self.events.len() < MOST_EVENTS {
            self.events.push(transition);
        } else {
            self.beyond += 1;
        }
    }
}

/// The name of a capture.
pub(crate) fn name_of(file: u32, files: &[String]) -> &str {
    let index = usize::try_from(file).ok();
    index
        .and_then(|index| files.get(index))
        .map_or("", String::as_str)
}
