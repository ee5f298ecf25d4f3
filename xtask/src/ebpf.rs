//! The committed object: made from the source, and proved to come from it.

pub(crate) mod compiler;
mod drift;
pub(crate) mod linker;
mod llvm;
mod object_file;
pub(crate) mod probe;
pub(crate) mod toolchain;

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use self::compiler::Compiler;
use self::drift::Comparison;
use self::object_file::{Object, without_debug};
use crate::setup;
use crate::workspace::Workspace;

/// `cargo xtask ebpf`, with or without `--check`.
pub(crate) fn run(workspace: &Workspace, check: bool) -> Result<()> {
    let compiler = setup::compiler(workspace)?;
    if check {
        return verify(workspace, &compiler);
    }
    let object = build(workspace, &compiler)?;
    let path = workspace.committed_object();
    std::fs::write(&path, &object).with_context(|| format!("write {}", path.display()))?;
    println!(
        "{}: {} octets, {}",
        path.display(),
        object.len(),
        compiler.toolchain.describe()
    );
    Ok(())
}

/// Builds the object anew and fails when the committed one differs in anything that a kernel is given.
pub(crate) fn verify(workspace: &Workspace, compiler: &Compiler) -> Result<()> {
    let built = build(workspace, compiler)?;
    let path = workspace.committed_object();
    let committed = std::fs::read(&path).with_context(|| format!("read {}", path.display()))?;
    let comparison = Comparison::of(
        &Object::read(&committed).context("read the committed object")?,
        &Object::read(&built).context("read the object just built")?,
    );
    print!("{comparison}");
    if comparison.has_drift() {
        bail!(
            "the committed object does not come from this source (built with {}); \
             if the source is right: cargo xtask ebpf, test, and commit the object",
            compiler.toolchain.describe()
        );
    }
    if comparison.has_differences() {
        println!(
            "The committed object is this source; names or debug information differ, as between machines."
        );
    } else {
        println!("The committed object is this source, octet for octet.");
    }
    Ok(())
}

/// Builds the programs that the laboratory measures, and says where their object is.
pub fn build_for_bench(workspace: &Workspace) -> Result<PathBuf> {
    let compiler = setup::compiler(workspace)?;
    let object = compiler.build(
        &workspace.root,
        "gdoi-monitor-ebpf",
        &workspace.target.join("ebpf"),
    )?;
    Ok(object.with_file_name("gdoi-bench-ebpf"))
}

fn build(workspace: &Workspace, compiler: &Compiler) -> Result<Vec<u8>> {
    println!("Building the XDP program ...");
    let object = compiler.build(
        &workspace.root,
        "gdoi-monitor-ebpf",
        &workspace.target.join("ebpf"),
    )?;
    let octets = std::fs::read(&object).with_context(|| format!("read {}", object.display()))?;
    without_debug(&octets).with_context(|| format!("strip {}", object.display()))
}
