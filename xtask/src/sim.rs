//! Scenarios and the judge: done by `gdoi-sim`, which is built when it is first wanted.

use std::ffi::OsString;
use std::process::Command;

use anyhow::Result;

use crate::process;
use crate::workspace::Workspace;

/// Runs a command of `gdoi-sim`.
pub(crate) fn run(workspace: &Workspace, command: &str, arguments: &[OsString]) -> Result<()> {
    process::run(
        workspace
            .cargo()
            .args(["build", "--quiet", "--package", "gdoi-sim"]),
    )?;
    let mut sim = Command::new(workspace.target.join("debug/gdoi-sim"));
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
