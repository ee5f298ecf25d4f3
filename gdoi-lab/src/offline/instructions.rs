//! Instructions of `analyze`, counted by valgrind: the same in every run, whatever else the machine does.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use gdoi_sim::PcapWriter;

use super::{analyze, make, rivals};
use crate::bench::number;

const OCTETS: u64 = 128 << 20;

/// Instructions in user space.
#[derive(Clone, Copy, Debug)]
pub struct Instructions {
    /// Per frame without an event.
    pub frame: f64,
    /// Per message, with all its events.
    pub message: f64,
}

impl Instructions {
    /// Counts them with captures in a folder: one without a frame, one of messages only, and two with other frames
    /// between them, one twice as long as the other, so that work done once per second cancels out. `None` if
    /// valgrind is not installed.
    pub fn count(folder: &Path) -> Result<Option<Self>> {
        if !rivals::has("valgrind") {
            return Ok(None);
        }
        let path = folder.join("instructions.pcap");
        let of = |octets| {
            let frames = number(make(&path, octets)?);
            Ok::<_, anyhow::Error>((frames, executed(&path)?))
        };
        let (messages, with_messages) = of(0)?;
        let (few, with_few) = of(OCTETS)?;
        let (many, with_many) = of(2 * OCTETS)?;
        PcapWriter::new(File::create(&path).context("create a capture")?)?.finish()?;
        let start = executed(&path)?;
        Ok(Some(Self {
            frame: (with_many - with_few) / (many - few),
            message: (with_messages - start) / messages,
        }))
    }
}

fn executed(path: &Path) -> Result<f64> {
    let mut valgrind = Command::new("valgrind");
    let program = analyze(path)?;
    valgrind
        .args([
            "--tool=cachegrind",
            "--cache-sim=no",
            "--cachegrind-out-file=/dev/null",
        ])
        .arg(program.get_program())
        .args(program.get_args());
    let output = valgrind.output().context("start valgrind")?;
    let said = String::from_utf8_lossy(&output.stderr);
    refs(&said).with_context(|| format!("valgrind counted nothing: {said}"))
}

/// The number in a line such as `==7== I   refs:      12,345`.
fn refs(said: &str) -> Option<f64> {
    let line = said.lines().find(|line| line.contains("refs:"))?;
    line.rsplit(' ').next()?.replace(',', "").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read() {
        let said = "==7== Cachegrind\n==7== \n==7== I   refs:      1,234,567\n";
        assert_eq!(refs(said).map(f64::to_bits), Some(1_234_567_f64.to_bits()));
        assert_eq!(refs("valgrind: no such file"), None);
    }
}
