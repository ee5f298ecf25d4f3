//! The committed object: built from the source, and verified against it.

pub(crate) mod compiler;
pub(crate) mod linker;
mod llvm;
pub(crate) mod probe;
pub(crate) mod toolchain;

use std::path::{Path, PathBuf};

use self::compiler::Compiler;
use crate::error::{Context as _, Result};
use crate::workspace::Workspace;
use crate::{process, setup};

/// `cargo xtask ebpf`, with or without `--check`.
pub(crate) fn run(workspace: &Workspace, check: bool) -> Result<()> {
    let compiler = setup::compiler(workspace)?;
    let built = build(workspace, &compiler)?;
    let committed = workspace.committed_object();
    if check {
        return tool(workspace, "compare", &committed, &built).with_context(|| {
            format!(
                "built with {}; if the source is right: cargo xtask ebpf, test, and commit the object",
                compiler.toolchain.describe()
            )
        });
    }
    let size = std::fs::copy(&built, &committed).with_context(|| format!("write {}", committed.display()))?;
    println!(
        "{}: {size} bytes, {}",
        committed.display(),
        compiler.toolchain.describe()
    );
    Ok(())
}

/// Builds the programs for measurements, and returns the path of their object.
pub fn build_for_bench(workspace: &Workspace) -> Result<PathBuf> {
    let compiler = setup::compiler(workspace)?;
    let object = compile(workspace, &compiler)?;
    Ok(object.with_file_name("gdoi-bench-ebpf"))
}

/// Builds the object and strips it.
fn build(workspace: &Workspace, compiler: &Compiler) -> Result<PathBuf> {
    println!("Building the XDP program ...");
    let object = compile(workspace, compiler)?;
    let stripped = object.with_extension("bpf.o");
    tool(workspace, "strip", &object, &stripped)?;
    Ok(stripped)
}

fn compile(workspace: &Workspace, compiler: &Compiler) -> Result<PathBuf> {
    compiler.build(
        &workspace.root,
        "gdoi-monitor-ebpf",
        &workspace.target.join("ebpf"),
    )
}

/// Runs the object tool on two paths.
fn tool(workspace: &Workspace, command: &str, one: &Path, other: &Path) -> Result<()> {
    let mut cargo = workspace.cargo();
    cargo.args(["run", "--quiet", "--package", "ebpf-object", "--", command]);
    process::run(cargo.arg(one).arg(other))
}
