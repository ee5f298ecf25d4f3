//! Registrations that must not be reported: exchanges that are none, or were not seen completely.

use std::vec::Vec;

use super::registration::ends;
use super::script::{KS, KS2, Wire, group, member, script};
use crate::transition::{Certainty, RegistrationStage};

/// Four octets of a key that look like the domain of GDOI.
#[test]
fn only_an_sa_payload_tells_the_domain() {
    let mut script = script([]);
    let key_exchange = Wire {
        cookies: (0xa1, 0),
        next_payload: 4,
        version: 0x10,
        exchange: 2,
        flags: 0,
        message_id: 0,
        length: 200,
        fingerprint: 2,
    };
    script.message(&member(1), KS, key_exchange);
    script.message(&member(1), KS, key_exchange);
    assert_eq!(script.count("registration_started"), 0);
    let first = Wire {
        cookies: (0xa2, 0),
        next_payload: 1,
        ..key_exchange
    };
    script.message(&member(2), KS, first);
    script.message(&member(2), KS, first);
    assert_eq!(script.count("registration_started"), 1);
}

/// A key server that also terminates tunnels: those have another domain.
#[test]
fn a_quick_mode_of_three_messages_is_no_failed_registration() {
    for (messages, failed) in [(2, 1), (3, 0)] {
        let mut script = script([]);
        script.register(&member(1), KS);
        script.domain = 1;
        let cookies = script.main_mode(&member(2), KS, 6);
        for number in (1..=messages).chain([messages; 2]) {
            script.pull_message(&member(2), KS, cookies, 7, number);
        }
        script.wait(31.0).advance();
        assert_eq!(script.count("registration_failed"), failed, "{messages} messages");
    }
}

#[test]
fn nothing_is_claimed_of_one_direction() {
    let mut script = script([]);
    let gm = member(1);
    let cookies = script.main_mode(&gm, KS, 1);
    script.main_mode_message(&gm, KS, cookies, 3);
    script.main_mode_message(&gm, KS, cookies, 5);
    script.pull_message(&gm, KS, cookies, 7, 1);
    script.wait(60.0).advance();
    assert_eq!(ends(&script), []);
}

#[test]
fn nothing_is_claimed_of_what_began_before() {
    let mut script = script([]);
    let gm = member(1);
    script.pull_message(&gm, KS, (0xa1, 0xb1), 7, 3);
    script.wait(60.0).advance();
    assert_eq!(script.out, []);
}

#[test]
fn a_failure_while_blind_is_uncertain() {
    let mut script = script([]);
    script.stalled_main_mode(&member(1), KS, 5);
    script.wait(10.0).blind(5.0).wait(30.0).advance();
    let [end] = ends(&script)[..] else {
        panic!("{:?}", script.out)
    };
    assert_eq!(
        (end.stage, end.grounds.certainty),
        (RegistrationStage::Auth, Certainty::Uncertain)
    );
}

#[test]
fn a_failure_in_a_blindness_that_has_not_ended_is_uncertain_without_a_word() {
    let mut script = script([]);
    script.wait(3_600.0).stalled_main_mode(&member(1), KS, 5);
    // It began an hour before the attempt, and continues.
    script.still_blind(3_600.0).wait(40.0).advance();
    let [end] = ends(&script)[..] else {
        panic!("{:?}", script.out)
    };
    assert_eq!(end.grounds.certainty, Certainty::Uncertain);
    assert!(!script.out.iter().any(|told| told.what.name() == "capture_loss"));
}

#[test]
fn the_end_of_a_capture_is_no_silence() {
    let mut script = script([]);
    let (patient, hopeless) = (member(1), member(2));
    script.main_mode(&patient, KS, 5);
    let cookies = script.main_mode(&hopeless, KS, 5);
    for _ in 0..2 {
        script.wait(7.0);
        script.main_mode_message(&hopeless, KS, cookies, 5);
    }
    script.finish();
    let failed: Vec<_> = script
        .out
        .iter()
        .filter(|t| t.what.name() == "registration_failed")
        .collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(
        failed[0].member.unwrap().ip(),
        hopeless.parse::<core::net::IpAddr>().unwrap()
    );
}

#[test]
fn cooperating_key_servers_do_not_register() {
    let mut script = script([group("G1")]);
    script.main_mode(KS, KS2, 6);
    script.wait(60.0).advance();
    assert_eq!(script.out, []);
}
