//! `cargo xtask boot`: installs the package in a Debian as people do, and tests its service under systemd.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::kernels::archive;
use crate::kernels::kernel::{Kernel, Source};
use crate::kernels::machine::{Boot, Machine, copy};
use xtask::dist;
use xtask::process;
use xtask::workspace::Workspace;

/// A script that ends early has not checked everything.
const LEAST: usize = 57;
const DEBIAN: Source = Source {
    name: "Debian 12",
    suites: &["bookworm", "bookworm-security"],
    is_too_old: false,
};

/// Options of `boot`.
#[derive(clap::Args)]
pub(crate) struct BootArgs {
    /// Package this program instead of building one
    #[arg(long, value_name = "FILE")]
    program: Option<PathBuf>,
    /// Use this program as the newer package; default: the same program under a newer version
    #[arg(long, value_name = "FILE")]
    newer: Option<PathBuf>,
    /// Keep the guest's output in this file
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

/// Installs the package, checks its files, and boots the Debian that has it.
pub(crate) fn run(workspace: &Workspace, arguments: &BootArgs) -> Result<()> {
    let machine = Machine::prepare(workspace)?;
    let kernel = Kernel::fetch(workspace, &machine, &DEBIAN)?;
    let out = workspace.target.join("kernels/packages");
    let program = match &arguments.program {
        Some(program) => program.clone(),
        None => dist::build(workspace, &workspace.target)?,
    };
    let newer_program = arguments.newer.as_ref().unwrap_or(&program);
    let package = dist::package(workspace, &program, &out, dist::VERSION)?;
    let newer = dist::package(workspace, newer_program, &out, &newer_version())?;
    let root = debian(workspace, &machine)?;
    install(&root, &package)?;
    println!("installed: {} files as they should be", FILES.len());
    prepare(workspace, &root, newer_program, &newer)?;
    // Below /usr, the target of Debian's link /lib: a folder /lib would replace the link.
    let modules = format!("{}/modules.cpio", kernel.folder);
    let script = format!("cd /debian/usr && busybox cpio -i -d < {modules}");
    process::run_quietly(machine.command("busybox").args(["sh", "-c", &script]))?;
    machine.pack("/debian", "/debian.cpio")?;
    let said = machine.boot(&Boot {
        name: "service",
        kernel: &kernel.image,
        archives: &[machine.path("/debian.cpio")],
        words: "systemd.show_status=no systemd.log_level=err",
        memory_mib: "2048",
        seconds: 900,
    })?;
    if let Some(log) = &arguments.log {
        fs::write(log, &said).with_context(|| format!("write {}", log.display()))?;
    }
    judge(&said, &kernel.release)
}

/// A fresh copy of a small Debian, which is created once.
fn debian(workspace: &Workspace, machine: &Machine) -> Result<PathBuf> {
    let fresh = workspace.target.join("kernels/debian");
    if !fresh.join("complete").is_file() {
        println!("making a Debian");
        if fresh.exists() {
            fs::remove_dir_all(&fresh).context("remove half a Debian")?;
        }
        let mut make = Command::new("sh");
        make.arg(machine.path("/usr/sbin/debootstrap"))
            .env("DEBOOTSTRAP_DIR", machine.path("/usr/share/debootstrap"))
            .args([
                "--variant=minbase",
                "--include=systemd,systemd-sysv,iproute2,kmod,mawk",
                "bookworm",
            ])
            .arg(&fresh)
            .arg(archive::mirror("Debian")?);
        process::output(&mut make)?;
        for bulk in [
            "var/cache/apt",
            "var/lib/apt/lists",
            "usr/share/doc",
            "usr/share/locale",
        ] {
            fs::remove_dir_all(fresh.join(bulk)).with_context(|| format!("remove {bulk}"))?;
        }
        fs::write(fresh.join("complete"), "").context("note that the Debian is complete")?;
    }
    let root = machine.path("/debian");
    if root.exists() {
        fs::remove_dir_all(&root).context("remove the Debian of the last time")?;
    }
    process::output(Command::new("cp").arg("-a").arg(&fresh).arg(&root))?;
    Ok(root)
}

/// Installs the package, and checks its files.
fn install(root: &Path, package: &Path) -> Result<()> {
    copy(package, &root.join("root/package.deb"))?;
    let inside = |arguments: &[&str]| process::output(Command::new("chroot").arg(root).args(arguments));
    inside(&["dpkg", "-i", "/root/package.deb"])?;
    for (path, expected) in FILES {
        let found = inside(&["stat", "-c", "%A %U:%G", path])?;
        ensure!(
            found.trim() == expected,
            "{path} is {}, not {expected}",
            found.trim()
        );
    }
    let user = inside(&["getent", "passwd", "gdoi-monitor"])?;
    ensure!(user.trim().ends_with("nologin"), "the user can log in: {user}");
    let shown = inside(&["dpkg-query", "-W", "-f", "${Conffiles}", "gdoi-monitor"])?;
    ensure!(
        shown.contains("/etc/gdoi-monitor/gdoi.toml"),
        "not a configuration file: {shown}"
    );
    inside(&["gdoi-monitor", "check-config", "/etc/gdoi-monitor/gdoi.toml"])?;
    inside(&[
        "bash",
        "-n",
        "/usr/share/bash-completion/completions/gdoi-monitor",
    ])?;
    let page = inside(&["zcat", "/usr/share/man/man1/gdoi-monitor.1.gz"])?;
    ensure!(
        page.contains(".TH gdoi-monitor 1"),
        "the manual page has no heading"
    );
    inside(&["dpkg", "--verify", "gdoi-monitor"])?;
    Ok(())
}

/// Adds what the guest needs for its checks.
fn prepare(workspace: &Workspace, root: &Path, newer_program: &Path, newer: &Path) -> Result<()> {
    copy(newer, &root.join("root/newer.deb"))?;
    copy(newer_program, &root.join("root/newer"))?;
    copy(
        &workspace.root.join("tests/data/demo.pcap"),
        &root.join("root/demo.pcap"),
    )?;
    fs::write(root.join("root/newer.version"), newer_version()).context("name the newer version")?;
    for script in ["check-service", "send-frames"] {
        let to = root.join("root").join(script);
        copy(&workspace.root.join("gdoi-lab/guest").join(script), &to)?;
        fs::set_permissions(&to, fs::Permissions::from_mode(0o755)).context("make it executable")?;
    }
    let units = root.join("etc/systemd/system");
    let unit = "[Unit]\nAfter=multi-user.target\n[Service]\nType=oneshot\nExecStart=/root/check-service\n";
    fs::write(units.join("check-service.service"), unit).context("write the unit of the checks")?;
    let wants = units.join("default.target.wants");
    fs::create_dir_all(&wants).context("make a folder of units")?;
    symlink("../check-service.service", wants.join("check-service.service")).context("want the checks")?;
    let default = units.join("default.target");
    symlink("/lib/systemd/system/multi-user.target", &default).context("choose what is booted")?;
    symlink("sbin/init", root.join("init")).context("say who is first")
}

/// Prints each check, and fails unless all were made and passed.
fn judge(said: &str, release: &str) -> Result<()> {
    let is_result = |line: &&str| {
        [
            "UP ", "CHECK ", "COUNTED ", "RESTART", "UPGRADE", "KILL", "SUSPEND", "→",
        ]
        .iter()
        .any(|word| line.starts_with(word))
    };
    for line in said.lines().filter(is_result) {
        println!("{line}");
    }
    let passed = said.lines().filter(|line| line.starts_with("CHECK ok ")).count();
    let failed = said
        .lines()
        .filter(|line| line.starts_with("CHECK FAILED "))
        .count();
    println!("{passed} checks passed, {failed} failed, on {release} under systemd");
    if failed > 0 || !said.contains("FAULTS 0\n") || passed < LEAST {
        let lines: Vec<&str> = said.lines().collect();
        let end = lines.get(lines.len().saturating_sub(60)..).unwrap_or_default();
        bail!("not all is well; the guest's last lines:\n{}", end.join("\n"));
    }
    Ok(())
}

/// A version that dpkg considers newer.
fn newer_version() -> String {
    format!("{}+newer", dist::VERSION)
}

/// Files of the package, with their modes.
const FILES: [(&str, &str); 9] = [
    ("/usr/bin/gdoi-monitor", "-rwxr-xr-x root:root"),
    ("/lib/systemd/system/gdoi-monitor.service", "-rw-r--r-- root:root"),
    (
        r"/lib/systemd/system/run-gdoi\x2dmonitor\x2dbpf.mount",
        "-rw-r--r-- root:root",
    ),
    ("/usr/lib/sysusers.d/gdoi-monitor.conf", "-rw-r--r-- root:root"),
    ("/etc/gdoi-monitor/gdoi.toml", "-rw-r--r-- root:root"),
    ("/usr/share/man/man1/gdoi-monitor.1.gz", "-rw-r--r-- root:root"),
    ("/usr/share/doc/gdoi-monitor/copyright", "-rw-r--r-- root:root"),
    (
        "/usr/share/bash-completion/completions/gdoi-monitor",
        "-rw-r--r-- root:root",
    ),
    (
        "/usr/share/zsh/vendor-completions/_gdoi-monitor",
        "-rw-r--r-- root:root",
    ),
];
