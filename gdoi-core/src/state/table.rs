//! A bounded map whose iteration order does not depend on hashing.
//!
//! Entries stand in numbered slots. When no slot is free, the least recently touched entry makes room. Slots keep their
//! number for as long as they hold the same entry, so an [`Id`] is a cheap reference; whoever keeps one across an
//! insertion checks that the entry is still the one it meant.

use alloc::vec::Vec;
use core::hash::{BuildHasher as _, Hash};
use core::num::NonZeroU32;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Number of a slot: one more than it is, so that one that may be missing takes no more room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "u32", into = "u32")]
pub(crate) struct Id(NonZeroU32);

impl From<u32> for Id {
    fn from(number: u32) -> Self {
        Self(NonZeroU32::MIN.saturating_add(number))
    }
}

impl From<Id> for u32 {
    fn from(id: Id) -> Self {
        id.0.get() - 1
    }
}

const NONE: u32 = u32::MAX;

/// Entries of a table that is left to grow by itself.
const SELF_GROWING_ENTRIES: usize = 1_024;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Slot<K, V> {
    entry: Option<(K, V)>,
    newer: u32,
    older: u32,
}

/// A bounded map. See the module.
#[derive(Clone, Debug)]
pub(crate) struct Table<K, V> {
    slots: Vec<Slot<K, V>>,
    index: HashTable<u32>,
    free: Vec<u32>,
    newest: u32,
    oldest: u32,
    capacity: usize,
    evictions: u64,
    hasher: FixedState,
}

/// A new entry, and the one that had to go for it.
pub(crate) struct Inserted<K, V> {
    pub(crate) id: Id,
    pub(crate) evicted: Option<(K, V)>,
}

impl<K: Copy + Eq + Hash, V> Table<K, V> {
    pub(crate) const fn new(capacity: usize, seed: u64) -> Self {
        Self {
            slots: Vec::new(),
            index: HashTable::new(),
            free: Vec::new(),
            newest: NONE,
            oldest: NONE,
            capacity: if capacity == 0 { 1 } else { capacity },
            evictions: 0,
            hasher: FixedState::with_seed(seed),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// Entries, also before [`Self::reindex`].
    pub(crate) fn occupied(&self) -> usize {
        self.slots.len().saturating_sub(self.free.len())
    }

    pub(crate) const fn capacity(&self) -> usize {
        self.capacity
    }

    pub(crate) const fn evictions(&self) -> u64 {
        self.evictions
    }

    pub(crate) fn is_full(&self) -> bool {
        self.index.len() >= self.capacity
    }

    pub(crate) fn find(&self, key: &K) -> Option<Id> {
        let slots = &self.slots;
        self.index
            .find(self.hasher.hash_one(key), |&slot| holds(slots, slot, key))
            .map(|&slot| Id::from(slot))
    }

    pub(crate) fn get(&self, id: Id) -> Option<&V> {
        self.entry(id).map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, id: Id) -> Option<&mut V> {
        let slot = self.slots.get_mut(place_of(id))?;
        slot.entry.as_mut().map(|(_, value)| value)
    }

    pub(crate) fn key(&self, id: Id) -> Option<K> {
        self.entry(id).map(|(key, _)| *key)
    }

    /// The entries by slot number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Id, &K, &V)> {
        self.slots.iter().zip(0..).filter_map(|(slot, number)| {
            let (key, value) = slot.entry.as_ref()?;
            Some((Id::from(number), key, value))
        })
    }

    /// The numbers of all entries, for those who change them one by one.
    pub(crate) fn ids(&self) -> Vec<Id> {
        self.iter().map(|(id, _, _)| id).collect()
    }

    /// Marks an entry as the most recently used.
    pub(crate) fn touch(&mut self, id: Id) {
        let number = u32::from(id);
        if self.newest != number {
            self.unlink(number);
            self.link(number);
        }
    }

    /// Puts in an entry whose key is not there yet.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Inserted<K, V> {
        let evicted = if self.is_full() { self.evict() } else { None };
        if self.index.len() == self.index.capacity() {
            self.renew_index();
        }
        let number = self.take_slot(key, value);
        let Self {
            slots, index, hasher, ..
        } = self;
        index.insert_unique(hasher.hash_one(key), number, |&slot| hash_at(slots, hasher, slot));
        self.link(number);
        Inserted {
            id: Id::from(number),
            evicted,
        }
    }

    pub(crate) fn remove(&mut self, id: Id) -> Option<(K, V)> {
        let key = self.key(id)?;
        let slots = &self.slots;
        let found = self
            .index
            .find_entry(self.hasher.hash_one(key), |&slot| holds(slots, slot, &key));
        if let Ok(occupied) = found {
            occupied.remove();
        }
        self.unlink(id.into());
        self.free.push(id.into());
        self.slots.get_mut(place_of(id))?.entry.take()
    }

    /// Bounds a table that was just read, and makes its index.
    pub(crate) fn reindex(&mut self, capacity: usize, seed: u64) {
        self.capacity = capacity.max(1);
        self.hasher = FixedState::with_seed(seed);
        self.index.clear();
        self.renew_index();
        while self.index.len() > self.capacity && self.evict().is_some() {}
    }

    /// Makes the index anew, with room for twice the entries. In the order of the slots: left to grow by itself, it would
    /// look the entries up in its own order, and each would be a miss of the cache.
    fn renew_index(&mut self) {
        let Self {
            slots, index, hasher, ..
        } = self;
        // Not less than there are slots: to look through many for a few entries must be rare.
        *index = HashTable::with_capacity(slots.len().max(2 * index.len()));
        for (slot, number) in slots.iter().zip(0..) {
            if let Some((key, _)) = &slot.entry {
                index.insert_unique(hasher.hash_one(key), number, |&at| hash_at(slots, hasher, at));
            }
        }
    }

    fn entry(&self, id: Id) -> Option<&(K, V)> {
        self.slots.get(place_of(id))?.entry.as_ref()
    }

    fn evict(&mut self) -> Option<(K, V)> {
        self.evictions += 1;
        self.remove(Id::from(self.oldest))
    }

    fn take_slot(&mut self, key: K, value: V) -> u32 {
        let slot = Slot {
            entry: Some((key, value)),
            newer: NONE,
            older: NONE,
        };
        if let Some(number) = self.free.pop()
            && let Some(place) = self.slots.get_mut(index_of(number))
        {
            *place = slot;
            return number;
        }
        self.make_room();
        self.slots.push(slot);
        u32::try_from(self.slots.len() - 1).unwrap_or(NONE)
    }

    /// A table that outgrows the first thousand gets addresses for all that it may hold; the memory behind them is taken
    /// when it is used. Doubling would copy all of it each time, and take every page twice.
    fn make_room(&mut self) {
        let held = self.slots.len();
        if held >= SELF_GROWING_ENTRIES && held == self.slots.capacity() {
            let wanted = self.capacity.saturating_sub(held);
            // Where so many addresses are not to be had, it grows as any vector.
            drop(self.slots.try_reserve_exact(wanted));
        }
    }

    fn link(&mut self, number: u32) {
        let before = self.newest;
        if let Some(slot) = self.slots.get_mut(index_of(number)) {
            slot.newer = NONE;
            slot.older = before;
        }
        match self.slots.get_mut(index_of(before)) {
            Some(slot) => slot.newer = number,
            None => self.oldest = number,
        }
        self.newest = number;
    }

    fn unlink(&mut self, number: u32) {
        let Some(slot) = self.slots.get(index_of(number)) else {
            return;
        };
        let (newer, older) = (slot.newer, slot.older);
        match self.slots.get_mut(index_of(newer)) {
            Some(slot) => slot.older = older,
            None => self.newest = older,
        }
        match self.slots.get_mut(index_of(older)) {
            Some(slot) => slot.newer = newer,
            None => self.oldest = newer,
        }
    }
}

fn holds<K: Eq, V>(slots: &[Slot<K, V>], number: u32, key: &K) -> bool {
    slots
        .get(index_of(number))
        .and_then(|slot| slot.entry.as_ref())
        .is_some_and(|(held, _)| held == key)
}

fn hash_at<K: Hash, V>(slots: &[Slot<K, V>], hasher: &FixedState, number: u32) -> u64 {
    slots
        .get(index_of(number))
        .and_then(|slot| slot.entry.as_ref())
        .map_or(0, |(key, _)| hasher.hash_one(key))
}

fn place_of(id: Id) -> usize {
    index_of(id.into())
}

/// Slot numbers are 32 bits wide to keep links small; no target has narrower addresses.
const fn index_of(number: u32) -> usize {
    number as usize
}

/// What is kept of a table: everything but what follows from it.
#[derive(Serialize)]
struct TableRef<'a, K, V> {
    slots: &'a [Slot<K, V>],
    free: &'a [u32],
    newest: u32,
    oldest: u32,
    evictions: u64,
}

#[derive(Deserialize)]
struct SavedTable<K, V> {
    slots: Vec<Slot<K, V>>,
    free: Vec<u32>,
    newest: u32,
    oldest: u32,
    evictions: u64,
}

impl<K: Serialize, V: Serialize> Serialize for Table<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self {
            slots,
            index: _,
            free,
            newest,
            oldest,
            capacity: _,
            evictions,
            hasher: _,
        } = self;
        let saving = TableRef {
            slots,
            free,
            newest: *newest,
            oldest: *oldest,
            evictions: *evictions,
        };
        saving.serialize(serializer)
    }
}

/// Without an index: [`Table::reindex`] makes it.
impl<'de, K: Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for Table<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let SavedTable {
            slots,
            free,
            newest,
            oldest,
            evictions,
        } = SavedTable::deserialize(deserializer)?;
        Ok(Self {
            slots,
            index: HashTable::new(),
            free,
            newest,
            oldest,
            capacity: usize::MAX,
            evictions,
            hasher: FixedState::with_seed(0),
        })
    }
}
