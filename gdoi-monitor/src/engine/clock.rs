//! The kernel's clocks.

use std::time::Duration;

use gdoi_core::Timestamp;
use nix::time::{ClockId, clock_gettime};

use crate::time::Calendar;

/// The clock of the kernel's records: nanoseconds since boot, suspend included.
pub(super) fn boot_time() -> Timestamp {
    read(ClockId::CLOCK_BOOTTIME)
}

/// How the kernel's clock and the wall clock stand to each other now.
pub fn calendar() -> Calendar {
    let boot = read(ClockId::CLOCK_BOOTTIME);
    Calendar::from_zero(Timestamp::from_nanos(
        read(ClockId::CLOCK_REALTIME)
            .as_nanos()
            .saturating_sub(boot.as_nanos()),
    ))
}

fn read(clock: ClockId) -> Timestamp {
    // Linux has had both since v2.6.39; a failure would leave us at the beginning of time, where nothing is due.
    clock_gettime(clock).map_or(Timestamp::ZERO, |now| {
        let now = Duration::from(now);
        Timestamp::from_nanos(u64::try_from(now.as_nanos()).unwrap_or(u64::MAX))
    })
}
