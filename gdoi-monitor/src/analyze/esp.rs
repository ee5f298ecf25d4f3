//! ESP of a capture, counted by SPI and site as the kernel counts it, and reported once per tick.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};

use gdoi_core::Timestamp;
use gdoi_core::observation::{Esp, Site};
use gdoi_wire::record::slot_key;

/// More than a gateway uses at a time, few enough to stay in the first-level cache.
const RECENT: usize = 256;
/// 2^64 divided by the golden ratio.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;

/// Counts since the last tick, and all SPIs seen.
pub(super) struct EspCounts {
    places: HashMap<u64, usize, Mixing>,
    slots: Vec<Slot>,
    /// Indices of slots with packets since the last tick.
    touched: Vec<usize>,
    /// Probable slots of recent packets, by [`recent_of`] their keys. A slot holds its key, so a stale index only
    /// costs a lookup.
    recent: [usize; RECENT],
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

/// What a counted packet was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SlotOutcome {
    /// Of a known SPI and site.
    Known,
    /// The first one of an SPI at a site.
    First,
    /// The first one of an SPI, but there is no room for it before the next tick.
    Full,
}

impl EspCounts {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            places: HashMap::with_hasher(Mixing::new()),
            slots: Vec::new(),
            touched: Vec::new(),
            recent: [0; RECENT],
            capacity: capacity.max(1),
        }
    }

    /// Counts a packet of `octets`, unless there is no room for it.
    pub(super) fn count(&mut self, spi: u32, site: Option<Site>, octets: u64, at: Timestamp) -> SlotOutcome {
        if self.count_known(spi, site, octets, at) {
            return SlotOutcome::Known;
        }
        if self.slots.len() >= self.capacity {
            return SlotOutcome::Full;
        }
        let place = self.slots.len();
        let key = key(spi, site);
        self.slots.push(Slot::new(key));
        self.places.insert(key, place);
        self.count_known(spi, site, octets, at);
        SlotOutcome::First
    }

    /// Counts a packet of a known SPI and site; `false` if they are not known.
    #[inline]
    pub(super) fn count_known(&mut self, spi: u32, site: Option<Site>, octets: u64, at: Timestamp) -> bool {
        let key = key(spi, site);
        let Self {
            places,
            slots,
            touched,
            recent,
            ..
        } = self;
        let Some(recent) = recent.get_mut(recent_of(key)) else {
            return false;
        };
        if slots.get(*recent).is_none_or(|slot| slot.key != key) {
            match places.get(&key) {
                Some(place) => *recent = *place,
                None => return false,
            }
        }
        let Some(slot) = slots.get_mut(*recent) else {
            return false;
        };
        if slot.packets == 0 {
            slot.first = at;
            touched.push(*recent);
        }
        slot.packets += 1;
        slot.octets = slot.octets.saturating_add(octets);
        slot.last = at;
        true
    }

    /// Reports the counts since the last tick, in the order of the first packets.
    ///
    /// A full table is cleared: no count is lost, and SPIs still in use come back.
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
        }
    }
}

impl Slot {
    const fn new(key: u64) -> Self {
        Self {
            key,
            packets: 0,
            octets: 0,
            first: Timestamp::ZERO,
            last: Timestamp::ZERO,
        }
    }

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

#[inline]
fn key(spi: u32, site: Option<Site>) -> u64 {
    slot_key(spi, site.map_or(0, |Site(number)| number))
}

/// An index below [`RECENT`], from the bits of the product that depend on the whole key.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "far below 2^32")]
const fn recent_of(key: u64) -> usize {
    (key.wrapping_mul(MIX) >> (u64::BITS - RECENT.trailing_zeros())) as usize
}

/// Hashes a key in a few instructions, with a secret so that no capture can cause collisions everywhere.
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
        // The table uses the low bits as index and the high ones as tag: both must depend on the whole key.
        let product = (self.0 ^ key).wrapping_mul(MIX);
        self.0 = (product ^ (product >> 32)).wrapping_mul(MIX);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
