//! Which groups have series: the configured ones, and a limited number of active learned ones.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use gdoi_core::Timestamp;
use gdoi_core::snapshot::{GroupState, KeyServerState, UNATTRIBUTED};

use crate::engine::State;

const DAY: Duration = Duration::from_hours(24);
/// Learned groups with series: at about 60 each some 15,000 series.
pub(super) const MOST_LEARNED: usize = 256;

/// Which learned groups have series. A group keeps them while it is active, so later ones cannot displace it.
#[derive(Debug, Default)]
pub(super) struct Choice {
    lives: BTreeMap<String, Life>,
    /// Groups without series, summed over scrapes.
    hidden: u64,
}

#[derive(Debug)]
struct Life {
    /// Messages and ESP packets.
    counted: u64,
    /// When that last changed.
    at: Timestamp,
    place: Place,
}

/// Whether a group has series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// It has series.
    Shown,
    /// There were too many.
    NoRoom,
    /// It has been inactive for long. When it becomes active again it is shown again, and its counters continue.
    Over,
}

/// The groups that have series.
pub(super) struct ShownGroups<'a> {
    /// Configured groups come first: they always have room.
    shown: Vec<(&'a str, &'a GroupState)>,
    names: BTreeSet<&'a str>,
}

impl Choice {
    /// The groups of `state` that have series.
    pub(super) fn of<'a>(&mut self, state: &'a State) -> ShownGroups<'a> {
        let counted = counted(state);
        self.lives.retain(|name, _| counted.contains_key(name.as_str()));
        for (name, (group, counted)) in counted {
            let life = self.lives.entry(name.to_owned()).or_insert(Life {
                counted,
                at: state.now,
                place: Place::Over,
            });
            if life.counted != counted {
                life.counted = counted;
                life.at = state.now;
            }
            let is_over = state.now.since(life.at) > longest_silence(group);
            life.place = match life.place {
                _ if is_over => Place::Over,
                // Until there is room.
                Place::Over => Place::NoRoom,
                place => place,
            };
        }
        self.give_room();
        let groups = state.snapshot.groups.iter();
        let groups = groups.map(|(name, group)| (name.as_str(), group));
        ShownGroups::new(groups.filter(|(name, group)| is_fixed(name, group) || self.shows(name)))
    }

    /// How often a group had no room.
    pub(super) const fn hidden(&self) -> u64 {
        self.hidden
    }

    fn shows(&self, name: &str) -> bool {
        self.lives
            .get(name)
            .is_some_and(|life| life.place == Place::Shown)
    }

    /// Groups that were waiting first get room first.
    fn give_room(&mut self) {
        let shown = self.lives.values().filter(|life| life.place == Place::Shown);
        let room = MOST_LEARNED.saturating_sub(shown.count());
        let mut waiting: Vec<_> = self
            .lives
            .values_mut()
            .filter(|life| life.place == Place::NoRoom)
            .collect();
        waiting.sort_by_key(|life| life.at);
        for life in waiting.iter_mut().take(room) {
            life.place = Place::Shown;
        }
        self.hidden += waiting.len().saturating_sub(room) as u64;
    }
}

impl<'a> ShownGroups<'a> {
    fn new(groups: impl Iterator<Item = (&'a str, &'a GroupState)>) -> Self {
        let mut shown: Vec<_> = groups.collect();
        shown.sort_by_key(|(name, group)| !is_fixed(name, group));
        let names = shown.iter().map(|(name, _)| *name).collect();
        Self { shown, names }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&'a str, &'a GroupState)> {
        self.shown.iter().copied()
    }

    /// Each key server, with its group and its address as text.
    pub(super) fn each_server(&self, mut one: impl FnMut(&str, &str, &KeyServerState)) {
        for (name, group) in self.iter() {
            for (address, server) in &group.key_servers {
                one(name, &IpAddr::to_string(address), server);
            }
        }
    }

    /// Like [`Self::each_server`], but a key server that serves a group is not repeated as unattributed.
    pub(super) fn each_server_of_its_group(&self, mut one: impl FnMut(&str, &str, &KeyServerState)) {
        let named = self.iter().filter(|(name, _)| *name != UNATTRIBUTED);
        let serving: BTreeSet<&IpAddr> = named.flat_map(|(_, group)| group.key_servers.keys()).collect();
        for (name, group) in self.iter() {
            for (address, server) in &group.key_servers {
                if name != UNATTRIBUTED || !serving.contains(address) {
                    one(name, &address.to_string(), server);
                }
            }
        }
    }
}

/// Whether a group has series unconditionally.
fn is_fixed(name: &str, group: &GroupState) -> bool {
    group.configured || name == UNATTRIBUTED
}

/// The counts of each learned group that may have series.
fn counted(state: &State) -> BTreeMap<&str, (&GroupState, u64)> {
    let snapshot = &state.snapshot;
    let mut counted: BTreeMap<&str, (&GroupState, u64)> = snapshot
        .groups
        .iter()
        .filter(|(name, group)| !is_fixed(name, group))
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

/// How long a shown group may be inactive: the longer of a day and three rekey intervals.
fn longest_silence(group: &GroupState) -> Duration {
    let rekey = &group.rekey;
    let interval = match (rekey.last, rekey.next_expected) {
        (Some(last), Some(next)) => next.since(last),
        _ => Duration::ZERO,
    };
    DAY.max(interval.saturating_mul(3))
}
