//! A network namespace with a veth pair, for the calling thread and the processes that it starts.

mod gateway;

use std::fs;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::sched::{CloneFlags, unshare};

/// Far more than a busy machine needs.
const CARRIER_TIMEOUT: Duration = Duration::from_mins(1);
const CARRIER_POLL: Duration = Duration::from_millis(1);
/// Large enough for every frame of a capture that was taken with segmentation offload.
const MTU: &str = "65535";

/// A network namespace that the calling thread has entered and cannot leave.
///
/// It has a veth pair and loopback. It disappears when the thread and every process it started have ended.
#[derive(Debug)]
pub struct Network {
    _private: (),
}

impl Network {
    /// The end of the pair where traffic is injected.
    pub const INJECT: &str = "inject";
    /// The monitored end of the pair.
    pub const WATCH: &str = "watch";

    /// Enters a new namespace. Needs root and the `ip` command.
    pub fn enter() -> Result<Self> {
        unshare(CloneFlags::CLONE_NEWNET).context("make a network namespace (this needs root)")?;
        // The kernel itself must not send: only what is injected is counted.
        for quiet in ["default", "all"] {
            let path = format!("/proc/sys/net/ipv6/conf/{quiet}/disable_ipv6");
            // A kernel without IPv6 is quiet already.
            if fs::exists(&path).unwrap_or(false) {
                fs::write(&path, "1").with_context(|| format!("write {path}"))?;
            }
        }
        ip(&["link", "set", "lo", "up"])?;
        let network = Self { _private: () };
        network.add_pair()?;
        Ok(network)
    }

    /// Whether an XDP program is attached to the monitored end.
    pub fn has_program(&self) -> Result<bool> {
        Ok(ip(&["-details", "link", "show", Self::WATCH])?.contains("prog/xdp"))
    }

    /// Removes the pair, like pulling the card.
    pub fn remove_pair(&self) -> Result<()> {
        ip(&["link", "del", Self::INJECT]).map(drop)
    }

    /// Creates the pair.
    pub fn add_pair(&self) -> Result<()> {
        let (inject, watch) = (Self::INJECT, Self::WATCH);
        ip(&[
            "link", "add", inject, "mtu", MTU, "type", "veth", "peer", "name", watch, "mtu", MTU,
        ])?;
        for end in [inject, watch] {
            ip(&["link", "set", end, "arp", "off"])?;
            ip(&["link", "set", end, "up"])?;
        }
        until_carrying(&[inject, watch])
    }
}

/// Waits until interfaces that are up also carry frames.
///
/// A veth gets its carrier when its peer comes up. Until the kernel's link watch has noticed, a work item that a busy
/// machine delays, it sends through the placeholder queue, which drops every frame and reports success
/// (`noop_enqueue` in `net/sched/sch_generic.c`). The state of the interface turns to UP under the same lock.
pub fn until_carrying(names: &[&str]) -> Result<()> {
    let since = Instant::now();
    for name in names {
        while !ip(&["-oneline", "link", "show", "dev", name])?.contains(" state UP ") {
            if since.elapsed() > CARRIER_TIMEOUT {
                bail!("{name} has no carrier after {CARRIER_TIMEOUT:?}");
            }
            sleep(CARRIER_POLL);
        }
    }
    Ok(())
}

/// Runs the `ip` command in the namespace of the calling thread, and returns its output.
pub fn ip(arguments: &[&str]) -> Result<String> {
    let output = Command::new("ip")
        .args(arguments)
        .output()
        .context("start `ip`; install iproute2 with `cargo xtask setup`")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`ip {}` failed: {}", arguments.join(" "), said.trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
