//! The judge: with full configuration and next to the key servers no warning is invented; and claims are paired
//! correctly.

use std::time::Duration;

use gdoi_core::Timestamp;
use gdoi_core::transition::Severity;

use super::library;
use crate::judge::{Claim, EVENTS, Fact, Judged, Known, Rule, Score, Subject, Sure, Tally, Told};

/// Worlds from before the judge covered more than full configuration next to the key servers.
#[test]
fn told_everything_no_alarm_is_invented_and_none_is_missed() {
    for name in crate::scenario::names() {
        let scenario = library(name);
        if scenario.network.lost_per_mille > 0 {
            continue;
        }
        let score = Score::of(&scenario, 5, &[Told::All]).unwrap();
        for ((_, event), tally) in &score.tallies {
            if tally.severity > Severity::Info {
                assert_eq!(
                    (tally.invented, tally.missed),
                    (0, 0),
                    "{name}, {event}: {:#?}",
                    score.failures
                );
            }
        }
    }
}

#[test]
fn a_claim_is_paired_with_one_fact_only_and_within_its_time() {
    let at = |second: u64| Timestamp::from_nanos(second * 1_000_000_000);
    let fact = |key: &str, second: u64, known: Known| Fact {
        key: key.to_owned(),
        at: at(second),
        from: at(second - 10),
        until: at(second + 10),
        known,
    };
    let must = Known::Must(Rule::Dissected);
    let facts = || {
        Vec::from([
            fact("a", 100, must),
            fact("a", 110, must),
            fact("b", 100, must),
            // It is true, but need not be known.
            fact("d", 100, Known::Open(Rule::NotSeen)),
        ])
    };
    let claim = |key: &str, second: u64, sure: Sure| Claim {
        key: key.to_owned(),
        at: at(second),
        sure,
        doubtful: key == "e",
    };
    let sure = |key: &str, second: u64| claim(key, second, Sure::Certain);
    // Found, invented, missed, open, doubted.
    let rows = [
        (Vec::new(), (0, 0, 3, 1, 0)),
        (Vec::from([sure("a", 104)]), (1, 0, 2, 1, 0)),
        (
            Vec::from([sure("a", 104), sure("a", 105), sure("a", 106)]),
            (2, 1, 1, 1, 0),
        ),
        (Vec::from([sure("a", 121), sure("b", 89)]), (0, 2, 3, 1, 0)),
        (Vec::from([sure("c", 100)]), (0, 1, 3, 1, 0)),
        (Vec::from([sure("d", 100)]), (0, 0, 3, 1, 0)),
        // Uncertain where allowed, uncertain where not necessary, and uncertain about something knowable.
        (Vec::from([claim("e", 100, Sure::Uncertain)]), (0, 0, 3, 1, 1)),
        (Vec::from([claim("c", 100, Sure::Uncertain)]), (0, 1, 3, 1, 0)),
        (Vec::from([claim("b", 100, Sure::Uncertain)]), (0, 0, 3, 1, 0)),
    ];
    let subject = Subject {
        name: "x",
        severity: Severity::Critical,
        needs_certainty: true,
    };
    for (claims, (found, invented, missed, open, doubted)) in rows {
        let mut score = Score::default();
        score.judge(Told::All, subject, facts(), claims.clone());
        let tally = score.tallies[&(Told::All, "x")];
        assert_eq!(
            (
                tally.found,
                tally.invented,
                tally.missed,
                tally.open,
                tally.doubted
            ),
            (found, invented, missed, open, doubted),
            "{claims:?}"
        );
        assert_eq!(score.failures.len() as u64, invented + missed);
    }
}

/// A new type of event needs a row that judges it, or a reason why none does.
#[test]
fn every_type_of_event_is_judged() {
    let source = include_str!("../../../gdoi-core/src/transition.rs");
    let (_, names) = source.split_once("pub const fn name(&self)").unwrap();
    let (names, _) = names.split_once("\n    }\n").unwrap();
    let types: Vec<&str> = names.split('"').skip(1).step_by(2).collect();
    assert!(
        types.contains(&"rekey") && types.contains(&"spi_stale"),
        "{types:?}"
    );
    let judged: Vec<&str> = EVENTS.iter().map(|(event, _)| *event).collect();
    assert_eq!(
        judged, types,
        "judge/events.rs has every type once, in their order"
    );
    let score = Score::of(&library("demo"), 1, &[Told::Nothing]).unwrap();
    for (event, judged) in EVENTS {
        match judged {
            Judged::By(row) => {
                let is_there = score.tallies.contains_key(&(Told::Nothing, row));
                assert!(is_there, "{event}: no row {row}");
            }
            Judged::Not(why) => assert!(why.len() > 20, "{event}: {why:?} is no reason"),
        }
    }
}

#[test]
fn parts_of_nothing_are_whole() {
    let tally = |found, invented| Tally {
        found,
        invented,
        ..Tally::new(Severity::Info)
    };
    assert!((tally(3, 1).precision() - 0.75).abs() < 1e-9);
    assert!((tally(3, 1).recall() - 1.0).abs() < 1e-9);
    assert!((tally(0, 0).precision() - 1.0).abs() < 1e-9);
}

/// The same scenario, seed and vantage give the same score, down to the last failure.
#[test]
fn the_same_seed_gives_the_same_score() {
    let scenario = library("coop_split");
    let score = || Score::of(&scenario, 3, &Told::ALL).unwrap();
    assert_eq!(score(), score());
}

/// What happens does not depend on the vantage.
#[test]
fn the_world_is_the_same_from_everywhere() {
    use crate::Simulation;
    use crate::scenario::Vantage;
    let scenario = library("lossy");
    let happened = |name: &str| {
        let mut scenario = scenario.clone();
        scenario.vantage = Vantage::named(name, scenario.duration).unwrap();
        let mut simulation = Simulation::new(&scenario, Some(9)).unwrap();
        let seen = simulation.by_ref().count();
        (simulation.take_truth(), seen)
    };
    let (truth, whole) = happened("key_servers");
    for name in Vantage::NAMES {
        let (other, seen) = happened(name);
        assert_eq!(other, truth, "{name}");
        let fewer = !matches!(name, "key_servers" | "own_nat");
        if name == "mirror" {
            assert!(seen > whole);
        } else if fewer {
            assert!(seen < whole && seen > 0, "{name} sees {seen} of {whole}");
        }
    }
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
