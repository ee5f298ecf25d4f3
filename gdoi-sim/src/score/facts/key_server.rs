//! Key servers and their KEKs: who sends rekeys, who is silent, what is used too long; and what the gateway missed.

use std::time::Duration;

use gdoi_core::transition::{Severity, What};

use super::{Subject, blind, collect, pick};
use crate::scenario::Scenario;
use crate::score::Fact;
use crate::truth::{Happened, Kind};

pub(super) const SUBJECTS: [Subject; 7] = [
    Subject {
        name: "key server changed",
        severity: Severity::Warning,
        within: Duration::from_hours(1),
        truth: |scenario, truth| {
            pick(scenario, truth, |one| {
                matches!(one.kind, Kind::Failover { .. } | Kind::Split | Kind::Merged)
                    .then(|| format!("{:?}", one.key_server))
            })
        },
        said: |said| {
            collect(said, |one| match &one.what {
                What::KeyServerChanged(change) => Some(format!("{:?}", Some(change.to))),
                _ => None,
            })
        },
    },
    Subject {
        name: "key server silent",
        severity: Severity::Warning,
        within: Duration::from_mins(3),
        truth: silent,
        said: |said| {
            collect(said, |one| {
                matches!(one.what, What::CoopSilent(_)).then(|| format!("{:?}", one.key_server))
            })
        },
    },
    Subject {
        name: "KEK split",
        severity: Severity::Critical,
        within: Duration::from_hours(1),
        truth: |scenario, truth| group_where(scenario, truth, &Kind::Split),
        said: |said| {
            collect(said, |one| match &one.what {
                What::KekSplit(split) if !split.merged => one.group.clone(),
                _ => None,
            })
        },
    },
    Subject {
        name: "KEK merged",
        severity: Severity::Info,
        within: Duration::from_hours(1),
        truth: |scenario, truth| group_where(scenario, truth, &Kind::Merged),
        said: |said| {
            collect(said, |one| match &one.what {
                What::KekSplit(split) if split.merged => one.group.clone(),
                _ => None,
            })
        },
    },
    Subject {
        name: "KEK over age",
        severity: Severity::Critical,
        within: Duration::from_mins(30),
        truth: |scenario, truth| group_where(scenario, truth, &Kind::KekOverAge),
        said: |said| {
            collect(said, |one| match one.what {
                What::KekOverAge(_) => one.group.clone(),
                _ => None,
            })
        },
    },
    Subject {
        name: "KEK expired",
        severity: Severity::Critical,
        within: Duration::from_mins(3),
        truth: |scenario, truth| group_where(scenario, truth, &Kind::KekExpired),
        said: |said| {
            collect(said, |one| match one.what {
                What::KekExpired(_) => one.group.clone(),
                _ => None,
            })
        },
    },
    Subject {
        name: "capture loss",
        severity: Severity::Warning,
        within: Duration::from_secs(1),
        truth: |scenario, _| {
            let windows = blind(scenario).into_iter();
            windows.map(|(from, _)| Fact::new(String::new(), from)).collect()
        },
        said: |said| {
            collect(said, |one| {
                matches!(one.what, What::CaptureLoss(_)).then(String::new)
            })
        },
    },
];

fn group_where(scenario: &Scenario, truth: &[Happened], kind: &Kind) -> Vec<Fact> {
    pick(scenario, truth, |one| {
        (one.kind == *kind).then(|| one.group.clone())
    })
}

/// A key server that others listen to and that stops, or the primary that they lose in a split.
fn silent(scenario: &Scenario, truth: &[Happened]) -> Vec<Fact> {
    pick(scenario, truth, |one| {
        let group = scenario.groups.iter().find(|group| group.name == one.group)?;
        if group.key_servers.len() < 2 {
            return None;
        }
        match one.kind {
            Kind::ServerDown => Some(format!("{:?}", one.key_server)),
            Kind::Split => Some(format!("{:?}", group.key_servers.first())),
            _ => None,
        }
    })
}
