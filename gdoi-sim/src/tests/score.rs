//! The tracker, scored: warnings are never invented without loss, and hardly anything is missed.

use std::time::Duration;

use gdoi_core::Timestamp;

use super::library;
use crate::score::{Fact, Score, Tally};

/// Events that ask for attention: to invent one is to cry wolf.
const ALARMS: [&str; 8] = [
    "KEK over age",
    "KEK split",
    "double re-registration",
    "key server silent",
    "member dropped",
    "registration failed",
    "rekey overdue",
    "rekey unacknowledged",
];

#[track_caller]
fn check(name: &str) {
    for seed in [5, 6] {
        let score = Score::of(&library(name), seed).unwrap();
        for (event, tally) in &score.tallies {
            if ALARMS.contains(event) {
                assert_eq!(
                    tally.invented, 0,
                    "{name} seed {seed}, {event}: {:#?}",
                    score.examples
                );
            }
            // The kind of the last rekey of a scenario can be open: the next one would tell.
            let open = u64::from(*event == "rekey kind");
            assert!(
                tally.missed <= open,
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
        "large_policy",
        "mixed_upgrade",
        "over_age",
    ] {
        check(name);
    }
}

#[test]
fn a_claim_is_paired_with_one_truth_only_and_within_its_time() {
    let fact = |key: &str, second: u64| Fact {
        key: key.to_owned(),
        at: Timestamp::from_nanos(second * 1_000_000_000),
    };
    let truth = || Vec::from([fact("a", 100), fact("a", 110), fact("b", 100)]);
    let rows = [
        (Vec::new(), (0, 0, 3)),
        (Vec::from([fact("a", 104)]), (1, 0, 2)),
        (
            Vec::from([fact("a", 104), fact("a", 105), fact("a", 106)]),
            (2, 1, 1),
        ),
        (Vec::from([fact("a", 121), fact("b", 89)]), (0, 2, 3)),
        (Vec::from([fact("c", 100)]), (0, 1, 3)),
    ];
    for (claims, (found, invented, missed)) in rows {
        let mut score = Score::default();
        score.judge("x", Duration::from_secs(10), truth(), claims.clone());
        assert_eq!(
            score.tallies["x"],
            Tally {
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
