//! How a table is kept.

use alloc::vec::Vec;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Slot, Table};

/// What is kept of a table: everything but what follows from it.
#[derive(Serialize)]
struct Saving<'a, K, V> {
    slots: &'a [Slot<K, V>],
    free: &'a [u32],
    newest: u32,
    oldest: u32,
    evictions: u64,
}

#[derive(Deserialize)]
struct Saved<K, V> {
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
        let saving = Saving {
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
        let Saved {
            slots,
            free,
            newest,
            oldest,
            evictions,
        } = Saved::deserialize(deserializer)?;
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
