//! The judge of causes: what it counts as right, as wrong, and as nothing.

use gdoi_core::transition::What;
use gdoi_core::{Snapshot, Transition};

use super::library;
use crate::judge::{CauseTally, Score, Told};
use crate::scenario::Scenario;

fn score(scenario: &Scenario) -> Score {
    Score::of(scenario, 0, &[Told::Nothing]).unwrap()
}

fn tally(score: &Score, done: &'static str) -> CauseTally {
    let tally = score.causes.tallies.get(&(Told::Nothing, done));
    tally.copied().unwrap_or_default()
}

#[test]
fn what_was_done_has_one_incident_with_its_cause() {
    for (name, done) in [
        ("power_cut", "reboot"),
        ("dead_server", "server_down"),
        ("coop_split", "split"),
        ("stale_spi", "keep_spi"),
        ("mixed_upgrade", "legacy key server, new members"),
    ] {
        let tally = tally(&score(&library(name)), done);
        assert!(tally.first >= 1, "{name}: {tally:?}");
        assert_eq!((tally.later, tally.wrong), (0, 0), "{name}: {tally:?}");
    }
}

#[test]
fn a_quiet_day_is_counted_with_its_incidents() {
    let score = score(&library("healthy_day"));
    let quiet = score.causes.quiet[&Told::Nothing];
    assert_eq!((quiet.seconds, quiet.incidents), (90_000, 0));
    assert!(score.causes.unexplained.is_empty(), "{:?}", score.causes);
}

/// Without the event that shows the split, the key servers only seem to take over from each other.
#[test]
fn a_cause_that_is_not_what_was_done_is_wrong() {
    let hide = |said: &mut Vec<Transition>, _: &mut Snapshot| {
        said.retain(|one| !matches!(one.what, What::KekSplit(_)));
    };
    let score = Score::of_changed(&library("coop_split"), 0, &[Told::Nothing], hide).unwrap();
    let tally = tally(&score, "split");
    assert_eq!((tally.first, tally.wrong), (0, 1), "{:?}", score.causes);
    assert!(score.failures.iter().any(|failure| failure.event == "cause"));
}
