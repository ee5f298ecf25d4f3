//! bpf-linker: turns rustc's bitcode into a BPF object, with an LLVM that is not older than rustc's.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::llvm::Library;
use super::toolchain::{Toolchain, host_compiler, without_outer_toolchain};
use crate::error::{Context as _, Result};
use crate::process;
use crate::workspace::Workspace;

/// The version that builds the object.
pub(crate) const VERSION: &str = "0.13.0";

/// A bpf-linker that starts.
#[derive(Clone, Debug)]
pub(crate) struct Linker {
    pub(crate) path: PathBuf,
    /// Its version line: `bpf-linker 0.13.0`.
    pub(crate) version: String,
    /// The library it was linked with, if known.
    pub(crate) llvm: Option<Library>,
}

impl Linker {
    /// The linker of this checkout, if it is there and starts.
    pub(crate) fn of_checkout(workspace: &Workspace) -> Option<Self> {
        let path = workspace.tools().join("bin/bpf-linker");
        let version = starts(&path)?;
        let library = std::fs::read_link(prefix(workspace).join("lib/libLLVM.so")).ok();
        Some(Self {
            path,
            version,
            llvm: library.as_deref().and_then(Library::at),
        })
    }

    /// Another installed linker of the right version.
    pub(crate) fn of_person() -> Option<Self> {
        let path = process::on_path("bpf-linker")?;
        let version = starts(&path)?;
        let is_ours = version.split_whitespace().any(|word| word == VERSION);
        is_ours.then_some(Self {
            path,
            version,
            llvm: None,
        })
    }

    /// Whether it can read the compiler's output; if its LLVM is unknown, only a try shows.
    pub(crate) fn suits(&self, toolchain: &Toolchain) -> bool {
        self.llvm
            .as_ref()
            .is_none_or(|library| library.major >= toolchain.version.llvm_major)
    }

    /// One line for the log.
    pub(crate) fn describe(&self) -> String {
        let llvm = self.llvm.as_ref().map_or_else(
            || "its own LLVM".to_owned(),
            |library| library.path.display().to_string(),
        );
        format!("{} ({llvm}) at {}", self.version, self.path.display())
    }
}

/// Builds bpf-linker for a toolchain and keeps it with this checkout.
pub(crate) fn install(workspace: &Workspace, toolchain: &Toolchain) -> Result<Linker> {
    let host = host_compiler();
    let host = host.as_deref().and_then(|rustc| rustc.ancestors().nth(2));
    let wanted = toolchain.version.llvm_major;
    let library = Library::find(wanted, &toolchain.sysroot, host)
        .with_context(|| format!("there is no libLLVM.so.{wanted} or newer on this machine"))?;
    let folder = library.path.parent().context("the folder of libLLVM")?;
    link_library(workspace, &library)?;

    let tools = workspace.tools();
    let mut cargo = workspace.cargo();
    without_outer_toolchain(&mut cargo);
    // By its path: rustup's proxy would obey the rust-toolchain.toml that some dependencies are published with, and
    // install what it names.
    if let Some(rustc) = host_compiler() {
        cargo.env("RUSTC", rustc);
    }
    cargo.env("CARGO_PROFILE_DEV_DEBUG", "0");
    // Outside the workspace, so that its configuration does not apply.
    cargo.current_dir(&tools);
    cargo.args([
        "install",
        "bpf-linker",
        "--quiet",
        "--locked",
        // What it does is LLVM's work, which comes compiled: optimising the rest saves no time.
        "--debug",
        "--force",
        "--no-default-features",
    ]);
    cargo.args([
        "--version",
        VERSION,
        "--features",
        &format!("llvm-{}", library.major),
    ]);
    cargo
        .arg("--root")
        .arg(&tools)
        .arg("--target-dir")
        .arg(tools.join("build"));
    let mut run_path = OsString::from("-Clink-arg=-Wl,-rpath,");
    run_path.push(folder);
    cargo.env("CARGO_ENCODED_RUSTFLAGS", run_path);
    cargo.env("LLVM_PREFIX", prefix(workspace));
    process::run_quietly(&mut cargo)?;
    std::fs::remove_dir_all(tools.join("build")).context("remove what bpf-linker was built in")?;
    Linker::of_checkout(workspace).context("the bpf-linker just built does not start")
}

/// All that bpf-linker's build needs of an LLVM installation: a folder with `lib/libLLVM.so`.
fn link_library(workspace: &Workspace, library: &Library) -> Result<()> {
    let folder = prefix(workspace).join("lib");
    std::fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    let link = folder.join("libLLVM.so");
    match std::fs::remove_file(&link) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("replace {}", link.display()));
        }
        Ok(()) | Err(_) => {}
    }
    std::os::unix::fs::symlink(&library.path, &link).with_context(|| format!("link {}", link.display()))
}

fn prefix(workspace: &Workspace) -> PathBuf {
    workspace.tools().join("llvm")
}

fn starts(path: &Path) -> Option<String> {
    let mut command = Command::new(path);
    command.arg("--version");
    let said = process::output(without_outer_toolchain(&mut command)).ok()?;
    said.lines().next().map(str::to_owned)
}
