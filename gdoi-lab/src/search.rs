//! Fuzzing and mutation tests.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;

use gdoi_lab::{fuzz_report, reliability};
use xtask::process;
use xtask::workspace::Workspace;

const TRIPLE: &str = "x86_64-unknown-linux-gnu";

/// The arguments of `cargo xtask fuzz`.
#[derive(Args)]
pub(crate) struct Fuzz {
    /// One of the targets in fuzz/; default: all of them in turn
    target: Option<String>,
    /// Minutes for each target
    #[arg(long, value_name = "N", default_value_t = 5)]
    minutes: u32,
}

/// The arguments of `cargo xtask mutants`.
#[derive(Args)]
pub(crate) struct Mutants {
    /// Try one mutant in N
    #[arg(long, value_name = "N", default_value_t = 16)]
    every: u32,
}

/// `cargo xtask fuzz`: continues after a finding, and fails at the end.
pub(crate) fn fuzz(workspace: &Workspace, arguments: &Fuzz) -> Result<()> {
    let root = &workspace.root;
    let fuzz = |task: &str| {
        let mut cargo = Command::new("cargo");
        // There is no unsafe code for a sanitizer to check, and a sanitizer halves the speed.
        cargo.args(["+nightly", "fuzz", task]).current_dir(root);
        cargo
    };
    let list = process::output(&mut fuzz("list"))
        .context("install cargo-fuzz: cargo install cargo-fuzz --locked")?;
    let wanted = |name: &&str| arguments.target.as_deref().is_none_or(|target| target == *name);
    let targets: Vec<&str> = list.lines().filter(wanted).collect();
    ensure!(!targets.is_empty(), "no such target; there are:\n{list}");
    // The expected place of the results, whatever target folder is configured.
    let target_dir = root.join("fuzz/target");
    process::run(
        fuzz("build")
            .args(["--sanitizer", "none", "--target-dir"])
            .arg(target_dir),
    )?;
    let mut found = Vec::new();
    for target in targets {
        if !search(workspace, target, arguments.minutes)? {
            found.push(target);
        }
    }
    let report = fuzz_report::fuzzed(&root.join("fuzz/target/logs"))?;
    print!("{report}");
    reliability::write(&reliability::document(workspace), "fuzz", &report)?;
    if !found.is_empty() {
        bail!("found something: {}; see fuzz/target/artifacts", found.join(", "));
    }
    Ok(())
}

/// Runs one target; false if it found something.
fn search(workspace: &Workspace, target: &str, minutes: u32) -> Result<bool> {
    let work = workspace.root.join("fuzz/target");
    let (grown, artifacts, logs) = (
        work.join("grown").join(target),
        work.join("artifacts").join(target),
        work.join("logs"),
    );
    for folder in [&grown, &artifacts, &logs] {
        fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    }
    let log = File::create(logs.join(target).with_extension("log")).context("begin the log")?;
    println!("{target}: {minutes} minutes");
    let status = Command::new("nice")
        .args(["-n", "19"])
        .arg(work.join(TRIPLE).join("release").join(target))
        .arg(grown)
        .arg(workspace.root.join("fuzz/corpus").join(target))
        .arg(format!("-max_total_time={}", minutes * 60))
        // The first frame waits for the kernel's verifier, on a machine that may be busy.
        .args([
            "-rss_limit_mb=2048",
            "-timeout=120",
            "-max_len=4096",
            "-print_final_stats=1",
        ])
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .stdin(Stdio::null())
        .stderr(log)
        .status()
        .with_context(|| format!("start {target}"))?;
    Ok(status.success())
}

/// `cargo xtask mutants`: in the two crates on which everything else rests.
pub(crate) fn mutants(workspace: &Workspace, arguments: &Mutants) -> Result<()> {
    let folders: Vec<PathBuf> = ["gdoi-core", "gdoi-wire"]
        .map(|name| workspace.target.join("mutants").join(name))
        .into();
    for folder in &folders {
        let name = folder.file_name().unwrap_or_default();
        fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        let mut cargo = Command::new("nice");
        cargo.args(["cargo", "mutants", "--package"]).arg(name);
        cargo.args([
            "--shard",
            &format!("0/{}", arguments.every),
            "--sharding",
            "round-robin",
        ]);
        cargo
            // The frame generator for tests is not part of the product.
            .args([
                "--exclude",
                "gdoi-wire/src/craft.rs",
                "--exclude",
                "gdoi-wire/src/craft/**",
            ])
            .args(["-j1", "--baseline", "skip", "--timeout", "180", "--output"])
            .arg(folder);
        // Its exit code also reports missed mutants; there are always some.
        let ran = cargo.current_dir(&workspace.root).status();
        ran.context("install cargo-mutants: cargo install cargo-mutants --locked")?;
    }
    let report = fuzz_report::mutated(&folders)?;
    print!("{report}");
    reliability::write(&reliability::document(workspace), "mutants", &report)
}
