//! The kernel as a program sees it: its context, arrays, a ring that nobody reads, and stopped clocks.

use anyhow::{Context as _, Result, bail};
use aya_obj::Map;

use super::memory::Memory;

/// `struct xdp_md` has six words; the first three locate the frame.
const CONTEXT_WORDS: usize = 6;
/// For eight functions.
const STACKS_OCTETS: usize = 8 * 512;
/// A record with a snapshot.
const ENTRY_OCTETS: usize = 1024;
const JIFFIES_NOW: u64 = 4_294_900_000;
const NANOSECONDS_NOW: u64 = 1_000_000_000;
/// `enum bpf_map_type`.
const ARRAY: u32 = 2;
const ARRAY_PER_CPU: u32 = 6;
/// `enum bpf_func_id`.
const MAP_LOOKUP: i32 = 1;
const THIS_CPU: i32 = 8;
const JIFFIES: i32 = 118;
const BOOT_TIME: i32 = 125;
const RING_RESERVE: i32 = 131;
const RING_SUBMIT: i32 = 132;
const RING_DISCARD: i32 = 133;
const FRAME_OCTETS: i32 = 188;
const FRAME_COPY: i32 = 189;

/// Addresses of everything.
#[derive(Debug)]
pub(super) struct Helpers {
    arrays: Vec<Option<Array>>,
    context: u64,
    frame: u64,
    frame_octets: u64,
    entry: u64,
    stack: u64,
}

#[derive(Clone, Copy, Debug)]
struct Array {
    start: u64,
    entries: u64,
    value_octets: u64,
}

impl Helpers {
    /// Memory for the values of arrays, and for temporary objects.
    pub(super) fn new(maps: &[(&str, i32, &Map)], memory: &mut Memory) -> Self {
        Self {
            arrays: maps.iter().map(|(.., map)| Array::of(map, memory)).collect(),
            context: memory.add(vec![0; CONTEXT_WORDS * 4]),
            frame: memory.add(Vec::new()),
            frame_octets: 0,
            entry: memory.add(vec![0; ENTRY_OCTETS]),
            stack: memory.add(vec![0; STACKS_OCTETS]),
        }
    }

    /// Address of an array's values.
    pub(super) fn start_of(&self, map: usize) -> Option<u64> {
        Some(self.arrays.get(map).copied().flatten()?.start)
    }

    /// Address of the stack.
    pub(super) const fn stack(&self) -> u64 {
        self.stack
    }

    /// Loads a frame, and returns the address of its context (`struct xdp_md`).
    pub(super) fn receive(&mut self, octets: &[u8], memory: &mut Memory) -> Result<u64> {
        memory.replace(self.frame, octets.to_vec())?;
        self.frame_octets = octets.len() as u64;
        let (start, end) = (self.frame, self.frame + self.frame_octets);
        for (word, value) in (0..).zip([start, end, start]) {
            memory.write(self.context + 4 * word, 4, value)?;
        }
        Ok(self.context)
    }

    /// The result of a kernel function, and whether the kernel really calls it; it inlines the others.
    pub(super) fn call(
        &self,
        number: i32,
        [first, second, third, fourth]: [u64; 4],
        memory: &mut Memory,
    ) -> Result<(u64, bool)> {
        Ok(match number {
            MAP_LOOKUP => {
                let map = usize::try_from(first)?;
                let array = self.arrays.get(map).copied().flatten();
                let array = array.context("a lookup in something that is no array")?;
                (array.value(memory.read(second, 4)?), false)
            }
            THIS_CPU => (0, false),
            JIFFIES => (JIFFIES_NOW, false),
            BOOT_TIME => (NANOSECONDS_NOW, true),
            RING_RESERVE => (self.entry, true),
            RING_SUBMIT | RING_DISCARD => (0, true),
            FRAME_OCTETS => (self.frame_octets, true),
            FRAME_COPY => {
                let octets = usize::try_from(fourth)?;
                match memory.octets(self.frame + second, octets) {
                    Ok(copied) => {
                        let copied = copied.to_vec();
                        memory.copy(third, &copied)?;
                        (0, true)
                    }
                    Err(_) => (u64::MAX, true),
                }
            }
            _ => bail!("function {number} of the kernel is not known here"),
        })
    }
}

impl Array {
    /// `None` for a map that is no array.
    fn of(map: &Map, memory: &mut Memory) -> Option<Self> {
        if ![ARRAY, ARRAY_PER_CPU].contains(&map.map_type()) {
            return None;
        }
        // Globals have their values in the object.
        let octets = match map.data() {
            [] => vec![0; usize::try_from(map.value_size() * map.max_entries()).ok()?],
            globals => globals.to_vec(),
        };
        Some(Self {
            start: memory.add(octets),
            entries: map.max_entries().into(),
            value_octets: map.value_size().into(),
        })
    }

    fn value(self, index: u64) -> u64 {
        if index < self.entries {
            self.start + index * self.value_octets
        } else {
            0
        }
    }
}
