//! Measurements of the programs, of the path of a record, and of the agent: as rows, each compared with its goal.

mod analyze;
mod c;
mod collection;
mod counting;
mod crowd;
mod document;
mod forwarding;
mod frames;
mod instructions;
mod kernel;
mod memory;
mod objects;
mod ring;
mod row;
mod scrape;
mod start;
mod tracker;

use std::path::Path;

use anyhow::Result;

pub use document::{Measured, document};
pub use memory::{WEIGH, weigh};
pub(crate) use row::number;
pub use row::{Row, Unit, Wanted};

/// The effort of a measurement.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Effort {
    /// Rounds of program and baseline
    #[arg(long, value_name = "N", default_value_t = 101)]
    pub rounds: usize,
    /// Accept results of a busy machine, whatever the control says
    #[arg(long)]
    pub hurried: bool,
    /// Duration of a message storm in seconds
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub storm: u64,
    /// Millions of packets to count
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub millions: u64,
}

/// A section of the measurements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Section {
    /// Memory of members and SPIs
    Memory,
    /// Cost of starting
    Start,
    /// Cost of a packet in the program
    Kernel,
    /// The program compared with the same in C
    C,
    /// Instructions per packet
    Instructions,
    /// Cost of a packet on a gateway
    Forwarding,
    /// Whether every packet is counted
    Counting,
    /// Messages through the ring
    Ring,
    /// Cost of an observation in the tracker
    Tracker,
    /// Cost of a scrape
    Scrape,
    /// Cost of analysing a capture
    Analyze,
}

impl Section {
    /// All of them, in the order in which they disturb each other least.
    pub const ALL: [Self; 11] = [
        Self::Memory,
        Self::Start,
        Self::Kernel,
        Self::C,
        Self::Instructions,
        Self::Forwarding,
        Self::Counting,
        Self::Ring,
        Self::Tracker,
        Self::Scrape,
        Self::Analyze,
    ];

    /// The subject of the rows, and how they are measured.
    pub const fn heading(self) -> (&'static str, &'static str) {
        match self {
            Self::Analyze => (
                "A capture",
                "A generated capture of 1 GiB, read alternately by `analyze`, `cat` and a C loop of libpcap; \
                 medians of five, in CPU time of the process. tshark reads a quarter of it, once. `cargo xtask \
                 bench offline` measures other sizes.",
            ),
            Self::Memory => (
                "Memory",
                "Resident memory of a process with a full tracker; each run is a separate process.",
            ),
            Self::Start => (
                "Start",
                "Medians of seven: loading one program; starting the agent on a veth interface until it notifies \
                 systemd that it is ready, attached and listening.",
            ),
            Self::Kernel => (
                "A packet in the program",
                "`BPF_PROG_TEST_RUN`, in CPU time of the thread; rounds of the program and of an empty one (for \
                 SPIs in turn: one that only changes the SPI) alternate; the median of the pairs' ratios.",
            ),
            Self::C => (
                "The same in C",
                "The fast path in Rust and in C (`gdoi-lab/src/bench/program.c`, clang -O2), alternating, as above.",
            ),
            Self::Instructions => (
                "Instructions of a packet",
                "The compiled program, run by an interpreter (`gdoi-lab/src/executed.rs`), once the SPI has a \
                 slot. Calls that the kernel inlines (array lookups, the CPU number, jiffies) count as one \
                 instruction; code that the kernel removes because of frozen globals is included.",
            ),
            Self::Forwarding => (
                "A packet through a gateway",
                "Packets from one veth pair to another, in CPU time of the kernel thread that receives them, runs \
                 programs and forwards; rounds of 102,400 packets without a program, with an empty program, with \
                 ours, and with tcpdump plus an empty program; medians of the ratios of fifteen rounds.",
            ),
            Self::Counting => (
                "Every packet",
                "ESP as fast as a veth pair accepts it, while the table is read every 10 ms. For kills of the \
                 agent see `tests/all/pins/killed.rs`.",
            ),
            Self::Ring => (
                "Messages through the ring",
                "A million messages a second from one thread, in bursts of 20,000 as fast as the program writes \
                 them; another drains the ring every 5 ms, alternately with and without decoding each record, in \
                 CPU time of that thread. Then records of zeros, for which the kernel wakes a tokio task that had \
                 read everything (aya in an `AsyncFd`).",
            ),
            Self::Tracker => (
                "An observation in the tracker",
                "Headers of generated messages into a tracker of one configured group, in CPU time of the thread; \
                 medians of five rounds, each with a hundred thousand members of each size.",
            ),
            Self::Scrape => (
                "A scrape",
                "Medians of eleven pages of an agent with 170 groups and 10,000 members. The table of the program \
                 with 1,024 SPIs, in CPU time of the thread, compared with a per-CPU hash map read by \
                 `BPF_MAP_LOOKUP_BATCH` from C (`gdoi-lab/src/bench/lookup_batch.c`).",
            ),
        }
    }

    /// Measures it with the programs in `object`.
    pub fn measure(self, object: &Path, effort: Effort) -> Result<Vec<Row>> {
        match self {
            Self::Analyze => analyze::run(),
            Self::C => c::run(&std::fs::read(object)?, effort),
            Self::Counting => counting::run(effort.millions),
            Self::Forwarding => forwarding::run(&std::fs::read(object)?),
            Self::Instructions => instructions::run(&std::fs::read(object)?),
            Self::Kernel => kernel::run(&std::fs::read(object)?, effort),
            Self::Memory => memory::run(),
            Self::Ring => ring::run(&std::fs::read(object)?, effort.storm),
            Self::Scrape => Ok([scrape::rows()?, collection::rows()?].concat()),
            Self::Start => start::run(&std::fs::read(object)?),
            Self::Tracker => tracker::run(),
        }
    }
}
