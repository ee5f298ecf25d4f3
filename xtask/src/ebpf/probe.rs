//! Tries a toolchain and a linker, and remembers a working pair.

use std::path::{Path, PathBuf};

use super::compiler::Compiler;
use super::linker::Linker;
use super::toolchain::{CHOICE, Toolchain};
use crate::error::{Context as _, Result, fail};
use crate::workspace::Workspace;

/// Compiles a small XDP program with the pair, and remembers the pair if that works.
pub(crate) fn compiles(workspace: &Workspace, toolchain: &Toolchain, linker: PathBuf) -> Result<Compiler> {
    let compiler = Compiler {
        toolchain: toolchain.clone(),
        linker,
    };
    let folder = workspace.tools().join("probe");
    let source = folder.join("src");
    std::fs::create_dir_all(&source).with_context(|| format!("make {}", source.display()))?;
    write(&folder.join("Cargo.toml"), MANIFEST)?;
    write(&source.join("main.rs"), SOURCE)?;
    let object = compiler.build(&folder, "probe", &folder.join("target"))?;
    let octets = std::fs::read(&object).with_context(|| format!("read {}", object.display()))?;
    if !octets.windows(4).any(|window| window == b"xdp\0") {
        return fail(format!("{} has no program", object.display()));
    }
    write(&memory(workspace), &remember(&compiler))?;
    Ok(compiler)
}

/// The remembered pair, if neither has changed.
pub(crate) fn remembered(workspace: &Workspace) -> Option<Compiler> {
    let memory = std::fs::read_to_string(memory(workspace)).ok()?;
    let mut lines = memory.lines();
    let (_choice, name) = (lines.next()?, lines.next()?);
    let (rustc, linker) = (lines.next()?, lines.next()?);
    let toolchain = Toolchain::at(name, Path::new(rustc)).ok()?;
    let linkers = [Linker::of_checkout(workspace), Linker::of_person()];
    let linker = linkers
        .into_iter()
        .flatten()
        .find(|found| found.path == Path::new(linker))?;
    let compiler = Compiler {
        toolchain,
        linker: linker.path,
    };
    (remember(&compiler) == memory).then_some(compiler)
}

fn remember(compiler: &Compiler) -> String {
    let Compiler { toolchain, linker } = compiler;
    let choice = std::env::var(CHOICE).unwrap_or_default();
    format!(
        "{choice}\n{}\n{}\n{}\n{}\n",
        toolchain.name,
        toolchain.rustc.display(),
        linker.display(),
        toolchain.version.line
    )
}

fn memory(workspace: &Workspace) -> PathBuf {
    workspace.tools().join("bpf-toolchain")
}

fn write(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).with_context(|| format!("write {}", path.display()))
}

const MANIFEST: &str = r#"[package]
name = "probe"
version = "0.0.0"
edition = "2024"
# As the XDP program itself: an older compiler must not pass.
rust-version = "1.95"

[workspace]
"#;

/// Uses `core`, so that a missing `core` is noticed.
const SOURCE: &str = r#"#![no_std]
#![no_main]

#[unsafe(no_mangle)]
#[unsafe(link_section = "xdp")]
pub extern "C" fn probe(context: *const [u8; 8]) -> u32 {
    let octets = unsafe { core::ptr::read_unaligned(context) };
    u64::from_be_bytes(octets).count_ones().saturating_add(2)
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
"#;
