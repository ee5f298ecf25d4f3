//! Runs programs and reads their output.

use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use crate::error::{Context as _, Result, fail};

/// Runs it, shows its output, and fails if it fails.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command
        .stdin(Stdio::null())
        .status()
        .with_context(|| format!("start {}", words(command)))?;
    if !status.success() {
        return fail(format!("{}: {status}", words(command)));
    }
    Ok(())
}

/// Runs it, and shows its output only if it fails.
pub fn run_quietly(command: &mut Command) -> Result<()> {
    let said = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("start {}", words(command)))?;
    if !said.status.success() {
        eprint!("{}", String::from_utf8_lossy(&said.stderr));
        return fail(format!("{}: {}", words(command), said.status));
    }
    Ok(())
}

/// Runs it and returns its standard output; on failure, the error holds the end of its output.
pub fn output(command: &mut Command) -> Result<String> {
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("start {}", words(command)))?;
    if !status.success() {
        let said = String::from_utf8_lossy(&stderr);
        let lines: Vec<&str> = said.lines().collect();
        let end = lines.get(lines.len().saturating_sub(15)..).unwrap_or_default();
        return fail(format!("{}: {status}\n{}", words(command), end.join("\n")));
    }
    Ok(String::from_utf8_lossy(&stdout).into_owned())
}

/// The first line of a program's output, or `None` if it does not start.
pub fn first_line(program: &str, arguments: &[&str]) -> Option<String> {
    let said = output(Command::new(program).args(arguments)).ok()?;
    said.lines().next().map(str::to_owned)
}

/// The path of a program on the search path.
pub fn on_path(program: &str) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

/// Whether this process runs as root.
pub fn is_root() -> bool {
    // /proc/self belongs to the effective user.
    std::fs::metadata("/proc/self").is_ok_and(|folder| folder.uid() == 0)
}

/// The command as a person would type it.
pub fn words(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    for argument in command.get_args() {
        words.push(argument.to_string_lossy().into_owned());
    }
    words.join(" ")
}
