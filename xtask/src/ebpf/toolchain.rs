//! The Rust toolchain that compiles for BPF.
//!
//! It needs `core` for `bpfel-unknown-none`: a distribution has it compiled (Debian: `libstd-rust-web-dev-bpf`),
//! rustup has its source (`rust-src`). Compilers are called by path, never through rustup's proxies: inside `cargo
//! xtask` the proxies are bound to the outer toolchain.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Context as _, Result, fail};
use crate::process;
use crate::workspace::cargo_program;

/// The target of the XDP program.
pub(crate) const TARGET: &str = "bpfel-unknown-none";

/// The release that builds the committed object.
pub(crate) const PINNED: &str = "1.96.0";

/// Environment variable with the only toolchain to use: a rustup name, or a folder with `bin/rustc`.
pub(crate) const CHOICE: &str = "GDOI_EBPF_TOOLCHAIN";

/// A compiler that may be able to compile for BPF.
#[derive(Clone, Debug)]
pub(crate) struct Toolchain {
    /// Its name for people.
    pub(crate) name: String,
    pub(crate) rustc: PathBuf,
    pub(crate) sysroot: PathBuf,
    pub(crate) version: Version,
    pub(crate) core: Core,
}

/// Where `core` for BPF comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Core {
    Prebuilt,
    /// Compiled from rust-src with `-Zbuild-std=core`.
    Source,
}

/// The output of `rustc -vV`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// `rustc 1.96.0 (ac68faa20 2026-05-25)`.
    pub(crate) line: String,
    pub(crate) llvm: String,
    pub(crate) llvm_major: u32,
}

impl Version {
    /// Runs `rustc -vV`.
    pub(crate) fn of(rustc: &Path) -> Result<Self> {
        let mut command = Command::new(rustc);
        command.arg("-vV");
        Self::parse(&process::output(without_outer_toolchain(&mut command))?)
    }

    fn parse(said: &str) -> Result<Self> {
        let line = said.lines().next().context("rustc -vV printed nothing")?;
        let llvm = said
            .lines()
            .find_map(|line| line.strip_prefix("LLVM version: "))
            .context("rustc -vV prints no LLVM version")?;
        let llvm_major = llvm
            .split('.')
            .next()
            .unwrap_or_default()
            .parse()
            .with_context(|| format!("read LLVM version {llvm}"))?;
        Ok(Self {
            line: line.to_owned(),
            llvm: llvm.to_owned(),
            llvm_major,
        })
    }
}

impl Toolchain {
    /// Inspects one compiler; the error says why it cannot be used.
    pub(crate) fn at(name: &str, rustc: &Path) -> Result<Self> {
        if !rustc.is_file() {
            return fail("no such rustup toolchain, and no such compiler");
        }
        let version = Version::of(rustc)?;
        let ask = |what: &[&str]| -> Result<PathBuf> {
            let mut command = Command::new(rustc);
            command.args(["--print"]).args(what);
            let said = process::output(without_outer_toolchain(&mut command))?;
            Ok(PathBuf::from(said.trim()))
        };
        let sysroot = ask(&["sysroot"])?;
        let libraries = ask(&["target-libdir", "--target", TARGET])?;
        let source = sysroot.join("lib/rustlib/src/rust/library/core/Cargo.toml");
        let core = if has_core(&libraries) {
            Core::Prebuilt
        } else if source.is_file() {
            Core::Source
        } else {
            return fail(format!(
                "{}: neither rust-src nor a compiled core for {TARGET}",
                version.line
            ));
        };
        Ok(Self {
            name: name.to_owned(),
            rustc: rustc.to_path_buf(),
            sysroot,
            version,
            core,
        })
    }

    /// The cargo to call: only a toolchain's own cargo is certain to know how to build its `core`.
    pub(crate) fn cargo(&self) -> PathBuf {
        let own = self.sysroot.join("bin/cargo");
        if self.core == Core::Source && own.is_file() {
            own
        } else {
            cargo_program()
        }
    }

    /// One line for the log.
    pub(crate) fn describe(&self) -> String {
        let core = match self.core {
            Core::Prebuilt => "core prebuilt",
            Core::Source => "core from rust-src",
        };
        format!(
            "{}: {}, LLVM {}, {core}",
            self.name, self.version.line, self.version.llvm
        )
    }
}

/// Candidate compilers, each with a name for people. Those that reproduce the committed object exactly come first: a
/// nightly with another LLVM may not.
pub(crate) fn candidates() -> Vec<(String, PathBuf)> {
    if let Some(choice) = std::env::var_os(CHOICE) {
        let name = choice.to_string_lossy().into_owned();
        let of_rustup = (!name.contains('/')).then(|| rustup_compiler(&name)).flatten();
        let rustc = of_rustup.unwrap_or_else(|| PathBuf::from(choice).join("bin/rustc"));
        return vec![(name, rustc)];
    }
    let mut found = Vec::new();
    let distribution = PathBuf::from("/usr/bin/rustc");
    if distribution.is_file() {
        found.push(("distribution".to_owned(), distribution));
    }
    for name in ["ebpf", PINNED, "nightly"] {
        if let Some(rustc) = rustup_compiler(name) {
            found.push((format!("rustup {name}"), rustc));
        }
    }
    if let Some(rustc) = host_compiler() {
        found.push(("host".to_owned(), rustc));
    }
    found
}

/// The compiler of the toolchain that compiles the host's crates.
pub(crate) fn host_compiler() -> Option<PathBuf> {
    let said = process::output(Command::new("rustc").args(["--print", "sysroot"])).ok()?;
    let rustc = Path::new(said.trim()).join("bin/rustc");
    rustc.is_file().then_some(rustc)
}

/// Asks only for an installed toolchain: rustup would install a missing one.
fn rustup_compiler(toolchain: &str) -> Option<PathBuf> {
    let mut rustup = Command::new("rustup");
    rustup.args(["which", "--toolchain", toolchain, "rustc"]);
    let said = process::output(without_outer_toolchain(&mut rustup)).ok()?;
    Some(PathBuf::from(said.trim()))
}

/// Removes what the outer cargo and rustup set for their own compiler.
pub(crate) fn without_outer_toolchain(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os() {
        let is_profile = name
            .to_str()
            .is_some_and(|name| name.starts_with("CARGO_PROFILE_"));
        if is_profile {
            command.env_remove(name);
        }
    }
    for name in OUTER {
        command.env_remove(name);
    }
    // Nothing is installed silently.
    command.env("RUSTUP_AUTO_INSTALL", "0")
}

/// Also variables that would change the object.
const OUTER: [&str; 13] = [
    "CARGO",
    "CARGO_BUILD_TARGET",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_INCREMENTAL",
    "CARGO_TARGET_DIR",
    "LD_LIBRARY_PATH",
    "RUSTC",
    "RUSTC_BOOTSTRAP",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTFLAGS",
    "RUSTUP_TOOLCHAIN",
    "RUST_RECURSION_COUNT",
];

fn has_core(libraries: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(libraries) else {
        return false;
    };
    entries
        .flatten()
        .any(|entry| entry.file_name().to_string_lossy().starts_with("libcore-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_is_read() {
        let said = "rustc 1.96.0 (ac68faa20 2026-05-25) (built from a source tarball)\nbinary: rustc\n\
                    release: 1.96.0\nLLVM version: 22.1.8\n";
        let version = Version::parse(said).unwrap();
        assert_eq!(version.llvm_major, 22);
        assert_eq!(version.llvm, "22.1.8");
        assert!(Version::parse("rustc 1.0\n").is_err());
        assert!(Version::parse("").is_err());
    }
}
