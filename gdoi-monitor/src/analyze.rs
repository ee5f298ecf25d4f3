//! `analyze`: captures through the same pipeline as live traffic, and a report of what they show.

mod analysis;
mod captures;
mod esp;
mod evidence;
mod findings;
mod pipeline;
mod seen_message;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal as _, Write};

use anyhow::Context as _;

use crate::cli;
use crate::config::Config;
use crate::exit::Exit;
use crate::progress::Progress;
use crate::report::{Report, ReportFormat};
use analysis::Analysis;
pub(crate) use findings::{Evidence, Finding, Findings, file_of};
use pipeline::Pipeline;
pub(crate) use pipeline::Totals;
pub(crate) use seen_message::{FrameId, SeenMessage};

const BUFFER_OCTETS: usize = 64 * 1024;

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
    let mut analysis = Analysis::new(
        Pipeline::new(config.groups, config.limits, ports),
        Report::begin(arguments.format, BufWriter::with_capacity(BUFFER_OCTETS, out))?,
        Progress::new(!io::stdout().is_terminal() || is_written_at_the_end(arguments.format)),
    );
    analysis.read(&arguments.files)?;
    let failed = analysis.is_incomplete();
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
const fn is_written_at_the_end(format: ReportFormat) -> bool {
    matches!(format, ReportFormat::Text | ReportFormat::Html)
}
