//! `cargo xtask dist`: a Debian package around a static binary.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Context as _, Result, fail};
use crate::process;
use crate::workspace::Workspace;

/// The version of the package.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

const MANUAL: &str = "usr/share/man/man1/gdoi-monitor.1";
const TARGET: &str = "x86_64-unknown-linux-gnu";
const ARCHITECTURE: &str = "amd64";

/// Options of `dist`; its help explains each.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Dist {
    pub(crate) out: Option<PathBuf>,
    pub(crate) program: Option<PathBuf>,
    pub(crate) reproduce: bool,
}

/// Builds the program and packages it.
pub(crate) fn run(workspace: &Workspace, arguments: &Dist) -> Result<()> {
    let program = match &arguments.program {
        Some(program) => program.clone(),
        None => build(workspace, &workspace.target)?,
    };
    if arguments.reproduce {
        let again = build(workspace, &workspace.target.join("again"))?;
        let is_same = fs::read(&program).context("read the program")?
            == fs::read(&again).context("read the second program")?;
        if !is_same {
            return fail(format!("{} and {} differ", program.display(), again.display()));
        }
        println!("built twice: identical");
    }
    let out = arguments
        .out
        .clone()
        .unwrap_or_else(|| workspace.target.join("dist"));
    let package = package(workspace, &program, &out, VERSION)?;
    println!("{}", package.display());
    Ok(())
}

/// A static program: it runs with any C library.
pub fn build(workspace: &Workspace, target: &Path) -> Result<PathBuf> {
    let mut cargo = workspace.cargo();
    // The binary must not contain the paths of the build folders.
    let root = workspace.root.display();
    let home = crate::workspace::cargo_home().context("find cargo's home")?;
    let flags = format!(
        "-C target-feature=+crt-static --remap-path-prefix={root}=/gdoi-monitor \
         --remap-path-prefix={home}=/cargo",
        home = home.display()
    );
    cargo
        .args(["build", "--release", "--locked", "--package", "gdoi-monitor"])
        .args(["--target", TARGET])
        .env("CARGO_TARGET_DIR", target)
        .env("CARGO_PROFILE_RELEASE_STRIP", "symbols")
        .env("RUSTFLAGS", flags);
    process::run(&mut cargo)?;
    Ok(target.join(TARGET).join("release/gdoi-monitor"))
}

/// Lays out the package's files as Debian does, and packs them.
pub fn package(workspace: &Workspace, program: &Path, out: &Path, version: &str) -> Result<PathBuf> {
    let tree = out.join("tree");
    if tree.exists() {
        fs::remove_dir_all(&tree).with_context(|| format!("empty {}", tree.display()))?;
    }
    let deploy = workspace.root.join("deploy");
    let text = |path: &str| fs::read(deploy.join(path)).with_context(|| format!("read deploy/{path}"));
    let said =
        |arguments: &[&str]| process::output(Command::new(program).args(arguments)).map(String::into_bytes);
    let read = |path: &Path| fs::read(path).with_context(|| format!("read {}", path.display()));
    let mut copyright = read(&workspace.root.join("LICENSE-MIT"))?;
    copyright.push(b'\n');
    copyright.extend(read(&workspace.root.join("LICENSE-APACHE"))?);
    let files: [(&str, u32, Vec<u8>); 13] = [
        ("usr/bin/gdoi-monitor", 0o755, read(program)?),
        (
            "lib/systemd/system/gdoi-monitor.service",
            0o644,
            text("systemd/gdoi-monitor.service")?,
        ),
        (
            r"lib/systemd/system/run-gdoi\x2dmonitor\x2dbpf.mount",
            0o644,
            text(r"systemd/run-gdoi\x2dmonitor\x2dbpf.mount")?,
        ),
        (
            "usr/lib/sysusers.d/gdoi-monitor.conf",
            0o644,
            text("systemd/gdoi-monitor.sysusers")?,
        ),
        ("etc/gdoi-monitor/gdoi.toml", 0o644, text("systemd/gdoi.toml")?),
        (MANUAL, 0o644, said(&["man"])?),
        ("usr/share/doc/gdoi-monitor/copyright", 0o644, copyright),
        (
            "usr/share/bash-completion/completions/gdoi-monitor",
            0o644,
            said(&["completions", "bash"])?,
        ),
        (
            "usr/share/zsh/vendor-completions/_gdoi-monitor",
            0o644,
            said(&["completions", "zsh"])?,
        ),
        (
            "DEBIAN/conffiles",
            0o644,
            b"/etc/gdoi-monitor/gdoi.toml\n".to_vec(),
        ),
        ("DEBIAN/postinst", 0o755, text("debian/postinst")?),
        ("DEBIAN/prerm", 0o755, text("debian/prerm")?),
        ("DEBIAN/postrm", 0o755, text("debian/postrm")?),
    ];
    let mut octets = 0;
    for (path, mode, content) in &files {
        octets += content.len();
        write(&tree.join(path), *mode, content)?;
    }
    // As Debian requires; without name and time, so that the same page gives the same file.
    process::run_quietly(Command::new("gzip").arg("-9n").arg(tree.join(MANUAL)))?;
    let control = control(octets, version);
    write(&tree.join("DEBIAN/control"), 0o644, control.as_bytes())?;
    let package = out.join(format!("gdoi-monitor_{version}_{ARCHITECTURE}.deb"));
    let mut dpkg = Command::new("dpkg-deb");
    // The same content gives the same package, at any time.
    dpkg.args(["--root-owner-group", "--build"])
        .arg(&tree)
        .arg(&package)
        .env("SOURCE_DATE_EPOCH", "0");
    process::run_quietly(&mut dpkg)?;
    Ok(package)
}

fn write(path: &Path, mode: u32, content: &[u8]) -> Result<()> {
    let folder = path.parent().context("a file is in a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    fs::write(path, content).with_context(|| format!("write {}", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .with_context(|| format!("set the mode of {}", path.display()))
}

fn control(octets: usize, version: &str) -> String {
    format!(
        "Package: gdoi-monitor\n\
         Version: {version}\n\
         Architecture: {ARCHITECTURE}\n\
         Maintainer: gdoi-monitor <gdoi-monitor@localhost>\n\
         Installed-Size: {}\n\
         Recommends: systemd\n\
         Section: net\n\
         Priority: optional\n\
         Description: monitors the key management of GDOI groups, from packet headers\n \
         An eBPF program finds ISAKMP, ESP and AH in traffic and passes every packet on; an agent\n \
         serves Prometheus metrics and writes events about registrations, rekeys and keys.\n",
        octets.div_ceil(1024)
    )
}
