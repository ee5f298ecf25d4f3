//! What `analyze` says, in the form that was asked for.

mod html;
mod json;
mod meaning;
mod text;

use std::io::{self, Write};

use gdoi_core::{Snapshot, Transition};

pub(crate) use meaning::meaning;

use crate::analyze::{Findings, Totals};
use crate::event::Event;
use crate::time::Calendar;

/// In what form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One document.
    Json,
    /// The events alone, one a line.
    Jsonl,
    /// For people, in a browser.
    Html,
}

/// A report that is being written. Forms for programs are written as it goes, forms for people at the end.
pub(crate) struct Report<W> {
    out: W,
    format: Format,
    findings: Findings,
    kept: Kept,
}

/// Events for the end of a report.
#[derive(Default)]
struct Kept {
    events: Vec<Transition>,
    /// Events that came after there were enough.
    beyond: u64,
}

/// What is known at the end.
pub(crate) struct Ending<'a> {
    /// The captures, as they were named.
    pub(crate) files: &'a [String],
    /// What is wrong with them.
    pub(crate) errors: &'a [String],
    /// What there was in them.
    pub(crate) totals: &'a Totals,
    /// What is known of the groups.
    pub(crate) snapshot: &'a Snapshot,
}

impl<W: Write> Report<W> {
    pub(crate) fn begin(format: Format, mut out: W) -> io::Result<Self> {
        if format == Format::Json {
            json::begin(&mut out)?;
        }
        Ok(Self {
            out,
            format,
            findings: Findings::default(),
            kept: Kept::default(),
        })
    }

    pub(crate) fn event(&mut self, transition: Transition) -> io::Result<()> {
        let first = self.findings.worst().is_none();
        self.findings.take(&transition, Calendar::EPOCH);
        let event = Event::new(&transition, Calendar::EPOCH);
        match self.format {
            Format::Json => json::event(&mut self.out, first, &event)?,
            Format::Jsonl => {
                serde_json::to_writer(&mut self.out, &event)?;
                self.out.write_all(b"\n")?;
            }
            Format::Text | Format::Html => {
                if self.kept.events.len() < MOST_EVENTS {
                    self.kept.events.push(transition);
                } else {
                    self.kept.beyond += 1;
                }
            }
        }
        Ok(())
    }

    /// Writes what is left, and hands back what deserves attention.
    pub(crate) fn end(mut self, ending: &Ending<'_>) -> io::Result<Findings> {
        match self.format {
            Format::Json => json::end(&mut self.out, ending, &self.findings)?,
            Format::Jsonl => {}
            Format::Text => text::write(&mut self.out, ending, &self.findings, &self.kept)?,
            Format::Html => html::write(&mut self.out, ending, &self.findings, &self.kept)?,
        }
        self.out.flush()?;
        Ok(self.findings)
    }
}

/// More events than this nobody reads; they are in the forms for programs.
const MOST_EVENTS: usize = 10_000;
