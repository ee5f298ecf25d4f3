//! Everything that must hold for a commit, in one command.

use std::time::Instant;

use anyhow::{Result, bail};

use crate::ebpf;
use crate::place::Places;
use crate::process;
use crate::setup;
use crate::suite::Suite;

/// `cargo xtask test`: goes on after a failure, and says all at the end.
pub(crate) fn run(places: &Places) -> Result<()> {
    let mut steps = Vec::new();
    let mut suite = Suite::default();
    steps.push(step("set up", || set_up(places)));
    steps.push(step("object is the source", || object(places)));
    steps.push(step("format", || format(places)));
    steps.push(step("lints", || lints(places)));
    steps.push(step("lints of the XDP program", || lints_of_program(places)));
    steps.push(step("build", || build(places)));
    steps.push(step("tests", || {
        suite = Suite::run(places)?;
        let faults = suite.faults();
        if !faults.is_empty() {
            bail!("{}", faults.join("; "));
        }
        Ok(Outcome::Passed)
    }));
    summary(&steps, &suite)
}

/// One part of the whole, and how it went.
struct Step {
    name: &'static str,
    seconds: f32,
    outcome: Result<Outcome>,
}

enum Outcome {
    Passed,
    Skipped(&'static str),
}

fn step(name: &'static str, work: impl FnOnce() -> Result<Outcome>) -> Step {
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

fn set_up(places: &Places) -> Result<Outcome> {
    setup::run(places)?;
    Ok(Outcome::Passed)
}

fn object(places: &Places) -> Result<Outcome> {
    ebpf::run(places, true)?;
    Ok(Outcome::Passed)
}

fn format(places: &Places) -> Result<Outcome> {
    let has = process::output(places.cargo().args(["fmt", "--version"])).is_ok();
    if !has {
        return Ok(Outcome::Skipped("cargo fmt is not installed"));
    }
    process::run(places.cargo().args(["fmt", "--all", "--check"]))?;
    Ok(Outcome::Passed)
}

fn lints(places: &Places) -> Result<Outcome> {
    let host = ["--workspace", "--exclude", "gdoi-monitor-ebpf", "--all-targets"];
    clippy(places, &host, &[])
}

/// For the host, where clippy surely is: the parts of aya that only a BPF target has are not looked at.
fn lints_of_program(places: &Places) -> Result<Outcome> {
    // A program without std cannot unwind.
    let abort = "profile.dev.panic='abort'";
    let of = ["--package", "gdoi-monitor-ebpf", "--config", abort];
    // What the verifier wants, inlining and the casts of its word sizes, is what pedantic advises against.
    clippy(places, &of, &["-A", "clippy::pedantic"])
}

fn clippy(places: &Places, of: &[&str], lints: &[&str]) -> Result<Outcome> {
    let has = process::output(places.cargo().args(["clippy", "--version"])).is_ok();
    if !has {
        return Ok(Outcome::Skipped("cargo clippy is not installed"));
    }
    let mut cargo = places.cargo();
    cargo.arg("clippy").args(of);
    process::run(cargo.args(["--", "-D", "warnings"]).args(lints))?;
    Ok(Outcome::Passed)
}

/// The programs that tests start.
fn build(places: &Places) -> Result<Outcome> {
    let mut cargo = places.cargo();
    cargo.args([
        "build",
        "--quiet",
        "--workspace",
        "--exclude",
        "gdoi-monitor-ebpf",
    ]);
    process::run(&mut cargo)?;
    Ok(Outcome::Passed)
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
            Ok(Outcome::Passed) => "passed",
            Ok(Outcome::Skipped(why)) => {
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
