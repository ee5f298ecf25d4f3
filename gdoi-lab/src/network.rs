//! A network namespace with a veth pair, for the calling thread and what it starts.

mod gateway;

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use nix::sched::{CloneFlags, unshare};

/// A network namespace that the calling thread has entered for good.
///
/// It holds a veth pair and loopback. It is gone, whatever happens, when the thread and every process it started are.
#[derive(Debug)]
pub struct Network {
    _private: (),
}

impl Network {
    /// The end of the pair that traffic is injected at.
    pub const INJECT: &str = "inject";
    /// The end of the pair that is watched.
    pub const WATCH: &str = "watch";

    /// Enters a new namespace. Needs root and the `ip` command.
    pub fn enter() -> Result<Self> {
        unshare(CloneFlags::CLONE_NEWNET).context("make a network namespace (this needs root)")?;
        // Nothing of the kernel's own must be on the wire: only what is injected is counted.
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

    /// Whether an XDP program is attached to the watched end.
    pub fn has_program(&self) -> Result<bool> {
        Ok(ip(&["-details", "link", "show", Self::WATCH])?.contains("prog/xdp"))
    }

    /// Takes the pair away, as if the card had been pulled.
    pub fn remove_pair(&self) -> Result<()> {
        ip(&["link", "del", Self::INJECT]).map(drop)
    }

    /// Puts the pair there.
    pub fn add_pair(&self) -> Result<()> {
        let (inject, watch) = (Self::INJECT, Self::WATCH);
        ip(&[
            "link", "add", inject, "mtu", MTU, "type", "veth", "peer", "name", watch, "mtu", MTU,
        ])?;
        for end in [inject, watch] {
            ip(&["link", "set", end, "arp", "off"])?;
            ip(&["link", "set", end, "up"])?;
        }
        Ok(())
    }
}

/// What the `ip` command says in the namespace of the calling thread.
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

/// Room for every frame of a capture that was taken behind segmentation offload.
const MTU: &str = "65535";
