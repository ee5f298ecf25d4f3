//! `cargo xtask check`: what a commit must fulfil apart from its tests: the committed object, the format, the lints.

use crate::ebpf;
use crate::error::{Result, fail};
use crate::preflight::{self, Needs};
use crate::process;
use crate::steps::{Step, StepOutcome, summary};
use crate::workspace::Workspace;

const NEEDS: Needs = Needs {
    command: "check",
    root: false,
    programs: &[],
    space_mib: 4_000,
};

/// `cargo xtask check`: continues after a failure, and reports all failures at the end.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    preflight::check(workspace, &NEEDS)?;
    let steps = [
        object(workspace),
        Step::run("format", || format(workspace)),
        Step::run("lints", || lints(workspace)),
        Step::run("lints of the XDP program", || lints_of_program(workspace)),
    ];
    let not_passed = summary(&steps);
    if not_passed.failed > 0 {
        return fail(format!("{} of {} checks failed", not_passed.failed, steps.len()));
    }
    Ok(())
}

/// Builds the XDP program and compares it with the committed object.
pub(crate) fn object(workspace: &Workspace) -> Step {
    Step::run("object is the source", || {
        StepOutcome::passed(ebpf::run(workspace, true))
    })
}

fn format(workspace: &Workspace) -> Result<StepOutcome> {
    let has = process::output(workspace.cargo().args(["fmt", "--version"])).is_ok();
    if !has {
        return Ok(StepOutcome::Skipped("cargo fmt is not installed"));
    }
    process::run(workspace.cargo().args(["fmt", "--all", "--check"]))?;
    Ok(StepOutcome::Passed)
}

fn lints(workspace: &Workspace) -> Result<StepOutcome> {
    let host = ["--workspace", "--exclude", "gdoi-monitor-ebpf", "--all-targets"];
    clippy(workspace, &host, &[])
}

/// For the host, where clippy is certain to exist: code of aya that only a BPF target has is not linted.
fn lints_of_program(workspace: &Workspace) -> Result<StepOutcome> {
    // A program without std cannot unwind.
    let abort = "profile.dev.panic='abort'";
    let of = ["--package", "gdoi-monitor-ebpf", "--config", abort];
    // The verifier requires inlining and casts between its word sizes, which pedantic advises against.
    clippy(workspace, &of, &["-A", "clippy::pedantic"])
}

fn clippy(workspace: &Workspace, of: &[&str], lints: &[&str]) -> Result<StepOutcome> {
    let has = process::output(workspace.cargo().args(["clippy", "--version"])).is_ok();
    if !has {
        return Ok(StepOutcome::Skipped("cargo clippy is not installed"));
    }
    let mut cargo = workspace.cargo();
    cargo.arg("clippy").args(of);
    process::run(cargo.args(["--", "-D", "warnings"]).args(lints))?;
    Ok(StepOutcome::Passed)
}
