//! What `analyze` costs, against reading the file and against tshark, on one capture of mostly other traffic.

mod capture;
mod usage;

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use usage::Usage;

/// What is measured.
#[derive(Clone, Debug)]
pub struct Offline {
    /// Octets of the capture that is made for it.
    pub octets: u64,
    /// Turns of reading and analysing.
    pub rounds: usize,
    /// Whether tshark has its turn too: it takes minutes for each gigabyte.
    pub tshark: bool,
    /// Folder for the capture, which is deleted afterwards.
    pub folder: PathBuf,
}

/// All of the result.
#[derive(Clone, Debug)]
pub struct Report {
    frames: u64,
    octets: u64,
    read: Usage,
    analyze: Usage,
    /// Of a capture a sixteenth as long.
    small: Usage,
    tshark: Option<Usage>,
}

impl Offline {
    /// Makes the captures, measures and deletes them.
    pub fn run(&self) -> Result<Report> {
        let work = tempfile::tempdir_in(&self.folder).context("make a folder for the captures")?;
        let (large, small) = (work.path().join("large.pcap"), work.path().join("small.pcap"));
        let frames = make(&large, self.octets)?;
        make(&small, self.octets / 16)?;
        let agent = agent()?;
        let analyze = |path: &Path| {
            let mut command = Command::new(&agent);
            command.args(["analyze", "--format", "json"]).arg(path);
            command
        };
        let (mut read, mut analyzed) = (Vec::new(), Vec::new());
        // The first round brings the file into the page cache, as far as it fits.
        for round in 0..=self.rounds {
            let one = Usage::of(Command::new("cat").arg(&large))?;
            let other = Usage::of(&mut analyze(&large))?;
            if round > 0 || self.rounds == 0 {
                read.push(one);
                analyzed.push(other);
            }
        }
        Ok(Report {
            frames,
            octets: large.metadata().context("measure the capture")?.len(),
            read: Usage::median(read),
            analyze: Usage::median(analyzed),
            small: Usage::of(&mut analyze(&small))?,
            tshark: self.tshark(&large)?,
        })
    }

    /// The question that a person would put to tshark: the ISAKMP messages, with what tells them apart.
    fn tshark(&self, path: &Path) -> Result<Option<Usage>> {
        if !self.tshark {
            return Ok(None);
        }
        let mut tshark = Command::new("tshark");
        tshark.args(["-n", "-d", "udp.port==848,isakmp", "-Y", "isakmp", "-T", "fields"]);
        for field in FIELDS {
            tshark.args(["-e", field]);
        }
        Usage::of(tshark.arg("-r").arg(path)).map(Some)
    }
}

fn make(path: &Path, octets: u64) -> Result<u64> {
    let file = File::create(path).with_context(|| format!("create {}", path.display()))?;
    capture::write(file, octets).with_context(|| format!("write {}", path.display()))
}

/// The agent that was built together with this program.
fn agent() -> Result<PathBuf> {
    let here = std::env::current_exe().context("find this program")?;
    Ok(here.with_file_name("gdoi-monitor"))
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            frames,
            octets,
            read,
            analyze,
            small,
            tshark,
        } = self;
        let mebibytes = octets >> 20;
        writeln!(f, "{frames} frames, {mebibytes} MiB")?;
        writeln!(f, "{:<36}{:>12}{:>12}{:>12}", "", "CPU s", "time s", "peak MiB")?;
        line(f, "cat", read)?;
        line(f, "gdoi-monitor analyze", analyze)?;
        line(f, "  a sixteenth of the capture", small)?;
        if let Some(tshark) = tshark {
            line(f, "tshark -T fields", tshark)?;
        }
        writeln!(f, "\nCPU of analyze to cat: {:.2}", analyze.cpu / read.cpu)?;
        if let Some(tshark) = tshark {
            let (cpu, peak) = (
                tshark.cpu / analyze.cpu,
                tshark.peak_octets / analyze.peak_octets.max(1),
            );
            writeln!(f, "tshark to analyze: CPU {cpu:.0}, peak memory {peak}")?;
        }
        Ok(())
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, usage: &Usage) -> fmt::Result {
    let Usage {
        cpu,
        time,
        peak_octets,
    } = usage;
    let peak = peak_octets >> 20;
    writeln!(f, "{name:<36}{cpu:>12.2}{time:>12.2}{peak:>12}")
}

const FIELDS: [&str; 6] = [
    "frame.number",
    "frame.time_epoch",
    "ip.src",
    "ip.dst",
    "isakmp.ispi",
    "isakmp.exchangetype",
];
