//! `cargo xtask simulate`: writes a scenario as a capture, and what really happened in it.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::Args;
use gdoi_core::{Limits, Tracker};
use gdoi_sim::judge::Told;
use gdoi_sim::scenario::{self, Scenario};

use crate::{find, told};
use gdoi_sim::{Format, Observer, PcapWriter, Simulation};

/// A scenario of the library by name, or a scenario file.
#[derive(Args)]
#[command(
    after_help = "What Prometheus would have scraped: cargo xtask simulate SCENARIO --metrics FILE (see cargo xtask scrape --help)"
)]
pub(crate) struct Simulate {
    /// Name of a scenario, or path of a scenario file; default: list the names
    scenario: Option<String>,
    /// Seed instead of the scenario's own
    #[arg(long)]
    seed: Option<u64>,
    /// Duration instead of the scenario's own, such as 90m or 24h
    #[arg(long)]
    duration: Option<String>,
    /// Members of every group instead of the scenario's own
    #[arg(long)]
    members: Option<u32>,
    /// Write the gateway's traffic to this capture file: pcapng if its name says so, else pcap
    #[arg(long)]
    out: Option<PathBuf>,
    /// Write what really happened to this file, one JSON object per line
    #[arg(long)]
    truth: Option<PathBuf>,
    /// Feed the tracker, and print its events, one JSON object per line, and its speed
    #[arg(long, conflicts_with_all = ["out", "syslog"])]
    watch: bool,
    /// Print `show crypto gdoi` at the end on this member of the first group, from 1
    #[arg(long, value_name = "MEMBER")]
    show: Option<u32>,
    /// How much of the scenario is configured in the tracker: all, named or nothing
    #[arg(long, requires = "watch", default_value = "all")]
    told: String,
    /// Print the scenario as a scenario file
    #[arg(long, conflicts_with_all = ["out", "syslog", "watch"])]
    toml: bool,
    /// Print the log messages of the devices
    #[arg(long)]
    syslog: bool,
}

pub(crate) fn run(args: &Simulate) -> Result<()> {
    let Some(name) = &args.scenario else {
        for name in scenario::names() {
            println!("{name:24} {}", scenario::named(name)?.title);
        }
        return Ok(());
    };
    let mut scenario = find(name)?;
    if let Some(duration) = &args.duration {
        scenario.duration =
            scenario::parse_duration(duration).with_context(|| format!("read {duration:?}"))?;
    }
    if let Some(members) = args.members {
        scenario
            .groups
            .iter_mut()
            .for_each(|group| group.members = members);
    }
    if args.toml {
        print!("{}", scenario.to_toml()?);
        return Ok(());
    }
    if args.watch {
        return watch(&scenario, args.seed, told(&args.told)?);
    }
    let mut simulation = Simulation::new(&scenario, args.seed)?;
    let frames = match &args.out {
        Some(path) => write(&scenario, &mut simulation, path)?,
        None => simulation.by_ref().count(),
    };
    let truth = simulation.truth();
    if let Some(path) = &args.truth {
        std::fs::write(path, truth.to_jsonl()?).with_context(|| format!("write {}", path.display()))?;
    }
    if let Some(member) = args.show {
        let shown = simulation.show_member(1, member);
        print!(
            "{}",
            shown.with_context(|| format!("there is no member {member}"))?
        );
    } else if args.syslog {
        print!("{}", truth.syslog(&scenario));
    } else {
        println!(
            "{}: {frames} frames, {} things happened",
            scenario.title,
            truth.happened().len()
        );
    }
    Ok(())
}

fn watch(scenario: &Scenario, seed: Option<u64>, told: Told) -> Result<()> {
    let begun = Instant::now();
    let mut simulation = Simulation::new(scenario, seed)?;
    let mut tracker = Tracker::new(told.config(scenario), Limits::default());
    let mut said = Vec::new();
    Observer::new(Duration::from_secs(10), told == Told::All).watch(&mut simulation, &mut tracker, &mut said);
    let took = begun.elapsed();
    for transition in &said {
        let offset = transition.at.since(scenario.start).as_secs_f64();
        println!("{offset:12.3} {}", serde_json::to_string(transition)?);
    }
    let ratio = scenario.duration.as_secs_f64() / took.as_secs_f64();
    eprintln!(
        "{}: {} events in {:.2} s, {ratio:.0} times real time",
        scenario.title,
        said.len(),
        took.as_secs_f64()
    );
    Ok(())
}

fn write(scenario: &Scenario, simulation: &mut Simulation, path: &Path) -> Result<usize> {
    let file = File::create(path).with_context(|| format!("create {}", path.display()))?;
    let format = Format::of_name(&path.to_string_lossy());
    let mut capture = PcapWriter::of(format, BufWriter::new(file))?;
    let mut count = 0;
    for emission in simulation {
        for frame in emission.frames(&scenario.vlan) {
            capture.frame(emission.at(), &frame)?;
            count += 1;
        }
    }
    capture
        .finish()
        .with_context(|| format!("write {}", path.display()))?;
    Ok(count)
}
