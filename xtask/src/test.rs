//! Every test of the workspace, in one command.

use std::process::Command;

use crate::check;
use crate::error::{Result, fail};
use crate::preflight::{self, Needs};
use crate::process;
use crate::setup;
use crate::steps::{Step, StepOutcome, summary};
use crate::suite::Suite;
use crate::workspace::Workspace;

/// Requirements of all checks.
const NEEDS: Needs = Needs {
    command: "test",
    root: false,
    programs: &setup::NEEDED,
    space_mib: 8_000,
};
/// Sources of the committed object.
const SOURCES_OF_OBJECT: [&str; 3] = ["gdoi-monitor-ebpf", "gdoi-wire/src", "Cargo.lock"];

/// `cargo xtask test`: continues after a failure, and reports all failures at the end. Starts nothing if a
/// requirement is missing.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    preflight::check(workspace, &NEEDS)?;
    if !process::is_root() {
        println!(
            "not root: tests that load BPF programs print SKIP; to run all: sudo env \"PATH=$PATH\" cargo xtask test"
        );
    }
    let set_up = Step::run("set up", || StepOutcome::passed(setup::for_tests(workspace)));
    if !set_up.is_passed() {
        return set_up.into_outcome().map(drop);
    }
    let mut steps = vec![set_up];
    // The tests load the committed object: it must match the code under test.
    if is_program_changed(workspace) {
        steps.push(check::object(workspace));
    }
    steps.push(Step::run("build", || build(workspace)));
    let mut suite = Suite::default();
    steps.push(Step::run("tests", || {
        suite = Suite::run(workspace)?;
        let faults = suite.faults();
        if faults.is_empty() {
            Ok(StepOutcome::Passed)
        } else {
            fail(faults.join("; "))
        }
    }));
    let not_passed = summary(&steps);
    print!("{suite}");
    // The last line counts tests; a step that fails without a failing test counts as one.
    let counts = suite.counts();
    println!(
        "{} passed, {} failed, {} skipped",
        counts.passed,
        counts.failed.max(not_passed.failed),
        counts.skipped + not_passed.skipped
    );
    if not_passed.failed > 0 {
        return fail(format!("{} steps failed", not_passed.failed));
    }
    Ok(())
}

/// Whether the source of the XDP program has uncommitted changes. `cargo xtask check` compares each commit.
fn is_program_changed(workspace: &Workspace) -> bool {
    let mut git = Command::new("git");
    git.arg("-C").arg(&workspace.root);
    git.args(["status", "--porcelain", "--"]).args(SOURCES_OF_OBJECT);
    // Without git, nothing shows which source the object was built from.
    process::output(&mut git).map_or(true, |changes| !changes.is_empty())
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
