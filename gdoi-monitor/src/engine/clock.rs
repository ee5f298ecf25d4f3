//! The kernel's clocks.

use std::time::Duration;

use gdoi_core::Timestamp;
use nix::time::{ClockId, clock_gettime};

use crate::time::Calendar;

/// A shorter difference is scheduling between the two readings.
const NAP: Duration = Duration::from_millis(500);
const STEP: Duration = Duration::from_secs(1);

/// Detects suspends: the clock since boot advances during one, the monotonic clock does not.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sleep {
    /// Total suspended time since boot.
    slept: Duration,
}

impl Sleep {
    /// Starts to observe.
    pub(super) fn watch() -> Self {
        Self {
            slept: boot_time().since(read(ClockId::CLOCK_MONOTONIC)),
        }
    }

    /// How long the machine was suspended since the last call, at this time since boot.
    pub(super) fn until(&mut self, boot: Timestamp) -> Option<Duration> {
        self.between(boot, read(ClockId::CLOCK_MONOTONIC))
    }

    fn between(&mut self, boot: Timestamp, monotonic: Timestamp) -> Option<Duration> {
        // The second clock is read a little later.
        let slept = boot.since(monotonic);
        let more = slept.checked_sub(self.slept).filter(|more| *more >= NAP)?;
        self.slept = slept;
        Some(more)
    }
}

/// By how much the wall clock was set between two samples, if it was: drift is far smaller.
pub(super) fn step(before: Calendar, after: Calendar) -> Option<Duration> {
    let (before, after) = (before.date(Timestamp::ZERO).0, after.date(Timestamp::ZERO).0);
    Some(before.since(after).max(after.since(before))).filter(|step| *step >= STEP)
}

/// The clock of the kernel's records: nanoseconds since boot, suspend included.
pub(super) fn boot_time() -> Timestamp {
    read(ClockId::CLOCK_BOOTTIME)
}

/// The current relation of the kernel's clock and the wall clock.
pub fn calendar() -> Calendar {
    let boot = read(ClockId::CLOCK_BOOTTIME);
    Calendar::from_zero(Timestamp::from_nanos(
        read(ClockId::CLOCK_REALTIME)
            .as_nanos()
            .saturating_sub(boot.as_nanos()),
    ))
}

fn read(clock: ClockId) -> Timestamp {
    // Linux has had both since v2.6.39; a failure would leave the time at zero, where nothing is due.
    clock_gettime(clock).map_or(Timestamp::ZERO, |now| {
        let now = Duration::from(now);
        Timestamp::from_nanos(u64::try_from(now.as_nanos()).unwrap_or(u64::MAX))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    /// The clock since boot counted the night, and every rekey of it was reported as missed for certain.
    #[test]
    fn a_suspended_machine_slept() {
        let at = |seconds: u64| Timestamp::from_nanos(seconds * 1_000_000_000);
        let mut sleep = Sleep { slept: HOUR };
        let check = |sleep: &mut Sleep, boot, monotonic, expect| {
            assert_eq!(sleep.between(at(boot), at(monotonic)), expect);
        };
        check(&mut sleep, 3_600 + 10, 10, None);
        check(&mut sleep, 3 * 3_600 + 11, 11, Some(2 * HOUR));
        check(&mut sleep, 3 * 3_600 + 12, 12, None);
        // The two clocks in the other order.
        check(&mut sleep, 3 * 3_600 + 12, 13, None);
        assert_eq!(Sleep::watch().until(boot_time()), None);
    }

    #[test]
    fn a_wall_clock_that_is_set_steps() {
        let zero = Timestamp::from_nanos(1_772_438_400_000_000_000);
        let check = |after: Timestamp, expect| {
            assert_eq!(
                step(Calendar::from_zero(zero), Calendar::from_zero(after)),
                expect
            );
        };
        check(zero.after(3 * HOUR), Some(3 * HOUR));
        check(zero.before(3 * HOUR), Some(3 * HOUR));
        check(zero.after(Duration::from_millis(3)), None);
    }
}
