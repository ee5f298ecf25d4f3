//! A real Prometheus for tests.

mod server;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

pub use server::{Prometheus, Series};

/// The path of a program of Prometheus: on the search path, or installed by `cargo xtask setup`.
pub fn program(name: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let asking = std::env::current_exe().ok();
    let tools = asking.iter().flat_map(|program| {
        program
            .ancestors()
            .skip(2)
            .take(2)
            .map(|target: &Path| target.join("tools/prometheus/usr/bin"))
    });
    std::env::split_paths(&folders)
        .chain(tools)
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}

/// Runs `promtool` in a folder, and returns its output.
pub fn promtool(folder: &Path, arguments: &[&str]) -> Result<String> {
    let promtool = program("promtool").context("promtool is not installed: run `cargo xtask setup`")?;
    let output = Command::new(promtool)
        .args(arguments)
        .current_dir(folder)
        .output()
        .context("start promtool")?;
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    if !output.status.success() {
        bail!("promtool {} failed:\n{said}", arguments.join(" "));
    }
    Ok(said)
}
