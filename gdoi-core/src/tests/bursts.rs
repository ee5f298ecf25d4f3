//! Many registrations at once.

use super::script::{KS, Script, group, member, script};
use crate::transition::{BurstCharacter, RegistrationBurst, What};

fn told(script: &Script) -> (Vec<RegistrationBurst>, Vec<RegistrationBurst>) {
    let started = script.whats().filter_map(|what| match what {
        What::RegistrationBurstStarted(burst) => Some(*burst),
        _ => None,
    });
    let ended = script.whats().filter_map(|what| match what {
        What::RegistrationBurstEnded(burst) => Some(*burst),
        _ => None,
    });
    (started.collect(), ended.collect())
}

use std::vec::Vec;

#[test]
fn a_storm_begins_and_ends_once() {
    let mut script = script([group("G1")]);
    for number in 0..100 {
        script.register(&member(number), KS).wait(0.05);
    }
    assert!(script.snapshot().groups["G1"].registration.burst_active);
    script.wait(300.0).advance();
    let (started, ended) = told(&script);
    assert_eq!((started.len(), ended.len()), (1, 1), "{:?}", script.out);
    assert_eq!(ended[0].members, 100);
    assert_eq!((ended[0].started, ended[0].failed), (100, 0));
    assert_eq!(ended[0].character, BurstCharacter::Storm);
    let state = script.snapshot().groups["G1"].registration.clone();
    assert_eq!(
        (state.burst_active, state.bursts, state.burst_members),
        (false, 1, 100)
    );
}

#[test]
fn one_member_that_keeps_trying_is_no_burst() {
    let mut script = script([group("G1")]);
    for _ in 0..100 {
        script.register(&member(1), KS).wait(0.5);
    }
    script.wait(300.0).advance();
    assert_eq!(told(&script), (Vec::new(), Vec::new()));
}

#[test]
fn what_a_group_is_used_to_is_no_burst() {
    let mut script = script([group("G1")]);
    // Slowly at first: a burst is relative to what was before.
    for round in 0..600 {
        script
            .register(&member(round), KS)
            .wait(60.0 / (1.0 + f64::from(round) / 40.0));
    }
    script.wait(300.0).advance();
    assert_eq!(told(&script).0.len(), 0, "{:?}", told(&script));
}
