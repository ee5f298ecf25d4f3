//! The distribution's packages, if it has apt.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Context as _, Result, fail};
use crate::process;

/// The manager that xtask runs itself.
pub const APT: &str = "apt-get";
/// Other managers, and their install commands.
const MANAGERS: [(&str, &str); 5] = [
    (APT, "install"),
    ("apk", "add"),
    ("dnf", "install"),
    ("pacman", "-S"),
    ("zypper", "install"),
];

/// A program, and the package that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program {
    /// Name of the executable.
    pub name: &'static str,
    /// Name in the distribution.
    pub package: &'static str,
}

/// Installs packages, and never removes others for them.
pub fn install(packages: &[&str]) -> Result<()> {
    if !has_apt() {
        return fail("this distribution has no apt");
    }
    if !process::is_root() {
        return fail(format!("root is required: {}", command(Some(APT), packages)));
    }
    println!("  apt-get install {} ...", packages.join(" "));
    if install_known(packages).is_ok() {
        return Ok(());
    }
    // The lists may be missing, or older than the archive.
    process::output(apt().arg("update"))?;
    install_known(packages)
}

/// Unpacks a package below `folder`, and installs nothing: no service starts, no user is created.
pub fn unpack(package: &str, folder: &Path) -> Result<()> {
    if !has_apt() {
        return fail("this distribution has no apt");
    }
    std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    let download = || process::output(apt().args(["download", package]).current_dir(folder));
    if download().is_err() {
        // As in `install`; only root can renew the lists.
        process::output(apt().arg("update"))?;
        download()?;
    }
    let is_archive = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "deb");
    let entries = std::fs::read_dir(folder).with_context(|| format!("read {}", folder.display()))?;
    let archive = entries
        .flatten()
        .map(|entry| entry.path())
        .find(is_archive)
        .with_context(|| format!("{package} was not downloaded"))?;
    process::output(Command::new("dpkg").arg("-x").arg(&archive).arg(folder))?;
    std::fs::remove_file(&archive).with_context(|| format!("remove {}", archive.display()))
}

/// The command that a person would type.
pub fn command(manager: Option<&str>, packages: &[&str]) -> String {
    let packages = packages.join(" ");
    let known = MANAGERS.iter().find(|(name, _)| Some(*name) == manager);
    match known {
        Some((name, install)) => format!("{name} {install} {packages}"),
        None => format!("install {packages} with the packages of this distribution"),
    }
}

/// The package manager of this distribution, if known.
pub fn manager() -> Option<&'static str> {
    let mut names = MANAGERS.iter().map(|(name, _)| *name);
    names.find(|name| process::on_path(name).is_some())
}

/// Whether the distribution has apt.
pub fn has_apt() -> bool {
    process::on_path(APT).is_some()
}

fn install_known(packages: &[&str]) -> Result<()> {
    let mut apt = apt();
    apt.args(["install", "--yes", "--no-install-recommends", "--no-remove"]);
    process::output(apt.args(packages)).map(drop)
}

fn apt() -> Command {
    let mut apt = Command::new(APT);
    apt.arg("--quiet").env("DEBIAN_FRONTEND", "noninteractive");
    apt
}
