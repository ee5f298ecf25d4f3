//! `analyze`: runs captures through the same pipeline as live traffic, and reports what they show.

mod analysis;
mod captures;
mod esp;
mod evidence;
mod pipeline;
#[cfg(test)]
mod tests;

use std::io::{self, BufWriter, IsTerminal as _, Write};

use anyhow::Context as _;

use crate::cli;
use crate::config::Config;
use crate::exit::Exit;
use crate::output_file::OutputFile;
use crate::progress::Progress;
use crate::report::{Report, ReportFormat};
use analysis::Analysis;
use pipeline::Pipeline;

const BUFFER_OCTETS: usize = 64 * 1024;

/// Runs the command: the report to standard output or a file, errors in captures to standard error.
pub fn command(arguments: &cli::Analyze) -> anyhow::Result<Exit> {
    let Some(path) = &arguments.output else {
        return analyze(arguments, io::stdout().lock());
    };
    let read: Vec<_> = arguments.files.iter().chain(&arguments.config).collect();
    let mut out = OutputFile::create(path, &read)?;
    let exit = analyze(arguments, &mut out)?;
    out.finish()
        .with_context(|| format!("write {}", path.display()))?;
    Ok(exit)
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
        Report::new(arguments.format, BufWriter::with_capacity(BUFFER_OCTETS, out)),
        Progress::new(!io::stdout().is_terminal() || is_written_at_the_end(arguments.format)),
    );
    analysis.read(&arguments.files)?;
    let failed = analysis.is_incomplete();
    let files: Vec<String> = arguments
        .files
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let findings = analysis.end(&files).context("write the report")?;
    Ok(match arguments.fail_on {
        Some(severity) if findings.worst() >= Some(severity.into()) => Exit::Found,
        _ if failed => Exit::Failed,
        _ => Exit::Fine,
    })
}

/// Whether the report is written only after all captures are read, so that progress may use the terminal.
const fn is_written_at_the_end(format: ReportFormat) -> bool {
    !matches!(format, ReportFormat::Jsonl)
}
