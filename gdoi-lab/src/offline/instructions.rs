//! How many instructions `analyze` executes, as valgrind counts them: the same in every run, whatever the machine does
//! meanwhile.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use gdoi_sim::PcapWriter;

use super::{analyze, make, rivals};
use crate::bench::number;

/// Instructions in user space.
#[derive(Clone, Copy, Debug)]
pub struct Instructions {
    /// For a frame that has nothing to tell.
    pub frame: f64,
    /// For a message, with all that is said of it.
    pub message: f64,
}

impl Instructions {
    /// Counts them with captures in a folder: one without a frame, one of messages alone, one with others between them.
    /// `None` where valgrind is not installed.
    pub fn count(folder: &Path) -> Result<Option<Self>> {
        if !rivals::has("valgrind") {
            return Ok(None);
        }
        let path = folder.join("instructions.pcap");
        PcapWriter::new(File::create(&path).context("create a capture")?)?.finish()?;
        let start = executed(&path)?;
        let messages = number(make(&path, 0)?);
        let with_messages = executed(&path)?;
        let frames = number(make(&path, OCTETS)?);
        let with_frames = executed(&path)?;
        Ok(Some(Self {
            frame: (with_frames - with_messages) / (frames - messages),
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

const OCTETS: u64 = 16 << 20;

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
