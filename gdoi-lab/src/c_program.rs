//! Programs in C for comparison, if there is a compiler.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

/// Builds `source` as `name` in a folder, with options for libraries. `None` without a compiler or a library.
pub(crate) fn build(folder: &Path, name: &str, source: &str, libraries: &[&str]) -> Result<Option<PathBuf>> {
    let program = folder.join(name);
    let path = program.with_extension("c");
    std::fs::write(&path, source).with_context(|| format!("write {}", path.display()))?;
    let built = Command::new("cc")
        .args(["-O2", "-o"])
        .args([&program, &path])
        .args(libraries)
        .stderr(Stdio::null())
        .status();
    Ok(built.is_ok_and(|status| status.success()).then_some(program))
}
