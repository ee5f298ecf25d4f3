//! Checks requirements before a build of minutes. Each missing one is a line with the command that installs it.

use std::path::Path;
use std::process::Command;

use crate::error::{Context as _, Result, fail};
use crate::packages::{self, Program};
use crate::process;
use crate::workspace::Workspace;

/// The oldest kernel that has all helpers of the program.
const OLDEST_KERNEL: (u32, u32) = (5, 18);

/// The target for which crates are downloaded.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Requirements of a command.
pub(crate) struct Needs {
    pub(crate) command: &'static str,
    /// Whether it needs root.
    pub(crate) root: bool,
    /// Programs that it starts.
    pub(crate) programs: &'static [Program],
    /// Disk space that it needs below the target folder.
    pub(crate) space_mib: u64,
}

/// What this machine has.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Machine {
    is_root: bool,
    rustc: Option<String>,
    has_rustup: bool,
    kernel: String,
    free_mib: Option<u64>,
    missing: Vec<Program>,
    manager: Option<&'static str>,
}

/// Reports everything that is missing at once, then downloads the crates.
pub(crate) fn check(workspace: &Workspace, needs: &Needs) -> Result<()> {
    let machine = Machine::look(workspace, needs);
    let faults = machine.faults(needs, &oldest_rustc(workspace)?, &workspace.target);
    if !faults.is_empty() {
        return fail(faults.join("\nerror: "));
    }
    crates(workspace)
}

/// Downloads missing crates, before the first of them is compiled.
fn crates(workspace: &Workspace) -> Result<()> {
    let fetch = |more: &[&str]| {
        let mut cargo = workspace.cargo();
        cargo.args(["fetch", "--locked", "--quiet", "--target", TARGET]);
        process::output(cargo.args(more))
    };
    if fetch(&["--offline"]).is_ok() {
        return Ok(());
    }
    let Err(error) = fetch(&[]) else {
        return Ok(());
    };
    // The causes come last.
    let error = error.to_string();
    let cause = error.lines().rev().map(str::trim).find(|line| !line.is_empty());
    fail(format!(
        "crates are missing, and cargo cannot download them ({}): connect this machine and run `cargo fetch --locked`",
        cause.unwrap_or_default()
    ))
}

impl Machine {
    fn look(workspace: &Workspace, needs: &Needs) -> Self {
        let is_missing = |program: &&Program| process::on_path(program.name).is_none();
        Self {
            is_root: process::is_root(),
            rustc: process::first_line("rustc", &["-V"]),
            has_rustup: process::on_path("rustup").is_some(),
            kernel: std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default(),
            free_mib: free_mib(&workspace.target),
            missing: needs.programs.iter().filter(is_missing).copied().collect(),
            manager: packages::manager(),
        }
    }

    /// One line for each missing thing.
    fn faults(&self, needs: &Needs, oldest_rustc: &str, target: &Path) -> Vec<String> {
        let Self {
            is_root,
            rustc,
            has_rustup,
            kernel,
            free_mib,
            missing,
            manager,
        } = self;
        let mut faults = Vec::new();
        let command = format!("cargo xtask {}", needs.command);
        if needs.root && !is_root {
            faults.push(format!(
                "root is required to load an XDP program: sudo env \"PATH=$PATH\" {command}"
            ));
        }
        let (rustc, has) = rustc
            .as_ref()
            .map_or(("rustc", "is missing"), |rustc| (rustc, "is too old"));
        if version(rustc) < version(oldest_rustc) {
            let fix = if *has_rustup {
                "rustup update stable"
            } else {
                "see https://rustup.rs"
            };
            faults.push(format!("{rustc} {has}, {oldest_rustc} or newer is needed: {fix}"));
        }
        if !kernel.is_empty() && version(kernel) < Some(OLDEST_KERNEL) {
            let (major, minor) = OLDEST_KERNEL;
            faults.push(format!(
                "Linux {} is too old, {major}.{minor} or newer is needed: boot a newer kernel",
                kernel.trim()
            ));
        }
        if let Some(free) = free_mib.filter(|free| *free < needs.space_mib) {
            faults.push(format!(
                "not enough space: {free} MiB free for {}, {} needed: CARGO_TARGET_DIR=ELSEWHERE {command}",
                target.display(),
                needs.space_mib
            ));
        }
        // With apt and root, setup installs them.
        if !missing.is_empty() && (*manager != Some(packages::APT) || !is_root) {
            let names: Vec<&str> = missing.iter().map(|program| program.name).collect();
            let packages: Vec<&str> = missing.iter().map(|program| program.package).collect();
            faults.push(format!(
                "{} {} missing: {}",
                names.join(", "),
                if names.len() == 1 { "is" } else { "are" },
                packages::command(*manager, &packages)
            ));
        }
        faults
    }
}

/// Free space of the disk of a folder, which may not exist yet.
fn free_mib(folder: &Path) -> Option<u64> {
    let there = folder.ancestors().find(|folder| folder.exists())?;
    let said = process::output(Command::new("df").arg("-Pk").arg(there)).ok()?;
    let free = said.lines().nth(1)?.split_whitespace().nth(3)?;
    Some(free.parse::<u64>().ok()? / 1024)
}

/// The compiler version that the workspace requires.
fn oldest_rustc(workspace: &Workspace) -> Result<String> {
    let path = workspace.root.join("Cargo.toml");
    let manifest = std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let line = manifest
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "));
    let version = line.context("Cargo.toml names no rust-version")?;
    Ok(version.trim_matches('"').to_owned())
}

/// The first two numbers of a text: for `rustc 1.95.0 (59807616e 2026-04-14)`, 1 and 95.
fn version(text: &str) -> Option<(u32, u32)> {
    let start = text.find(|c: char| c.is_ascii_digit())?;
    let mut numbers = text.get(start..)?.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEEDS: Needs = Needs {
        command: "demo",
        root: true,
        programs: &[],
        space_mib: 1000,
    };

    fn check(change: impl FnOnce(&mut Machine), expect: &[&str]) {
        let mut machine = Machine {
            is_root: true,
            rustc: Some("rustc 1.95.0 (59807616e 2026-04-14)".to_owned()),
            has_rustup: true,
            kernel: "6.1.0-28-amd64\n".to_owned(),
            free_mib: Some(1000),
            missing: Vec::new(),
            manager: Some(packages::APT),
        };
        change(&mut machine);
        assert_eq!(
            machine.faults(&NEEDS, "1.95", Path::new("/t")),
            expect,
            "{machine:?}"
        );
    }

    const STRACE: Program = Program {
        name: "strace",
        package: "strace",
    };
    const IP: Program = Program {
        name: "ip",
        package: "iproute2",
    };

    #[test]
    fn nothing_is_said_where_nothing_is_missing() {
        check(|_| {}, &[]);
        // Setup installs it.
        check(|machine| machine.missing = vec![STRACE], &[]);
        check(|machine| machine.free_mib = None, &[]);
    }

    #[test]
    fn what_is_missing_is_one_line_with_the_command_that_gets_it() {
        check(
            |machine| machine.is_root = false,
            &["root is required to load an XDP program: sudo env \"PATH=$PATH\" cargo xtask demo"],
        );
        let old = "rustc 1.90.0 (1159e78c4 2025-09-14)";
        check(
            |machine| machine.rustc = Some(old.to_owned()),
            &[
                "rustc 1.90.0 (1159e78c4 2025-09-14) is too old, 1.95 or newer is needed: rustup update stable",
            ],
        );
        check(
            |machine| machine.kernel = "5.10.0-33-amd64".to_owned(),
            &["Linux 5.10.0-33-amd64 is too old, 5.18 or newer is needed: boot a newer kernel"],
        );
        check(
            |machine| machine.free_mib = Some(999),
            &[
                "not enough space: 999 MiB free for /t, 1000 needed: CARGO_TARGET_DIR=ELSEWHERE cargo xtask demo",
            ],
        );
        check(
            |machine| {
                machine.missing = vec![IP, STRACE];
                machine.manager = Some("dnf");
            },
            &["ip, strace are missing: dnf install iproute2 strace"],
        );
        check(
            |machine| {
                machine.missing = vec![STRACE];
                machine.manager = None;
            },
            &["strace is missing: install strace with the packages of this distribution"],
        );
    }

    #[test]
    fn all_is_said_at_once() {
        let change = |machine: &mut Machine| {
            machine.is_root = false;
            machine.missing = vec![STRACE];
            machine.rustc = None;
            machine.has_rustup = false;
        };
        check(
            change,
            &[
                "root is required to load an XDP program: sudo env \"PATH=$PATH\" cargo xtask demo",
                "rustc is missing, 1.95 or newer is needed: see https://rustup.rs",
                "strace is missing: apt-get install strace",
            ],
        );
    }

    #[test]
    fn the_compiler_is_that_of_the_workspace() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let workspace = Workspace {
            target: root.join("target"),
            root,
        };
        let oldest = oldest_rustc(&workspace).unwrap();
        assert!(version(&oldest) >= Some((1, 85)), "{oldest}");
    }
}
