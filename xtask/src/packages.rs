//! The distribution's packages, where it is one with apt.

use std::process::Command;

use anyhow::{Result, bail};
use nix::unistd::geteuid;

use crate::process;

/// Installs packages, and never at the price of another.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    if !has_apt() {
        bail!("this distribution has no apt");
    }
    if !geteuid().is_root() {
        bail!("only root can: {}", command(packages));
    }
    println!("  apt-get install {} ...", packages.join(" "));
    if install_known(packages).is_ok() {
        return Ok(());
    }
    // The lists may be absent, or older than the archive.
    process::output(apt().arg("update"))?;
    install_known(packages)
}

/// The command that a person would type.
pub(crate) fn command(packages: &[&str]) -> String {
    format!("apt-get install {}", packages.join(" "))
}

/// Whether the distribution has apt.
pub(crate) fn has_apt() -> bool {
    process::on_path("apt-get").is_some()
}

fn install_known(packages: &[&str]) -> Result<()> {
    let mut apt = apt();
    apt.args(["install", "--yes", "--no-install-recommends", "--no-remove"]);
    process::output(apt.args(packages)).map(drop)
}

fn apt() -> Command {
    let mut apt = Command::new("apt-get");
    apt.arg("--quiet").env("DEBIAN_FRONTEND", "noninteractive");
    apt
}
