//! Counting: classes and misses per CPU, ESP per SPI and site in a table per CPU.

use core::hint::black_box;
use core::mem::offset_of;

use aya_ebpf::helpers::generated::{bpf_get_smp_processor_id, bpf_jiffies64};
use aya_ebpf::maps::lpm_trie::Key;
use gdoi_wire::record::{Counters, FIRST_SPI, KIND_SPI_OVERFLOW, KIND_SPI_SEEN, Slot, bucket_of, slot_key};
use gdoi_wire::{Class, Esp, Miss};

use crate::emit;
use crate::maps::{COUNTERS, SITES, SITES_ON, SPI_MASK, SPIS};

/// This CPU's counters.
pub(crate) struct Counts(*mut Counters);

impl Counts {
    /// `None` cannot happen: the map has one entry. The verifier wants to see the question.
    #[inline(always)]
    pub(crate) fn new() -> Option<Self> {
        COUNTERS.get_ptr_mut(0).map(Self)
    }

    #[inline(always)]
    fn counters(&mut self) -> &mut Counters {
        // SAFETY: the lookup in `new` succeeded; the entry is this CPU's own, and neither hook nests on a CPU.
        unsafe { &mut *self.0 }
    }

    /// One packet of `class`, `octets` long on the wire.
    #[inline(always)]
    pub(crate) fn packet(&mut self, class: Class, octets: u64) {
        let counters = self.counters();
        if let Some(packets) = counters.packets.get_mut(class as usize) {
            *packets += 1;
        }
        if let Some(total) = counters.octets.get_mut(class as usize) {
            *total += octets;
        }
    }

    /// One packet that could not be read.
    #[inline(always)]
    pub(crate) fn miss(&mut self, miss: Miss) {
        // The compiler knows that a miss is in range and drops the comparison; the verifier does not know and refuses
        // ("R9 max value is outside of the allowed memory range").
        let index = black_box(miss as usize);
        if let Some(misses) = self.counters().misses.get_mut(index) {
            *misses += 1;
        }
    }

    /// One first fragment of a packet of ours.
    #[inline(always)]
    pub(crate) fn first_fragment(&mut self) {
        self.counters().first_fragments += 1;
    }

    /// One message that found no room in the ring.
    #[inline(always)]
    pub(crate) fn lost_message(&mut self) {
        self.counters().lost_messages += 1;
    }

    /// One hint that found no room in the ring.
    #[inline(always)]
    pub(crate) fn lost_hint(&mut self) {
        self.counters().lost_hints += 1;
    }

    /// One ESP packet from a sender at `site`, `octets` long as IP says.
    #[inline(always)]
    pub(crate) fn esp(&mut self, esp: Esp, site: u32, octets: u64) {
        if esp.spi < FIRST_SPI {
            let counters = self.counters();
            counters.reserved_packets += 1;
            counters.reserved_octets += octets;
            return;
        }
        let key = slot_key(esp.spi, site);
        let mask = SPI_MASK.load();
        // SAFETY: both helpers only read a number.
        let cpu = unsafe { bpf_get_smp_processor_id() };
        // SAFETY: as above.
        let now = unsafe { bpf_jiffies64() } as u32;
        let index = cpu * (mask + 1) + bucket_of(key, mask);
        let Some(bucket) = SPIS.get_ptr_mut(index) else {
            return self.overflow(esp, site, octets);
        };
        // SAFETY: the lookup succeeded, and this part of the table is this CPU's own. The agent frees a slot by
        // writing its key; it lives with a packet that is counted in that moment.
        let [first, second] = unsafe { &mut (*bucket).0 };
        if first.key == key {
            again(first, octets, now);
        } else if second.key == key {
            again(second, octets, now);
        } else if first.key == 0 {
            self.take(first, key, esp, site, octets, now);
        } else if second.key == 0 {
            self.take(second, key, esp, site, octets, now);
        } else {
            self.overflow(esp, site, octets);
        }
    }

    #[inline(always)]
    fn take(&mut self, slot: &mut Slot, key: u64, esp: Esp, site: u32, octets: u64, now: u32) {
        slot.first = now;
        again(slot, octets, now);
        slot.key = key;
        emit::hint(self, KIND_SPI_SEEN, esp, site);
    }

    #[inline(always)]
    fn overflow(&mut self, esp: Esp, site: u32, octets: u64) {
        let counters = self.counters();
        let sampled = counters.overflow_packets & OVERFLOW_SAMPLE == 0;
        counters.overflow_packets += 1;
        counters.overflow_octets += octets;
        if sampled {
            emit::hint(self, KIND_SPI_OVERFLOW, esp, site);
        }
    }
}

#[inline(always)]
fn again(slot: &mut Slot, octets: u64, now: u32) {
    slot.packets += 1;
    slot.octets += octets;
    slot.last = now;
}

/// The key of a lookup, where the stack is aligned: the compiler writes an address eight octets at a time, which the
/// verifier refuses at the odd place that a key has by itself ("misaligned stack access off 0+0+-20 size 8").
#[repr(C, align(8))]
struct Lookup {
    _unused: u32,
    bits: u32,
    address: [u8; 16],
}

/// The configured site of a source address, 0 when it has none. Costs nothing while no site is configured.
#[inline(always)]
pub(crate) fn site_of(source: impl FnOnce() -> [u8; 16]) -> u32 {
    if SITES_ON.load() == 0 {
        return 0;
    }
    let lookup = Lookup {
        _unused: 0,
        bits: u128::BITS,
        address: source(),
    };
    // SAFETY: the offset is inside `lookup`.
    let key = unsafe { (&raw const lookup).byte_add(offset_of!(Lookup, bits)) };
    // SAFETY: a key is its length and its octets, packed, and so they stand behind each other in `lookup`.
    let key = unsafe { &*key.cast::<Key<[u8; 16]>>() };
    SITES.get(key).copied().unwrap_or_default()
}

/// One hint in 1,024 packets that overflow: enough to name who sprays, too few to fill the ring.
const OVERFLOW_SAMPLE: u64 = 1024 - 1;
