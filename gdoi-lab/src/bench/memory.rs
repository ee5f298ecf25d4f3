//! Memory of members, groups and SPIs.

use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context as _, Result, bail};
use gdoi_core::observation::Esp;
use gdoi_core::{Observation, Timestamp};

use super::crowd::registered;
use super::row::{Row, Unit, Wanted};

/// The subcommand that runs [`weigh`].
pub const WEIGH: &str = "weigh";
const MEMBERS: u32 = 100_000;
const GROUPS: u32 = 1_000;
const SPIS: u32 = 100_000;

/// A tracker in a process of its own: the allocator would otherwise reuse freed memory.
pub(super) fn run() -> Result<Vec<Row>> {
    let this = env::current_exe().context("find the program")?;
    let ran = Command::new(&this).arg(WEIGH).output();
    let ran = ran.with_context(|| format!("start {}", this.display()))?;
    let said = String::from_utf8_lossy(&ran.stdout);
    let Some((with_members, with_all)) = said.trim().split_once(' ') else {
        bail!("no weights: {}", String::from_utf8_lossy(&ran.stderr));
    };
    let octets_each = with_members.parse::<f64>()? * f64::from(1 << 20) / f64::from(MEMBERS);
    Ok(vec![
        Row::new(
            "memory of a member, with its share of 1,000 groups",
            octets_each,
            Unit::Octets,
        )
        .goal("P10", Wanted::AtMost(400.0))
        .why("it includes the limit of 65,536 tracked IKE SAs"),
        Row::new(
            "memory of 100,000 members, 1,000 groups, 100,000 SPIs",
            with_all.parse()?,
            Unit::Mebibytes,
        )
        .goal("P10", Wanted::AtMost(96.0))
        .aside("in the tracker, above that of the program"),
    ])
}

/// The memory that filling a tracker adds to this process, in mebibytes: members and groups, then SPIs too.
pub fn weigh() -> Result<[f64; 2]> {
    let before = resident_mebibytes("self")?;
    let mut tracker = registered(GROUPS, MEMBERS);
    let with_members = resident_mebibytes("self")?;
    let mut out = Vec::new();
    let mut now = Timestamp::from_nanos(2_000_000_000_000);
    for spi in 0..SPIS {
        now = now.after(Duration::from_micros(10));
        let esp = Esp {
            spi: 0x1000 + spi,
            site: None,
            packets: 1,
            octets: 100,
            first: now,
            last: now,
        };
        tracker.observe(now, &Observation::Esp(esp), &mut out);
        out.clear();
    }
    let with_all = resident_mebibytes("self")?;
    drop(tracker);
    Ok([with_members - before, with_all - before])
}

/// Resident memory of a process.
pub(super) fn resident_mebibytes(process: &str) -> Result<f64> {
    let path = format!("/proc/{process}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("read {path}"))?;
    let kibibytes: f64 = status
        .lines()
        .find_map(|line| {
            line.strip_prefix("VmRSS:")?
                .trim()
                .strip_suffix(" kB")?
                .parse()
                .ok()
        })
        .with_context(|| format!("no VmRSS in {path}"))?;
    Ok(kibibytes / 1024.0)
}
