//! Counters of the programs, which user space maps into its memory. They only grow.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::packet::{Class, ParseError};

/// Default number of buckets in one CPU's table: 128 KiB, which stays in the second-level cache.
pub const DEFAULT_BUCKETS: u32 = 2048;
/// Buckets in a [`CpuState`]: a table of the default size has one part. A power of two.
pub const CPU_STATE_BUCKETS: u32 = DEFAULT_BUCKETS;
/// SPIs below this get no slot: 0 is illegal on the wire, 1 to 255 are reserved (RFC 4303 §2.1).
pub const FIRST_SPI: u32 = 256;

/// Counters of one CPU on one interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Counters {
    /// Packets by [`Class`].
    pub packets: [u64; Class::ALL.len()],
    /// Octets of those frames by [`Class`], in their length on the wire.
    pub octets: [u64; Class::ALL.len()],
    /// By [`ParseError`].
    pub parse_errors: [u64; ParseError::ALL.len()],
    /// First fragments of packets of monitored protocols.
    pub first_fragments: u64,
    /// ISAKMP messages that found no room in the ring.
    pub lost_messages: u64,
    /// SPI hints that found no room in the ring.
    pub lost_hints: u64,
    /// ESP packets whose SPI found no slot.
    pub overflow_packets: u64,
    /// IP octets of those.
    pub overflow_octets: u64,
    /// ESP packets with one of the SPIs 0 to 255, which get no slot (RFC 4303 §2.1).
    pub reserved_packets: u64,
    /// IP octets of those.
    pub reserved_octets: u64,
}

impl Counters {
    /// Number of counters, for readers that treat them as plain numbers.
    pub const WORDS: usize = size_of::<Self>() / size_of::<u64>();

    /// The increase since `earlier`.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut news = *self;
        let difference: &mut [u64; Self::WORDS] = zerocopy::transmute_mut!(&mut news);
        let less: &[u64; Self::WORDS] = zerocopy::transmute_ref!(earlier);
        for (difference, less) in difference.iter_mut().zip(less) {
            *difference = difference.wrapping_sub(*less);
        }
        news
    }

    /// Adds the counters of another CPU.
    pub fn add(&mut self, other: &Self) {
        let sum: &mut [u64; Self::WORDS] = zerocopy::transmute_mut!(self);
        let more: &[u64; Self::WORDS] = zerocopy::transmute_ref!(other);
        for (sum, more) in sum.iter_mut().zip(more) {
            *sum = sum.wrapping_add(*more);
        }
    }
}

/// One SPI of one site, counted by one CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Slot {
    /// SPI in the low half, site in the high half; zero is free. Kept when packets stop: the agent frees slots.
    pub key: u64,
    /// Packets since the program was loaded. Never reset, not even when the slot gets another key.
    pub packets: u64,
    /// IP octets of those packets.
    pub octets: u64,
    /// Low 32 bits of jiffies at the first packet of this key.
    pub first: u32,
    /// Low 32 bits of jiffies at the last packet.
    pub last: u32,
}

/// Two slots in one cache line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(64))]
pub struct Bucket(pub [Slot; 2]);

const _: () = assert!(size_of::<Bucket>() == 64);

/// The counters and SPI table of one CPU, found with one lookup per frame. Only the first part of a CPU has counters.
///
/// Readers map it into memory while the programs continue counting: numbers only grow.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C, align(64))]
pub struct CpuState {
    /// Counters over all frames.
    pub counters: Counters,
    /// The latest reading of the clock.
    pub stamp: Stamp,
    /// Zero: fills the cache line.
    pub spare: u64,
    /// This part of the SPI table.
    pub buckets: [Bucket; CPU_STATE_BUCKETS as usize],
}

/// The last clock reading for a message. Readings are expensive: in a storm, one serves several messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Stamp {
    /// The clock, in nanoseconds since boot.
    pub at_ns: u64,
    /// Low 32 bits of jiffies at that time.
    pub jiffies: u32,
    /// Messages in this jiffy before the next.
    pub messages: u32,
}

/// The key of an SPI at a site.
#[inline(always)]
pub const fn slot_key(spi: u32, site: u32) -> u64 {
    (site as u64) << 32 | spi as u64
}

/// The bucket of a key in a table of `mask + 1` buckets. Key servers choose SPIs at random; the multiplication
/// spreads the others, and the site.
#[inline(always)]
pub const fn bucket_of(key: u64, mask: u32) -> u32 {
    (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as u32 & mask
}
