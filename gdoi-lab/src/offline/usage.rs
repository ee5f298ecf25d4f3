//! What a program took: processor time, time, and memory at its peak.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::{Context as _, Result, bail};

/// What a program took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Usage {
    /// Seconds on a processor, its own and the kernel's for it.
    pub(super) cpu: f64,
    /// Seconds.
    pub(super) time: f64,
    /// The most memory it had at once.
    pub(super) peak_octets: u64,
}

impl Usage {
    /// Runs a program, whose output nobody wants.
    pub(super) fn of(command: &mut Command) -> Result<Self> {
        let before = children_ticks()?;
        let begun = Instant::now();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("start {}", command.get_program().display()))?;
        let peak_octets = watch(&mut child)?;
        let time = begun.elapsed().as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "hundredths of seconds")]
        let cpu = (children_ticks()? - before) as f64 / TICKS_PER_SECOND;
        Ok(Self {
            cpu,
            time,
            peak_octets,
        })
    }

    /// The one in the middle, by processor time.
    pub(super) fn median(mut usages: Vec<Self>) -> Self {
        usages.sort_by(|one, other| one.cpu.total_cmp(&other.cpu));
        usages.get(usages.len() / 2).copied().unwrap_or_default()
    }
}

/// Waits for a program. The peak of its memory is the kernel's own count, read until there is nothing more to read:
/// only what it grows in its very last moment is missed.
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
            .and_then(|text| high_water(&text))
        {
            peak = now.max(peak);
        }
        thread::sleep(INTERVAL);
    }
}

/// The line `VmHWM:     1234 kB` of a process's status, in octets.
fn high_water(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kibibytes << 10)
}

/// Ticks of processor time that all programs took that were waited for: fields 16 and 17 of `proc_pid_stat(5)`.
fn children_ticks() -> Result<u64> {
    let stat = fs::read_to_string("/proc/self/stat").context("read /proc/self/stat")?;
    // The second field is a name in parentheses, which may hold anything.
    let (_, behind) = stat.rsplit_once(')').context("understand /proc/self/stat")?;
    let fields: Vec<u64> = behind
        .split_whitespace()
        .skip(16 - 3)
        .take(2)
        .filter_map(|field| field.parse().ok())
        .collect();
    Ok(fields.iter().sum())
}

/// `USER_HZ`, the same on every Linux for a long time.
const TICKS_PER_SECOND: f64 = 100.0;
const INTERVAL: Duration = Duration::from_millis(2);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_in_octets() {
        assert_eq!(
            high_water("Name:\tx\nVmHWM:\t    1234 kB\nVmRSS: 1 kB\n"),
            Some(1234 << 10)
        );
        assert_eq!(high_water("Name:\tx\n"), None);
    }
}
