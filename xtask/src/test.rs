//! Everything that must hold for a commit, in one command.

use std::time::Instant;

use anyhow::{Result, bail};

use crate::ebpf;
use crate::process;
use crate::setup;
use crate::suite::Suite;
use crate::workspace::Workspace;

/// `cargo xtask test`: goes on after a failure, and says all at the end.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let mut steps = Vec::new();
    let mut suite = Suite::default();
    steps.push(step("set up", || set_up(workspace)));
    steps.push(step("object is the source", || object(workspace)));
    steps.push(step("format", || format(workspace)));
    steps.push(step("lints", || lints(workspace)));
    steps.push(step("lints of the XDP program", || lints_of_program(workspace)));
    steps.push(step("build", || build(workspace)));
    steps.push(step("tests", || {
        suite = Suite::run(workspace)?;
        let faults = suite.faults();
        if !faults.is_empty() {
            bail!("{}", faults.join("; "));
        }
        Ok(StepOutcome::Passed)
    }));
    summary(&steps, &suite)
}

/// One part of the whole, and how it went.
struct Step {
    name: &'static str,
    seconds: f32,
    outcome: Result<StepOutcome>,
}

enum StepOutcome {
    Passed,
    Skipped(&'static str),
}

fn step(name: &'static str, work: impl FnOnce() -> Result<StepOutcome>) -> Step {
    println!("== {name}");
    let start = Instant::now();
    let outcome = work();
    if outcome.is_err() {
        println!("FAILED {name}");
    }
    Step {
        name,
        seconds: start.elapsed().as_secs_f32(),
        outcome,
    }
}

fn set_up(workspace: &Workspace) -> Result<StepOutcome> {
    setup::run(workspace)?;
    Ok(StepOutcome::Passed)
}

fn object(workspace: &Workspace) -> Result<StepOutcome> {
    ebpf::run(workspace, true)?;
    Ok(StepOutcome::Passed)
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

/// For the host, where clippy surely is: the parts of aya that only a BPF target has are not looked at.
fn lints_of_program(workspace: &Workspace) -> Result<StepOutcome> {
    // A program without std cannot unwind.
    let abort = "profile.dev.panic='abort'";
    let of = ["--package", "gdoi-monitor-ebpf", "--config", abort];
    // What the verifier wants, inlining and the casts of its word sizes, is what pedantic advises against.
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

/// The programs that tests start.
fn build(workspace: &Workspace) -> Result<StepOutcome> {
    let mut cargo = workspace.cargo();
    cargo.args([
        "build",
        "--quiet",
        "--workspace",
        "--exclude",
        "gdoi-monitor-ebpf",
    ]);
    process::run(&mut cargo)?;
    Ok(StepOutcome::Passed)
}

fn summary(steps: &[Step], suite: &Suite) -> Result<()> {
    println!("\n{:<28}{:>8}", "step", "seconds");
    let (mut failed, mut skipped) = (0, 0);
    for step in steps {
        let Step {
            name,
            seconds,
            outcome,
        } = step;
        let said = match outcome {
            Ok(StepOutcome::Passed) => "passed",
            Ok(StepOutcome::Skipped(why)) => {
                skipped += 1;
                &format!("SKIPPED: {why}")
            }
            Err(_) => {
                failed += 1;
                "FAILED"
            }
        };
        println!("{name:<28}{seconds:>8.1}  {said}");
    }
    print!("{suite}");
    for step in steps {
        if let Err(error) = &step.outcome {
            println!("FAILED {}: {error:#}", step.name);
        }
    }
    if failed > 0 {
        bail!("{failed} steps failed");
    }
    if skipped > 0 {
        println!("{skipped} steps were skipped: this is not a full run");
    }
    Ok(())
}
