//! Which learned groups are over: nothing was counted of them for so long that they need not be shown.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gdoi_core::Timestamp;
use gdoi_core::snapshot::{GroupState, UNATTRIBUTED};

use crate::engine::State;

const DAY: Duration = Duration::from_hours(24);

/// When each learned group last did something, as far as scrapes tell.
#[derive(Debug, Default)]
pub(super) struct Lives(BTreeMap<String, Life>);

#[derive(Debug)]
struct Life {
    /// Messages and ESP packets.
    counted: u64,
    /// When that had changed.
    at: Timestamp,
}

impl Lives {
    /// The groups of `state` that are over. One that does something again is shown again, and counts on.
    pub(super) fn over<'a>(&mut self, state: &'a State) -> BTreeSet<&'a str> {
        let counted = counted(state);
        self.0.retain(|name, _| counted.contains_key(name.as_str()));
        let mut over = BTreeSet::new();
        for (name, (group, counted)) in counted {
            let life = self.0.entry(name.to_owned()).or_insert(Life {
                counted,
                at: state.now,
            });
            if life.counted != counted {
                *life = Life {
                    counted,
                    at: state.now,
                };
            }
            if state.now.since(life.at) > longest_silence(group) {
                over.insert(name);
            }
        }
        over
    }
}

/// What was counted of each learned group.
fn counted(state: &State) -> BTreeMap<&str, (&GroupState, u64)> {
    let snapshot = &state.snapshot;
    let mut counted: BTreeMap<&str, (&GroupState, u64)> = snapshot
        .groups
        .iter()
        .filter(|(name, group)| !group.configured && *name != UNATTRIBUTED)
        .map(|(name, group)| {
            let packets = snapshot.esp.get(name).map_or(0, |total| total.packets);
            (name.as_str(), (group, packets))
        })
        .collect();
    for ((group, _, _), count) in &snapshot.messages {
        if let Some((_, sum)) = counted.get_mut(group.as_str()) {
            *sum = sum.saturating_add(*count);
        }
    }
    counted
}

/// How long a group may do nothing and be shown: the longer of a day and three times from one rekey to the next.
fn longest_silence(group: &GroupState) -> Duration {
    let rekey = &group.rekey;
    let interval = match (rekey.last, rekey.next_expected) {
        (Some(last), Some(next)) => next.since(last),
        _ => Duration::ZERO,
    };
    DAY.max(interval.saturating_mul(3))
}
