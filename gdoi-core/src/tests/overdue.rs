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

/// Rekeys at these multiples of a second, those of the KEK every `kek` seconds and shorter.
fn two_clocks(config: GroupConfig, tek: u32, kek: u32, until: u32) -> Script {
    let mut script = script([config]);
    let mut number = 1;
    for second in 1..until {
        if second % kek == 0 {
            script
                .at(f64::from(second))
                .push_of(KS, MULTICAST, number, second.into(), 540);
            number += 1;
        }
        if second % tek == 0 {
            script
                .at(f64::from(second) + 1.0)
                .push_of(KS, MULTICAST, number, second.into(), 3_948);
        }
    }
    script.at(f64::from(until)).advance();
    script
}

/// From a rekey of TEKs to one of the KEK is no interval, however often it is the same.
#[test]
fn two_clocks_contradict_no_lifetime() {
    let config = GroupConfig {
        kek_lifetime: Some(Duration::from_mins(30)),
        tek_lifetime: Some(Duration::from_mins(45)),
        ..multicast()
    };
    for config in [config, multicast()] {
        let script = two_clocks(config, 2_565, 1_710, 20_000);
        assert_eq!(overdue(&script), []);
        assert_eq!(script.count("configuration_contradicted"), 0);
    }
}

/// Every rekey renews the KEK. A key server that now renews it at its end sends none before.
#[test]
fn a_later_renewal_of_the_kek_is_not_overdue_before_its_end() {
    let config = GroupConfig {
        kek_lifetime: Some(Duration::from_mins(10)),
        tek_lifetime: Some(Duration::from_hours(4)),
        ..multicast()
    };
    let mut script = script([config]);
    for kek in 1..8 {
        script.at(400.0 * kek as f64).push(KS, MULTICAST, kek, kek);
    }
    script.at(3_420.0).advance();
    assert_eq!(overdue(&script), []);
    script.at(3_500.0).advance();
    assert_eq!(overdue(&script), [Certainty::Likely]);
}

/// Repeats with numbers of their own, and a day between the rekeys.
#[test]
fn several_in_a_row_are_no_schedule() {
    let mut script = script([multicast()]);
    script.push(KS, MULTICAST, 1, 1);
    for day in 1..4_u32 {
        for repeat in 0..4_u32 {
            let seconds = day * 80_000 + repeat * 140;
            script
                .at(f64::from(seconds))
                .push(KS, MULTICAST, 1, seconds.into());
        }
    }
    assert_eq!(overdue(&script), []);
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
