//! Cost of `analyze`, compared with reading the file, a loop of libpcap and tshark, on captures of mostly other
//! traffic.

mod capture;
mod instructions;
mod rivals;
mod usage;

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

pub use instructions::Instructions;
pub use usage::Usage;

/// Size of the capture in the documents.
pub(crate) const OCTETS: u64 = 1 << 30;

/// What to measure.
#[derive(Clone, Debug)]
pub struct Offline {
    /// Size of the capture to create.
    pub octets: u64,
    /// Rounds of reading, analysing and the loop of libpcap.
    pub rounds: usize,
    /// Size of the capture for tshark, which takes minutes per gigabyte; 0 for none.
    pub tshark_octets: u64,
    /// Folder for the captures, which are deleted afterwards.
    pub folder: PathBuf,
}

/// The result.
#[derive(Clone, Debug)]
pub struct OfflineReport {
    /// Frames of the capture.
    pub frames: u64,
    /// Octets of it.
    pub octets: u64,
    /// Usage of `cat`.
    pub cat: Usage,
    /// Usage of `analyze`.
    pub analyze: Usage,
    /// Usage of `analyze` on a capture a sixteenth as long.
    pub small: Usage,
    /// Usage of a loop of libpcap that filters and counts; `None` if it could not be built.
    pub libpcap: Option<Usage>,
    /// Usage of tshark, if installed and requested.
    pub tshark: Option<Tshark>,
}

/// One turn of tshark, with a capture of its own.
#[derive(Clone, Copy, Debug)]
pub struct Tshark {
    /// Frames of the capture.
    pub frames: u64,
    /// Usage of tshark.
    pub tshark: Usage,
    /// Usage of `analyze` on the same capture.
    pub analyze: Usage,
}

impl Offline {
    /// Creates the captures, measures and deletes them.
    pub fn run(&self) -> Result<OfflineReport> {
        let work = tempfile::tempdir_in(&self.folder).context("make a folder for the captures")?;
        let (large, small) = (work.path().join("large.pcap"), work.path().join("small.pcap"));
        let frames = make(&large, self.octets)?;
        make(&small, self.octets / 16)?;
        let libpcap = rivals::libpcap(work.path())?;
        let (mut cats, mut analyzed, mut loops) = (Vec::new(), Vec::new(), Vec::new());
        // The first round brings the file into the page cache, as far as it fits.
        for round in 0..=self.rounds {
            let cat = Usage::of(Command::new("cat").arg(&large))?;
            let analysis = Usage::of(&mut analyze(&large)?)?;
            let looped = libpcap
                .as_ref()
                .map(|program| Usage::of(Command::new(program).arg(&large)));
            if round > 0 || self.rounds == 0 {
                cats.push(cat);
                analyzed.push(analysis);
                loops.extend(looped.transpose()?);
            }
        }
        Ok(OfflineReport {
            frames,
            octets: large.metadata().context("measure the capture")?.len(),
            cat: Usage::median(cats),
            analyze: Usage::median(analyzed),
            small: Usage::of(&mut analyze(&small)?)?,
            libpcap: libpcap.map(|_| Usage::median(loops)),
            tshark: self.tshark(work.path())?,
        })
    }

    fn tshark(&self, folder: &Path) -> Result<Option<Tshark>> {
        if self.tshark_octets == 0 || !rivals::has("tshark") {
            return Ok(None);
        }
        let path = folder.join("tshark.pcap");
        let frames = make(&path, self.tshark_octets)?;
        Ok(Some(Tshark {
            frames,
            tshark: Usage::of(&mut rivals::tshark(&path))?,
            analyze: Usage::of(&mut analyze(&path)?)?,
        }))
    }
}

pub(crate) fn make(path: &Path, octets: u64) -> Result<u64> {
    let file = File::create(path).with_context(|| format!("create {}", path.display()))?;
    capture::write(file, octets).with_context(|| format!("write {}", path.display()))
}

/// The command that analyses with the agent of the same build.
pub(crate) fn analyze(path: &Path) -> Result<Command> {
    let here = std::env::current_exe().context("find this program")?;
    let mut command = Command::new(here.with_file_name("gdoi-monitor"));
    command.args(["analyze", "--format", "json"]).arg(path);
    Ok(command)
}

impl OfflineReport {
    /// CPU time of `analyze` relative to that of `cat`.
    pub fn to_cat(&self) -> f64 {
        self.analyze.cpu / self.cat.cpu
    }

    /// CPU time of a loop of libpcap relative to that of `analyze`.
    pub fn libpcap_to_analyze(&self) -> Option<f64> {
        self.libpcap.map(|libpcap| libpcap.cpu / self.analyze.cpu)
    }

    /// CPU time of tshark relative to that of `analyze`.
    pub fn tshark_to_analyze(&self) -> Option<f64> {
        self.tshark.map(|turn| turn.tshark.cpu / turn.analyze.cpu)
    }
}

impl fmt::Display for OfflineReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            frames,
            octets,
            cat,
            analyze,
            small,
            libpcap,
            tshark,
        } = self;
        let mebibytes = octets >> 20;
        writeln!(f, "{frames} frames, {mebibytes} MiB")?;
        writeln!(f, "{:<36}{:>12}{:>12}{:>12}", "", "CPU s", "time s", "peak MiB")?;
        line(f, "cat", cat)?;
        line(f, "gdoi-monitor analyze", analyze)?;
        line(f, "  a sixteenth of the capture", small)?;
        match libpcap {
            Some(libpcap) => line(f, "libpcap, filtering and counting", libpcap)?,
            None => writeln!(f, "libpcap is left out: there is no cc, or no libpcap-dev")?,
        }
        writeln!(f, "\nCPU of analyze to cat: {:.2}", self.to_cat())?;
        if let Some(ratio) = self.libpcap_to_analyze() {
            writeln!(f, "CPU of libpcap to analyze: {ratio:.1}")?;
        }
        match tshark {
            Some(turn) => turn.fmt(f),
            None => writeln!(f, "\ntshark is left out: not wanted, or not installed"),
        }
    }
}

impl fmt::Display for Tshark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            frames,
            tshark,
            analyze,
        } = self;
        writeln!(f, "\n{frames} frames")?;
        line(f, "tshark -T fields", tshark)?;
        line(f, "gdoi-monitor analyze", analyze)?;
        let peak = tshark.peak_octets / analyze.peak_octets.max(1);
        let cpu = tshark.cpu / analyze.cpu;
        writeln!(f, "tshark to analyze: CPU {cpu:.0}, peak memory {peak}")
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, usage: &Usage) -> fmt::Result {
    let Usage {
        cpu,
        time,
        peak_octets,
    } = usage;
    let peak = peak_octets >> 20;
    writeln!(f, "{name:<36}{cpu:>12.3}{time:>12.3}{peak:>12}")
}
