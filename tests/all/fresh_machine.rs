//! `cargo xtask` on a machine that lacks something: it prints one line with the command that installs it, and builds
//! nothing.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::program;

/// A copy of xtask with its own target folder, readable by all users.
struct Machine {
    folder: TempDir,
    xtask: PathBuf,
}

impl Machine {
    fn new(test: &str) -> Option<Self> {
        let built = program::named(test, "xtask")?;
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let xtask = folder.path().join("target/debug/xtask");
        fs::create_dir_all(xtask.parent().unwrap()).unwrap();
        fs::copy(built, &xtask).unwrap();
        Some(Self { folder, xtask })
    }

    /// A folder of shell scripts as programs.
    fn programs(&self, programs: &[(&str, &str)]) -> PathBuf {
        let folder = self.folder.path().join("programs");
        fs::create_dir_all(&folder).unwrap();
        for (name, script) in programs {
            let path = folder.join(name);
            fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        folder
    }

    /// A folder with links to some programs of this machine.
    fn links(&self, programs: &[&str]) -> PathBuf {
        let folder = self.folder.path().join("links");
        fs::create_dir_all(&folder).unwrap();
        for name in programs {
            if let Some(path) = on_path(name) {
                symlink(path, folder.join(name)).unwrap();
            }
        }
        folder
    }

    /// Starts xtask after a prefix command.
    fn command(&self, before: &[&str], verb: &str) -> Command {
        let mut words: Vec<&Path> = before.iter().map(Path::new).collect();
        words.extend([&self.xtask, Path::new(verb)]);
        let mut command = Command::new(words[0]);
        command.args(&words[1..]);
        command
    }
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap();
    std::env::split_paths(&path)
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

/// It prints this one line, fails, and has built nothing.
fn check(output: &Output, expect: &[&str]) {
    let Output {
        status,
        stdout,
        stderr,
    } = output;
    let said = String::from_utf8_lossy(stderr);
    assert_eq!((status.code(), said.lines().count()), (Some(1), 1), "{said}");
    for part in expect {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    assert!(
        said.starts_with("error: ") && stdout.is_empty(),
        "{}",
        String::from_utf8_lossy(stdout)
    );
}

#[test]
fn without_root_the_demonstration_says_so() {
    let name = "without_root_the_demonstration_says_so";
    let Some(machine) = Machine::new(name) else {
        return;
    };
    let mut command = if nix::unistd::geteuid().is_root() {
        // The user nobody cannot run root's rustup: its answer is not what is tested.
        let path = machine.programs(&[("rustc", "echo rustc 1.999.0")]);
        let mut command = machine.command(
            &["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"],
            "demo",
        );
        command.env("PATH", with_first(&path));
        command
    } else {
        machine.command(&[], "demo")
    };
    let output = command.output().unwrap();
    check(
        &output,
        &["root is required", r#"sudo env "PATH=$PATH" cargo xtask demo"#],
    );
}

#[test]
fn without_a_network_it_says_so() {
    let name = "without_a_network_it_says_so";
    let Some(machine) = Machine::new(name).filter(|_| is_root(name)) else {
        return;
    };
    let home = machine.folder.path().join("cargo");
    let mut command = machine.command(&["unshare", "--net"], "demo");
    let output = command
        .env("CARGO_HOME", &home)
        .env("CARGO_NET_RETRY", "0")
        .output()
        .unwrap();
    check(&output, &["crates are missing", "cargo fetch --locked"]);
}

#[test]
fn without_space_it_says_so() {
    let name = "without_space_it_says_so";
    let Some(machine) = Machine::new(name).filter(|_| is_root(name)) else {
        return;
    };
    // A small disk instead of the target folder, for this command only.
    let script = r#"mount -t tmpfs -o size=64m tmpfs "$1" && mkdir "$1/debug" && cp "$2" "$1/debug/xtask" && exec "$1/debug/xtask" test"#;
    let small = machine.folder.path().join("small");
    fs::create_dir(&small).unwrap();
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(&small)
        .arg(&machine.xtask);
    check(
        &command.output().unwrap(),
        &[
            "not enough space",
            "needed: CARGO_TARGET_DIR",
            "CARGO_TARGET_DIR=ELSEWHERE cargo xtask test",
        ],
    );
}

#[test]
fn an_old_compiler_is_named() {
    let name = "an_old_compiler_is_named";
    let Some(machine) = Machine::new(name).filter(|_| is_root(name)) else {
        return;
    };
    let old = machine.programs(&[
        ("rustc", "echo 'rustc 1.90.0 (1159e78c4 2025-09-14)'"),
        ("rustup", ""),
    ]);
    for verb in ["demo", "test"] {
        let output = machine
            .command(&[], verb)
            .env("PATH", with_first(&old))
            .output()
            .unwrap();
        check(&output, &["rustc 1.90.0", "is too old", "rustup update stable"]);
    }
}

#[test]
fn a_distribution_without_apt_is_told_what_to_install() {
    let name = "a_distribution_without_apt_is_told_what_to_install";
    let Some(machine) = Machine::new(name).filter(|_| is_root(name)) else {
        return;
    };
    let few = machine.links(&["df", "ip", "rustup"]);
    let scripts = machine.programs(&[("rustc", "echo rustc 1.999.0"), ("dnf", "")]);
    let path = std::env::join_paths([few, scripts]).unwrap();
    let output = machine.command(&[], "test").env("PATH", &path).output().unwrap();
    check(
        &output,
        &[
            "curl, strace, tmux, zstd are missing",
            "dnf install curl strace tmux zstd",
        ],
    );
}

fn is_root(test: &str) -> bool {
    let is_root = nix::unistd::geteuid().is_root();
    if !is_root {
        eprintln!("SKIP {test}: only root is past the first line");
    }
    is_root
}

/// The search path with another folder first.
fn with_first(folder: &Path) -> std::ffi::OsString {
    let path = std::env::var_os("PATH").unwrap();
    let rest = std::env::split_paths(&path);
    std::env::join_paths(std::iter::once(folder.to_owned()).chain(rest)).unwrap()
}
