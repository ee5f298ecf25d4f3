//! Reads the counters and the SPI table of one interface's program: the increase since the last poll, and which slots
//! may be reused.
//!
//! The kernel only ever adds; the agent remembers the last reading of each slot and reports the difference. An idle
//! slot is freed by writing its key: its numbers stay, and continue under the next key.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use gdoi_core::observation::{Esp, Site};
use gdoi_core::{Observation, Timestamp};
use gdoi_wire::record::{Bucket, CPU_STATE_BUCKETS, Counters, CpuState, Slot};

use super::clock::Clock;
use super::memory::{Memory, halves};

/// Words of a [`CpuState`], and the offsets of counters and table in it.
const CPU_STATE_WORDS: usize = size_of::<CpuState>() / size_of::<u64>();
const COUNTERS: usize = std::mem::offset_of!(CpuState, counters) / size_of::<u64>();
const TABLE: usize = std::mem::offset_of!(CpuState, buckets) / size_of::<u64>();
const SLOTS_PER_BUCKET: usize = size_of::<Bucket>() / size_of::<Slot>();
const SLOTS_PER_CPU_STATE: usize = SLOTS_PER_BUCKET * CPU_STATE_BUCKETS as usize;
/// Words of a [`Slot`], and their meaning.
const SLOT_WORDS: usize = size_of::<Slot>() / size_of::<u64>();
const KEY: usize = std::mem::offset_of!(Slot, key) / size_of::<u64>();
const PACKETS: usize = std::mem::offset_of!(Slot, packets) / size_of::<u64>();
const OCTETS: usize = std::mem::offset_of!(Slot, octets) / size_of::<u64>();
const MOMENTS: usize = std::mem::offset_of!(Slot, first) / size_of::<u64>();

/// The size of a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct TableSize {
    /// Number of possible CPUs.
    pub(super) cpus: u32,
    /// Buckets per CPU, a power of two.
    pub(super) buckets: u32,
}

impl TableSize {
    pub(super) const fn new(cpus: u32, buckets: u32) -> Self {
        Self { cpus, buckets }
    }

    /// Of a map with this many parts, however many of their buckets are used.
    pub(super) const fn of_parts(cpus: u32, parts: u32) -> Self {
        let of_cpu = match parts.checked_div(cpus) {
            Some(of_cpu) => of_cpu,
            None => 0,
        };
        Self::new(cpus, of_cpu.saturating_mul(CPU_STATE_BUCKETS))
    }

    /// Parts of the map.
    pub(super) const fn parts(self) -> u32 {
        self.cpus.saturating_mul(self.buckets.div_ceil(CPU_STATE_BUCKETS))
    }

    /// Slots of one part.
    const fn slots(self) -> usize {
        let buckets = if self.buckets < CPU_STATE_BUCKETS {
            self.buckets
        } else {
            CPU_STATE_BUCKETS
        };
        SLOTS_PER_BUCKET * buckets as usize
    }
}

/// Reads the table of one interface.
#[derive(Debug)]
pub struct SpiTable {
    memory: Memory,
    size: TableSize,
    /// The last reading of each slot.
    last_read: Vec<LastRead>,
    /// When the table was last read.
    at: Timestamp,
    idle: Duration,
}

/// The last reading of a used slot, for the next agent: index, packets, octets and key. The index counts whole parts
/// even if the table has fewer buckets: it means the same slot for any table size.
pub(super) type KeptSlot = (u32, u64, u64, u64);

#[derive(Clone, Copy, Debug, Default)]
struct LastRead {
    packets: u64,
    octets: u64,
    key: u64,
}

/// Counts of all CPUs for one SPI at one site since the last poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpiCount {
    /// Packets.
    pub packets: u64,
    /// IP octets.
    pub octets: u64,
    /// The first packet, or the last poll if there were packets before.
    pub first: Timestamp,
    /// The last packet.
    pub last: Timestamp,
}

impl SpiTable {
    /// For the map of `fd`. A slot without packets for `idle` is freed.
    pub(super) fn new(fd: &impl AsFd, size: TableSize, idle: Duration, now: Timestamp) -> io::Result<Self> {
        let parts = size.parts() as usize;
        Ok(Self {
            memory: Memory::new(fd, parts * CPU_STATE_WORDS)?,
            size,
            last_read: vec![LastRead::default(); parts * size.slots()],
            at: now,
            idle,
        })
    }

    /// Adds to `counts` what was counted since the last poll, by SPI and site.
    pub fn read(&mut self, clock: &Clock, counts: &mut BTreeMap<(u32, u32), SpiCount>) {
        let since = self.at;
        let slots = self.size.slots();
        let places = (0..self.size.parts() as usize)
            .flat_map(|part| (0..slots).map(move |slot| part * CPU_STATE_WORDS + TABLE + slot * SLOT_WORDS));
        for (at, last_read) in places.zip(&mut self.last_read) {
            let packets = self.memory.load(at + PACKETS);
            if packets == last_read.packets {
                free_if_idle(&self.memory, at, last_read, clock, self.idle);
                continue;
            }
            let octets = self.memory.load(at + OCTETS);
            let key = self.memory.load(at + KEY);
            // The first packet of a new key writes its numbers before the key: the next poll reports it.
            if key == 0 && last_read.key == 0 {
                continue;
            }
            let (first, last) = halves(self.memory.load(at + MOMENTS));
            let (first, last) = (clock.moment(first), clock.moment(last));
            let told = if key == 0 { last_read.key } else { key };
            let first = if key == last_read.key || key == 0 {
                since
            } else {
                first
            };
            let new = SpiCount {
                packets: packets.wrapping_sub(last_read.packets),
                octets: octets.wrapping_sub(last_read.octets),
                first: first.min(last),
                last,
            };
            counts
                .entry(halves(told))
                .and_modify(|count| count.add(new))
                .or_insert(new);
            *last_read = LastRead { packets, octets, key };
        }
        self.at = clock.now();
    }

    /// When it was last read.
    pub(super) const fn at(&self) -> Timestamp {
        self.at
    }

    /// The readings of the slots as of the last poll.
    pub(super) fn keep(&self) -> Vec<KeptSlot> {
        let slots = self.size.slots();
        let last_read = self
            .last_read
            .chunks(slots)
            .zip((0_u32..).step_by(SLOTS_PER_CPU_STATE));
        last_read
            .flat_map(|(last_read, first)| (first..).zip(last_read))
            .filter(|(_, last_read)| last_read.packets != 0 || last_read.key != 0)
            .map(|(index, last_read)| (index, last_read.packets, last_read.octets, last_read.key))
            .collect()
    }

    /// Continues from another agent's readings of its last poll, at `at`.
    pub(super) fn resume(&mut self, slots: &[KeptSlot], at: Timestamp) {
        let of_part = self.size.slots();
        for (index, packets, octets, key) in slots.iter().copied() {
            let (part, slot) = (
                index as usize / SLOTS_PER_CPU_STATE,
                index as usize % SLOTS_PER_CPU_STATE,
            );
            if slot < of_part
                && let Some(last_read) = self.last_read.get_mut(part * of_part + slot)
            {
                *last_read = LastRead { packets, octets, key };
            }
        }
        self.at = at;
    }

    /// Counters of all CPUs since the map was created.
    pub(super) fn counters(&self) -> Counters {
        let mut sum = Counters::default();
        for part in 0..self.size.cpus as usize {
            let words: [u64; Counters::WORDS] =
                std::array::from_fn(|word| self.memory.load(part * CPU_STATE_WORDS + COUNTERS + word));
            sum.add(zerocopy::transmute_ref!(&words));
        }
        sum
    }

    /// Number of slots with a key, and of all slots.
    pub fn occupancy(&self) -> (usize, usize) {
        let taken = self
            .last_read
            .iter()
            .filter(|last_read| last_read.key != 0)
            .count();
        (taken, self.last_read.len())
    }
}

impl SpiCount {
    fn add(&mut self, more: Self) {
        self.packets += more.packets;
        self.octets += more.octets;
        self.first = self.first.min(more.first);
        self.last = self.last.max(more.last);
    }

    /// The observation for the tracker.
    pub fn observation(self, spi: u32, site: u32) -> Observation<'static> {
        let Self {
            packets,
            octets,
            first,
            last,
        } = self;
        Observation::Esp(Esp {
            spi,
            site: (site != 0).then_some(Site(site)),
            packets,
            octets,
            first,
            last,
        })
    }
}

fn free_if_idle(memory: &Memory, at: usize, last_read: &mut LastRead, clock: &Clock, idle: Duration) {
    if last_read.key == 0 {
        return;
    }
    let last = clock.moment(halves(memory.load(at + MOMENTS)).1);
    if clock.now().since(last) > idle {
        memory.store(at + KEY, 0);
        last_read.key = 0;
    }
}

// One word holds both times, the first in its low half: little-endian, like the object.
const _: () = assert!(std::mem::offset_of!(Slot, last) == MOMENTS * size_of::<u64>() + 4);
const _: () = assert!(cfg!(target_endian = "little"));
