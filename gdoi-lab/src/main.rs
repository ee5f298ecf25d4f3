//! Replays captures to the real agent and measures the real program. Started by `cargo xtask`.

use std::fmt::Write as _;
use std::fs;
use std::io::{Write as _, stderr, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand};
use gdoi_lab::bench::{self, Effort};
use gdoi_lab::documents;
use gdoi_lab::replay::Replay;
use gdoi_lab::{Frames, Pace, test_run};
use gdoi_monitor::source::xdp::Settings;
use gdoi_wire::Class;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Replays and measures", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Measure what a packet costs
    Bench(Measurement),
    /// Write the documents that are made from the code
    Docs {
        /// Folder of the documents
        folder: PathBuf,
    },
    /// Send a capture over a veth pair to the agent
    Replay(Arguments),
}

#[derive(Args)]
struct Measurement {
    /// The object with the programs
    #[arg(long, value_name = "FILE")]
    object: PathBuf,
    /// Turns of program and baseline
    #[arg(long, value_name = "N", default_value_t = 15)]
    rounds: usize,
    /// Runs in each round
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    repeat: u32,
}

#[derive(Args)]
struct Arguments {
    /// The capture, pcap or pcapng
    file: PathBuf,
    /// How many times faster than it was captured, or max
    #[arg(long, value_name = "N|max", default_value = "max", value_parser = pace)]
    speed: Pace,
    /// How often to send it
    #[arg(long = "loop", value_name = "N", default_value_t = 1)]
    times: u32,
    /// Folder for metrics.prom, events.jsonl and summary.txt
    #[arg(long, value_name = "DIR", default_value = "out")]
    out: PathBuf,
    /// Run the frames through the program without an interface, by `BPF_PROG_TEST_RUN`
    #[arg(long)]
    test_run: bool,
    /// Further arguments of the agent, behind --
    #[arg(last = true)]
    agent: Vec<String>,
}

fn main() -> ExitCode {
    match run(Cli::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => match writeln!(stderr(), "gdoi-lab: {error:#}") {
            Ok(()) | Err(_) => ExitCode::FAILURE,
        },
    }
}

fn run(task: Task) -> Result<()> {
    let text = match task {
        Task::Bench(Measurement {
            object,
            rounds,
            repeat,
        }) => bench::run(&object, Effort { rounds, repeat })?.to_string(),
        Task::Docs { folder } => {
            let path = folder.join("metrics.md");
            fs::write(&path, documents::metrics()).with_context(|| format!("write {}", path.display()))?;
            format!("{}\n", path.display())
        }
        Task::Replay(arguments) if arguments.test_run => tested(&arguments)?,
        Task::Replay(arguments) => replayed(arguments)?,
    };
    stdout().write_all(text.as_bytes()).context("print the summary")
}

fn replayed(arguments: Arguments) -> Result<String> {
    let Arguments {
        file,
        speed: pace,
        times,
        out,
        test_run: _,
        agent,
    } = arguments;
    let replay = Replay {
        file,
        pace,
        times,
        out,
        agent,
    };
    let outcome = replay.run()?;
    Ok(format!(
        "{}results are in {}\n",
        outcome.summary(&replay.file)?,
        replay.out.display()
    ))
}

fn tested(arguments: &Arguments) -> Result<String> {
    let run = test_run(&Frames::read(&arguments.file)?, &Settings::default())?;
    let mut text = String::new();
    for (class, count) in Class::ALL.iter().zip(run.counters.packets) {
        writeln!(text, "packets {} {count}", class.name())?;
    }
    for (exchange, count) in &run.messages {
        writeln!(text, "messages {} {count}", exchange.name())?;
    }
    for (spi, count) in &run.spis {
        writeln!(text, "spi {spi:08x} {count}")?;
    }
    Ok(text)
}

fn pace(text: &str) -> Result<Pace, String> {
    if text == "max" {
        return Ok(Pace::Max);
    }
    match text.parse() {
        Ok(factor) if factor > 0.0 => Ok(Pace::Times(factor)),
        _ => Err("a number above zero, or max".to_owned()),
    }
}
