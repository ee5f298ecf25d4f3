//! SPIs: which took the place of which, and who stays behind.

use std::collections::BTreeSet;
use std::time::Duration;

use gdoi_core::transition::{Severity, What};

use super::{Subject, collect, pick};
use crate::scenario::Scenario;
use crate::score::Fact;
use crate::truth::{Happened, Kind};

pub(super) const SUBJECTS: [Subject; 2] = [
    Subject {
        name: "SPI change",
        severity: Severity::Info,
        within: Duration::from_mins(5),
        truth: rolled,
        said: |said| {
            first_of_each(collect(said, |one| match &one.what {
                What::SpiChanged(change) => Some(format!("{:08x}", change.to.0)),
                _ => None,
            }))
        },
    },
    Subject {
        name: "SPI stale",
        severity: Severity::Warning,
        within: Duration::from_mins(5),
        truth: |scenario, truth| {
            pick(scenario, truth, |one| match one.kind {
                Kind::SpiStale { spi, ref site } => Some(format!("{spi:08x} {site}")),
                _ => None,
            })
        },
        said: |said| {
            collect(said, |one| match &one.what {
                What::SpiStale(stale) => Some(format!(
                    "{:08x} {}",
                    stale.spi.0,
                    stale.site.as_deref().unwrap_or_default()
                )),
                _ => None,
            })
        },
    },
];

/// The first time that each SPI took the place of another.
fn rolled(scenario: &Scenario, truth: &[Happened]) -> Vec<Fact> {
    let silent: BTreeSet<&str> = scenario
        .groups
        .iter()
        .filter(|group| group.traffic_every.is_zero())
        .map(|group| group.name.as_str())
        .collect();
    let facts = pick(scenario, truth, |one| match one.kind {
        Kind::SpiRolled { from: 1.., to } if !silent.contains(one.group.as_str()) => {
            Some(format!("{to:08x}"))
        }
        _ => None,
    });
    first_of_each(facts)
}

fn first_of_each(facts: Vec<Fact>) -> Vec<Fact> {
    let mut known = BTreeSet::new();
    facts
        .into_iter()
        .filter(|fact| known.insert(fact.key.clone()))
        .collect()
}
