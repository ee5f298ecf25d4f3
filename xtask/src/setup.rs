//! From a machine with only Rust to one that can build and test everything.

use std::process::Command;

use crate::ebpf::compiler::Compiler;
use crate::ebpf::linker::{self, Linker};
use crate::ebpf::probe;
use crate::ebpf::toolchain::{CHOICE, PINNED, Toolchain, candidates, without_outer_toolchain};
use crate::error::{Context as _, Result, fail};
use crate::packages::{self, Program};
use crate::process;
use crate::workspace::Workspace;

/// Programs that the tests require.
pub(crate) const NEEDED: [Program; 5] = [
    program("curl", "curl"),
    program("ip", "iproute2"),
    program("strace", "strace"),
    program("tmux", "tmux"),
    program("zstd", "zstd"),
];
/// Programs that only compare or judge: without one, its tests print SKIP.
const WANTED: [Program; 2] = [program("chromium", "chromium"), program("tshark", "tshark")];
/// Methods to install a toolchain, tried in this order.
const INSTALLS: [(&str, Install); 2] = [
    ("the distribution's BPF toolchain", distribution_toolchain),
    ("a toolchain of rustup", rustup_toolchain),
];
/// A recent rustc, and `core` compiled for BPF; the current cargo runs them.
const DISTRIBUTION: [&str; 2] = ["rustc-web", "libstd-rust-web-dev-bpf"];
const ADVICE: &str = "no toolchain on this machine compiles for BPF: apt-get install rustc-web libstd-rust-web-dev-bpf (Debian 12 \
    and later), or rustup toolchain install 1.96.0 --component rust-src, or name one in GDOI_EBPF_TOOLCHAIN";

/// `cargo xtask setup`.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    for_tests(workspace)?;
    let compiler = compiler(workspace)?;
    println!("BPF toolchain: {}", compiler.toolchain.describe());
    println!("BPF linker: {}", compiler.linker.display());
    Ok(())
}

/// What tests start and ask. They load the committed object: nothing is compiled for BPF.
pub(crate) fn for_tests(workspace: &Workspace) -> Result<()> {
    programs(&NEEDED)?;
    for wanted in WANTED {
        if let Err(error) = programs(&[wanted]) {
            println!("{}: missing, {error}", wanted.name);
        }
    }
    prometheus(workspace);
    Ok(())
}

/// Installs missing programs.
pub(crate) fn programs(programs: &[Program]) -> Result<()> {
    for Program { name, package } in programs {
        if process::on_path(name).is_some() {
            println!("{name}: found");
        } else {
            packages::install(&[package])?;
            println!("{name}: installed");
        }
    }
    Ok(())
}

/// Unpacks Prometheus for tests of rules and dashboards; only for this checkout, so that no service runs.
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

/// A working compiler for BPF; installs what is missing for one.
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
        return fail(format!(
            "{CHOICE} names a toolchain that cannot compile for BPF (see above)"
        ));
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
    fail(ADVICE)
}

/// Tries each candidate that has not failed before.
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
        return fail("there is no rustup");
    }
    println!("  rustup toolchain install {PINNED} --component rust-src ...");
    let mut rustup = Command::new("rustup");
    rustup.args(["toolchain", "install", PINNED]);
    rustup.args(["--profile", "minimal", "--component", "rust-src"]);
    process::output(without_outer_toolchain(&mut rustup)).map(drop)
}

pub(crate) const fn program(name: &'static str, package: &'static str) -> Program {
    Program { name, package }
}

type Install = fn() -> Result<()>;
