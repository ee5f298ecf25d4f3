//! Sets up, builds, tests and packages this repository.
//!
//! It has almost no dependencies and none in this workspace, so that it answers within seconds of a clone. The
//! simulator handles scenarios, and the laboratory everything that touches a kernel: both are built when first
//! needed.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it is a command-line program"
)]

mod check;
pub mod command_line;
mod demo;
pub mod dist;
mod docs;
mod doctor;
pub mod ebpf;
pub mod error;
pub mod help;
pub mod packages;
mod pass_on;
mod preflight;
pub mod process;
mod setup;
mod steps;
pub mod suite;
mod test;
pub mod workspace;
