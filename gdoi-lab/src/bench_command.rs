//! Commands that measure: costs, and profiles.

use std::fs;
use std::io::{Write as _, stdout};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use gdoi_lab::bench::{self, Effort, Measured, Section};
use gdoi_lab::fleet::Fleet;
use gdoi_lab::offline::Offline;
use gdoi_lab::profile::Profile;
use gdoi_lab::reliability;
use xtask::ebpf;
use xtask::workspace::Workspace;

/// The committed document is the result of this many runs.
const RUNS_OF_DOCUMENT: usize = 3;

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    other: Option<OtherBench>,
    /// Sections to measure; default all
    #[arg(value_enum)]
    sections: Vec<Section>,
    #[command(flatten)]
    effort: Effort,
    /// How often to measure everything
    #[arg(long, value_name = "N", default_value_t = 1)]
    runs: usize,
    /// Measure three times, and write docs/benchmarks.md
    #[arg(long, conflicts_with = "runs")]
    write: bool,
}

#[derive(Subcommand)]
enum OtherBench {
    /// Measure what a fleet of gateways costs the Prometheus that scrapes it
    Fleet(FleetArgs),
    /// Measure the cost of analysing a capture, compared with cat, libpcap and tshark
    Offline(AnalyzeArgs),
    /// Profile the agent in a storm, and an analysis. Writes docs/profiles.md
    Profile(ProfileArgs),
}

#[derive(Args)]
struct AnalyzeArgs {
    /// Size of the capture, such as 700MiB or 4GiB
    #[arg(long, default_value = "700MiB", value_parser = octets)]
    size: u64,
    /// Turns of reading and analysing
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
    /// Size of the capture for tshark, which takes minutes per gigabyte; 0MiB omits it
    #[arg(long, default_value = "700MiB", value_parser = octets)]
    tshark_size: u64,
    /// Folder for the capture, which is deleted afterwards
    #[arg(long, value_name = "DIR", default_value = "/tmp")]
    folder: PathBuf,
}

#[derive(Args)]
struct ProfileArgs {
    /// Duration of the storm
    #[arg(long, value_name = "N", default_value_t = 10)]
    seconds: u64,
    /// Folder for the recordings [default: target/profile]
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

#[derive(Args)]
struct FleetArgs {
    /// Gateways of each run
    #[arg(
        long,
        value_name = "N",
        value_delimiter = ',',
        default_value = "10,100,300,1000"
    )]
    gateways: Vec<usize>,
    /// Gateways of the run in which all see the same groups; 0 omits it
    #[arg(long, value_name = "N", default_value_t = 50)]
    shared: usize,
    /// How long each run lasts, such as 10m
    #[arg(long, default_value = "10m", value_parser = gdoi_sim::scenario::parse_duration)]
    lasting: Duration,
    /// Write the figures of docs/fleet.md
    #[arg(long)]
    write: bool,
}

impl BenchArgs {
    /// Measures it, and returns the figures.
    pub(crate) fn run(self, workspace: &Workspace) -> Result<String> {
        match self.other {
            None => benchmarks(workspace, &self),
            Some(OtherBench::Fleet(arguments)) => scraped(workspace, arguments),
            Some(OtherBench::Offline(arguments)) => analysed(arguments),
            Some(OtherBench::Profile(arguments)) => profiled(workspace, arguments),
        }
    }
}

fn benchmarks(workspace: &Workspace, arguments: &BenchArgs) -> Result<String> {
    let BenchArgs {
        other: _,
        sections,
        effort,
        runs,
        write,
    } = arguments;
    let object = ebpf::build_for_bench(workspace)?;
    let runs = if *write { RUNS_OF_DOCUMENT } else { (*runs).max(1) };
    let wanted = Section::ALL
        .into_iter()
        .filter(|section| sections.is_empty() || sections.contains(section));
    let mut measured: Vec<Measured> = wanted
        .map(|section| Measured {
            section,
            runs: Vec::new(),
        })
        .collect();
    for _ in 0..runs {
        for part in &mut measured {
            let rows = part.section.measure(&object, *effort)?;
            for row in &rows {
                writeln!(stdout(), "{row}").context("print a row")?;
            }
            part.runs.push(rows);
        }
    }
    if !*write {
        return Ok(String::new());
    }
    let path = workspace.root.join("docs/benchmarks.md");
    let before = fs::read_to_string(&path).unwrap_or_default();
    let text = bench::document(&measured, *effort, &before).context("write the document")?;
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

fn scraped(workspace: &Workspace, arguments: FleetArgs) -> Result<String> {
    let FleetArgs {
        gateways,
        shared,
        lasting,
        write,
    } = arguments;
    let fleet = Fleet {
        sizes: gateways,
        shared: (shared > 0).then_some(shared),
        lasting,
        deploy: workspace.root.join("deploy"),
    };
    let mut text = String::new();
    fleet.run(|part| {
        text.push_str(part);
        stdout().write_all(part.as_bytes()).context("print a row")
    })?;
    if !write {
        return Ok(String::new());
    }
    let path = workspace.root.join("docs/fleet.md");
    reliability::write(&path, "fleet", &text)?;
    Ok(format!("{}\n", path.display()))
}

fn profiled(workspace: &Workspace, arguments: ProfileArgs) -> Result<String> {
    let ProfileArgs { seconds, folder } = arguments;
    let folder = folder.unwrap_or_else(|| workspace.target.join("profile"));
    let document = workspace.root.join("docs/profiles.md");
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
