//! `cargo xtask doctor`: what this machine has, and what is missing.

use std::path::Path;

use crate::ebpf::linker::Linker;
use crate::ebpf::probe;
use crate::ebpf::toolchain::{Toolchain, candidates};
use crate::error::{Result, fail};
use crate::packages;
use crate::process::{self, first_line};
use crate::workspace::{Workspace, cargo_program};

/// linux/capability.h.
const CAPABILITIES: [(&str, u32); 4] = [
    ("CAP_NET_ADMIN", 12),
    ("CAP_SYS_ADMIN", 21),
    ("CAP_PERFMON", 38),
    ("CAP_BPF", 39),
];
const WANTED: [(&str, &str, &str); 5] = [
    ("bpftool", "version", "optional: for manual use"),
    (
        "tshark",
        "--version",
        "optional: its output is stored with the captures",
    ),
    ("promtool", "--version", "optional: checks rules and metrics"),
    ("chromium", "--version", "optional: opens reports in a test"),
    ("git", "--version", "optional: for manual use"),
];

/// `cargo xtask doctor`: fails if something is missing that `cargo xtask test` needs.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let mut report = Report::default();
    rust(&mut report);
    bpf(workspace, &mut report);
    kernel(&mut report);
    programs(&mut report);
    if report.missing > 0 {
        return fail(format!(
            "cargo xtask test needs {} things that are missing",
            report.missing
        ));
    }
    Ok(())
}

/// Prints as it goes.
#[derive(Default)]
struct Report {
    missing: usize,
}

impl Report {
    /// Something that `cargo xtask test` needs.
    fn need(&mut self, what: &str, version: Option<&str>, fix: &str) {
        if let Some(version) = version {
            say(what, version);
        } else {
            self.missing += 1;
            println!("{what:<20} MISSING: {fix}");
        }
    }
}

fn say(what: &str, version: &str) {
    println!("{what:<20} {version}");
}

/// Something optional.
fn want(what: &str, version: Option<&str>, without: &str) {
    match version {
        Some(version) => say(what, version),
        None => println!("{what:<20} absent: {without}"),
    }
}

fn rust(report: &mut Report) {
    let cargo = cargo_program();
    let cargo = cargo.to_string_lossy();
    report.need("rustc", first_line("rustc", &["-V"]).as_deref(), "see rustup.rs");
    report.need("cargo", first_line(&cargo, &["-V"]).as_deref(), "see rustup.rs");
    let fmt = first_line(&cargo, &["fmt", "--version"]);
    want("cargo fmt", fmt.as_deref(), "rustup component add rustfmt");
    let clippy = first_line(&cargo, &["clippy", "--version"]);
    want("cargo clippy", clippy.as_deref(), "rustup component add clippy");
}

fn bpf(workspace: &Workspace, report: &mut Report) {
    for (name, rustc) in candidates() {
        let said = match Toolchain::at(&name, &rustc) {
            Ok(toolchain) => toolchain.describe(),
            Err(error) => format!("{name}: {error:#}"),
        };
        say("BPF candidate", &said);
    }
    let linker = Linker::of_checkout(workspace).or_else(Linker::of_person);
    let linker = linker.map(|linker| linker.describe());
    report.need("bpf-linker", linker.as_deref(), "cargo xtask setup");
    let proved = probe::remembered(workspace).map(|compiler| compiler.toolchain.describe());
    report.need("BPF toolchain", proved.as_deref(), "cargo xtask setup");
}

fn kernel(report: &mut Report) {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").ok();
    let fix = "/proc does not show the kernel's release";
    report.need("kernel", release.as_deref().map(str::trim), fix);
    let btf = Path::new("/sys/kernel/btf/vmlinux").is_file();
    let without = "the kernel is built without CONFIG_DEBUG_INFO_BTF; optional";
    want("kernel BTF", btf.then_some("/sys/kernel/btf/vmlinux"), without);
    if process::is_root() {
        say("user", "root");
    } else {
        say("user", "not root: tests that load BPF print SKIP");
    }
    let capabilities = capabilities();
    say("capabilities", capabilities.as_deref().unwrap_or("unknown"));
}

/// The effective capabilities that the agent needs.
fn capabilities() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:"))?;
    let mask = u64::from_str_radix(mask.trim(), 16).ok()?;
    let said: Vec<String> = CAPABILITIES
        .iter()
        .map(|(name, bit)| {
            let has = mask >> bit & 1 == 1;
            format!("{name} {}", if has { "yes" } else { "no" })
        })
        .collect();
    Some(said.join(", "))
}

fn programs(report: &mut Report) {
    let ip = first_line("ip", &["-V"]);
    report.need(
        "ip",
        ip.as_deref(),
        &packages::command(packages::manager(), &["iproute2"]),
    );
    for (program, argument, without) in WANTED {
        want(program, first_line(program, &[argument]).as_deref(), without);
    }
}
