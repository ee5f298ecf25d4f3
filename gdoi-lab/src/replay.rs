//! Sends a capture over a veth pair to the real agent.

use std::fmt::{self, Write as _};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::{Agent, Frames, Injector, Metrics, Network, Pace};

/// Tables of the summary: a title, the family and the label to sum by.
const TABLES: [(&str, &str, &str); 5] = [
    ("packets", "gdoi_packets_total", "class"),
    ("messages", "gdoi_messages_total", "exchange"),
    ("ESP packets", "gdoi_esp_packets_total", "group"),
    ("not read", "gdoi_misses_total", "reason"),
    ("lost", "gdoi_events_lost_total", "reason"),
];

/// What to replay, and how.
#[derive(Clone, Debug)]
pub struct Replay {
    /// The capture.
    pub file: PathBuf,
    /// How fast.
    pub pace: Pace,
    /// How often.
    pub times: u32,
    /// Folder of the results.
    pub out: PathBuf,
    /// Further arguments of the agent.
    pub agent: Vec<String>,
}

/// The result.
#[derive(Clone, Debug)]
pub struct ReplayOutcome {
    /// Frames sent.
    pub sent: u64,
    /// Frames of the capture that Ethernet cannot carry.
    pub unfit: usize,
    /// Duration of sending.
    pub took: Duration,
    /// The agent's metrics after the last frame.
    pub metrics: Metrics,
}

impl Replay {
    /// Replays, in a namespace that the calling thread cannot leave.
    ///
    /// Writes `metrics.prom`, `events.jsonl` and `summary.txt` to [`Self::out`].
    pub fn run(&self) -> Result<ReplayOutcome> {
        let frames = Frames::read(&self.file)?;
        fs::create_dir_all(&self.out).with_context(|| format!("make the folder {}", self.out.display()))?;
        let events = self.out.join("events.jsonl");
        // The agent appends, but this is another run.
        fs::write(&events, "").with_context(|| format!("write {}", events.display()))?;
        let _network = Network::enter()?;
        let injector = Injector::open(Network::INJECT)?;
        let events = events.to_str().context("the path of the events is not text")?;
        let mut arguments = vec![
            "--interface",
            Network::WATCH,
            "--mode",
            "xdp",
            "--event-file",
            events,
        ];
        arguments.extend(["--log.level", "warn"]);
        arguments.extend(self.agent.iter().map(String::as_str));
        let agent = Agent::start(&arguments)?;
        let start = Instant::now();
        let sent = injector.send(&frames.frames, self.pace, self.times)?;
        let took = start.elapsed();
        let page = agent.until_counted(sent)?;
        let status = agent.stop()?;
        anyhow::ensure!(status.success(), "the agent ended with {status}");
        save(&self.out, "metrics.prom", &page)?;
        let outcome = ReplayOutcome {
            sent,
            unfit: frames.unfit,
            took,
            metrics: Metrics::parse(&page),
        };
        save(&self.out, "summary.txt", &outcome.summary(&self.file)?)?;
        Ok(outcome)
    }
}

impl ReplayOutcome {
    /// The result, for people.
    pub fn summary(&self, file: &Path) -> Result<String, fmt::Error> {
        let Self {
            sent,
            unfit,
            took,
            metrics,
        } = self;
        let mut text = format!("{}: {sent} frames sent in {took:.1?}", file.display());
        if *unfit > 0 {
            write!(text, ", {unfit} could not be sent on Ethernet")?;
        }
        text.push('\n');
        for (title, name, label) in TABLES {
            for (value, count) in metrics.by(name, label) {
                writeln!(text, "  {title:<12} {value:<24} {count:>10}")?;
            }
        }
        Ok(text)
    }
}

fn save(out: &Path, name: &str, text: &str) -> Result<()> {
    let path = out.join(name);
    fs::write(&path, text).with_context(|| format!("write {}", path.display()))
}
