//! What the agent is put through: floods, kills, long times.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use clap::{Args, Subcommand};
use gdoi_lab::endure::days::Days;
use gdoi_lab::endure::soak::Soak;
use gdoi_lab::flood::{FloodOutcome, Kind, Trial};
use gdoi_lab::kill9::Kill9;
use gdoi_lab::reliability;

#[derive(Subcommand)]
pub(crate) enum Stress {
    /// Watch groups that live at real speed, and that the agent does not grow
    Endure(EndureArgs),
    /// Kill the agent at random moments while it keeps what it has learned
    Faults(Kill9Args),
    /// Flood the agent while a group is rekeyed
    Flood(FloodArgs),
}

#[derive(Args)]
pub(crate) struct EndureArgs {
    /// How long
    #[arg(long, value_name = "N", default_value_t = 30)]
    minutes: u64,
    /// Packets a second of others
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    rate: u32,
    /// So many days in virtual time instead
    #[arg(long, value_name = "N", conflicts_with_all = ["minutes", "rate"])]
    days: Option<u32>,
    /// Members of the group that those days are of
    #[arg(long, value_name = "N", default_value_t = 10_000, requires = "days")]
    members: u32,
    /// Document to write the figures to
    #[arg(long, value_name = "FILE")]
    document: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Kill9Args {
    /// How often
    #[arg(long, value_name = "N", default_value_t = 200)]
    times: u32,
    /// Says at which moments
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Document to write the figures to
    #[arg(long, value_name = "FILE")]
    document: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct FloodArgs {
    /// How long each flood lasts
    #[arg(long, value_name = "N", default_value_t = 10)]
    seconds: u64,
    /// Document to write the figures to
    #[arg(long, value_name = "FILE")]
    document: Option<PathBuf>,
}

impl Stress {
    /// Puts the agent through it; the figures.
    pub(crate) fn run(&self) -> Result<String> {
        match self {
            Self::Endure(arguments) => endured(arguments),
            Self::Faults(arguments) => killed(arguments),
            Self::Flood(arguments) => flooded(arguments),
        }
    }
}

fn endured(arguments: &EndureArgs) -> Result<String> {
    let EndureArgs {
        minutes,
        rate,
        days,
        members,
        document,
    } = arguments;
    if let Some(days) = *days {
        let days = Days {
            days,
            members: *members,
        };
        let text = days.run()?.to_string();
        documented(document.as_deref(), "days", &text)?;
        return Ok(text);
    }
    let soak = Soak {
        time: Duration::from_secs(60 * minutes),
        rate: *rate,
        every: Duration::from_secs((60 * minutes / 12).min(30)),
    };
    let text = soak.run()?.to_string();
    documented(document.as_deref(), "soak", &text)?;
    Ok(text)
}

fn killed(arguments: &Kill9Args) -> Result<String> {
    let Kill9Args {
        times,
        seed,
        document,
    } = arguments;
    let kills = Kill9 {
        times: *times,
        seed: *seed,
    };
    let text = format!("Seed {seed}: {}\n", kills.run()?);
    documented(document.as_deref(), "kills", &text)?;
    Ok(text)
}

fn flooded(arguments: &FloodArgs) -> Result<String> {
    let FloodArgs { seconds, document } = arguments;
    let mut text = format!("{}\n", FloodOutcome::HEADING);
    let each = Kind::ALL.into_iter().map(|kind| vec![kind]);
    for kinds in each.chain([Kind::ALL.to_vec()]) {
        let time = Duration::from_secs(*seconds);
        let trial = Trial { kinds, time };
        // A thread of its own: it stays in the namespace it enters.
        let run = thread::spawn(move || trial.run());
        let outcome = run
            .join()
            .unwrap_or_else(|_panic| Err(anyhow!("a flood panicked")))?;
        writeln!(text, "{outcome}")?;

        outcome.check().with_context(|| text.clone())?;
    }
    documented(document.as_deref(), "floods", &text)?;
    Ok(text)
}

/// Puts figures into the document, where one is meant.
fn documented(document: Option<&Path>, section: &str, text: &str) -> Result<()> {
    document.map_or(Ok(()), |path| reliability::write(path, section, text))
}
