//! One document. The events are written as they come, so that memory does not grow with them.

use std::collections::BTreeMap;
use std::io::{self, Write};

use gdoi_wire::{Class, ParseError};
use serde::Serialize;

use super::Ending;
use super::verdict::Behaviors;
use crate::analyze::{Findings, Totals};
use crate::event::DatedTransition;
use crate::state;
use crate::time::{Calendar, Moment};

pub(super) fn begin(out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"{\"events\":[")
}

pub(super) fn event(out: &mut impl Write, first: bool, event: &DatedTransition<'_>) -> io::Result<()> {
    if !first {
        out.write_all(b",\n")?;
    }
    Ok(serde_json::to_writer(out, event)?)
}

pub(super) fn end(
    out: &mut impl Write,
    ending: &Ending<'_>,
    findings: &Findings,
    behaviors: &Behaviors,
) -> io::Result<()> {
    let calendar = Calendar::EPOCH;
    let snapshot = ending.snapshot;
    out.write_all(b"]")?;
    field(out, "capture", &CaptureSummary::new(ending))?;
    field(
        out,
        "groups",
        &state::groups(snapshot, calendar).collect::<Vec<_>>(),
    )?;
    field(
        out,
        "members",
        &state::members(snapshot, calendar).collect::<Vec<_>>(),
    )?;
    field(out, "spis", &state::spis(snapshot, calendar).collect::<Vec<_>>())?;
    field(out, "verdicts", &behaviors.opinions(snapshot))?;
    field(out, "findings", &findings.objects(ending.files))?;
    out.write_all(b"}\n")
}

fn field(out: &mut impl Write, name: &str, value: &impl Serialize) -> io::Result<()> {
    write!(out, ",\n\"{name}\":")?;
    Ok(serde_json::to_writer(out, value)?)
}

/// What there was.
#[derive(Serialize)]
pub(super) struct CaptureSummary<'a> {
    pub(super) files: &'a [String],
    pub(super) errors: &'a [String],
    pub(super) frames: u64,
    pub(super) start: Option<Moment>,
    pub(super) end: Option<Moment>,
    pub(super) duration_seconds: Option<f64>,
    /// By class.
    pub(super) packets: BTreeMap<&'static str, u64>,
    /// By class.
    pub(super) bytes: BTreeMap<&'static str, u64>,
    /// By reason.
    pub(super) misses: BTreeMap<&'static str, u64>,
    pub(super) first_fragments: u64,
    /// Frames of link layers that are not read.
    pub(super) refused: BTreeMap<String, u64>,
}

impl<'a> CaptureSummary<'a> {
    pub(super) fn new(ending: &Ending<'a>) -> Self {
        let Totals {
            frames,
            span,
            counters,
            refused,
        } = ending.totals;
        let classes = Class::ALL.iter().map(|class| class.name());
        let misses = ParseError::ALL.iter().map(|error| error.name());
        let misses = misses.zip(counters.parse_errors);
        Self {
            files: ending.files,
            errors: ending.errors,
            frames: *frames,
            start: span.map(|(start, _)| Calendar::EPOCH.date(start)),
            end: span.map(|(_, end)| Calendar::EPOCH.date(end)),
            duration_seconds: span.map(|(start, end)| end.since(start).as_secs_f64()),
            packets: classes.clone().zip(counters.packets).collect(),
            bytes: classes.zip(counters.octets).collect(),
            misses: misses.filter(|(_, count)| *count > 0).collect(),
            first_fragments: counters.first_fragments,
            refused: refused
                .iter()
                .map(|(link, count)| (link.to_string(), *count))
                .collect(),
        }
    }
}
