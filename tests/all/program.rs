//! The program as a user starts it.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// The agent next to this test executable, or `None` after a SKIP line for `what`.
pub(crate) fn path(what: &str) -> Option<PathBuf> {
    named(what, "gdoi-monitor")
}

/// A program of the workspace next to this test executable, or `None` after a SKIP line for `what`.
pub(crate) fn named(what: &str, name: &str) -> Option<PathBuf> {
    let mut program = std::env::current_exe().unwrap();
    // target/PROFILE/deps/all-HASH -> target/PROFILE/gdoi-monitor
    program.pop();
    program.pop();
    program.push(name);
    if program.is_file() {
        return Some(program);
    }
    eprintln!("SKIP {what}: {} is not built", program.display());
    None
}

/// Runs it with `input` on standard input.
pub(crate) fn run(program: &PathBuf, arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || {
        // A program that does not need its input closes the pipe: that is no failure of the test.
        match stdin.write_all(&input) {
            Ok(()) | Err(_) => drop(stdin),
        }
    });
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}
