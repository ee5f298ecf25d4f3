//! What sets up, builds, tests and packages this repository.
//!
//! It depends on nothing of ours and on little else, so that it answers within seconds of a clone. Scenarios are the
//! simulator's business and everything that touches a kernel the laboratory's: both are built when they are first asked.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it talks to the person who started it"
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
