//! `cargo xtask`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    xtask::command_line::run(std::env::args_os().skip(1).collect())
}
