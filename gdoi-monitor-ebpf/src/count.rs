//! Counters: classes and parse errors per CPU, ESP per SPI and site in a table per CPU.

use core::hint::black_box;
use core::mem::offset_of;

use aya_ebpf::helpers::generated::{bpf_get_smp_processor_id, bpf_jiffies64};
use aya_ebpf::maps::lpm_trie::Key;
use gdoi_wire::record::{
    Bucket, CPU_STATE_BUCKETS, Counters, CpuState, FIRST_SPI, KIND_SPI_OVERFLOW, KIND_SPI_SEEN, Slot, Stamp,
    bucket_of, slot_key,
};
use gdoi_wire::{Class, Esp, ParseError};

use crate::emit;
use crate::maps::{CPU_STATE, CPUS, SITES, SITES_ON, SPI_MASK};

/// One hint in 1,024 overflowing packets: enough to name the sender, too few to fill the ring.
const OVERFLOW_SAMPLE_MASK: u64 = 1024 - 1;

/// Where an ESP packet is counted.
pub(crate) enum SlotLookup {
    /// In a free slot.
    Free(*mut Slot),
    /// In total, because there is no free slot.
    None,
    /// In total, because its SPI gets no slot.
    Reserved,
    /// In the slot of its SPI.
    Slot(*mut Slot),
}

/// The counters of this CPU.
pub(crate) struct CpuCounters(*mut CpuState);

impl CpuCounters {
    /// `None` cannot happen: the map has an entry for every CPU. The verifier requires the check.
    #[inline(always)]
    pub(crate) fn new() -> Option<Self> {
        CPU_STATE.get_ptr_mut(this_cpu()).map(Self)
    }

    #[inline(always)]
    fn counters(&mut self) -> &mut Counters {
        // SAFETY: the lookup in `new` succeeded; the entry is this CPU's own, and neither hook nests on a CPU.
        unsafe { &mut (*self.0).counters }
    }

    /// The latest clock reading on this CPU.
    #[inline(always)]
    pub(crate) fn stamp(&mut self) -> &mut Stamp {
        // SAFETY: as above.
        unsafe { &mut (*self.0).stamp }
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

    /// One unreadable packet.
    #[inline(always)]
    pub(crate) fn parse_error(&mut self, error: ParseError) {
        // The compiler knows that the error is in range and removes the comparison; the verifier does not know and
        // refuses ("R9 max value is outside of the allowed memory range").
        let index = black_box(error as usize);
        if let Some(count) = self.counters().parse_errors.get_mut(index) {
            *count += 1;
        }
    }

    /// One first fragment of a packet of a monitored protocol.
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

    /// Finds the slot of an ESP packet.
    #[inline(always)]
    pub(crate) fn find_slot(&mut self, spi: u32, site: u32) -> SlotLookup {
        if spi < FIRST_SPI {
            return SlotLookup::Reserved;
        }
        let key = slot_key(spi, site);
        let Some(bucket) = self.bucket(key) else {
            return SlotLookup::Reserved;
        };
        // SAFETY: the pointer is inside this CPU's part of the table. The agent frees a slot by writing its key; a
        // packet counted at the same moment does no harm.
        let [first, second] = unsafe { &mut (*bucket).0 };
        let (one, other) = (first.key, second.key);
        if one == key {
            return SlotLookup::Slot(first);
        }
        if other == key {
            return SlotLookup::Slot(second);
        }
        if one == 0 {
            return SlotLookup::Free(first);
        }
        if other == 0 {
            return SlotLookup::Free(second);
        }
        SlotLookup::None
    }

    /// One ESP packet from a sender at `site`; `octets` is the length in its IP header.
    #[inline(always)]
    pub(crate) fn esp(&mut self, esp: Esp, site: u32, octets: u64) {
        match self.find_slot(esp.spi, site) {
            SlotLookup::Free(slot) => {
                // SAFETY: the pointer is that of a slot of this CPU, as `find_slot` returns it.
                let slot = unsafe { &mut *slot };
                add_packet(slot, octets);
                slot.first = slot.last;
                slot.key = slot_key(esp.spi, site);
                emit::hint(self, KIND_SPI_SEEN, esp, site);
            }
            SlotLookup::None => {
                let is_sample = self.is_overflow_sampled();
                self.overflow(octets);
                if is_sample {
                    emit::hint(self, KIND_SPI_OVERFLOW, esp, site);
                }
            }
            SlotLookup::Reserved => {
                let counters = self.counters();
                counters.reserved_packets += 1;
                counters.reserved_octets += octets;
            }
            // SAFETY: as above.
            SlotLookup::Slot(slot) => add_packet(unsafe { &mut *slot }, octets),
        }
    }

    /// Whether to report the next packet without a slot to the agent.
    #[inline(always)]
    pub(crate) fn is_overflow_sampled(&mut self) -> bool {
        self.counters().overflow_packets & OVERFLOW_SAMPLE_MASK == 0
    }

    /// One ESP packet that found no slot.
    #[inline(always)]
    pub(crate) fn overflow(&mut self, octets: u64) {
        let counters = self.counters();
        counters.overflow_packets += 1;
        counters.overflow_octets += octets;
    }

    /// The bucket of a key, in this CPU's table.
    #[inline(always)]
    fn bucket(&self, key: u64) -> Option<*mut Bucket> {
        let mask = SPI_MASK.load();
        let index = bucket_of(key, mask);
        // The loader freezes the mask: for a table of one part, the verifier deletes this.
        let part = if mask < CPU_STATE_BUCKETS {
            self.0
        } else {
            CPU_STATE.get_ptr_mut(this_cpu() + index / CPU_STATE_BUCKETS * CPUS.load())?
        };
        let within = index as usize & (CPU_STATE_BUCKETS as usize - 1);
        // SAFETY: the lookup of the part succeeded.
        let buckets = unsafe { part.byte_add(offset_of!(CpuState, buckets)) }.cast::<Bucket>();
        // SAFETY: `within` is less than the buckets of a part.
        Some(unsafe { buckets.add(within) })
    }
}

/// The number of the current CPU.
#[inline(always)]
fn this_cpu() -> u32 {
    // SAFETY: the helper only reads a number.
    unsafe { bpf_get_smp_processor_id() }
}

/// Low 32 bits of the kernel's jiffies.
#[inline(always)]
pub(crate) fn jiffies() -> u32 {
    // SAFETY: the helper only reads a number.
    unsafe { bpf_jiffies64() as u32 }
}

/// One more packet in a slot.
#[inline(always)]
pub(crate) fn add_packet(slot: &mut Slot, octets: u64) {
    slot.packets += 1;
    slot.octets += octets;
    slot.last = jiffies();
}

/// The key of a lookup, aligned on the stack: the compiler writes an address eight octets at a time, and the verifier
/// refuses that at the odd offset that a bare key has ("misaligned stack access off 0+0+-20 size 8").
#[repr(C, align(8))]
struct Lookup {
    _unused: u32,
    bits: u32,
    address: [u8; 16],
}

/// The configured site of a source address, 0 if there is none. Free while no site is configured.
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
    // SAFETY: a key is its length followed by its octets, packed, which is how `lookup` holds them.
    let key = unsafe { &*key.cast::<Key<[u8; 16]>>() };
    SITES.get(key).copied().unwrap_or_default()
}
