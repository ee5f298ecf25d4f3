//! The tracker, scored: warnings are never invented without loss, and hardly anything is missed.

use std::time::Duration;

use gdoi_core::Timestamp;
use gdoi_core::transition::Severity;

use super::library;
use crate::score::{Fact, Score, Subject, Tally};

#[track_caller]
fn check(name: &str) {
    for seed in [5, 6] {
        let score = Score::of(&library(name), seed).unwrap();
        for (event, tally) in &score.tallies {
            assert_eq!(
                (tally.invented, tally.missed),
                (0, 0),
                "{name} seed {seed}, {event}: {:#?}",
                score.examples
            );
        }
    }
}

#[test]
fn healthy_groups() {
    for name in [
        "blind",
        "demo",
        "forced_rekey",
        "g_ikev2",
        "ipv6",
        "juniper",
        "late_joiner",
        "multicast",
        "nat",
        "two_groups",
    ] {
        check(name);
    }
}

#[test]
fn sick_groups() {
    for name in [
        "blocked",
        "cisco_acknowledgement",
        "coop_failover",
        "coop_split",
        "dead_server",
        "evicted",
        "large_policy",
        "lost_rekey",
        "mixed_upgrade",
        "over_age",
        "power_cut",
        "stale_spi",
    ] {
        check(name);
    }
}

/// Nothing is proved of an event that never happens.
#[test]
fn every_event_has_a_true_case() {
    let mut all = Score::default();
    for name in crate::scenario::names() {
        let scenario = library(name);
        if scenario.network.lost_per_mille == 0 {
            all.add(&Score::of(&scenario, 7).unwrap());
        }
    }
    for (event, tally) in &all.tallies {
        assert!(tally.found > 0, "{event} never happens");
        if tally.severity > Severity::Info {
            assert_eq!(tally.invented, 0, "{event}: {:#?}", all.examples);
        }
    }
}

#[test]
fn a_claim_is_paired_with_one_truth_only_and_within_its_time() {
    let fact =
        |key: &str, second: u64| Fact::new(key.to_owned(), Timestamp::from_nanos(second * 1_000_000_000));
    // The last is true, but nobody has to know it.
    let open = || Fact {
        open: true,
        ..fact("d", 100)
    };
    let truth = || Vec::from([fact("a", 100), fact("a", 110), fact("b", 100), open()]);
    let subject = Subject {
        name: "x",
        severity: Severity::Info,
        within: Duration::from_secs(10),
        truth: |_, _| Vec::new(),
        said: |_| Vec::new(),
    };
    let rows = [
        (Vec::new(), (0, 0, 3)),
        (Vec::from([fact("a", 104)]), (1, 0, 2)),
        (
            Vec::from([fact("a", 104), fact("a", 105), fact("a", 106)]),
            (2, 1, 1),
        ),
        (Vec::from([fact("a", 121), fact("b", 89)]), (0, 2, 3)),
        (Vec::from([fact("c", 100)]), (0, 1, 3)),
        (Vec::from([fact("d", 100)]), (1, 0, 3)),
    ];
    for (claims, (found, invented, missed)) in rows {
        let mut score = Score::default();
        score.judge(&subject, truth(), claims.clone());
        assert_eq!(
            score.tallies["x"],
            Tally {
                severity: Severity::Info,
                found,
                invented,
                missed
            },
            "{claims:?}"
        );
        assert_eq!(score.examples.len() as u64, invented + missed);
    }
    assert!(
        (Tally {
            severity: Severity::Info,
            found: 3,
            invented: 1,
            missed: 0
        }
        .precision()
            - 0.75)
            .abs()
            < 1e-9
    );
    assert!(
        (Tally {
            severity: Severity::Info,
            found: 3,
            invented: 1,
            missed: 0
        }
        .recall()
            - 1.0)
            .abs()
            < 1e-9
    );
}

/// The site of the fifth branch, while its data plane hangs and after.
#[test]
fn a_site_that_stays_behind_lags_until_it_goes_over() {
    let lagging = |until: Duration| {
        let mut scenario = library("stale_spi");
        scenario.duration = until;
        let mut simulation = crate::Simulation::new(&scenario, Some(7)).unwrap();
        let mut tracker = gdoi_core::Tracker::new(scenario.config(), gdoi_core::Limits::default());
        crate::Observer::new(Duration::from_secs(10), true).watch(
            &mut simulation,
            &mut tracker,
            &mut Vec::new(),
        );
        let esp = tracker.snapshot().groups["G1"].esp.clone();
        (esp.lagging_sites, esp.stale_packets > 0)
    };
    assert_eq!(lagging(Duration::from_mins(100)), (0, false));
    assert_eq!(lagging(Duration::from_mins(160)), (1, true));
    assert_eq!(lagging(Duration::from_hours(4)), (0, true));
}
