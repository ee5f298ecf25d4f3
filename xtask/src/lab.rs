//! Work with the real kernel: done by the laboratory, which is built when it is first wanted.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::process;
use crate::setup;
use crate::workspace::Workspace;

/// `cargo xtask replay`: builds agent and laboratory, and sends a capture from one to the other.
pub(crate) fn replay(workspace: &Workspace, arguments: &[OsString]) -> Result<()> {
    let mut lab = program(workspace, Build::Development, "gdoi-lab")?;
    process::run(lab.arg("replay").args(arguments))
}

/// `cargo xtask scrape`: a scenario through the agent's own metrics page, in virtual time.
pub(crate) fn scrape(workspace: &Workspace, arguments: &[OsString]) -> Result<()> {
    let mut lab = program(workspace, Build::Development, "gdoi-lab")?;
    process::run(lab.arg("scrape").args(arguments))
}

/// `cargo xtask bench`: measures the program and the way behind it, as they are shipped; with `--write` for the document;
/// `bench offline` what it costs to analyse a capture; `bench profile` where the time goes.
pub(crate) fn bench(workspace: &Workspace, arguments: &[OsString]) -> Result<()> {
    if let [first, others @ ..] = arguments
        && first == "profile"
    {
        let mut lab = program(workspace, Build::Release, "gdoi-lab")?;
        lab.arg("profile")
            .arg("--folder")
            .arg(workspace.target.join("profile"));
        lab.arg("--document").arg(workspace.root.join("docs/profiles.md"));
        return process::run(lab.args(others));
    }
    if let [first, others @ ..] = arguments
        && first == "offline"
    {
        let mut lab = program(workspace, Build::Release, "gdoi-lab")?;
        return process::run(lab.arg("offline").args(others));
    }
    let compiler = setup::compiler(workspace)?;
    let object = compiler.build(
        &workspace.root,
        "gdoi-monitor-ebpf",
        &workspace.target.join("ebpf"),
    )?;
    let mut lab = program(workspace, Build::Release, "gdoi-lab")?;
    let object = object.with_file_name("gdoi-bench-ebpf");
    lab.arg("bench").arg("--object").arg(object);
    // The document of the repository is that of three runs.
    for argument in arguments {
        if argument == "--write" {
            lab.args(["--runs", "3", "--document"])
                .arg(workspace.root.join("docs/benchmarks.md"));
        } else {
            lab.arg(argument);
        }
    }
    process::run(&mut lab)
}

/// A section of `docs/reliability.md` from what a search left behind.
pub(crate) fn write_document(workspace: &Workspace, command: &str, found: &[PathBuf]) -> Result<()> {
    let mut lab = program(workspace, Build::Development, "gdoi-lab")?;
    let document = workspace.root.join("docs/reliability.md");
    process::run(lab.arg(command).arg("--document").arg(document).args(found))
}

/// `cargo xtask endure`, `faults` and `flood`: what the agent is put through takes minutes to months, and is part of
/// `docs/reliability.md`.
pub(crate) fn reliability(workspace: &Workspace, command: &str, arguments: &[OsString]) -> Result<()> {
    let mut lab = program(workspace, Build::Release, "gdoi-lab")?;
    let document = workspace.root.join("docs/reliability.md");
    process::run(lab.arg(command).arg("--document").arg(document).args(arguments))
}

/// `cargo xtask demo`: the main job on a capture of six branches, one of which misses a rekey.
pub(crate) fn demo(workspace: &Workspace) -> Result<()> {
    setup::programs();
    let capture = workspace.root.join("tests/data/demo.pcap");
    let out = workspace.target.join("demo");
    println!("\n== the capture over a veth pair: XDP program -> ring -> agent -> /metrics");
    let mut lab = program(workspace, Build::Development, "gdoi-lab")?;
    process::run(lab.arg("replay").arg(&capture).arg("--out").arg(&out))?;
    println!("\n== the same capture in its own time: what the groups in it did");
    let mut monitor = program(workspace, Build::Development, "gdoi-monitor")?;
    process::run(monitor.arg("analyze").arg(&capture))?;
    look_at(&out);
    Ok(())
}

/// `cargo xtask docs`: writes the documents that are made from the code.
pub(crate) fn docs(workspace: &Workspace) -> Result<()> {
    let mut lab = program(workspace, Build::Development, "gdoi-lab")?;
    process::run(lab.arg("docs").arg(workspace.root.join("docs")))
}

fn look_at(out: &Path) {
    println!("\n== what to look at");
    println!(
        "  {}  what Prometheus scrapes",
        out.join("metrics.prom").display()
    );
    println!(
        "  {}  what happened, one JSON object a line",
        out.join("events.jsonl").display()
    );
    println!("  cargo run -p gdoi-monitor -- analyze FILE             a capture of your own");
    println!(
        "  cargo run -p gdoi-monitor -- run --interface IF       this machine; then http://127.0.0.1:11848/metrics"
    );
}

#[derive(Clone, Copy)]
enum Build {
    Development,
    Release,
}

/// A program of the workspace, freshly built together with the agent, which the laboratory looks for next to itself.
fn program(workspace: &Workspace, build: Build, name: &str) -> Result<Command> {
    let mut cargo = workspace.cargo();
    cargo.args(["build", "--package", "gdoi-monitor", "--package", "gdoi-lab"]);
    let folder = match build {
        Build::Development => "debug",
        Build::Release => {
            cargo.arg("--release");
            "release"
        }
    };
    process::run(&mut cargo)?;
    Ok(Command::new(workspace.target.join(folder).join(name)))
}
