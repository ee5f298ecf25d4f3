//! JSON: one document. Events are written as they come, so that memory does not grow with them.

use std::io::{self, Write};

use serde::Serialize;

use super::contents::CaptureObject;
use super::diagnosis::DiagnosisReport;
use super::findings::Findings;
use super::{Ending, Gathered};
use crate::event::DatedTransition;
use crate::state;
use crate::text::Json;
use crate::time::Calendar;

pub(super) fn begin(out: &mut impl Write) -> io::Result<()> {
    out.write_all(b"{\"events\":[")
}

pub(super) fn event(out: &mut impl Write, first: bool, event: &DatedTransition<'_>) -> io::Result<()> {
    if !first {
        out.write_all(b",\n")?;
    }
    Ok(serde_json::to_writer(Json(out), event)?)
}

pub(super) fn end(
    out: &mut impl Write,
    ending: &Ending<'_>,
    findings: &Findings,
    gathered: &Gathered,
) -> io::Result<()> {
    let calendar = Calendar::EPOCH;
    let snapshot = ending.snapshot;
    out.write_all(b"]")?;
    let DiagnosisReport { incidents, facts } = DiagnosisReport::new(&gathered.diagnosis, ending.files);
    field(out, "incidents", &incidents)?;
    field(out, "facts", &facts)?;
    field(out, "capture", &CaptureObject::new(ending))?;
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
    field(out, "verdicts", &gathered.behaviors.opinions(snapshot))?;
    let visibility = ending.contents.directions.by_key_server(snapshot);
    field(out, "findings", &findings.objects(ending.files, &visibility))?;
    out.write_all(b"}\n")
}

fn field(out: &mut impl Write, name: &str, value: &impl Serialize) -> io::Result<()> {
    write!(out, ",\n\"{name}\":")?;
    Ok(serde_json::to_writer(Json(out), value)?)
}
