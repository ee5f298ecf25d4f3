//! Repeatable random numbers.

use alloc::vec::Vec;

/// `SplitMix64` (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014). The same seed gives the
/// same numbers on every machine and in every release. Not for keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Random(u64);

impl Random {
    /// From a seed; any seed will do.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `bound`; 0 when `bound` is 0. The bias of a bound below 2^32 is under 2^-32.
    pub const fn below(&mut self, bound: u64) -> u64 {
        ((self.next() as u128 * bound as u128) >> 64) as u64
    }

    /// A number from `low` to `high`, both included.
    pub const fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below((high - low).saturating_add(1))
    }

    /// True once in `times` on average; never when `times` is 0.
    pub const fn one_in(&mut self, times: u64) -> bool {
        times != 0 && self.below(times) == 0
    }

    /// The next 32 bits.
    pub const fn word(&mut self) -> u32 {
        (self.next() >> 32) as u32
    }

    /// The next 16 bits.
    pub const fn half(&mut self) -> u16 {
        (self.next() >> 48) as u16
    }

    /// The next octet.
    pub const fn octet(&mut self) -> u8 {
        (self.next() >> 56) as u8
    }

    /// `N` octets.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        core::array::from_fn(|_| self.octet())
    }

    /// `count` octets.
    pub fn octets(&mut self, count: usize) -> Vec<u8> {
        let mut octets = Vec::with_capacity(count + 8);
        while octets.len() < count {
            octets.extend(self.next().to_be_bytes());
        }
        octets.truncate(count);
        octets
    }

    /// One of `choices`, or the default if there is none.
    pub fn pick<T: Copy + Default>(&mut self, choices: &[T]) -> T {
        let index = self.below(choices.len() as u64) as usize;
        choices.get(index).copied().unwrap_or_default()
    }
}
