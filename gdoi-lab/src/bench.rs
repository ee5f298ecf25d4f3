//! Measurements of the program, of the way behind it, and of the agent: as rows, each against its goal.

mod analyze;
mod document;
mod frames;
mod kernel;
mod memory;
mod objects;
mod ring;
mod row;
mod scrape;
mod start;

use std::path::Path;

use anyhow::Result;

pub use document::{Measured, document};
pub use row::{Row, Unit, Wanted};

/// How much is measured.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Effort {
    /// Turns of program and baseline
    #[arg(long, value_name = "N", default_value_t = 101)]
    pub rounds: usize,
    /// Take what a busy machine gives, whatever the control says
    #[arg(long)]
    pub hurried: bool,
    /// Seconds that a storm of messages lasts
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub storm: u64,
}

/// A part of the measurements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Section {
    /// What members and SPIs take of memory
    Memory,
    /// What it takes to start
    Start,
    /// What a packet costs in the program
    Kernel,
    /// Messages through the ring
    Ring,
    /// What a scrape costs
    Scrape,
    /// What analysing a capture costs
    Analyze,
}

impl Section {
    /// All of them, in the order that they disturb each other least in.
    pub const ALL: [Self; 6] = [
        Self::Memory,
        Self::Start,
        Self::Kernel,
        Self::Ring,
        Self::Scrape,
        Self::Analyze,
    ];

    /// What the rows are about, and how they are measured.
    pub const fn heading(self) -> (&'static str, &'static str) {
        match self {
            Self::Analyze => (
                "A capture",
                "A made capture of 256 MiB, read by `analyze`, `cat` and a C loop of libpcap in turns; medians of five, in \
                 CPU time of the process. `cargo xtask bench offline` measures larger ones, and tshark.",
            ),
            Self::Memory => (
                "Memory",
                "Resident memory of the process around a tracker that is filled.",
            ),
            Self::Start => (
                "Start",
                "Medians of seven: the load of one program; a start of the agent on a veth interface until it tells \
                 systemd that it is ready, attached and listening.",
            ),
            Self::Kernel => (
                "A packet in the program",
                "`BPF_PROG_TEST_RUN`, in CPU time of the thread; rounds of the program and of one that does nothing (for \
                 SPIs in turn: that only changes the SPI) take turns; the median of the pairs' ratios.",
            ),
            Self::Ring => (
                "Messages through the ring",
                "A thousand messages each millisecond from one thread; another empties the ring every 5 ms and decodes \
                 each record, in CPU time of that thread.",
            ),
            Self::Scrape => (
                "A scrape",
                "Medians of eleven pages of an agent with 170 groups and 10,000 members.",
            ),
        }
    }

    /// Measures it with the programs in `object`.
    pub fn measure(self, object: &Path, effort: Effort) -> Result<Vec<Row>> {
        match self {
            Self::Analyze => analyze::run(),
            Self::Kernel => kernel::run(&std::fs::read(object)?, effort),
            Self::Memory => memory::run(),
            Self::Ring => ring::run(&std::fs::read(object)?, effort.storm),
            Self::Scrape => scrape::rows(),
            Self::Start => start::run(&std::fs::read(object)?),
        }
    }
}
