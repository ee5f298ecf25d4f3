//! Rekeys inside IKE SAs (RFC 9838 §2.4).

use std::vec::Vec;

use super::script::{KS, Script, Wire, group, member, script};
use crate::transition::{Certainty, Rekey, RekeyKind, Transport, What};

/// A request to a member, and its answer if it gives one.
fn rekey(script: &mut Script, number: u32, message_id: u32, answers: bool) {
    let request = Wire {
        cookies: (0xa2 + u64::from(number), 0xb2),
        next_payload: 46,
        version: 0x20,
        exchange: 42,
        flags: 0,
        message_id,
        length: 300,
        fingerprint: u64::from(message_id),
    };
    script.message(KS, &member(number), request);
    if answers {
        script.wait(0.02);
        let answer = Wire {
            flags: 0x28,
            length: 80,
            ..request
        };
        script.message(&member(number), KS, answer);
    }
}

fn rekeys(script: &Script) -> Vec<Rekey> {
    let of = |what: &What| match what {
        What::Rekey(rekey) => Some(*rekey),
        _ => None,
    };
    script.whats().filter_map(of).collect()
}

#[test]
fn requests_to_several_members_are_one_rekey() {
    let mut script = script([group("G1")]);
    for number in 0..3 {
        rekey(&mut script, number, 0, number != 2);
    }
    // One did not answer, and gets a repeat.
    script.wait(10.0);
    rekey(&mut script, 2, 0, true);
    script.wait(60.0).advance();
    let [told] = rekeys(&script)[..] else {
        panic!("{:?}", script.out);
    };
    assert_eq!(told.transport, Transport::Unicast);
    assert_eq!(told.kind, RekeyKind::Unknown);
    assert_eq!(
        (told.recipients, told.retransmissions, told.acknowledged),
        (3, 1, Some(3))
    );
    assert_eq!(script.count("rekey_unacknowledged"), 0);
    assert_eq!(script.count("malformed"), 0);
}

#[test]
fn another_message_identifier_is_another_rekey() {
    let mut script = script([group("G1")]);
    rekey(&mut script, 0, 0, true);
    rekey(&mut script, 1, 7, true);
    script.wait(3.0);
    rekey(&mut script, 0, 1, true);
    script.wait(60.0).advance();
    let recipients: Vec<u32> = rekeys(&script).iter().map(|rekey| rekey.recipients).collect();
    assert_eq!(recipients, [2, 1]);
}

#[test]
fn a_member_that_does_not_answer_is_named() {
    let mut script = script([group("G1")]);
    rekey(&mut script, 0, 0, true);
    rekey(&mut script, 1, 0, false);
    script.wait(5.0);
    rekey(&mut script, 1, 0, false);
    script.wait(60.0).advance();
    let [What::RekeyUnacknowledged(unacknowledged)] = script
        .whats()
        .filter(|what| what.name() == "rekey_unacknowledged")
        .collect::<Vec<_>>()[..]
    else {
        panic!("{:?}", script.out);
    };
    assert_eq!(unacknowledged.consecutive, 1);
    assert_eq!(unacknowledged.grounds.certainty, Certainty::Certain);
    // A member without one may get its keys another way.
    for message_id in 1..6 {
        script.wait(600.0);
        rekey(&mut script, 0, message_id, true);
    }
    script.wait(60.0).advance();
    assert_eq!(script.count("member_lost"), 0);
}

#[test]
fn what_no_key_server_sends_is_no_rekey() {
    let mut script = script([]);
    rekey(&mut script, 0, 0, true);
    script.wait(60.0).advance();
    assert_eq!(script.out, []);
    assert_eq!(script.snapshot().messages.values().sum::<u64>(), 2);
}
