//! Everything that must hold for a commit, in one command.

use std::time::Instant;

use crate::ebpf;
use crate::error::{Result, fail};
use crate::preflight::{self, Needs};
use crate::process;
use crate::setup;
use crate::suite::Suite;
use crate::workspace::Workspace;

/// What everything takes.
const NEEDS: Needs = Needs {
    command: "test",
    root: false,
    programs: &setup::NEEDED,
    space_mib: 8_000,
};

/// `cargo xtask test`: continues after a failure, and says all at the end. Nothing is begun where something is missing.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    preflight::check(workspace, &NEEDS)?;
    if !process::is_root() {
        println!(
            "not root: tests that load BPF programs say SKIP; all run with: sudo env \"PATH=$PATH\" cargo xtask test"
        );
    }
    let mut suite = Suite::default();
    let set_up = step("set up", || done(setup::run(workspace)));
    if set_up.outcome.is_err() {
        return set_up.outcome.map(drop);
    }
    let steps = [
        set_up,
        step("object is the source", || done(ebpf::run(workspace, true))),
        step("format", || format(workspace)),
        step("lints", || lints(workspace)),
        step("lints of the XDP program", || lints_of_program(workspace)),
        step("build", || build(workspace)),
        step("tests", || {
            suite = Suite::run(workspace)?;
            let faults = suite.faults();
            if faults.is_empty() {
                Ok(StepOutcome::Passed)
            } else {
                fail(faults.join("; "))
            }
        }),
    ];
    summary(&steps, &suite)
}

fn done(outcome: Result<()>) -> Result<StepOutcome> {
    outcome.map(|()| StepOutcome::Passed)
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
            println!("FAILED {}: {error}", step.name);
        }
    }
    if skipped > 0 {
        println!("{skipped} steps were skipped: this is not a full run");
    }
    // The last line counts tests; a step that fails though no test does, counts as one.
    let counts = suite.counts();
    println!(
        "{} passed, {} failed, {} skipped",
        counts.passed,
        counts.failed.max(failed),
        counts.skipped + skipped
    );
    if failed > 0 {
        return fail(format!("{failed} steps failed"));
    }
    Ok(())
}
