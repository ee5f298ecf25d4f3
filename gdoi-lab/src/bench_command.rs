//! What is measured: costs, and where the time goes.

use std::fs;
use std::io::{Write as _, stdout};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use gdoi_lab::bench::{self, Effort, Measured, Section};
use gdoi_lab::offline::Offline;
use gdoi_lab::profile::Profile;

#[derive(Subcommand)]
pub(crate) enum BenchCommand {
    /// Measure what packets, messages, starts and scrapes cost
    Bench(BenchArgs),
    /// Measure what analysing a capture costs
    Offline(AnalyzeArgs),
    /// See where the time goes
    Profile(ProfileArgs),
}

#[derive(Args)]
pub(crate) struct BenchArgs {
    /// What is measured; all when none is named
    #[arg(value_enum)]
    sections: Vec<Section>,
    /// The object with the programs
    #[arg(long, value_name = "FILE")]
    object: PathBuf,
    #[command(flatten)]
    effort: Effort,
    /// How often everything is measured
    #[arg(long, value_name = "N", default_value_t = 1)]
    runs: usize,
    /// Write the document too
    #[arg(long, value_name = "FILE")]
    document: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct AnalyzeArgs {
    /// Octets of the capture, such as 700MiB or 4GiB
    #[arg(long, default_value = "700MiB", value_parser = octets)]
    size: u64,
    /// Turns of reading and analysing
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
    /// Octets of the capture for tshark, which takes minutes for each gigabyte; 0MiB leaves it out
    #[arg(long, default_value = "700MiB", value_parser = octets)]
    tshark_size: u64,
    /// Folder for the capture, which is deleted afterwards
    #[arg(long, value_name = "DIR", default_value = "/tmp")]
    folder: PathBuf,
}

#[derive(Args)]
pub(crate) struct ProfileArgs {
    /// How long the storm lasts
    #[arg(long, value_name = "N", default_value_t = 10)]
    seconds: u64,
    /// Where the recordings stay
    #[arg(long, value_name = "DIR")]
    folder: PathBuf,
    /// Document to write
    #[arg(long, value_name = "FILE")]
    document: PathBuf,
}

impl BenchCommand {
    /// Measures it; the figures.
    pub(crate) fn run(self) -> Result<String> {
        match self {
            Self::Bench(arguments) => benchmarks(arguments),
            Self::Offline(arguments) => analysed(arguments),
            Self::Profile(arguments) => profiled(arguments),
        }
    }
}

fn benchmarks(arguments: BenchArgs) -> Result<String> {
    let BenchArgs {
        sections,
        object,
        effort,
        runs,
        document,
    } = arguments;
    let wanted = Section::ALL
        .into_iter()
        .filter(|section| sections.is_empty() || sections.contains(section));
    let mut measured: Vec<Measured> = wanted
        .map(|section| Measured {
            section,
            runs: Vec::new(),
        })
        .collect();
    for _ in 0..runs.max(1) {
        for part in &mut measured {
            let rows = part.section.measure(&object, effort)?;
            for row in &rows {
                writeln!(stdout(), "{row}").context("print a row")?;
            }
            part.runs.push(rows);
        }
    }
    let Some(path) = document else {
        return Ok(String::new());
    };
    let before = fs::read_to_string(&path).unwrap_or_default();
    let text = bench::document(&measured, effort, &before).context("write the document")?;
    fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    Ok(format!("{}\n", path.display()))
}

fn analysed(arguments: AnalyzeArgs) -> Result<String> {
    let AnalyzeArgs {
        size: octets,
        rounds,
        tshark_size: tshark_octets,
        folder,
    } = arguments;
    let offline = Offline {
        octets,
        rounds,
        tshark_octets,
        folder,
    };
    Ok(offline.run()?.to_string())
}

fn profiled(arguments: ProfileArgs) -> Result<String> {
    let ProfileArgs {
        seconds,
        folder,
        document,
    } = arguments;
    let storm = Duration::from_secs(seconds);
    let text = Profile { storm, folder }.run()?;
    fs::write(&document, &text).with_context(|| format!("write {}", document.display()))?;
    Ok(text)
}

fn octets(text: &str) -> Result<u64, String> {
    let unit = |name: &str, shift: u32| {
        let number: u64 = text.strip_suffix(name)?.trim().parse().ok()?;
        number.checked_shl(shift)
    };
    unit("GiB", 30)
        .or_else(|| unit("MiB", 20))
        .ok_or_else(|| "a whole number of MiB or GiB".to_owned())
}
