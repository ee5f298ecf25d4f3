//! Commands for scenarios: simulate them, and judge the tracker by them.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command prints its results"
)]

mod attacks;
mod demonstrate;
mod score;
mod simulate;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::{Parser, Subcommand};
use gdoi_sim::generator;
use gdoi_sim::judge::Told;
use gdoi_sim::scenario::{self, Scenario, ScenarioError};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "Scenarios and the judge",
    max_term_width = 100
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Compare the tracker's reports of the demonstrations with the expected ones
    Demonstrate(demonstrate::Demonstrate),
    /// Judge the tracker: its reports of scenarios against what really happens
    Score(score::Scoring),
    /// Run a scenario: write it as a capture, with the truth about it
    Simulate(simulate::Simulate),
}

fn main() -> ExitCode {
    let Cli { command } = Cli::parse();
    let result: Result<()> = match &command {
        Command::Demonstrate(arguments) => demonstrate::run(arguments),
        Command::Score(arguments) => score::run(arguments),
        Command::Simulate(arguments) => simulate::run(arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The checkout that this program was built from, for documents.
fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A scenario of the library by name, a random one by seed, or a file.
fn find(name: &str) -> Result<Scenario> {
    if let Some(seed) = name.strip_prefix("world:") {
        let seed = seed
            .parse()
            .with_context(|| format!("read the seed in {name:?}"))?;
        return Ok(generator::world(seed));
    }
    if let Ok(scenario) = scenario::named(name) {
        return Ok(scenario);
    }
    if !Path::new(name).exists() {
        let names: Vec<&str> = scenario::names().collect();
        bail!(
            "{name:?} is neither a file nor world:SEED nor one of: {}",
            names.join(", ")
        );
    }
    let text = std::fs::read_to_string(name).with_context(|| format!("read {name}"))?;
    Scenario::parse(&text).map_err(|error| match error {
        ScenarioError::OnLine { line, what } => anyhow!("{name}:{line}: {what}"),
        error => anyhow!("{name}: {error}"),
    })
}

fn told(word: &str) -> Result<Told> {
    let told = Told::ALL.into_iter().find(|told| told.name() == word);
    told.with_context(|| format!("--told is all, named or nothing, not {word:?}"))
}
