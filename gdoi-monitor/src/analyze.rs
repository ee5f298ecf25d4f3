//! `analyze`: captures through the same pipeline as live traffic, and a report of what they show.

mod esp;
mod findings;
mod pipeline;
mod sight;
#[cfg(test)]
mod tests;
mod trail;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use gdoi_core::Timestamp;

use crate::cli;
use crate::config::Config;
use crate::exit::Exit;
use crate::progress::Progress;
use crate::report::{Ending, Format, Report};
use crate::source::link::{Link, Refused};
use crate::source::pcap::{self, Reader};
pub(crate) use findings::{Evidence, Finding, Findings, file_of};
use pipeline::Pipeline;
pub(crate) use pipeline::Totals;
pub(crate) use sight::{FrameId, Sight};
use trail::Trail;

/// Runs the command: the report to standard output or a file, what is wrong with a capture to standard error.
pub fn command(arguments: &cli::Analyze) -> anyhow::Result<Exit> {
    let out: Box<dyn Write> = match &arguments.output {
        Some(path) => Box::new(File::create(path).with_context(|| format!("create {}", path.display()))?),
        None => Box::new(io::stdout().lock()),
    };
    analyze(arguments, out)
}

/// Reads the captures and writes the report to `out`.
pub fn analyze(arguments: &cli::Analyze, out: impl Write) -> anyhow::Result<Exit> {
    let config = match &arguments.config {
        Some(path) => Config::load(path)?,
        None => Config::default(),
    };
    let ports = arguments.ports.over(&config.capture.ports)?;
    let mut analysis = Analysis {
        pipeline: Pipeline::new(config.groups, config.limits, ports),
        report: Report::begin(arguments.format, BufWriter::with_capacity(BUFFER_OCTETS, out))?,
        trail: Trail::new(),
        errors: Vec::new(),
        progress: Progress::new(!io::stdout().is_terminal() || is_written_at_the_end(arguments.format)),
    };
    for (file, path) in (0..).zip(&arguments.files) {
        analysis.file(file, path)?;
    }
    let failed = !analysis.errors.is_empty();
    let files: Vec<String> = arguments
        .files
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let findings = analysis.end(&files)?;
    Ok(match arguments.fail_on {
        Some(severity) if findings.worst() >= Some(severity.into()) => Exit::Found,
        _ if failed => Exit::Failed,
        _ => Exit::Fine,
    })
}

/// Whether the report leaves the terminal alone while captures are being read.
const fn is_written_at_the_end(format: Format) -> bool {
    matches!(format, Format::Text | Format::Html)
}

/// Why a capture was not read, or not to its end.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// It is damaged, truncated or none.
    #[error(transparent)]
    Capture(#[from] pcap::Error),
    /// It is older than the one in front of it.
    #[error("{}: begins before the capture in front of it ends: name captures in the order of time", path.display())]
    Order { path: PathBuf },
    /// It has frames of link layers that are not read.
    #[error("{}: {}", path.display(), Refused(links))]
    Link {
        path: PathBuf,
        links: BTreeMap<Link, u64>,
    },
    /// The report cannot be written.
    #[error("write the report: {0}")]
    Write(#[from] io::Error),
}

struct Analysis<W> {
    pipeline: Pipeline,
    report: Report<W>,
    trail: Trail,
    errors: Vec<String>,
    progress: Progress,
}

impl<W: Write> Analysis<W> {
    /// Reads a capture. What is wrong with it is said, and does not keep the next from being read.
    fn file(&mut self, file: u32, path: &Path) -> anyhow::Result<()> {
        self.progress.begin(path);
        self.pipeline.turn_to(file);
        let read = self.read(file, path);
        self.progress.clear();
        match read {
            Ok(()) => Ok(()),
            Err(Error::Write(error)) => Err(error).context("write the report"),
            Err(error) => {
                writeln!(io::stderr(), "gdoi-monitor: {error}")?;
                self.errors.push(error.to_string());
                Ok(())
            }
        }
    }

    fn read(&mut self, file: u32, path: &Path) -> Result<(), Error> {
        let mut reader = Reader::open(path)?;
        let mut links = BTreeMap::new();
        let mut before = self.pipeline.totals().span;
        while let Some(frame) = reader.next_frame()? {
            if let Some((_, last)) = before.take() {
                self.follow(path, last, frame.at)?;
            }
            if let Link::Unknown(_) = frame.link {
                *links.entry(frame.link).or_default() += 1;
            }
            let number = frame.number;
            self.pipeline.frame(frame);
            if self.pipeline.has_news() {
                self.tell(Some(FrameId { file, number }))?;
            }
            self.progress.step(number, reader.octets());
        }
        if links.is_empty() {
            return Ok(());
        }
        let path = path.to_owned();
        Err(Error::Link { path, links })
    }

    /// Goes on from one capture to the next. Nobody knows what happened between them.
    fn follow(&mut self, path: &Path, last: Timestamp, first: Timestamp) -> Result<(), Error> {
        if first < last {
            let path = path.to_owned();
            return Err(Error::Order { path });
        }
        if first.since(last) > HOLE || !self.errors.is_empty() {
            self.pipeline.blind(first);
        }
        Ok(())
    }

    /// Reports what has happened at this frame, or because of the time that passed before it.
    fn tell(&mut self, frame: Option<FrameId>) -> io::Result<()> {
        let (transitions, mut sight) = self.pipeline.drain();
        for transition in transitions {
            if let Some(seen) = sight.take_if(|seen| transition.at >= seen.at) {
                self.trail.see(&seen);
                self.report.see(&seen);
            }
            let now = frame.filter(|_| sight.is_none());
            let frames = self.trail.prove(&transition, now);
            self.report.event(transition, frames, now)?;
        }
        if let Some(seen) = sight {
            self.trail.see(&seen);
            self.report.see(&seen);
        }
        Ok(())
    }

    fn end(mut self, files: &[String]) -> io::Result<Findings> {
        self.pipeline.finish();
        self.tell(None)?;
        self.report.end(&Ending {
            files,
            errors: &self.errors,
            totals: self.pipeline.totals(),
            snapshot: &self.pipeline.snapshot(),
        })
    }
}

const BUFFER_OCTETS: usize = 64 * 1024;
/// A capture that is written in turns goes on at once in the next file; with a longer pause something may be missing.
const HOLE: Duration = Duration::from_secs(1);
