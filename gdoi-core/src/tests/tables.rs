//! Tables: after any sequence of insertions and removals, every entry is found.

use std::collections::BTreeMap;
use std::vec::Vec;

use super::restart::Numbers;
use crate::state::id::MemberId;
use crate::state::table::Table;

/// Keys; some of them are present at any time.
const KEYS: u64 = 6_000;
const CAPACITY: usize = 4_000;
const STEPS: usize = 200_000;

#[test]
fn entries_are_found_whatever_comes_and_goes() {
    let mut numbers = Numbers::new(11);
    let mut table = Table::<MemberId, _, _>::new(CAPACITY, 3);
    let mut truth = BTreeMap::new();
    for step in 0..STEPS {
        // It fills, empties to a few entries, and fills again.
        let filling = (step / (STEPS / 4)).is_multiple_of(2);
        let key = numbers.below(KEYS);
        match table.find(&key) {
            Some(id) if !filling || numbers.below(8) == 0 => {
                assert_eq!(table.remove(id), truth.remove_entry(&key), "step {step}");
            }
            None if filling || numbers.below(64) == 0 => {
                let evicted = table.insert(key, step).evicted;
                assert_eq!(evicted.is_some(), truth.len() == CAPACITY, "step {step}");
                if let Some((key, value)) = evicted {
                    assert_eq!(truth.remove(&key), Some(value), "step {step}");
                }
                truth.insert(key, step);
            }
            found => assert_eq!(found.is_some(), truth.contains_key(&key), "step {step}"),
        }
        assert_eq!(table.len(), truth.len(), "step {step}");
    }
    let mut found: Vec<_> = table.iter().map(|(_, &key, &value)| (key, value)).collect();
    found.sort_unstable();
    assert_eq!(found, truth.into_iter().collect::<Vec<_>>());
}

/// A saved and damaged table is refused, or is valid: entries are found, and it stays within its bounds.
#[test]
fn a_damaged_table_is_refused_or_sound() {
    const ENTRIES: usize = 6;
    let mut table = Table::<MemberId, u64, u64>::new(ENTRIES, 3);
    let ids: Vec<_> = (0..5).map(|key| table.insert(key, key).id).collect();
    table.remove(ids[1]);
    table.remove(ids[3]);
    let saved = postcard::to_allocvec(&table).unwrap();
    let (mut refused, mut sound) = (0, 0);
    for at in 0..saved.len() {
        for octet in 0..16 {
            let mut other = saved.clone();
            other[at] = octet;
            let Ok(mut table) = postcard::from_bytes::<Table<MemberId, u64, u64>>(&other) else {
                continue;
            };
            if !table.is_sound() {
                refused += 1;
                continue;
            }
            table.reindex(ENTRIES, 3);
            if !table.is_indexed() {
                refused += 1;
                continue;
            }
            sound += 1;
            for key in 100..112 {
                let id = table.insert(key, key).id;
                assert_eq!(
                    (table[id], table.find(&key)),
                    (key, Some(id)),
                    "octet {at} is {octet}"
                );
                assert!(table.len() <= ENTRIES && table.iter().count() == table.len());
            }
        }
    }
    assert!(refused > 50 && sound > 50, "{refused} refused, {sound} sound");
}
