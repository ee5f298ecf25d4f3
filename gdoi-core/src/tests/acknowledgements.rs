//! Missing acknowledgements: members to which the key server repeated the rekey, and which did not answer then
//! either.

use super::script::{KS, Script, Wire, group, member, script};

const MEMBERS: u32 = 3;

/// A rekey of the group; the first `answering` members acknowledge it here.
fn rekey(script: &mut Script, sequence: u64, answering: u32) {
    for number in 0..MEMBERS {
        script.push(KS, &member(number), 1, sequence);
    }
    script.wait(0.1);
    for number in 0..answering {
        script.acknowledge(&member(number), KS, 1);
    }
}

#[test]
fn nobody_is_blamed_whom_the_key_server_does_not_wait_for() {
    let mut script = script([group("G1")]);
    for sequence in 1..8 {
        rekey(&mut script, sequence, if sequence < 3 { MEMBERS } else { 1 });
        script.wait(600.0).advance();
    }
    assert_eq!(
        script.names(&["rekey_unacknowledged", "member_lost"]),
        [] as [&str; 0]
    );
}

/// The configuration does not say that the key server repeats after 40 s: the first repeat shows it.
#[test]
fn a_late_repeat_belongs_to_its_rekey() {
    for answers in [true, false] {
        let mut script = script([group("G1")]);
        rekey(&mut script, 1, 2);
        script.wait(40.0).push(KS, &member(2), 1, 1);
        if answers {
            script.wait(0.1).acknowledge(&member(2), KS, 1);
        }
        script.wait(600.0).advance();
        assert_eq!(script.count("rekey"), 1);
        assert_eq!(script.count("rekey_retransmitted"), 1);
        assert_eq!(
            script.count("rekey_unacknowledged"),
            usize::from(!answers),
            "{:?}",
            script.out
        );
    }
}

#[test]
fn an_answer_in_the_exchange_of_the_rekey_is_an_acknowledgement() {
    let mut script = script([group("G1")]);
    for number in 0..MEMBERS {
        script.push(KS, &member(number), 1, 1);
        let answer = Wire {
            cookies: (0xcafe_0000_0000_0001, 0xbeef_0000_0000_0001),
            next_payload: 8,
            version: 0x10,
            exchange: 33,
            flags: 1,
            message_id: 0,
            length: 92,
            fingerprint: 77 + u64::from(number),
        };
        script.wait(0.1).message(&member(number), KS, answer);
    }
    script.wait(100.0).advance();
    assert_eq!(script.count("malformed"), 0);
    assert_eq!(
        script.snapshot().groups["G1"].rekey.acknowledgements,
        u64::from(MEMBERS)
    );
}

/// Every message is seen twice, 1.7 s apart, also to members that had acknowledged it.
#[test]
fn the_copies_of_a_second_tap_are_no_repeats() {
    let mut script = script([group("G1")]);
    for sequence in 1..4 {
        rekey(&mut script, sequence, MEMBERS);
        script.wait(1.6);
        rekey(&mut script, sequence, MEMBERS);
        script.wait(600.0).advance();
    }
    assert_eq!(
        script.names(&["rekey_retransmitted", "merged_taps"]),
        ["merged_taps"]
    );
    assert_eq!(script.count("rekey"), 3);
}
