//! `cargo xtask demo`: the main job on a capture of six branches, one of which misses a rekey.

use std::path::Path;
use std::process::Command;

use crate::error::Result;
use crate::pass_on::{self, Profile};
use crate::preflight::{self, Needs};
use crate::workspace::Workspace;
use crate::{process, setup};

/// Requirements of the demonstration.
const NEEDS: Needs = Needs {
    command: "demo",
    root: true,
    programs: &[setup::program("ip", "iproute2")],
    space_mib: 1500,
};

pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    preflight::check(workspace, &NEEDS)?;
    setup::programs(NEEDS.programs)?;
    let capture = workspace.root.join("tests/data/demo.pcap");
    let out = workspace.target.join("demo");
    let programs = pass_on::build(workspace, &["gdoi-monitor", "gdoi-lab"], Profile::Quick)?;
    println!("\n== the capture over a veth pair: XDP program -> ring -> agent -> /metrics");
    let mut lab = Command::new(programs.join("gdoi-lab"));
    process::run(lab.arg("replay").arg(&capture).arg("--out").arg(&out))?;
    println!("\n== the same capture analyzed: what its groups did");
    let mut monitor = Command::new(programs.join("gdoi-monitor"));
    process::run(monitor.arg("analyze").arg(&capture))?;
    look_at(&out);
    Ok(())
}

fn look_at(out: &Path) {
    println!("\n== what to look at");
    for (file, what) in [
        ("metrics.prom", "what Prometheus scrapes"),
        ("events.jsonl", "the events, one JSON object per line"),
    ] {
        println!("  {}  {what}", out.join(file).display());
    }
    println!("  cargo run -p gdoi-monitor -- analyze FILE             your own capture");
    println!(
        "  cargo run -p gdoi-monitor -- run --interface IF       this machine; then http://127.0.0.1:11848/metrics"
    );
}
