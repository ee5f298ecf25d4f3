//! The file system of a guest: our tests and the agent of this build, with the libraries that they need.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::machine::{Machine, copy};
use xtask::process;
use xtask::workspace::Workspace;

/// Packs the file system of a guest that runs tests.
pub(super) fn build(workspace: &Workspace, machine: &Machine, areas: &str) -> Result<PathBuf> {
    let at = "/guest";
    let root = machine.path(at);
    if root.exists() {
        fs::remove_dir_all(&root).context("empty the guest")?;
    }
    for folder in ["bin", "sbin", "proc", "sys", "dev", "tmp", "run", "root", "etc"] {
        fs::create_dir_all(root.join(folder)).context("make a folder of the guest")?;
    }
    shell(machine, &root)?;
    let (tests, agent) = programs(workspace)?;
    for (program, is_ours) in [
        (&tests, true),
        (&agent, true),
        (&host("ip")?, false),
        (&host("setpriv")?, false),
    ] {
        add(program, &root, is_ours)?;
    }
    // The same paths as when the tests were compiled.
    let checkout = workspace.root.display().to_string();
    // Where crates are, paths go through.
    let laboratory = checkout.trim_start_matches('/').to_owned() + "/gdoi-lab";
    fs::create_dir_all(root.join(laboratory)).context("make a folder of the guest")?;
    for part in ["tests/data", "deploy/systemd", "gdoi-monitor/ebpf"] {
        let to = root.join(
            workspace
                .root
                .join(part)
                .strip_prefix("/")
                .context("a path from the root")?,
        );
        copy_folder(&workspace.root.join(part), &to)?;
    }
    let paths = format!(
        "CHECKOUT={checkout}\nTESTS={}\nAGENT={}\n",
        tests.display(),
        agent.display()
    );
    fs::write(root.join("paths"), paths).context("tell the guest its paths")?;
    fs::write(root.join("areas"), areas).context("tell the guest its work")?;
    let init = root.join("init");
    copy(&workspace.root.join("gdoi-lab/guest/init"), &init)?;
    fs::set_permissions(&init, fs::Permissions::from_mode(0o755)).context("make init executable")?;
    machine.pack(at, "/guest.cpio")?;
    Ok(machine.path("/guest.cpio"))
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("make {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("read {}", from.display()))? {
        let from = entry.context("read a folder")?.path();
        let to = to.join(from.file_name().context("a name")?);
        if from.is_dir() {
            copy_folder(&from, &to)?;
        } else {
            copy(&from, &to)?;
        }
    }
    Ok(())
}

/// One static program under all its names, except those that we add.
fn shell(machine: &Machine, root: &Path) -> Result<()> {
    copy(&machine.path("/bin/busybox"), &root.join("bin/busybox"))?;
    let names = process::output(machine.command("busybox").arg("--list"))?;
    for name in names
        .lines()
        .filter(|name| !["busybox", "ip", "setpriv"].contains(name))
    {
        symlink("busybox", root.join("bin").join(name)).with_context(|| format!("link {name}"))?;
    }
    symlink("/bin/busybox", root.join("sbin/modprobe")).context("link modprobe")
}

/// The test program and the agent, built.
fn programs(workspace: &Workspace) -> Result<(PathBuf, PathBuf)> {
    process::run(
        workspace
            .cargo()
            .args(["build", "--quiet", "--package", "gdoi-monitor"]),
    )?;
    let mut cargo = workspace.cargo();
    cargo.args(["test", "--package", "gdoi-tests", "--test", "all", "--no-run"]);
    let said = process::output(cargo.args(["--message-format", "json"]))?;
    let tests = said
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find_map(|message| {
            let is_tests = message.pointer("/target/name")? == "all";
            let path = message.get("executable")?.as_str()?;
            is_tests.then(|| PathBuf::from(path))
        })
        .context("cargo built no tests")?;
    // The tests look for it next to them.
    let agent = tests
        .ancestors()
        .nth(2)
        .context("the folder of the profile")?
        .join("gdoi-monitor");
    Ok((tests, agent))
}

fn host(program: &str) -> Result<PathBuf> {
    process::on_path(program).with_context(|| format!("there is no {program}: cargo xtask setup"))
}

/// A program at its own path, with the libraries that it needs.
fn add(program: &Path, root: &Path, strip: bool) -> Result<()> {
    let in_root = |path: &Path| root.join(path.strip_prefix("/").unwrap_or(path));
    let to = in_root(program);
    copy(program, &to)?;
    if strip && process::on_path("strip").is_some() {
        process::output(Command::new("strip").arg(&to))?;
    }
    let said = process::output(Command::new("ldd").arg(program))?;
    for library in said.split_whitespace().filter(|word| word.starts_with('/')) {
        let library = Path::new(library);
        copy(library, &in_root(library))?;
    }
    Ok(())
}
