//! From a machine with only Rust to one that can build and test everything.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::ebpf::compiler::Compiler;
use crate::ebpf::linker::{self, Linker};
use crate::ebpf::probe;
use crate::ebpf::toolchain::{CHOICE, PINNED, Toolchain, candidates, without_outer_toolchain};
use crate::packages;
use crate::process;
use crate::workspace::Workspace;

/// Ways to a toolchain, tried in this order.
const INSTALLS: [(&str, Install); 2] = [
    ("the distribution's BPF toolchain", distribution_toolchain),
    ("a toolchain of rustup", rustup_toolchain),
];
/// A recent rustc, and `core` compiled for BPF; the cargo at hand drives them.
const DISTRIBUTION: [&str; 2] = ["rustc-web", "libstd-rust-web-dev-bpf"];
const ADVICE: &str = "\
no toolchain on this machine compiles for BPF, and none could be installed. One of these is needed:
  Debian 12 and later, as root:  apt-get update && apt-get install rustc-web libstd-rust-web-dev-bpf
  with rustup:                   rustup toolchain install 1.96.0 --component rust-src
  another one:                   GDOI_EBPF_TOOLCHAIN=<rustup toolchain, or folder with bin/rustc>
then again: cargo xtask setup
The agent itself builds without it (cargo build --release): it embeds the committed object.";

/// `cargo xtask setup`.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    programs();
    prometheus(workspace);
    let compiler = compiler(workspace)?;
    println!("BPF toolchain: {}", compiler.toolchain.describe());
    println!("BPF linker: {}", compiler.linker.display());
    Ok(())
}

/// Installs the programs that tests start; each is said, none is fatal: the test that wants it says so.
pub(crate) fn programs() {
    for (program, package) in PROGRAMS {
        if process::on_path(program).is_some() {
            println!("{program}: found");
            continue;
        }
        match packages::install(&[package]) {
            Ok(()) => println!("{program}: installed"),
            Err(error) => println!("{program}: missing, {error:#}"),
        }
    }
}

/// Brings Prometheus, which tests of rules and dashboards ask; unpacked for this checkout alone, so that no service runs.
fn prometheus(workspace: &Workspace) {
    let folder = workspace.tools().join("prometheus");
    if process::on_path("prometheus").is_some() && process::on_path("promtool").is_some() {
        println!("prometheus: found");
    } else if folder.join("usr/bin/promtool").is_file() {
        println!("prometheus: unpacked");
    } else {
        match packages::unpack("prometheus", &folder) {
            Ok(()) => println!("prometheus: unpacked"),
            Err(error) => println!("prometheus: missing, {error:#}"),
        }
    }
}

/// A compiler for BPF that has been proved to work; what is missing for one is installed.
pub(crate) fn compiler(workspace: &Workspace) -> Result<Compiler> {
    if let Some(compiler) = probe::remembered(workspace) {
        return Ok(compiler);
    }
    let tools = workspace.tools();
    std::fs::create_dir_all(&tools).with_context(|| format!("make {}", tools.display()))?;
    println!("Looking for a toolchain that compiles for BPF");
    let mut refused = Vec::new();
    if let Some(compiler) = first_that_works(workspace, &mut refused) {
        return Ok(compiler);
    }
    if std::env::var_os(CHOICE).is_some() {
        bail!("{CHOICE} names a toolchain that cannot compile for BPF (see above)");
    }
    for (what, install) in INSTALLS {
        match install() {
            Ok(()) => println!("  {what}: installed"),
            Err(error) => {
                println!("  {what}: not installed: {error:#}");
                continue;
            }
        }
        if let Some(compiler) = first_that_works(workspace, &mut refused) {
            return Ok(compiler);
        }
    }
    bail!("{ADVICE}");
}

/// Tries each candidate that has not been refused before.
fn first_that_works(workspace: &Workspace, refused: &mut Vec<String>) -> Option<Compiler> {
    for (name, rustc) in candidates() {
        let line = match Toolchain::at(&name, &rustc) {
            Err(error) => format!("  {name} ({}): {error:#}", rustc.display()),
            Ok(toolchain) => match prove(workspace, &toolchain) {
                Ok(compiler) => return Some(compiler),
                Err(error) => format!("  {name} ({}): {error:#}", rustc.display()),
            },
        };
        if !refused.contains(&line) {
            println!("{line}");
            refused.push(line);
        }
    }
    None
}

/// Finds or builds a linker for the toolchain, and compiles with both.
fn prove(workspace: &Workspace, toolchain: &Toolchain) -> Result<Compiler> {
    println!("  {}", toolchain.describe());
    let linkers = [Linker::of_checkout(workspace), Linker::of_person()];
    for linker in linkers.into_iter().flatten() {
        if !linker.suits(toolchain) {
            continue;
        }
        match probe::compiles(workspace, toolchain, linker.path.clone()) {
            Ok(compiler) => {
                println!("  {}: compiles", linker.describe());
                return Ok(compiler);
            }
            Err(error) => println!("  {}: {error:#}", linker.describe()),
        }
    }
    println!("  building bpf-linker {} ...", linker::VERSION);
    let linker = linker::install(workspace, toolchain)?;
    let compiler = probe::compiles(workspace, toolchain, linker.path.clone())?;
    println!("  {}: compiles", linker.describe());
    Ok(compiler)
}

fn distribution_toolchain() -> Result<()> {
    packages::install(&DISTRIBUTION)
}

fn rustup_toolchain() -> Result<()> {
    if process::on_path("rustup").is_none() {
        bail!("there is no rustup");
    }
    println!("  rustup toolchain install {PINNED} --component rust-src ...");
    let mut rustup = Command::new("rustup");
    rustup.args(["toolchain", "install", PINNED]);
    rustup.args(["--profile", "minimal", "--component", "rust-src"]);
    process::output(without_outer_toolchain(&mut rustup)).map(drop)
}

type Install = fn() -> Result<()>;

/// A program that tests start, and the package that has it.
const PROGRAMS: [(&str, &str); 7] = [
    ("chromium", "chromium"),
    ("curl", "curl"),
    ("ip", "iproute2"),
    ("strace", "strace"),
    ("tmux", "tmux"),
    ("tshark", "tshark"),
    ("zstd", "zstd"),
];
