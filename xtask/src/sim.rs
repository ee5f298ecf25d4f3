//! Scenarios and the judge: done by `gdoi-sim`, which is built when it is first wanted.

use std::ffi::OsString;
use std::process::Command;

use anyhow::Result;

use crate::place::Places;
use crate::process;

/// Runs a command of `gdoi-sim`.
pub(crate) fn run(places: &Places, command: &str, arguments: &[OsString]) -> Result<()> {
    process::run(places.cargo().args(["build", "--quiet", "--package", "gdoi-sim"]))?;
    let mut sim = Command::new(places.target.join("debug/gdoi-sim"));
    process::run(sim.arg(command).args(arguments))
}

/// Whether the arguments of `simulate` ask for the agent's metrics instead of a capture.
pub(crate) fn wants_metrics(arguments: &[OsString]) -> bool {
    let is_wanted = |argument: &OsString| {
        let argument = argument.to_string_lossy();
        argument == "--metrics" || argument.starts_with("--metrics=")
    };
    arguments.iter().any(is_wanted)
}
