//! `ebpf-object strip OBJECT OUT` and `ebpf-object compare COMMITTED BUILT`: a tool of `cargo xtask ebpf`.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool prints its results"
)]

mod drift;
mod object_file;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

use crate::drift::Comparison;
use crate::object_file::{Object, without_debug};

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[PathBuf]) -> Result<()> {
    match arguments {
        [command, object, out] if command == Path::new("strip") => strip(object, out),
        [command, committed, built] if command == Path::new("compare") => compare(committed, built),
        _ => bail!("usage: ebpf-object strip OBJECT OUT | compare COMMITTED BUILT"),
    }
}

/// Writes the object without what only a debugger reads.
fn strip(object: &Path, out: &Path) -> Result<()> {
    let stripped = without_debug(&read(object)?).with_context(|| format!("strip {}", object.display()))?;
    fs::write(out, stripped).with_context(|| format!("write {}", out.display()))
}

/// Fails if the committed object differs from the built one in anything that a kernel gets.
fn compare(committed: &Path, built: &Path) -> Result<()> {
    let [committed, built] = [committed, built].map(|path| {
        let object = Object::read(&read(path)?);
        object.with_context(|| format!("read the object {}", path.display()))
    });
    let comparison = Comparison::of(&committed?, &built?);
    print!("{comparison}");
    if comparison.has_drift() {
        bail!("the committed object does not come from this source");
    }
    if comparison.has_differences() {
        println!(
            "The committed object is this source; names or debug information differ, as between machines."
        );
    } else {
        println!("The committed object is this source, byte for byte.");
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("read {}", path.display()))
}
