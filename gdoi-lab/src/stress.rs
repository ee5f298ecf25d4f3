//! Stress tests of the agent: floods, kills, long runs.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use clap::{Args, Subcommand};
use gdoi_lab::endure::days::Days;
use gdoi_lab::endure::soak::Soak;
use gdoi_lab::flood::{FloodOutcome, Kind, Trial};
use gdoi_lab::kill9::Kill9;
use gdoi_lab::reliability;
use xtask::workspace::Workspace;

#[derive(Subcommand)]
pub(crate) enum Stress {
    /// Run groups at real speed, and check that the agent does not grow
    Endure(EndureArgs),
    /// Kill the agent at random moments while it saves its state
    Faults(Kill9Args),
    /// Flood the agent while a group is rekeyed
    Flood(FloodArgs),
}

#[derive(Args)]
pub(crate) struct EndureArgs {
    /// Duration in minutes
    #[arg(long, value_name = "N", default_value_t = 30)]
    minutes: u64,
    /// Packets per second of other traffic
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    rate: u32,
    /// This many days in virtual time instead
    #[arg(long, value_name = "N", conflicts_with_all = ["minutes", "rate"])]
    days: Option<u32>,
    /// Members of the group in those days
    #[arg(long, value_name = "N", default_value_t = 10_000, requires = "days")]
    members: u32,
    /// Document for the figures [default: docs/reliability.md]
    #[arg(long, value_name = "FILE")]
    document: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Kill9Args {
    /// Number of kills
    #[arg(long, value_name = "N", default_value_t = 200)]
    times: u32,
    /// Seed of the moments
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Document for the figures [default: docs/reliability.md]
    #[arg(long, value_name = "FILE")]
    document: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct FloodArgs {
    /// Duration of each flood in seconds
    #[arg(long, value_name = "N", default_value_t = 10)]
    seconds: u64,
    /// Document for the figures [default: docs/reliability.md]
    #[arg(long, value_name = "FILE")]
    document: Option<PathBuf>,
}

impl Stress {
    /// Runs the test, and returns the figures.
    pub(crate) fn run(&self, workspace: &Workspace) -> Result<String> {
        let (document, (section, text)) = match self {
            Self::Endure(arguments) => (&arguments.document, endured(arguments)?),
            Self::Faults(arguments) => (&arguments.document, killed(arguments)?),
            Self::Flood(arguments) => (&arguments.document, flooded(arguments)?),
        };
        let document = document
            .clone()
            .unwrap_or_else(|| reliability::document(workspace));
        reliability::write(&document, section, &text)?;
        Ok(text)
    }
}

/// The section of the document, and its text.
type Figures = (&'static str, String);

fn endured(arguments: &EndureArgs) -> Result<Figures> {
    let EndureArgs {
        minutes,
        rate,
        days,
        members,
        document: _,
    } = arguments;
    if let Some(days) = *days {
        let days = Days {
            days,
            members: *members,
        };
        return Ok(("days", days.run()?.to_string()));
    }
    let soak = Soak {
        time: Duration::from_secs(60 * minutes),
        rate: *rate,
        every: Duration::from_secs((60 * minutes / 12).min(30)),
    };
    Ok(("soak", soak.run()?.to_string()))
}

fn killed(arguments: &Kill9Args) -> Result<Figures> {
    let Kill9Args {
        times,
        seed,
        document: _,
    } = arguments;
    let kills = Kill9 {
        times: *times,
        seed: *seed,
    };
    Ok(("kills", format!("Seed {seed}: {}\n", kills.run()?)))
}

fn flooded(arguments: &FloodArgs) -> Result<Figures> {
    let FloodArgs { seconds, document: _ } = arguments;
    let mut text = format!("{}\n", FloodOutcome::HEADING);
    let each = Kind::ALL.into_iter().map(|kind| vec![kind]);
    for kinds in each.chain([Kind::ALL.to_vec()]) {
        let time = Duration::from_secs(*seconds);
        let trial = Trial { kinds, time };
        // A thread of its own: it cannot leave the namespace.
        let run = thread::spawn(move || trial.run());
        let outcome = run
            .join()
            .unwrap_or_else(|_panic| Err(anyhow!("a flood panicked")))?;
        writeln!(text, "{outcome}")?;

        outcome.check().with_context(|| text.clone())?;
    }
    Ok(("floods", text))
}
