//! Registrations: how they end, those that should not have been needed, and bursts of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gdoi_core::Timestamp;
use gdoi_core::transition::{Severity, What};

use super::{Subject, collect, member, pick};
use crate::scenario::Scenario;
use crate::score::Fact;
use crate::truth::{Happened, Kind};

pub(super) const SUBJECTS: [Subject; 5] = [
    Subject {
        name: "registration completed",
        severity: Severity::Info,
        within: Duration::from_secs(15),
        truth: |scenario, truth| {
            pick(scenario, truth, |one| {
                matches!(one.kind, Kind::RegistrationCompleted { .. }).then(|| member(one.member))
            })
        },
        said: |said| {
            collect(said, |one| {
                matches!(one.what, What::RegistrationCompleted(_)).then(|| member(one.member))
            })
        },
    },
    Subject {
        name: "registration failed",
        severity: Severity::Warning,
        within: Duration::from_mins(3),
        truth: |scenario, truth| {
            pick(scenario, truth, |one| {
                matches!(one.kind, Kind::RegistrationFailed { .. }).then(|| member(one.member))
            })
        },
        said: |said| {
            collect(said, |one| {
                matches!(one.what, What::RegistrationFailed(_)).then(|| member(one.member))
            })
        },
    },
    Subject {
        name: "re-registration",
        severity: Severity::Info,
        within: Duration::from_mins(3),
        truth: again,
        said: |said| {
            collect(said, |one| {
                matches!(one.what, What::ReRegistration(_)).then(|| member(one.member))
            })
        },
    },
    Subject {
        name: "double re-registration",
        severity: Severity::Warning,
        within: Duration::from_mins(3),
        truth: doubles,
        said: |said| {
            collect(said, |one| {
                matches!(one.what, What::DoubleReregistration(_)).then(|| member(one.member))
            })
        },
    },
    Subject {
        name: "registration burst",
        severity: Severity::Warning,
        within: Duration::from_mins(1),
        truth: bursts,
        said: |said| {
            collect(said, |one| match one.what {
                What::RegistrationBurstStarted(_) => one.group.clone(),
                _ => None,
            })
        },
    },
];

/// Every registration of a member but the first one in each of its groups.
fn again(scenario: &Scenario, truth: &[Happened]) -> Vec<Fact> {
    let mut known = BTreeSet::new();
    let mut again = Vec::new();
    for one in truth
        .iter()
        .filter(|one| matches!(one.kind, Kind::RegistrationCompleted { .. }))
    {
        if !known.insert((one.group.clone(), one.member)) {
            again.push(one.clone());
        }
    }
    pick(scenario, &again, |one| Some(member(one.member)))
}

/// Of KEKs whose delivery was seen.
fn doubles(scenario: &Scenario, truth: &[Happened]) -> Vec<Fact> {
    let renewal = truth.iter().find(|one| {
        matches!(
            one.kind,
            Kind::Rekey {
                delivers_kek: true,
                ..
            }
        )
    });
    let known = renewal.map_or(scenario.start, |one| one.at.after(Duration::from_mins(3)));
    let all = pick(scenario, truth, |one| {
        (one.kind == Kind::DoubleReregistration).then(|| member(one.member))
    });
    all.into_iter().filter(|fact| fact.at > known).collect()
}

/// Ten different members of a group that begin to register within a minute. It is over when for a minute no minute had
/// half as many beginnings.
fn bursts(scenario: &Scenario, truth: &[Happened]) -> Vec<Fact> {
    let mut groups: BTreeMap<&str, Vec<(Timestamp, String)>> = BTreeMap::new();
    for one in truth {
        if matches!(one.kind, Kind::RegistrationStarted { .. }) {
            let starts = groups.entry(one.group.as_str()).or_default();
            starts.push((one.at, member(one.member)));
        }
    }
    let bursts: Vec<Happened> = truth
        .iter()
        .filter(|one| {
            let starts = groups.get(one.group.as_str());
            matches!(one.kind, Kind::RegistrationStarted { .. })
                && starts.is_some_and(|starts| began(starts).contains(&one.at))
        })
        .cloned()
        .collect();
    pick(scenario, &bursts, |one| Some(one.group.clone()))
}

/// When the bursts among these beginnings began.
fn began(starts: &[(Timestamp, String)]) -> BTreeSet<Timestamp> {
    let mut begun = BTreeSet::new();
    let mut busy_until: Option<Timestamp> = None;
    let mut from = 0;
    for (index, (now, _)) in starts.iter().enumerate() {
        let minute = |from: usize| starts.get(from..=index).unwrap_or_default();
        while minute(from)
            .first()
            .is_some_and(|(at, _)| now.since(*at) >= MINUTE)
        {
            from += 1;
        }
        let within = minute(from);
        let over = busy_until.is_none_or(|until| now.since(until) >= MINUTE);
        if over {
            busy_until = None;
            let members: BTreeSet<&str> = within.iter().map(|(_, member)| member.as_str()).collect();
            if members.len() < BURST {
                continue;
            }
            begun.insert(*now);
        }
        // The minute stays busy until the fifth beginning from the end leaves it.
        let fifth = within.len().checked_sub(BURST / 2).and_then(|at| within.get(at));
        busy_until = fifth.map(|(at, _)| at.after(MINUTE)).max(busy_until);
    }
    begun
}

const MINUTE: Duration = Duration::from_mins(1);
const BURST: usize = 10;
