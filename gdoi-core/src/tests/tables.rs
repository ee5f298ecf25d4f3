//! Tables: whatever comes and goes, what was put in is found.

use std::collections::BTreeMap;
use std::vec::Vec;

use super::restart::Numbers;
use crate::state::table::Table;

/// Keys of which some are there at any time.
const KEYS: u64 = 6_000;
const CAPACITY: usize = 4_000;
const STEPS: usize = 200_000;

#[test]
fn entries_are_found_whatever_comes_and_goes() {
    let mut numbers = Numbers::new(11);
    let mut table = Table::new(CAPACITY, 3);
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
