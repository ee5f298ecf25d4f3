//! How often and how long programs run, where the kernel is asked to count it.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use aya::Ebpf;
use aya::sys::{Stats, enable_stats};
use gdoi_wire::record::{PROGRAM_TC, PROGRAM_XDP};

/// The kernel counts while this is kept: every program of the machine, some nanoseconds each run.
#[derive(Debug)]
pub struct CountRuns {
    _counting: OwnedFd,
}

impl CountRuns {
    /// Asks the kernel, since v5.8, which wants `CAP_SYS_ADMIN` for it.
    pub fn begin() -> io::Result<Self> {
        enable_stats(Stats::RunTime)
            .map(|counting| Self { _counting: counting })
            .map_err(|error| error.io_error)
    }
}

/// How often and how long programs ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    /// How often.
    pub count: u64,
    /// How long, all together.
    pub time: Duration,
}

impl Runs {
    /// Of the programs in `ebpf` that see packets.
    pub(super) fn of(ebpf: &Ebpf) -> Self {
        let programs = [PROGRAM_TC, PROGRAM_XDP].into_iter();
        programs
            // One that was never loaded has nothing to tell.
            .filter_map(|name| ebpf.program(name)?.info().ok())
            .fold(Self::default(), |runs, program| {
                runs.plus(Self {
                    count: program.run_count(),
                    time: program.run_time(),
                })
            })
    }

    /// Both together.
    pub(super) const fn plus(self, other: Self) -> Self {
        Self {
            count: self.count.saturating_add(other.count),
            time: self.time.saturating_add(other.time),
        }
    }
}
