//! Paths of the workspace.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Context as _, Result};

/// The folders that the tasks work in.
pub struct Workspace {
    /// The workspace.
    pub root: PathBuf,
    /// Cargo's target folder, which may be configured.
    pub target: PathBuf,
}

impl Workspace {
    /// Finds the folders of this checkout.
    pub fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("the workspace above xtask")?
            .to_path_buf();
        // TARGET/debug/xtask
        let program = std::env::current_exe().context("find this program")?;
        let target = program
            .ancestors()
            .nth(2)
            .context("the target folder above this program")?
            .to_path_buf();
        Ok(Self { root, target })
    }

    /// Tools that `setup` installs for this checkout only.
    pub fn tools(&self) -> PathBuf {
        self.target.join("tools")
    }

    /// The object that the agent embeds.
    pub fn committed_object(&self) -> PathBuf {
        self.root.join("gdoi-monitor/ebpf/gdoi-monitor.bpf.o")
    }

    /// The cargo that started this program, for the host's crates.
    pub fn cargo(&self) -> Command {
        let mut cargo = Command::new(cargo_program());
        cargo.current_dir(&self.root);
        if std::env::var_os("CARGO_TARGET_DIR").is_some() {
            // It may be relative to the current folder.
            cargo.env("CARGO_TARGET_DIR", &self.target);
        }
        cargo
    }
}

/// The cargo that started this program.
pub fn cargo_program() -> PathBuf {
    std::env::var_os("CARGO").map_or_else(|| PathBuf::from("cargo"), PathBuf::from)
}

/// Cargo's home, where it keeps the sources of dependencies.
pub fn cargo_home() -> Option<PathBuf> {
    if let Some(home) = std::env::var_os("CARGO_HOME") {
        return Some(PathBuf::from(home));
    }
    std::env::home_dir().map(|home| home.join(".cargo"))
}
