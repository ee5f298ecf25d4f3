//! Rates of counters, now and in the past.

use std::collections::{BTreeMap, VecDeque};

use crate::client::{Group, Text};

/// One per column of the widest terminal.
const KEPT: usize = 512;

/// Counters of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct CounterSample {
    messages: u64,
    packets: u64,
}

/// Rates of a group's counters, latest last.
#[derive(Clone, Debug, Default)]
pub(super) struct Rates {
    last: CounterSample,
    /// Messages per second.
    pub(super) messages: VecDeque<f64>,
    /// ESP packets per second.
    pub(super) packets: VecDeque<f64>,
}

/// The rates of every group.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    groups: BTreeMap<Text, Rates>,
}

impl History {
    /// Takes the current counters, `elapsed` seconds after the last ones.
    pub(super) fn take(&mut self, groups: &[Group], elapsed: Option<f64>) {
        let mut before = std::mem::take(&mut self.groups);
        for group in groups {
            let counts = CounterSample {
                messages: group.messages.values().sum(),
                packets: group.esp.packets,
            };
            let known = before.remove(&group.name);
            let mut rates = known.clone().unwrap_or_default();
            if let (Some(elapsed), Some(_)) = (elapsed.filter(|elapsed| *elapsed > 0.0), known) {
                push(&mut rates.messages, rates.last.messages, counts.messages, elapsed);
                push(&mut rates.packets, rates.last.packets, counts.packets, elapsed);
            }
            rates.last = counts;
            self.groups.insert(group.name.clone(), rates);
        }
    }

    /// The rates of a group.
    pub(super) fn of(&self, group: &str) -> Option<&Rates> {
        self.groups.get(group)
    }
}

fn push(rates: &mut VecDeque<f64>, before: u64, now: u64, elapsed: f64) {
    if rates.len() == KEPT {
        rates.pop_front();
    }
    // A restarted agent counts from zero: everything is new.
    let grown = now.checked_sub(before).unwrap_or(now);
    #[expect(
        clippy::cast_precision_loss,
        reason = "a rate of 2^53 a second needs no last digit"
    )]
    let grown = grown as f64;
    rates.push_back(grown / elapsed);
}

#[cfg(test)]
mod tests {
    use super::History;
    use crate::client::Group;
    use crate::client::samples::GROUPS;

    #[test]
    fn rates_survive_a_restart_and_forget_what_is_gone() {
        let groups: Vec<Group> = serde_json::from_str(GROUPS).unwrap();
        let mut history = History::default();
        let mut take = |packets: u64, elapsed| {
            let mut groups = groups.clone();
            groups[0].esp.packets = packets;
            history.take(&groups, elapsed);
            history
                .of("G1")
                .unwrap()
                .packets
                .iter()
                .copied()
                .collect::<Vec<_>>()
        };
        assert_eq!(take(1_000, None), [0.0; 0]);
        assert_eq!(take(1_100, Some(2.0)), [50.0]);
        assert_eq!(take(30, Some(1.0)), [50.0, 30.0]);
        assert_eq!(take(30, Some(0.0)), [50.0, 30.0]);
        history.take(&[], Some(1.0));
        assert!(history.of("G1").is_none());
    }
}
