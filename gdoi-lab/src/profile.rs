//! Profiles: `perf` records the agent in a storm, and an analysis of a capture.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::flood::{Flood, Kind};
use crate::offline;
use crate::{Agent, Injector, Network};

/// Samples per second.
const HERTZ: &str = "4999";
const MOST: usize = 12;
const NO_PERF: &str = "start `perf` (linux-perf, linux-tools)";
const INTRODUCTION: &str = "# Profiles

Written by `cargo xtask bench profile`. What `perf` recorded stays in `target/profile`: \
`perf report -i target/profile/storm.data` shows the call graph, and any tool draws a flame graph of it.
";
const STORM: &str = "Forged main mode, forged KEKs, forged pushes and ESP of random SPIs in turn, as fast as a veth pair takes \
them: tables are full, and nearly every message is about a key that no cache holds. Samples of the agent alone.";
const STORM_READ: &str = "Most of it is the tracker, and most of that, by line, is waiting for memory: the tags of an index, \
then the key in its slot (`table::find`). What was done: a growing table is not copied, and its index is rebuilt in the \
order of the slots; the records of a drain are slices of one buffer, where each had called the allocator twice.";
const ANALYSIS: &str = "`analyze` over the made capture of `cargo xtask bench analyze`, which is in memory.";
const ANALYSIS_READ: &str = "Most of it is the kernel, which copies the file. Mapping the file instead was tried and is no \
faster, because each page is then a fault; and a file that is truncated meanwhile would end the process. The agent's own part is the check \
of each frame (`pipeline::skim`, a part of `analyze`), which mostly waits for the header with the next frame's offset, and \
for the slot of its SPI.";

/// What to profile.
#[derive(Clone, Debug)]
pub struct Profile {
    /// Duration of the storm.
    pub storm: Duration,
    /// Folder for the recordings of `perf`, for a flame graph or a list of callers.
    pub folder: PathBuf,
}

impl Profile {
    /// Records both, and returns the most expensive functions as text of a document.
    pub fn run(&self) -> Result<String> {
        fs::create_dir_all(&self.folder).with_context(|| format!("create {}", self.folder.display()))?;
        let (storm, analyze) = (self.folder.join("storm.data"), self.folder.join("analyze.data"));
        let (time, recorded) = (self.storm, storm.clone());
        // A thread of its own: it cannot leave the namespace.
        let messages = thread::spawn(move || record_storm(time, &recorded)).join();
        let messages = messages.ok().context("the thread of the storm ended")??;
        let frames = record_analysis(&analyze)?;
        let mut text = INTRODUCTION.to_owned();
        let seconds = self.storm.as_secs();
        writeln!(
            text,
            "\n## The agent under a storm\n\n{STORM}\n\n{messages} frames in {seconds} s.\n"
        )?;
        text += &table(&storm)?;
        writeln!(
            text,
            "\n{STORM_READ}\n\n## An analysis\n\n{ANALYSIS}\n\n{frames} frames.\n"
        )?;
        text += &table(&analyze)?;
        writeln!(text, "\n{ANALYSIS_READ}")?;
        Ok(text)
    }
}

/// Floods of every kind in turn, as fast as a veth pair accepts them; returns the number of frames.
fn record_storm(time: Duration, to: &Path) -> Result<u64> {
    let _network = Network::enter()?;
    let agent = Agent::start(&["--interface", Network::WATCH, "--log.level", "error"])?;
    let (id, seconds) = (agent.id().to_string(), time.as_secs().to_string());
    let mut recording = recorder(to)
        .args(["-p", &id, "--", "sleep", &seconds])
        .spawn()
        .context(NO_PERF)?;
    let injector = Injector::open(Network::INJECT)?;
    let mut floods = Kind::ALL.map(|kind| Flood::new(kind, 1, [10, 1, 11, 2].into(), [10, 1, 13, 2].into()));
    let begun = Instant::now();
    let mut sent = 0;
    while begun.elapsed() < time {
        for flood in &mut floods {
            let batch = flood.batch();
            injector.send_batch(batch)?;
            sent += batch.len() as u64;
        }
    }
    ensure!(
        recording.wait().context("wait for perf")?.success(),
        "perf failed"
    );
    agent.until_counted(sent)?;
    Ok(sent)
}

/// The capture of `cargo xtask bench analyze`; returns the number of frames.
fn record_analysis(to: &Path) -> Result<u64> {
    let folder = tempfile::tempdir().context("make a folder for the capture")?;
    let capture = folder.path().join("large.pcap");
    let frames = offline::make(&capture, offline::OCTETS)?;
    let mut analysis = offline::analyze(&capture)?;
    // The first round reads the capture into memory.
    let ended = analysis
        .stdout(Stdio::null())
        .status()
        .context("start the analysis")?;
    ensure!(ended.success(), "the analysis failed");
    let ended = recorder(to)
        .arg("--")
        .arg(analysis.get_program())
        .args(analysis.get_args())
        .stdout(Stdio::null())
        .status()
        .context(NO_PERF)?;
    ensure!(ended.success(), "perf failed");
    Ok(frames)
}

fn recorder(to: &Path) -> Command {
    let mut perf = Command::new("perf");
    perf.args([
        "record",
        "--quiet",
        "-F",
        HERTZ,
        "--call-graph",
        "dwarf,4096",
        "-o",
    ])
    .arg(to)
    .stderr(Stdio::null());
    perf
}

/// The most expensive functions, without the functions that they call.
fn table(recorded: &Path) -> Result<String> {
    let said = Command::new("perf")
        .args([
            "report",
            "--stdio",
            "--no-children",
            "-g",
            "none",
            "--no-inline",
            "-i",
        ])
        .arg(recorded)
        .args(["--percent-limit", "1", "-F", "overhead,dso,sym", "-t", "|"])
        .output()
        .context(NO_PERF)?;
    ensure!(said.status.success(), "perf cannot read what it recorded");
    let said = String::from_utf8_lossy(&said.stdout);
    let rows = said.lines().filter_map(row).take(MOST);
    let mut text = "| share | where | function |\n|---|---|---|\n".to_owned();
    let before = text.len();
    for row in rows {
        text += &row;
    }
    ensure!(text.len() > before, "perf recorded nothing");
    Ok(text)
}

/// `12.34%|gdoi-monitor|[.] function`
fn row(line: &str) -> Option<String> {
    let mut fields = line.splitn(3, '|').map(str::trim);
    let (share, object, function) = (fields.next()?, fields.next()?, fields.next()?);
    let share: f64 = share.trim_end_matches('%').parse().ok()?;
    let object = if object.starts_with('[') { "kernel" } else { object };
    let (_, function) = function.split_once(' ')?;
    Some(format!("| {share:.1} % | {object} | `{}` |\n", function.trim()))
}
