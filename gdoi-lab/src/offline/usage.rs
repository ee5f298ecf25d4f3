//! Resource usage of a program: CPU time, elapsed time, and peak memory.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::{Context as _, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

use crate::resources::octets;

const INTERVAL: Duration = Duration::from_millis(2);

/// Resource usage of a program.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// CPU time in seconds, user and system.
    pub cpu: f64,
    /// Elapsed time in seconds.
    pub time: f64,
    /// Peak memory.
    pub peak_octets: u64,
}

impl Usage {
    /// Runs a program and discards its output.
    pub(super) fn of(command: &mut Command) -> Result<Self> {
        let before = children()?;
        let begun = Instant::now();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("start {}", command.get_program().display()))?;
        let peak_octets = watch(&mut child)?;
        let time = begun.elapsed().as_secs_f64();
        let cpu = children()?.saturating_sub(before).as_secs_f64();
        Ok(Self {
            cpu,
            time,
            peak_octets,
        })
    }

    /// The median by CPU time.
    pub(super) fn median(mut usages: Vec<Self>) -> Self {
        usages.sort_by(|one, other| one.cpu.total_cmp(&other.cpu));
        usages.get(usages.len() / 2).copied().unwrap_or_default()
    }
}

/// Waits for a program. Its peak memory is the kernel's own count, read until the process is gone: only growth in its
/// very last moment is missed.
fn watch(child: &mut Child) -> Result<u64> {
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        if let Some(ended) = child.try_wait().context("wait for the program")? {
            if !ended.success() {
                bail!("it ended with {ended}");
            }
            return Ok(peak);
        }
        if let Some(now) = fs::read_to_string(&status)
            .ok()
            .and_then(|text| octets(&text, "VmHWM:"))
        {
            peak = now.max(peak);
        }
        thread::sleep(INTERVAL);
    }
}

/// CPU time of all child processes waited for.
fn children() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).context("ask for the processor time")?;
    let times = [usage.user_time(), usage.system_time()];
    Ok(times
        .into_iter()
        .map(|time| Duration::from_micros(u64::try_from(time.num_microseconds()).unwrap_or_default()))
        .sum())
}
