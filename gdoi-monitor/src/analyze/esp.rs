//! ESP of a capture, counted by SPI and site as the kernel counts it, and said once a tick.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};

use gdoi_core::Timestamp;
use gdoi_core::observation::{Esp, Site};
use gdoi_wire::record::slot_key;

/// What was counted since the last tick, and which SPIs were ever seen.
pub(super) struct Counts {
    places: HashMap<u64, usize, Mixing>,
    slots: Vec<Slot>,
    /// Places of the slots that were counted in since the last tick.
    touched: Vec<usize>,
    /// The slot of the packet before: packets come in trains.
    last: Option<(u64, usize)>,
    capacity: usize,
}

#[derive(Clone, Copy)]
struct Slot {
    key: u64,
    packets: u64,
    octets: u64,
    first: Timestamp,
    last: Timestamp,
}

/// What a packet was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    /// One of an SPI and site that were known.
    Known,
    /// The first of an SPI at a site.
    First,
    /// The first of an SPI that there is no room for before the next tick.
    Full,
}

impl Counts {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            places: HashMap::with_hasher(Mixing::new()),
            slots: Vec::new(),
            touched: Vec::new(),
            last: None,
            capacity: capacity.max(1),
        }
    }

    /// Counts a packet of `octets`, unless there is no room for it.
    pub(super) fn count(&mut self, spi: u32, site: Option<Site>, octets: u64, at: Timestamp) -> Counted {
        let key = slot_key(spi, site.map_or(0, |Site(number)| number));
        let (place, counted) = match self.last {
            Some((last, place)) if last == key => (place, Counted::Known),
            _ => match self.places.get(&key) {
                Some(place) => (*place, Counted::Known),
                None if self.slots.len() >= self.capacity => return Counted::Full,
                None => (self.admit(key), Counted::First),
            },
        };
        self.last = Some((key, place));
        if let Some(slot) = self.slots.get_mut(place) {
            if slot.packets == 0 {
                slot.first = at;
                self.touched.push(place);
            }
            slot.packets += 1;
            slot.octets = slot.octets.saturating_add(octets);
            slot.last = at;
        }
        counted
    }

    fn admit(&mut self, key: u64) -> usize {
        let place = self.slots.len();
        self.slots.push(Slot {
            key,
            packets: 0,
            octets: 0,
            first: Timestamp::ZERO,
            last: Timestamp::ZERO,
        });
        self.places.insert(key, place);
        place
    }

    /// Says what was counted since the last tick, in the order of the first packets.
    ///
    /// A table that is full is forgotten: nothing counted is lost, and the SPIs still in use come back.
    pub(super) fn tick(&mut self, mut say: impl FnMut(Esp)) {
        for place in self.touched.drain(..) {
            let Some(slot) = self.slots.get_mut(place) else {
                continue;
            };
            say(slot.observation());
            slot.packets = 0;
            slot.octets = 0;
        }
        if self.slots.len() >= self.capacity {
            self.places.clear();
            self.slots.clear();
            self.last = None;
        }
    }
}

impl Slot {
    const fn observation(&self) -> Esp {
        let Self {
            key,
            packets,
            octets,
            first,
            last,
        } = *self;
        let site = (key >> 32) as u32;
        Esp {
            spi: (key & 0xffff_ffff) as u32,
            site: if site == 0 { None } else { Some(Site(site)) },
            packets,
            octets,
            first,
            last,
        }
    }
}

/// Hashes a key in a few instructions, secretly enough that no capture can be made to collide for everybody.
#[derive(Clone, Copy)]
struct Mixing {
    seed: u64,
}

impl Mixing {
    fn new() -> Self {
        Self {
            seed: RandomState::new().hash_one(0),
        }
    }
}

impl BuildHasher for Mixing {
    type Hasher = Mixed;

    fn build_hasher(&self) -> Mixed {
        Mixed(self.seed)
    }
}

struct Mixed(u64);

impl Hasher for Mixed {
    fn write(&mut self, octets: &[u8]) {
        for octet in octets {
            self.write_u64((*octet).into());
        }
    }

    fn write_u64(&mut self, key: u64) {
        // The table takes its place from the low bits and its tag from the high ones: both must depend on all of the key.
        let product = (self.0 ^ key).wrapping_mul(MIX);
        self.0 = (product ^ (product >> 32)).wrapping_mul(MIX);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// 2^64 divided by the golden ratio.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
