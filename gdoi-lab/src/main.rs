//! Replays captures to the real agent and measures the real program. Run by `cargo xtask`.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command prints its results"
)]

mod bench_command;
mod boot;
mod kernels;
mod search;
mod stress;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufWriter, Write as _, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand};
use gdoi_lab::bench;
use gdoi_lab::day::{self, Day};
use gdoi_lab::documents;
use gdoi_lab::replay::Replay;
use gdoi_lab::{Frames, Pace, test_run};
use gdoi_monitor::source::xdp::ProbeSettings;
use gdoi_sim::scenario::{self, Scenario};
use gdoi_wire::Class;
use xtask::workspace::Workspace;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "Replays and measures",
    max_term_width = 100
)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Measure the cost of packets, messages, startup and scrapes
    Bench(bench_command::BenchArgs),
    /// Install the package in a Debian, boot that, and check the service under traffic
    Boot(boot::BootArgs),
    /// Write the documents that are generated from the code
    #[command(hide = true)]
    Docs {
        /// Folder of the documents
        folder: PathBuf,
    },
    /// Feed hostile input to every parser, for minutes or hours
    Fuzz(search::Fuzz),
    /// Run tests of this repository on kernels of distributions, in emulated machines
    Kernels(kernels::Kernels),
    /// Break the code in many places, and see which changes the tests catch
    Mutants(search::Mutants),
    /// Send a capture over a veth pair to the agent
    Replay(Arguments),
    /// Write the metrics of a scenario as Prometheus would have scraped them
    Scrape(Scraping),
    #[command(flatten)]
    Stress(stress::Stress),
    /// Print the memory of a tracker
    #[command(name = bench::WEIGH, hide = true)]
    Weigh,
}

#[derive(Args)]
struct Scraping {
    /// Name of a scenario of the library, or path of a scenario file
    scenario: String,
    /// Seed instead of the scenario's own
    #[arg(long)]
    seed: Option<u64>,
    /// Time between scrapes, such as 30s
    #[arg(long, default_value = "30s", value_parser = scenario::parse_duration)]
    interval: Duration,
    /// Label `job` of every sample
    #[arg(long, default_value = day::JOB)]
    job: String,
    /// Label `instance` of every sample
    #[arg(long, default_value = "gateway:11848")]
    instance: String,
    /// Samples with times, for `promtool tsdb create-blocks-from openmetrics`
    #[arg(long, value_name = "FILE")]
    metrics: PathBuf,
}

#[derive(Args)]
struct Arguments {
    /// The capture, pcap or pcapng
    file: PathBuf,
    /// How many times faster than captured, or max
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
    /// Further arguments of the agent, after --
    #[arg(last = true)]
    agent: Vec<String>,
}

fn main() -> ExitCode {
    match run(Cli::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<()> {
    let text = match task {
        Task::Docs { folder } => {
            let path = folder.join("metrics.md");
            fs::write(&path, documents::metrics()).with_context(|| format!("write {}", path.display()))?;
            format!("{}\n", path.display())
        }
        Task::Bench(arguments) => arguments.run(&Workspace::find()?)?,
        Task::Boot(arguments) => return boot::run(&Workspace::find()?, &arguments),
        Task::Fuzz(arguments) => return search::fuzz(&Workspace::find()?, &arguments),
        Task::Kernels(arguments) => return kernels::run(&Workspace::find()?, &arguments),
        Task::Mutants(arguments) => return search::mutants(&Workspace::find()?, &arguments),
        Task::Replay(arguments) if arguments.test_run => tested(&arguments)?,
        Task::Replay(arguments) => replayed(arguments)?,
        Task::Scrape(arguments) => scraped(&arguments)?,
        Task::Stress(stress) => stress.run(&Workspace::find()?)?,
        Task::Weigh => {
            let [members, all] = bench::weigh()?;
            format!("{members} {all}\n")
        }
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

fn scraped(arguments: &Scraping) -> Result<String> {
    let Scraping {
        scenario,
        seed,
        interval,
        job,
        instance,
        metrics,
    } = arguments;
    let scenario = scenario_of(scenario)?;
    let file = File::create(metrics).with_context(|| format!("create {}", metrics.display()))?;
    let mut out = BufWriter::new(file);
    let day = Day {
        interval: *interval,
        job,
        instance,
    };
    let written = || format!("write {}", metrics.display());
    let scrapes = day.scrape(&scenario, *seed, &mut |_, lines| {
        out.write_all(lines.as_bytes()).with_context(written)
    })?;
    out.write_all(day::END.as_bytes())
        .and_then(|()| out.flush())
        .with_context(written)?;
    Ok(format!(
        "{}: {} scrapes in {}\n",
        scenario.title,
        scrapes.count,
        metrics.display()
    ))
}

/// A scenario of the library, or of a file.
fn scenario_of(name: &str) -> Result<Scenario> {
    if let Ok(scenario) = scenario::named(name) {
        return Ok(scenario);
    }
    let text = fs::read_to_string(name)
        .with_context(|| format!("{name:?} is neither a scenario of the library nor a file"))?;
    Scenario::parse(&text).with_context(|| format!("understand {name}"))
}

fn tested(arguments: &Arguments) -> Result<String> {
    let run = test_run(&Frames::read(&arguments.file)?, &ProbeSettings::default())?;
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
