//! A toolchain and a linker that together make BPF objects.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::toolchain::{Core, TARGET, Toolchain, without_outer_toolchain};
use crate::error::{Context as _, Result};
use crate::process;
use crate::workspace::cargo_home;

/// Separates flags in `CARGO_ENCODED_RUSTFLAGS`.
const SEPARATOR: &str = "\u{1f}";
const FLAGS: [&str; 4] = [
    // aya-ebpf needs the architecture of kprobes' registers; we have no kprobes, but it must be set.
    "--cfg=bpf_target_arch=\"x86_64\"",
    "-Clink-arg=--btf",
    "-Ctarget-cpu=v3",
    // Headers in a frame are not aligned, and BPF in the kernel reads them anyway.
    "-Ctarget-feature=+allows-misaligned-mem-access",
];
/// Libraries whose code is in the program. The workspace optimises libraries for size, these for speed.
const IN_THE_PROGRAM: [&str; 6] = [
    "aya-ebpf",
    "aya-ebpf-bindings",
    "aya-ebpf-cty",
    "aya-log-common",
    "aya-log-ebpf",
    "zerocopy",
];
/// All others run only during the build: optimising them takes minutes and changes nothing.
const BUILD_TOOLS: &str = "profile.release.package.\"*\".opt-level=0";

/// A toolchain and a linker that together make BPF objects.
#[derive(Clone, Debug)]
pub(crate) struct Compiler {
    pub(crate) toolchain: Toolchain,
    pub(crate) linker: PathBuf,
}

impl Compiler {
    /// Builds one package of a workspace and returns the path of the object.
    pub(crate) fn build(&self, workspace: &Path, package: &str, target: &Path) -> Result<PathBuf> {
        let mut cargo = self.cargo(workspace)?;
        cargo.args(["build", "--quiet", "--release", "--package", package]);
        cargo.args(["--target", TARGET, "--target-dir"]).arg(target);
        // Warnings are left to clippy; one, about the target feature, always appears.
        process::run_quietly(&mut cargo)?;
        Ok(target.join(TARGET).join("release").join(package))
    }

    /// The cargo command without its sub-command. The environment is ignored: the same source gives the same object.
    fn cargo(&self, workspace: &Path) -> Result<Command> {
        let mut cargo = Command::new(self.toolchain.cargo());
        without_outer_toolchain(&mut cargo);
        cargo.current_dir(workspace).env("RUSTC", &self.toolchain.rustc);
        for (setting, value) in PROFILE {
            cargo.env(format!("CARGO_PROFILE_RELEASE_{setting}"), value);
        }
        cargo.args(["--config", BUILD_TOOLS]);
        for library in IN_THE_PROGRAM {
            let fast = format!("profile.release.package.{library}.opt-level=3");
            cargo.args(["--config", &fast]);
        }
        let flags = self.flags(workspace)?.join(SEPARATOR.as_ref());
        cargo.env("CARGO_ENCODED_RUSTFLAGS", flags);
        match self.toolchain.core {
            // aya-ebpf needs one unstable feature on this target; naming the crate unlocks it for that crate only.
            Core::Prebuilt => cargo.env("RUSTC_BOOTSTRAP", "aya_ebpf"),
            // cargo's own -Z options need it for all crates.
            Core::Source => cargo.env("RUSTC_BOOTSTRAP", "1").arg("-Zbuild-std=core"),
        };
        Ok(cargo)
    }

    fn flags(&self, workspace: &Path) -> Result<Vec<OsString>> {
        let mut flags: Vec<OsString> = FLAGS.iter().map(OsString::from).collect();
        flags.push(with_path("-Clinker=", &self.linker));
        for (from, to) in self.machine_paths(workspace)? {
            let mut flag = with_path("--remap-path-prefix=", &from);
            flag.push("=");
            flag.push(to);
            flags.push(flag);
        }
        Ok(flags)
    }

    /// Paths of this machine, and their replacements in the object.
    fn machine_paths(&self, workspace: &Path) -> Result<Vec<(PathBuf, &'static str)>> {
        let workspace = workspace.canonicalize().context("find the workspace")?;
        let source = self.toolchain.sysroot.join("lib/rustlib/src/rust");
        let mut paths = vec![(workspace, "/gdoi-monitor"), (source, "/rust")];
        let Some(sources) = cargo_home().map(|home| home.join("registry/src")) else {
            return Ok(paths);
        };
        // The folder exists only after a first download.
        for registry in std::fs::read_dir(sources).into_iter().flatten().flatten() {
            paths.push((registry.path(), "/registry"));
        }
        Ok(paths)
    }
}

fn with_path(flag: &str, path: &Path) -> OsString {
    let mut flag = OsString::from(flag);
    flag.push(path);
    flag
}

/// The profile is set here and not in the workspace, so that tuning the agent does not change the object.
const PROFILE: [(&str, &str); 6] = [
    ("CODEGEN_UNITS", "1"),
    ("DEBUG", "2"),
    ("INCREMENTAL", "false"),
    ("LTO", "thin"),
    ("OPT_LEVEL", "3"),
    ("PANIC", "abort"),
];
