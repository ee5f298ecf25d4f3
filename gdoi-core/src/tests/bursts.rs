//! Many registrations at once.

use core::time::Duration;
use std::vec::Vec;

use super::script::{KS, MULTICAST, Script, address, group, member, script};
use crate::config::GroupConfig;
use crate::transition::{BurstCharacter, RegistrationBurst, What};

/// A group that was monitored long enough to know its usual rate. These members are known.
fn watched(members: core::ops::Range<u32>) -> Script {
    let mut script = script([group("G1")]);
    script.register(&member(240), KS);
    for number in members {
        script.wait(120.0).register(&member(number), KS);
    }
    script.wait(1_000.0).advance().out.clear();
    script
}

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

#[test]
fn a_storm_begins_and_ends_once() {
    let mut script = watched(0..0);
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

/// The usual rate is still unknown. Twelve rekeyed members need not register, so that is a burst; twelve that nobody
/// rekeys, or nine that are rekeyed, are not reported.
#[test]
fn members_that_are_rekeyed_make_a_burst_from_the_beginning() {
    for (rekeyed, bursts) in [(12, 1), (9, 0), (0, 0)] {
        let mut script = script([group("G1")]);
        for number in 0..12 {
            script.register(&member(number), KS).wait(1.5);
        }
        script.at(300.0);
        for number in 0..rekeyed {
            script.push(KS, &member(number), 1, 1);
        }
        script.at(400.0);
        for number in 0..12 {
            script.register(&member(number), KS).wait(1.5);
        }
        assert_eq!(told(&script).0.len(), bursts, "{rekeyed} were rekeyed");
    }
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
    // Slowly at first: a burst is relative to the previous rate.
    for round in 0..600 {
        script
            .register(&member(round), KS)
            .wait(60.0 / (1.0 + f64::from(round) / 40.0));
    }
    script.wait(300.0).advance();
    assert_eq!(told(&script).0.len(), 0, "{:?}", told(&script));
}

/// A thousand members register while the usual rate is unknown; an hour later ten are a burst again.
#[test]
fn what_was_usual_is_forgotten_in_a_quiet_hour() {
    let mut script = script([group("G1")]);
    for number in 0..1_000 {
        script.register(&member(number), KS).wait(0.3);
    }
    script.at(3_900.0);
    for number in 0..10 {
        script.register(&member(number), KS).wait(1.0);
    }
    let (started, _) = told(&script);
    assert_eq!(started.len(), 1, "{started:?}");
    assert_eq!(started[0].members, 10);
}

#[test]
fn ten_members_within_a_minute_make_one_and_nine_do_not() {
    for (members, pause, bursts) in [(9, 1.0, 0), (10, 6.0, 1), (10, 6.7, 0), (30, 6.7, 0)] {
        let mut script = watched(0..0);
        for number in 0..members {
            script.register(&member(number), KS).wait(pause);
        }
        assert_eq!(told(&script).0.len(), bursts, "{members} every {pause} s");
    }
}

/// Each of twelve members tries for fifty seconds and again after half a minute: the pauses do not end the burst.
#[test]
fn members_that_fail_and_try_again_are_one_burst() {
    let mut script = watched(0..12);
    for round in 0..5_u32 {
        for number in 0..12 {
            script.at(5_000.0 + f64::from(round) * 80.0 + f64::from(number) * 4.0);
            script.stalled_main_mode(&member(number), KS, 1);
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

/// At the end of the keys all members are expected; if more than one in five fails, it is a storm all the same.
#[test]
fn a_wave_is_expected_when_keys_end_and_most_of_it_succeeds() {
    use BurstCharacter::{Storm, Wave};
    for (begins, failing, character) in [
        (3_590.0, 0, (Wave, Wave)),
        (3_590.0, 4, (Wave, Wave)),
        (3_590.0, 5, (Wave, Storm)),
        (3_590.0, 12, (Wave, Storm)),
        (1_800.0, 0, (Storm, Storm)),
    ] {
        let mut script = script([GroupConfig {
            rekey_address: Some(address(MULTICAST)),
            tek_lifetime: Some(Duration::from_hours(1)),
            ..group("G1")
        }]);
        script.register(&member(100), KS);
        for number in 0..failing {
            script.register(&member(number), KS);
        }
        script.push(KS, MULTICAST, 1, 1).at(begins);
        for number in 0..20 {
            if number < failing {
                script.stalled_main_mode(&member(number), KS, 1);
            } else {
                script.register(&member(number), KS);
            }
        }
        script.wait(600.0).advance();
        let (started, ended) = told(&script);
        assert_eq!((started.len(), ended.len()), (1, 1), "{started:?} {ended:?}");
        assert_eq!((ended[0].started, ended[0].failed), (20, failing));
        let told = (started[0].character, ended[0].character);
        assert_eq!(told, character, "{failing} fail at {begins}");
    }
}
