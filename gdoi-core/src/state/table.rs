//! A bounded map whose iteration order does not depend on hashing.
//!
//! Entries have numbered slots. A full table evicts the entry that was least recently touched. An entry keeps its
//! slot while it exists, so an id is a cheap reference. An id that was just found or inserted indexes the table; an
//! id that was kept while entries may have been removed is looked up with [`Table::lookup`].

use alloc::vec::Vec;
use core::hash::{BuildHasher as _, Hash};
use core::marker::PhantomData;
use core::ops::{Index, IndexMut};

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::state::id::TableId;

const NONE: u32 = u32::MAX;

/// Up to this many entries a table grows like any vector.
const SELF_GROWING_ENTRIES: usize = 1_024;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Node<K, V> {
    entry: Option<(K, V)>,
    newer: u32,
    older: u32,
}

/// A bounded map; see the module.
#[derive(Clone, Debug)]
pub(crate) struct Table<I, K, V> {
    slots: Vec<Node<K, V>>,
    index: HashTable<u32>,
    free: Vec<u32>,
    newest: u32,
    oldest: u32,
    capacity: usize,
    evictions: u64,
    hasher: FixedState,
    ids: PhantomData<I>,
}

/// A new entry, and the one that it evicted.
pub(crate) struct Inserted<I, K, V> {
    pub(crate) id: I,
    pub(crate) evicted: Option<(K, V)>,
}

impl<I: TableId, K: Copy + Eq + Hash, V> Table<I, K, V> {
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
            ids: PhantomData,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.index.len()
    }

    /// Number of entries, also before [`Self::reindex`].
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

    pub(crate) fn find(&self, key: &K) -> Option<I> {
        let slots = &self.slots;
        self.index
            .find(self.hasher.hash_one(key), |&slot| holds(slots, slot, key))
            .map(|&slot| I::from_slot(slot.into()))
    }

    /// The entry of a kept id, unless it has been removed.
    pub(crate) fn lookup(&self, id: I) -> Option<&V> {
        self.entry(id).map(|(_, value)| value)
    }

    /// Like [`Self::lookup`], with the key and mutable.
    pub(crate) fn lookup_entry_mut(&mut self, id: I) -> Option<(K, &mut V)> {
        let (key, value) = self.slots.get_mut(id.slot().index())?.entry.as_mut()?;
        Some((*key, value))
    }

    pub(crate) fn key(&self, id: I) -> Option<K> {
        self.entry(id).map(|(key, _)| *key)
    }

    /// The entries by slot number.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (I, &K, &V)> {
        self.slots.iter().zip(0..).filter_map(|(slot, number)| {
            let (key, value) = slot.entry.as_ref()?;
            Some((I::from_slot(number.into()), key, value))
        })
    }

    /// The ids of all entries, to change them one by one.
    pub(crate) fn ids(&self) -> Vec<I> {
        self.iter().map(|(id, _, _)| id).collect()
    }

    /// Marks an entry as the most recently used.
    pub(crate) fn touch(&mut self, id: I) {
        let number = u32::from(id.slot());
        if self.newest != number {
            self.unlink(number);
            self.link(number);
        }
    }

    /// Inserts an entry under a new key.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Inserted<I, K, V> {
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
            id: I::from_slot(number.into()),
            evicted,
        }
    }

    pub(crate) fn remove(&mut self, id: I) -> Option<(K, V)> {
        let key = self.key(id)?;
        let slots = &self.slots;
        let found = self
            .index
            .find_entry(self.hasher.hash_one(key), |&slot| holds(slots, slot, &key));
        if let Ok(occupied) = found {
            occupied.remove();
        }
        self.unlink(id.slot().into());
        self.free.push(id.slot().into());
        self.slots.get_mut(id.slot().index())?.entry.take()
    }

    /// Whether a table that was just read is well-formed: every slot is either free or linked exactly once. To be
    /// called before [`Self::reindex`].
    pub(crate) fn is_sound(&self) -> bool {
        let is_empty = |number: u32| {
            let slot = self.slots.get(index_of(number));
            slot.map(|slot| slot.entry.is_none())
        };
        let mut is_seen = alloc::vec![false; self.slots.len()];
        let mut see = |number: u32| {
            let seen = is_seen.get_mut(index_of(number));
            seen.is_some_and(|seen| !core::mem::replace(seen, true))
        };
        if !self
            .free
            .iter()
            .all(|&number| is_empty(number) == Some(true) && see(number))
        {
            return false;
        }
        let (mut number, mut older) = (self.oldest, NONE);
        while let Some(node) = self.slots.get(index_of(number)) {
            if node.entry.is_none() || node.older != older || !see(number) {
                return false;
            }
            (number, older) = (node.newer, number);
        }
        number == NONE && older == self.newest && is_seen.into_iter().all(|seen| seen)
    }

    /// Whether every entry is found by its key.
    pub(crate) fn is_indexed(&self) -> bool {
        self.iter()
            .all(|(id, key, _)| self.find(key).is_some_and(|found| found.slot() == id.slot()))
    }

    /// Bounds a table that was just read, and builds its index.
    pub(crate) fn reindex(&mut self, capacity: usize, seed: u64) {
        self.capacity = capacity.max(1);
        self.hasher = FixedState::with_seed(seed);
        self.index.clear();
        self.renew_index();
        while self.index.len() > self.capacity && self.evict().is_some() {}
    }

    /// Rebuilds the index with capacity for twice the entries, in slot order. If it grew by itself, it would read the
    /// entries in hash order, with a cache miss for each.
    fn renew_index(&mut self) {
        let Self {
            slots, index, hasher, ..
        } = self;
        // At least as many as there are slots: scanning many slots for a few entries must be rare.
        *index = HashTable::with_capacity(slots.len().max(2 * index.len()));
        for (slot, number) in slots.iter().zip(0..) {
            if let Some((key, _)) = &slot.entry {
                index.insert_unique(hasher.hash_one(key), number, |&at| hash_at(slots, hasher, at));
            }
        }
    }

    fn entry(&self, id: I) -> Option<&(K, V)> {
        self.slots.get(id.slot().index())?.entry.as_ref()
    }

    fn evict(&mut self) -> Option<(K, V)> {
        self.evictions += 1;
        self.remove(I::from_slot(self.oldest.into()))
    }

    fn take_slot(&mut self, key: K, value: V) -> u32 {
        let slot = Node {
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
        self.reserve();
        self.slots.push(slot);
        u32::try_from(self.slots.len() - 1).unwrap_or(NONE)
    }

    /// Beyond the first thousand entries, reserves address space for the whole table; memory is used only when
    /// touched. Doubling would copy everything each time and touch every page twice.
    fn reserve(&mut self) {
        let held = self.slots.len();
        if held >= SELF_GROWING_ENTRIES && held == self.slots.capacity() {
            let wanted = self.capacity.saturating_sub(held);
            // If that much address space is not available, it grows like any vector.
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

/// For an id that was just found or inserted: its entry exists.
impl<I: TableId, K, V> Index<I> for Table<I, K, V> {
    type Output = V;

    #[expect(
        clippy::indexing_slicing,
        clippy::expect_used,
        reason = "ids that are kept while entries may go are looked up instead; State::is_consistent checks restored ones"
    )]
    fn index(&self, id: I) -> &V {
        let (_, value) = self.slots[id.slot().index()]
            .entry
            .as_ref()
            .expect("the id names an entry");
        value
    }
}

impl<I: TableId, K, V> IndexMut<I> for Table<I, K, V> {
    #[expect(clippy::indexing_slicing, clippy::expect_used, reason = "as for `index`")]
    fn index_mut(&mut self, id: I) -> &mut V {
        let (_, value) = self.slots[id.slot().index()]
            .entry
            .as_mut()
            .expect("the id names an entry");
        value
    }
}

fn holds<K: Eq, V>(slots: &[Node<K, V>], number: u32, key: &K) -> bool {
    slots
        .get(index_of(number))
        .and_then(|slot| slot.entry.as_ref())
        .is_some_and(|(held, _)| held == key)
}

fn hash_at<K: Hash, V>(slots: &[Node<K, V>], hasher: &FixedState, number: u32) -> u64 {
    slots
        .get(index_of(number))
        .and_then(|slot| slot.entry.as_ref())
        .map_or(0, |(key, _)| hasher.hash_one(key))
}

/// Slot numbers are 32 bits wide to keep links small; no target has narrower addresses.
const fn index_of(number: u32) -> usize {
    number as usize
}

/// The saved form of a table: everything that cannot be derived.
#[derive(Serialize)]
struct TableRef<'a, K, V> {
    slots: &'a [Node<K, V>],
    free: &'a [u32],
    newest: u32,
    oldest: u32,
    evictions: u64,
}

#[derive(Deserialize)]
struct SavedTable<K, V> {
    slots: Vec<Node<K, V>>,
    free: Vec<u32>,
    newest: u32,
    oldest: u32,
    evictions: u64,
}

impl<I, K: Serialize, V: Serialize> Serialize for Table<I, K, V> {
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
            ids: _,
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

/// Without an index: [`Table::reindex`] builds it.
impl<'de, I, K: Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for Table<I, K, V> {
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
            ids: PhantomData,
        })
    }
}
