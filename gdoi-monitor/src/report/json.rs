//! JSON: one document, the incidents first. Events are kept in a file until then, so that memory does not grow with
//! them.

use std::io::{self, BufWriter, Seek as _, Write};

use serde::Serialize;
use tempfile::SpooledTempFile;

use super::contents::CaptureObject;
use super::diagnosis::DiagnosisReport;
use super::findings::Findings;
use super::{Ending, Gathered};
use crate::event::DatedTransition;
use crate::state;
use crate::text::Json;
use crate::time::Calendar;

/// Events in memory; more are in a temporary file.
const MOST_IN_MEMORY: usize = 16 << 20;

/// The events of a document, until its end.
pub(super) struct Events {
    spool: BufWriter<SpooledTempFile>,
    is_empty: bool,
}

impl Events {
    pub(super) fn new() -> Self {
        Self {
            spool: BufWriter::new(SpooledTempFile::new(MOST_IN_MEMORY)),
            is_empty: true,
        }
    }

    pub(super) fn add(&mut self, event: &DatedTransition<'_>) -> io::Result<()> {
        if !self.is_empty {
            self.spool.write_all(b",\n")?;
        }
        self.is_empty = false;
        Ok(serde_json::to_writer(Json(&mut self.spool), event)?)
    }

    fn copy_to(self, out: &mut impl Write) -> io::Result<()> {
        let mut spool = self.spool.into_inner().map_err(io::IntoInnerError::into_error)?;
        spool.rewind()?;
        io::copy(&mut spool, out)?;
        Ok(())
    }
}

pub(super) fn write(
    out: &mut impl Write,
    ending: &Ending<'_>,
    findings: &Findings,
    gathered: &Gathered,
    events: Events,
) -> io::Result<()> {
    let calendar = Calendar::EPOCH;
    let snapshot = ending.snapshot;
    let DiagnosisReport { incidents, facts } = DiagnosisReport::new(&gathered.diagnosis, ending.files);
    out.write_all(b"{\"incidents\":")?;
    serde_json::to_writer(Json(&mut *out), &incidents)?;
    field(out, "facts", &facts)?;
    out.write_all(b",\n\"events\":[")?;
    events.copy_to(out)?;
    out.write_all(b"]")?;
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
