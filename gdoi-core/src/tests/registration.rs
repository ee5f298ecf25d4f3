//! Registrations: stages, repeats, outcomes, kinds.

use core::net::SocketAddr;
use std::vec::Vec;

use super::script::{KS, KS2, Script, Wire, address, group, member, script};
use crate::observation::{Message, Observation};
use crate::transition::{RegistrationEnd, RegistrationKind, RegistrationStage, What};

pub(super) fn ends(script: &Script) -> Vec<RegistrationEnd> {
    let ends = script.whats().filter_map(|what| match what {
        What::RegistrationCompleted(end) | What::RegistrationFailed(end) => Some(*end),
        _ => None,
    });
    ends.collect()
}

/// Main mode stops after `main` messages, or a PULL after `pull` more.
fn check_stage(main: usize, pull: usize, expected: RegistrationStage) {
    let mut script = script([]);
    let gm = member(1);
    script.register(&gm, KS).out.clear();
    let cookies = if pull == 0 {
        script.stalled_main_mode(&gm, KS, main)
    } else {
        script.main_mode(&gm, KS, main)
    };
    for number in (1..=pull).chain([pull; 2]).filter(|_| pull > 0) {
        script.pull_message(&gm, KS, cookies, 7, number);
    }
    script.wait(29.0).advance();
    assert_eq!(script.count("registration_failed"), 0, "{expected:?}: too early");
    script.wait(2.0).advance();
    let stages: Vec<RegistrationStage> = ends(&script).iter().map(|end| end.stage).collect();
    assert_eq!(
        stages,
        [expected],
        "{main} messages of main mode and {pull} of a pull"
    );
}

#[test]
fn a_registration_fails_where_it_stops() {
    check_stage(1, 0, RegistrationStage::Mm1);
    check_stage(2, 0, RegistrationStage::Mm3);
    check_stage(3, 0, RegistrationStage::Mm3);
    check_stage(4, 0, RegistrationStage::Auth);
    check_stage(5, 0, RegistrationStage::Auth);
    check_stage(6, 0, RegistrationStage::Pull1);
    check_stage(6, 1, RegistrationStage::Pull2);
    check_stage(6, 2, RegistrationStage::Policy);
    check_stage(6, 3, RegistrationStage::Pull4);
}

#[test]
fn a_pull_whose_ike_sa_was_not_seen_is_followed_where_it_can_only_be_gdoi() {
    // After a marker it may be any IKE, and without a responder cookie it belongs to no IKE SA.
    for (marked, responder, expected) in [(false, 0xb, 1), (true, 0xb, 0), (false, 0, 0), (true, 0, 0)] {
        let mut script = script([]);
        let ends = [member(1).as_str(), KS].map(|host| SocketAddr::new(address(host), 848));
        let message = Message {
            marked,
            ..Wire::pull((0xa, responder), 7, 1).message(ends)
        };
        script.observe(&Observation::Message(message));
        assert_eq!(
            script.tracker.state.ike_sas.len(),
            expected,
            "{marked}, {responder}"
        );
    }
}

#[test]
fn a_complete_one_is_told_once() {
    let mut script = script([]);
    script.register(&member(1), KS).wait(100.0).advance().finish();
    let [end] = ends(&script)[..] else {
        panic!("{:?}", script.out)
    };
    assert_eq!(
        (end.stage, end.attempts, end.retransmissions),
        (RegistrationStage::Complete, 1, 0)
    );
    assert_eq!(end.kind, RegistrationKind::Initial);
    assert_eq!(end.duration.as_millis(), 9);
}

#[test]
fn repeats_after_success_are_no_failure() {
    let mut script = script([]);
    let gm = member(1);
    let cookies = script.main_mode(&gm, KS, 6);
    for number in [1, 1, 2, 2, 3, 4, 4, 4] {
        script.pull_message(&gm, KS, cookies, 7, number);
        script.wait(4.0);
    }
    script.wait(100.0).advance();
    let [end] = ends(&script)[..] else {
        panic!("{:?}", script.out)
    };
    assert_eq!((end.stage, end.retransmissions), (RegistrationStage::Complete, 2));
    let unattributed = &script.snapshot().groups["unattributed"];
    let repeats: u64 = unattributed.retransmissions.values().sum();
    assert_eq!(repeats, 4);
}

#[test]
fn attempts_in_a_row_are_counted() {
    let mut script = script([]);
    let gm = member(1);
    for _ in 0..3 {
        let cookies = script.main_mode(&gm, KS, 1);
        script.wait(5.0).main_mode_message(&gm, KS, cookies, 1);
        script.wait(5.0);
    }
    script.register(&gm, KS);
    let ends: Vec<_> = ends(&script)
        .iter()
        .map(|end| (end.stage, end.attempts))
        .collect();
    // A new attempt ends the one before it.
    let mm1 = RegistrationStage::Mm1;
    assert_eq!(
        ends,
        [(mm1, 1), (mm1, 2), (mm1, 3), (RegistrationStage::Complete, 4)]
    );
}

/// There was no answer, so the member starts again at once.
#[test]
fn an_attempt_that_was_repeated_in_vain_ends_with_the_next() {
    let mut script = script([]);
    let gm = member(1);
    let cookies = script.main_mode(&gm, KS, 1);
    script.wait(1.0).main_mode_message(&gm, KS, cookies, 1);
    let cookies = script.wait(1.0).main_mode(&gm, KS, 1);
    script.main_mode_message(&gm, KS, cookies, 1);
    let stages: Vec<_> = ends(&script).iter().map(|end| end.stage).collect();
    assert_eq!(stages, [RegistrationStage::Mm1]);
}

/// A member of two groups: an IKE SA for each.
#[test]
fn two_registrations_at_once_do_not_end_each_other() {
    let mut script = script([]);
    let gm = member(1);
    let first = script.main_mode(&gm, KS, 6);
    let second = script.main_mode(&gm, KS, 6);
    for cookies in [first, second] {
        for number in 1..=4 {
            script.pull_message(&gm, KS, cookies, 7, number);
        }
    }
    let stages: Vec<_> = ends(&script).iter().map(|end| end.stage).collect();
    assert_eq!(stages, [RegistrationStage::Complete; 2]);
}

#[test]
fn a_member_that_never_gives_up_has_failed_all_the_same() {
    let mut script = script([]);
    let gm = member(1);
    let cookies = script.main_mode(&gm, KS, 1);
    for _ in 0..20 {
        script.wait(10.0);
        script.main_mode_message(&gm, KS, cookies, 1);
    }
    let [end] = ends(&script)[..] else {
        panic!("{:?}", script.out)
    };
    assert_eq!((end.stage, end.retransmissions), (RegistrationStage::Mm1, 11));
}

#[test]
fn a_key_server_that_does_not_answer_is_down() {
    let mut script = script([group("G1")]);
    let up = |script: &Script| {
        let groups = script.snapshot().groups;
        let servers = &groups["G1"].key_servers;
        (
            servers[&KS.parse().unwrap()].up,
            servers[&KS2.parse().unwrap()].up,
        )
    };
    assert_eq!(up(&script), (None, None));
    script.register(&member(1), KS);
    // It never sent anything, and a single requester is not enough; a stranger that sends one request is not counted.
    for (number, repeats, down) in [(2, 1, None), (3, 0, None), (4, 1, Some(false))] {
        let cookies = script.main_mode(&member(number), KS2, 1);
        for _ in 0..repeats {
            script
                .wait(1.0)
                .main_mode_message(&member(number), KS2, cookies, 1);
        }
        script.wait(31.0).advance();
        assert_eq!(up(&script), (Some(true), down), "{number}");
    }
    assert_eq!(script.names(&SILENCE), ["key_server_silent"]);
    script.register(&member(2), KS2);
    assert_eq!(up(&script), (Some(true), Some(true)));
    assert_eq!(script.names(&SILENCE), SILENCE);
}

const SILENCE: [&str; 2] = ["key_server_silent", "key_server_answers"];

/// Two members get no answer, and in between a third does, or a stranger repeats its request many times.
#[test]
fn a_key_server_is_silent_when_members_say_so() {
    for (answers_another, strangers, told) in [(false, false, 1), (true, false, 0), (false, true, 0)] {
        let mut script = script([group("G1")]);
        for number in 1..=3 {
            script.register(&member(number), KS);
        }
        script.wait(60.0);
        for number in 1..=2 {
            let asks = if strangers {
                member(number + 100)
            } else {
                member(number)
            };
            let cookies = script.main_mode(&asks, KS, 1);
            script.wait(5.0).main_mode_message(&asks, KS, cookies, 1);
        }
        if answers_another {
            script.register(&member(3), KS);
        }
        script.wait(100.0).advance();
        assert_eq!(script.count("registration_failed"), 2);
        assert_eq!(
            script.count("key_server_silent"),
            told,
            "{answers_another} {strangers}"
        );
        let up = script.snapshot().groups["G1"].key_servers[&address(KS)].up;
        assert_eq!(up, Some(told == 0));
    }
}

/// One message each, and no answer.
#[test]
fn single_messages_of_strangers_are_a_scan() {
    let mut script = script([group("G1")]);
    script.register(&member(1), KS).out.clear();
    for number in 0..200 {
        script.main_mode(&member(1_000 + number), KS, 1);
    }
    script.wait(100.0).advance();
    let told = [
        "registration_started",
        "registration_failed",
        "registration_burst_started",
        "forgery",
    ];
    assert_eq!(script.names(&told), ["forgery"; 2]);
    assert_eq!(
        script.snapshot().groups["G1"].key_servers[&address(KS)].up,
        Some(true)
    );
}

/// Phase 1 of a second key server with the first, and the messages under it.
#[test]
fn an_ike_sa_between_key_servers_is_no_registration() {
    for (exchange, length, expected) in [(34, 588, true), (5, 588, true), (5, 92, false)] {
        let mut script = script([]);
        let cookies = script.main_mode(KS2, KS, 6);
        script
            .register(&member(1), KS)
            .push(KS, &member(1), 1, 1)
            .push(KS, &member(2), 1, 1);
        for number in 0..4 {
            let wire = Wire {
                exchange,
                length,
                ..Wire::pull(cookies, 100 + number, 1)
            };
            script.wait(20.0).message(KS, KS2, wire);
        }
        script.wait(200.0).advance();
        assert_eq!(
            script.count("registration_failed"),
            usize::from(!expected),
            "{exchange} {length}"
        );
        assert_eq!(script.count("registration_started"), 1 + usize::from(!expected));
        let servers: Vec<_> = script
            .snapshot()
            .groups
            .values()
            .flat_map(|group| group.key_servers.keys().copied().collect::<Vec<_>>())
            .collect();
        assert_eq!(servers.contains(&address(KS2)), expected, "{servers:?}");
    }
}

#[test]
fn failures_are_counted_by_the_stage_they_ended_in() {
    let mut script = script([group("G1")]);
    for number in 1..=2 {
        script.register(&member(number), KS);
    }
    script.stalled_main_mode(&member(2), KS, 1);
    script.stalled_main_mode(&member(3), KS, 5);
    script.wait(31.0).advance();
    let servers = &script.snapshot().groups["G1"].key_servers;
    let failed = &servers[&KS.parse().unwrap()].failed_at;
    let failed: Vec<_> = failed.iter().map(|(stage, count)| (*stage, *count)).collect();
    assert_eq!(
        failed,
        [(RegistrationStage::Mm1, 1), (RegistrationStage::Auth, 1)]
    );
}

/// A message that is not repeated was answered, here or where it was not seen: nothing shows that it failed.
#[test]
fn an_answer_that_was_not_seen_is_no_failure() {
    for messages in 1..=3 {
        let mut script = script([]);
        let gm = member(1);
        script.register(&gm, KS).out.clear();
        let cookies = script.main_mode(&gm, KS, 6);
        for number in 1..=messages {
            script.pull_message(&gm, KS, cookies, 7, number);
        }
        script.wait(600.0).advance();
        assert_eq!(ends(&script), [], "{messages} messages");
    }
}

/// Both ends are unknown: the initiator is the member.
#[test]
fn a_registration_that_began_before_is_told_when_it_is_complete() {
    let mut script = script([]);
    let gm = member(1);
    for number in 1..=4 {
        assert_eq!(script.count("registration_completed"), 0);
        script.pull_message(&gm, KS, (0xa1, 0xb1), 7, number);
    }
    assert_eq!(script.count("registration_completed"), 1);
    let told = script.out.last().unwrap();
    assert_eq!(
        (told.member.unwrap().ip(), told.key_server),
        (gm.parse().unwrap(), Some(KS.parse().unwrap()))
    );
}

#[test]
fn at_a_key_server_that_is_known_a_registration_begins_with_its_pull_at_the_latest() {
    let mut script = script([]);
    script.register(&member(1), KS);
    let started = script.count("registration_started");
    script.pull_message(&member(2), KS, (0xa1, 0xb1), 7, 1);
    assert_eq!(script.count("registration_started"), started + 1);
}

#[test]
fn a_member_that_was_sent_rekeys_registers_again() {
    let mut script = script([group("G1")]);
    script.push(KS, &member(1), 1, 1).wait(1.0);
    script.register(&member(1), KS);
    assert_eq!(ends(&script)[0].kind, RegistrationKind::ReRegistration);
}

#[test]
fn several_pulls_in_one_phase_1_are_several_groups() {
    let mut script = script([]);
    let gm = member(1);
    let cookies = script.main_mode(&gm, KS, 6);
    for message_id in [7, 8] {
        for number in 1..=4 {
            script.pull_message(&gm, KS, cookies, message_id, number);
        }
    }
    let kinds: Vec<_> = ends(&script).iter().map(|end| (end.stage, end.kind)).collect();
    assert_eq!(
        kinds,
        [(RegistrationStage::Complete, RegistrationKind::Initial); 2]
    );
    assert_eq!(script.count("registration_started"), 1);
    assert_eq!(script.count("re_registration"), 0);
}

/// Version 2: request and response of each exchange.
fn exchange2(script: &mut Script, exchange: u8, message_id: u32, answers: bool) {
    let gm = member(1);
    let request = Wire {
        cookies: (0xa2, if exchange == 34 { 0 } else { 0xb2 }),
        next_payload: 33,
        version: 0x20,
        exchange,
        flags: 0x08,
        message_id,
        length: 200,
        fingerprint: u64::from(message_id),
    };
    script.message(&gm, KS, request);
    if !answers {
        script.message(&gm, KS, request).message(&gm, KS, request);
    }
    if answers {
        let response = Wire {
            cookies: (0xa2, 0xb2),
            flags: 0x20,
            ..request
        };
        script.wait(0.01).message(KS, &gm, response);
    }
}

fn check_version2(exchanges: &[(u8, u32, bool)], expected: &[RegistrationStage]) {
    let mut script = script([group("G1")]);
    script.register("10.1.0.2", KS).out.clear();
    for &(exchange, message_id, answers) in exchanges {
        exchange2(&mut script, exchange, message_id, answers);
    }
    script.wait(31.0).advance();
    let stages: Vec<RegistrationStage> = ends(&script).iter().map(|end| end.stage).collect();
    assert_eq!(stages, expected, "{exchanges:?}");
}

#[test]
fn version_2_registers_by_either_exchange() {
    check_version2(&[(34, 0, true), (39, 1, true)], &[RegistrationStage::Complete]);
    check_version2(
        &[(34, 0, true), (35, 1, true), (40, 2, true)],
        &[RegistrationStage::Complete],
    );
    check_version2(&[(34, 0, false)], &[RegistrationStage::SaInit]);
    check_version2(&[(34, 0, true), (39, 1, false)], &[RegistrationStage::Auth]);
    check_version2(
        &[(34, 0, true), (35, 1, true), (40, 2, false)],
        &[RegistrationStage::Registration],
    );
}
