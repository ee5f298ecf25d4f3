//! Builds, sets up, replays, measures: everything that is not the product.

mod simulate;

use std::process::Command;

use anyhow::{Context as _, Result, bail};
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Builds, sets up, replays, measures",
    max_term_width = 100
)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Let a scenario happen: write it as a capture, with the truth about it
    Simulate(simulate::Simulate),
    /// Run every test
    Test,
}

fn main() -> Result<()> {
    match Cli::parse().task {
        Task::Simulate(args) => simulate::run(&args),
        Task::Test => test(),
    }
}

fn test() -> Result<()> {
    let status = Command::new("cargo")
        .args(["test", "--workspace", "--exclude", "gdoi-monitor-ebpf"])
        .status()
        .context("start cargo test")?;
    if !status.success() {
        bail!("tests failed");
    }
    Ok(())
}
