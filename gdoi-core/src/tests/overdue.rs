//! Missing rekeys, and deletions, after which a rekey is still expected.

use core::time::Duration;
use std::vec::Vec;

use super::rekey::{multicast, rekeys};
use super::script::{KS, MULTICAST, Script, group, member, script};
use crate::config::GroupConfig;
use crate::transition::{Certainty, ExpectationUnknown, RekeyKind, What};

/// Rekeys every ten minutes, then silence.
fn silence(blind: bool) -> Script {
    let mut script = script([multicast()]);
    for sequence in 1..=5 {
        script.push(KS, MULTICAST, 1, sequence).wait(600.0);
    }
    if blind {
        script.blind(300.0);
    }
    script.wait(600.0).advance();
    script
}

fn overdue(script: &Script) -> Vec<Certainty> {
    let overdue = script.whats().filter_map(|what| match what {
        What::RekeyOverdue(overdue) => Some(overdue.grounds.certainty),
        _ => None,
    });
    overdue.collect()
}

#[test]
fn a_rekey_that_does_not_come_is_overdue_once() {
    let mut script = silence(false);
    assert_eq!(overdue(&script), [Certainty::Likely]);
    assert!(script.snapshot().groups["G1"].rekey.overdue);
    script.wait(600.0).push(KS, MULTICAST, 1, 6);
    assert!(!script.snapshot().groups["G1"].rekey.overdue);
}

#[test]
fn a_silence_while_blind_proves_nothing() {
    assert_eq!(overdue(&silence(true)), [Certainty::Uncertain]);
}

#[test]
fn a_deletion_suspends_what_is_expected_for_one_interval() {
    let mut script = script([multicast()]);
    for sequence in 1..=5 {
        script.push(KS, MULTICAST, 1, sequence).wait(600.0);
    }
    script.push_of(KS, MULTICAST, 1, 6, 212).wait(600.0).advance();
    assert_eq!(rekeys(&script).last().unwrap().kind, RekeyKind::Delete);
    assert_eq!(
        (overdue(&script), script.count("rekey_expectation")),
        ([].to_vec(), 1)
    );
    let rekey = &script.snapshot().groups["G1"].rekey;
    assert_eq!(rekey.expectation.unknown, Some(ExpectationUnknown::Suspended));
    // The key server may have given up the group.
    script.wait(6_000.0).advance();
    assert_eq!(overdue(&script), [Certainty::Uncertain]);
    script.push(KS, MULTICAST, 1, 7);
    assert_eq!(script.count("rekey_expectation"), 2);
    assert_eq!(script.snapshot().groups["G1"].rekey.expectation.unknown, None);
}

/// Half as long as the others, but long enough for a policy.
#[test]
fn a_shorter_rekey_is_no_deletion() {
    let mut script = script([multicast()]);
    for sequence in 1..=5 {
        script.push_of(KS, MULTICAST, 1, sequence, 800).wait(600.0);
    }
    script
        .push_of(KS, MULTICAST, 1, 6, 400)
        .wait(600.0)
        .push(KS, MULTICAST, 1, 7);
    script.wait(600.0).advance();
    assert!(
        rekeys(&script)
            .iter()
            .all(|rekey| rekey.kind != RekeyKind::Delete)
    );
}

/// An operator forces one between two regular ones, and another as a test.
#[test]
fn a_forced_rekey_moves_the_next_one_and_changes_nothing_else() {
    let mut script = script([multicast()]);
    for (sequence, seconds) in [0.0, 3_600.0, 7_200.0, 9_000.0, 12_600.0, 13_000.0, 16_600.0]
        .into_iter()
        .enumerate()
    {
        script.at(seconds).push(KS, MULTICAST, 1, sequence as u64);
    }
    assert_eq!(overdue(&script), []);
    let hour = Duration::from_hours(1);
    let rekey = &script.snapshot().groups["G1"].rekey;
    assert_eq!(
        (rekey.expectation.unknown, rekey.expectation.interval),
        (None, Some(hour))
    );
    assert_eq!(rekey.next_expected, Some(script.now.after(hour)));
    script.at(21_000.0).advance();
    assert_eq!(overdue(&script), [Certainty::Likely]);
}

/// An attacker sends one member a message under the cookies of the group.
#[test]
fn a_message_to_one_of_many_members_rekeys_no_group() {
    let mut script = script([group("G1")]);
    for sequence in 0..4 {
        script.at(600.0 * sequence as f64);
        for number in 0..4 {
            script.push(KS, &member(number), 1, sequence);
        }
    }
    let before = script.snapshot().groups["G1"].rekey.next_expected;
    for (sequence, length) in [(10, 140), (11, 700)] {
        script
            .at(2_000.0 + sequence as f64)
            .push_of(KS, &member(1), 1, sequence, length);
    }
    script.at(2_200.0).advance();
    let rekey = &script.snapshot().groups["G1"].rekey;
    assert_eq!((rekey.next_expected, rekey.expectation.unknown), (before, None));
    script.at(2_600.0).advance();
    assert_eq!(overdue(&script).len(), 1);
}

/// TEKs live twice as long as configured: no keys run out, so nothing is critical, and the contradiction is reported.
#[test]
fn a_lifetime_that_was_changed_is_learned_and_alarms_nobody() {
    for told in [false, true] {
        let config = GroupConfig {
            tek_lifetime: told.then_some(Duration::from_hours(1)),
            ..group("G1")
        };
        let mut script = script([config]);
        for number in 0..3 {
            script.register(&member(number), KS);
        }
        for seconds in [3_395_u32, 6_790, 10_185, 17_000, 23_815, 30_630] {
            script.at(f64::from(seconds));
            for number in 0..3 {
                script.push(KS, &member(number), 1, seconds.into());
                script.acknowledge(&member(number), KS, 1);
            }
        }
        assert_eq!(overdue(&script), [Certainty::Uncertain], "told {told}");
        let changed = if told {
            "configuration_contradicted"
        } else {
            "rekey_interval_changed"
        };
        assert_eq!(script.count(changed), 1, "told {told}: {:?}", script.out);
        let next = script.snapshot().groups["G1"].rekey.next_expected.unwrap();
        assert_eq!(next.since(script.now).as_secs(), 6_815, "told {told}");
    }
}

/// Members that had to register prove that there was no rekey.
#[test]
fn members_without_keys_prove_that_no_rekey_came() {
    let mut script = script([group("G1")]);
    for number in 0..3 {
        script.register(&member(number), KS);
    }
    for sequence in 1..5 {
        script.at(600.0 * sequence as f64);
        for number in 0..3 {
            script.push(KS, &member(number), 1, sequence);
        }
    }
    script.at(3_010.0);
    for number in 0..3 {
        script.main_mode(&member(number), KS, 1);
    }
    script.at(3_200.0).advance();
    assert_eq!(overdue(&script), [Certainty::Certain]);
}
