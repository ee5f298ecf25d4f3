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

#[test]
fn ten_members_within_a_minute_make_one_and_nine_do_not() {
    for (members, pause, bursts) in [(9, 1.0, 0), (10, 6.0, 1), (10, 6.7, 0), (30, 6.7, 0)] {
        let mut script = script([group("G1")]);
        for number in 0..members {
            script.register(&member(number), KS).wait(pause);
        }
        assert_eq!(told(&script).0.len(), bursts, "{members} every {pause} s");
    }
}

/// Each of twelve members tries for fifty seconds and again after half a minute: there are pauses, but no end.
#[test]
fn members_that_fail_and_try_again_are_one_burst() {
    let mut script = script([group("G1")]);
    for round in 0..5_u32 {
        for number in 0..12 {
            script.at(f64::from(round) * 80.0 + f64::from(number) * 4.0);
            script.main_mode(&member(number), KS, 1);
        }
    }
    script.wait(600.0).advance();
    let (started, ended) = told(&script);
    assert_eq!((started.len(), ended.len()), (1, 1), "{started:?} {ended:?}");
    assert_eq!(
        (ended[0].members, ended[0].started, ended[0].failed),
        (12, 60, 60)
    );
}
