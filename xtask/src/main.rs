//! Builds, sets up, replays, measures: everything that is not the product.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "it talks to the person who started it"
)]

mod boot;
mod compiler;
mod dist;
mod doctor;
mod drift;
mod ebpf;
mod kernels;
mod lab;
mod linker;
mod llvm;
mod object_file;
mod packages;
mod probe;
mod process;
mod search;
mod setup;
mod sim;
mod suite;
mod test;
mod toolchain;
mod workspace;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::workspace::Workspace;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "Builds, sets up, replays, measures",
    max_term_width = 100
)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Measure what packets, records and scrapes cost; --help says what can be chosen
    #[command(disable_help_flag = true)]
    Bench {
        /// For the laboratory
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Install the package in a Debian of its own, boot that, and check the service under traffic
    Boot(boot::Booting),
    /// Show the main job: a capture, over a veth pair, through the real agent
    Demo,
    /// Compare what the tracker says of the demonstrations with what is expected
    #[command(disable_help_flag = true)]
    Demonstrate {
        /// For the simulator
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Build a static program and the Debian package around it
    Dist(dist::Dist),
    /// Write the documents that are made from the code
    Docs,
    /// Say the version of everything that is needed, and what is missing
    Doctor,
    /// Build the XDP program and replace the committed object
    Ebpf {
        /// Replace nothing; fail when the committed object does not come from the source
        #[arg(long)]
        check: bool,
    },
    /// Run tests of this repository on kernels of distributions, in emulated machines
    Kernels(kernels::Kernels),
    /// Give hostile input to everything that takes input, for minutes or hours
    Fuzz(search::Fuzz),
    /// Break the code in many places, and see which breakages the tests catch
    Mutants(search::Mutants),
    /// Let the agent watch for as long as one likes, or months in virtual time, and see that it does not grow
    #[command(disable_help_flag = true)]
    Endure {
        /// For the laboratory
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Kill the agent two hundred times while it keeps what it has learned
    #[command(disable_help_flag = true)]
    Faults {
        /// For the laboratory
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Flood the agent on a gateway that forwards, while a group is rekeyed
    #[command(disable_help_flag = true)]
    Flood {
        /// For the laboratory
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Send a capture over a veth pair to the real agent; --help says what can be chosen
    #[command(disable_help_flag = true)]
    Replay {
        /// For the laboratory
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Judge the tracker: what it says of the scenarios against what really happens
    #[command(disable_help_flag = true)]
    Score {
        /// For the simulator
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Make this machine one that can build and test everything
    Setup,
    /// Write the metrics of a scenario as Prometheus would have scraped them
    #[command(disable_help_flag = true)]
    Scrape {
        /// For the laboratory
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Run a scenario: write it as a capture, with the truth about it
    #[command(disable_help_flag = true)]
    Simulate {
        /// For the simulator
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Set up what is missing, then check and test everything
    Test,
}

fn main() -> ExitCode {
    match run(&Cli::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: &Task) -> Result<()> {
    let workspace = Workspace::find()?;
    match task {
        Task::Bench { arguments } => lab::bench(&workspace, arguments),
        Task::Boot(arguments) => boot::run(&workspace, arguments),
        Task::Demo => lab::demo(&workspace),
        Task::Demonstrate { arguments } => sim::run(&workspace, "demonstrate", arguments),
        Task::Dist(arguments) => dist::run(&workspace, arguments),
        Task::Docs => lab::docs(&workspace),
        Task::Doctor => doctor::run(&workspace),
        Task::Ebpf { check } => ebpf::run(&workspace, *check),
        Task::Kernels(arguments) => kernels::run(&workspace, arguments),
        Task::Fuzz(arguments) => search::fuzz(&workspace, arguments),
        Task::Mutants(arguments) => search::mutants(&workspace, arguments),
        Task::Endure { arguments } => lab::reliability(&workspace, "endure", arguments),
        Task::Faults { arguments } => lab::reliability(&workspace, "faults", arguments),
        Task::Flood { arguments } => lab::reliability(&workspace, "flood", arguments),
        Task::Replay { arguments } => lab::replay(&workspace, arguments),
        Task::Score { arguments } => sim::run(&workspace, "score", arguments),
        Task::Scrape { arguments } => lab::scrape(&workspace, arguments),
        Task::Setup => setup::run(&workspace),
        // The metrics are the agent's own: the laboratory has an agent.
        Task::Simulate { arguments } if sim::wants_metrics(arguments) => lab::scrape(&workspace, arguments),
        Task::Simulate { arguments } => sim::run(&workspace, "simulate", arguments),
        Task::Test => test::run(&workspace),
    }
}
