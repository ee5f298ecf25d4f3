//! Finds the smallest scenario that still shows something: what a person has to read of a failing random world.
//!
//! It removes one thing at a time, the largest first. A removal that still shows it is kept, and everything is tried
//! again until nothing more can be removed.

use std::time::Duration;

use crate::scenario::{Action, Foreign, Network, Place, Scenario, Vantage};

/// Scenarios are not made shorter than this.
const LEAST_DURATION: Duration = Duration::from_mins(10);

/// The result of a reduction.
#[derive(Clone, Debug)]
pub struct Reduced {
    /// The smallest that was found.
    pub scenario: Scenario,
    /// Number of smaller scenarios that were tried.
    pub tried: usize,
}

/// The smallest scenario for which `shows` holds, found with at most `most` tries. It must hold for `scenario`.
pub fn reduce(scenario: &Scenario, most: usize, mut shows: impl FnMut(&Scenario) -> bool) -> Reduced {
    let mut smallest = scenario.clone();
    let mut tried = 0;
    loop {
        let mut is_smaller = false;
        let mut next = 0;
        // The list is rebuilt from what is left; the position in it is kept, so that no step is tried twice in a
        // pass.
        loop {
            let smaller = steps(&smallest).nth(next);
            let Some(smaller) = smaller else {
                break;
            };
            if tried >= most {
                return Reduced {
                    scenario: smallest,
                    tried,
                };
            }
            if smaller == smallest || smaller.check().is_err() {
                next += 1;
                continue;
            }
            tried += 1;
            if shows(&smaller) {
                smallest = smaller;
                is_smaller = true;
            } else {
                next += 1;
            }
        }
        if !is_smaller {
            return Reduced {
                scenario: smallest,
                tried,
            };
        }
    }
}

/// The scenario with one thing removed, the largest things first.
fn steps(scenario: &Scenario) -> impl Iterator<Item = Scenario> {
    let groups = (0..scenario.groups.len()).map(move |group| without_group(scenario, group));
    let events = (0..scenario.events.len()).map(move |event| {
        changed(scenario, |smaller| {
            smaller.events.remove(event);
        })
    });
    let sizes = (0..scenario.groups.len()).flat_map(move |group| {
        let members = scenario.groups.get(group).map_or(1, |group| group.members);
        [
            1,
            2,
            members / 4,
            members / 2,
            members * 3 / 4,
            members.saturating_sub(1),
        ]
        .into_iter()
        .filter(move |fewer| (1..members).contains(fewer))
        .map(move |fewer| with_members(scenario, group, fewer))
    });
    let durations = [(1, 4), (1, 2), (3, 4), (9, 10)]
        .into_iter()
        .map(move |(part, of)| {
            let seconds = (scenario.duration * part / of).as_secs();
            changed(scenario, |smaller| {
                smaller.duration = Duration::from_secs(seconds).max(LEAST_DURATION.min(smaller.duration));
                smaller
                    .events
                    .retain(|event| event.at < Duration::from_secs(seconds));
            })
        });
    let plain = (0..scenario.groups.len()).flat_map(move |group| plain(scenario, group));
    let surroundings = [
        changed(scenario, |smaller| smaller.foreign = Foreign::default()),
        changed(scenario, |smaller| smaller.network = Network::default()),
        changed(scenario, |smaller| smaller.vantage = Vantage::default()),
        changed(scenario, |smaller| smaller.vantage.holes.clear()),
    ];
    groups
        .chain(events)
        .chain(sizes)
        .chain(durations)
        .chain(surroundings)
        .chain(plain)
}

fn changed(scenario: &Scenario, change: impl FnOnce(&mut Scenario)) -> Scenario {
    let mut smaller = scenario.clone();
    change(&mut smaller);
    smaller
}

/// The last group stays, and so does the group of the branch with the monitor.
fn without_group(scenario: &Scenario, group: usize) -> Scenario {
    let number = group as u32 + 1;
    let is_watched = scenario.vantage.place == Place::Branch && scenario.vantage.group == number;
    if scenario.groups.len() < 2 || is_watched {
        return scenario.clone();
    }
    changed(scenario, |smaller| {
        smaller.groups.remove(group);
        smaller.events.retain(|event| event.group != number);
        let others = smaller.events.iter_mut().map(|event| &mut event.group);
        for other in others.chain([&mut smaller.vantage.group]) {
            *other -= u32::from(*other > number);
        }
    })
}

/// Events for removed members apply to other members.
fn with_members(scenario: &Scenario, group: usize, members: u32) -> Scenario {
    let number = group as u32 + 1;
    changed(scenario, |smaller| {
        if let Some(group) = smaller.groups.get_mut(group) {
            group.members = members;
        }
        let there = |member: u32| (member.max(1) - 1) % members + 1;
        for event in smaller.events.iter_mut().filter(|event| event.group == number) {
            event
                .members
                .iter_mut()
                .for_each(|member| *member = there(*member));
            event.members.sort_unstable();
            event.members.dedup();
        }
        if smaller.vantage.group == number {
            smaller.vantage.member = there(smaller.vantage.member);
        }
    })
}

/// A group with one peculiarity removed.
fn plain(scenario: &Scenario, group: usize) -> impl Iterator<Item = Scenario> {
    let changes: [fn(&mut crate::scenario::Group); 9] = [
        |group| group.traffic_every = Duration::ZERO,
        |group| group.heartbeat_every = Duration::ZERO,
        |group| group.quiet = None,
        |group| group.nat = None,
        |group| group.rekey_source = None,
        |group| group.coop_ike_lifetime = Duration::ZERO,
        |group| group.retransmit_renumbered = false,
        |group| group.closes_ike_sa = false,
        |group| group.policy_entries = 1,
    ];
    let alone = changed(scenario, |smaller| {
        if let Some(group) = smaller.groups.get_mut(group) {
            group.key_servers.truncate(1);
        }
        let number = group as u32 + 1;
        smaller.events.retain(|event| {
            let needs_two = matches!(event.action, Action::Split | Action::Merge) || event.key_server > 1;
            event.group != number || !needs_two
        });
    });
    let changes = changes.into_iter().map(move |change| {
        changed(scenario, |smaller| {
            if let Some(group) = smaller.groups.get_mut(group) {
                change(group);
            }
        })
    });
    std::iter::once(alone).chain(changes)
}
