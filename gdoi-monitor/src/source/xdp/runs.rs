//! Run count and run time of programs, if the kernel counts them.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use aya::Ebpf;
use aya::sys::{Stats, enable_stats};
use gdoi_wire::record::{PROGRAM_TC, PROGRAM_XDP};

/// The kernel counts while this exists: for every program of the machine, at some nanoseconds per run.
#[derive(Debug)]
pub struct CountRuns {
    _counting: OwnedFd,
}

impl CountRuns {
    /// Enables counting (since v5.8), which needs `CAP_SYS_ADMIN`.
    pub fn begin() -> io::Result<Self> {
        enable_stats(Stats::RunTime)
            .map(|counting| Self { _counting: counting })
            .map_err(|error| error.io_error)
    }
}

/// Run count and run time of programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    /// Number of runs.
    pub count: u64,
    /// Total run time.
    pub time: Duration,
}

impl Runs {
    /// Of the packet programs in `ebpf`.
    pub(super) fn of(ebpf: &Ebpf) -> Self {
        let programs = [PROGRAM_TC, PROGRAM_XDP].into_iter();
        programs
            // A program that was never loaded has no info.
            .filter_map(|name| ebpf.program(name)?.info().ok())
            .fold(Self::default(), |runs, program| {
                runs.plus(Self {
                    count: program.run_count(),
                    time: program.run_time(),
                })
            })
    }

    /// The sum of both.
    pub(super) const fn plus(self, other: Self) -> Self {
        Self {
            count: self.count.saturating_add(other.count),
            time: self.time.saturating_add(other.time),
        }
    }
}
