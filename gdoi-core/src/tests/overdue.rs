//! Rekeys that do not come, and deletions, after which none is waited for.

use std::vec::Vec;

use super::rekey::{multicast, rekeys};
use super::script::{KS, MULTICAST, Script, script};
use crate::transition::{Certainty, RekeyKind, What};

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
    assert_eq!(overdue(&script), [Certainty::Certain]);
    assert!(script.snapshot().groups["G1"].rekey.overdue);
    script.wait(600.0).push(KS, MULTICAST, 1, 6);
    assert!(!script.snapshot().groups["G1"].rekey.overdue);
}

#[test]
fn a_silence_while_blind_proves_nothing() {
    assert_eq!(overdue(&silence(true)), [Certainty::Uncertain]);
}

#[test]
fn nothing_is_overdue_after_a_deletion() {
    let mut script = script([multicast()]);
    for sequence in 1..=5 {
        script.push(KS, MULTICAST, 1, sequence).wait(600.0);
    }
    script.push_of(KS, MULTICAST, 1, 6, 212).wait(6_000.0).advance();
    assert_eq!(rekeys(&script).last().unwrap().kind, RekeyKind::Delete);
    assert_eq!(overdue(&script), []);
}

/// Half as long as the others, but a policy fits into it.
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
