//! Converts jiffies, which cost the packet path nothing, to the clock that everything else uses.

use gdoi_core::Timestamp;
use gdoi_wire::record::Clocks;

use super::memory::halves;

/// The rates that `CONFIG_HZ` offers (`kernel/Kconfig.hz`).
const HERTZ: [u64; 4] = [100, 250, 300, 1000];
/// Minimum number of jiffies between two readings. With fewer, rounding could give the wrong rate: 250 and 300 differ
/// by a sixth.
const MIN_JIFFIES: u64 = 16;

/// Converts the low 32 bits of jiffies to boot time.
///
/// A kernel tick is 1 to 10 ms; times from jiffies are that coarse.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    latest: Clocks,
    /// Nanoseconds per jiffy; unknown until two readings are far enough apart.
    tick: Option<u64>,
}

impl Clock {
    /// Starts with one reading.
    pub const fn new(reading: Clocks) -> Self {
        Self {
            latest: reading,
            tick: None,
        }
    }

    /// Adds a later reading.
    pub fn read(&mut self, reading: Clocks) {
        let jiffies = reading.jiffies.wrapping_sub(self.latest.jiffies);
        let elapsed = reading.boot_ns.saturating_sub(self.latest.boot_ns);
        if self.tick.is_none() {
            if jiffies < MIN_JIFFIES || elapsed == 0 {
                return;
            }
            let measured = elapsed / jiffies;
            self.tick = HERTZ
                .iter()
                .map(|hertz| 1_000_000_000 / hertz)
                .min_by_key(|tick| tick.abs_diff(measured));
        }
        self.latest = reading;
    }

    /// The time of the latest reading.
    pub const fn now(&self) -> Timestamp {
        Timestamp::from_nanos(self.latest.boot_ns)
    }

    /// The time at which the low half of jiffies was `low`, at most `2^31` jiffies from the latest reading. While the
    /// length of a jiffy is unknown, the time of that reading.
    pub fn moment(&self, low: u32) -> Timestamp {
        let Some(tick) = self.tick else {
            return self.now();
        };
        let age = halves(self.latest.jiffies).0.wrapping_sub(low).cast_signed();
        let distance = u64::from(age.unsigned_abs()) * tick;
        Timestamp::from_nanos(if age < 0 {
            self.latest.boot_ns.saturating_add(distance)
        } else {
            self.latest.boot_ns.saturating_sub(distance)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(hertz: u64, jiffies: u64, low_behind: i32, expect_behind_ns: i64) {
        let start = Clocks {
            boot_ns: 5_000_000_000,
            jiffies: 0xffff_fff0,
            ring_octets: 0,
        };
        let mut clock = Clock::new(start);
        // Half a jiffy late, as a reading may be.
        let tick = 1_000_000_000 / hertz;
        let later = Clocks {
            boot_ns: start.boot_ns + jiffies * tick + tick / 2,
            jiffies: start.jiffies + jiffies,
            ring_octets: 0,
        };
        clock.read(later);
        let low = halves(later.jiffies).0.wrapping_add_signed(-low_behind);
        let expect = later.boot_ns.wrapping_add_signed(-expect_behind_ns);
        assert_eq!(clock.moment(low), Timestamp::from_nanos(expect), "at {hertz} Hz");
    }

    #[test]
    fn a_jiffy_is_measured_and_the_low_half_wraps() {
        check(100, 16, 3, 30_000_000);
        check(250, 16, 20, 80_000_000);
        check(300, 30, 30, 30 * 3_333_333);
        check(1000, 1000, 1, 1_000_000);
        check(1000, 1000, -2, -2_000_000);
    }

    #[test]
    fn one_reading_is_not_enough() {
        let clock = Clock::new(Clocks {
            boot_ns: 7,
            jiffies: 100,
            ring_octets: 0,
        });
        assert_eq!(clock.moment(3), Timestamp::from_nanos(7));
    }
}
