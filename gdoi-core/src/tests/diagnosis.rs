//! Conclusions from what the tracker reports: one incident per cause, and none if nothing is wrong.

use core::time::Duration;
use std::string::String;
use std::vec::Vec;

use super::script::{KS, KS2, MULTICAST, Script, group, member, script};
use crate::config::GroupConfig;
use crate::transition::{
    Cause, Certainty, Incident, KekBehavior, KekSplit, ReRegistration, ReRegistrationReason, Severity,
    Transition, Verdict, What,
};
use crate::{Diagnosis, Timestamp};

/// The diagnosis of the events of a script, and the changes along the way.
fn diagnosed(script: &Script) -> (Diagnosis, Vec<Transition>) {
    let mut diagnosis = Diagnosis::new();
    let mut changes = Vec::new();
    for transition in &script.out {
        diagnosis.handle_transition(transition, &[], &mut changes);
    }
    diagnosis.finish(script.now, &mut changes);
    (diagnosis, changes)
}

fn causes(diagnosis: &Diagnosis) -> Vec<Cause> {
    let incidents = diagnosis.incidents();
    incidents.iter().map(|incident| incident.cause).collect()
}

/// Eight members that register and are rekeyed every half hour.
fn rekeyed(groups: impl IntoIterator<Item = GroupConfig>, rekeys: u64) -> Script {
    let mut script = script(groups);
    for number in 1..=8 {
        script.register(&member(number), KS);
    }
    for sequence in 1..=rekeys {
        script.at(1_800.0 * sequence as f64);
        rekey(&mut script, sequence, &[]);
    }
    script
}

/// A rekey to eight members. These do not acknowledge it, and it is repeated twice.
fn rekey(script: &mut Script, sequence: u64, silent: &[u32]) {
    for number in 1..=8 {
        script.push(KS, &member(number), 1, sequence);
        if !silent.contains(&number) {
            script.acknowledge(&member(number), KS, 1);
        }
    }
    for _repeat in 0..2 {
        script.wait(10.0);
        for number in silent {
            script.push(KS, &member(*number), 1, sequence);
        }
    }
    script.wait(60.0).advance();
}

fn only(diagnosis: &Diagnosis) -> Incident {
    let incidents = diagnosis.incidents();
    assert_eq!(incidents.len(), 1, "{incidents:#?}");
    incidents[0].clone()
}

#[test]
fn a_quiet_group_has_no_incident() {
    let (diagnosis, changes) = diagnosed(&rekeyed([group("G1")], 4));
    assert_eq!(causes(&diagnosis), []);
    assert_eq!(changes, []);
}

#[test]
fn a_rekey_that_one_member_misses_is_one_incident_that_it_recovers_from() {
    let mut script = rekeyed([group("G1")], 3);
    script.at(4.0 * 1_800.0);
    rekey(&mut script, 4, &[3]);
    script.register(&member(3), KS);
    let (diagnosis, changes) = diagnosed(&script);
    let incident = only(&diagnosis);
    assert_eq!(incident.cause, Cause::RekeyLost);
    assert_eq!((incident.affected.count(), incident.affected.recovered()), (1, 1));
    assert_eq!(incident.effect("rekey_unacknowledged"), 1);
    let summary = incident.summary();
    assert!(
        summary.contains("(1 of 8)") && summary.contains("It has since registered again"),
        "{summary}"
    );
    let names: Vec<_> = changes.iter().map(|change| change.what.name()).collect();
    assert_eq!(names, ["incident_opened"]);
}

#[test]
fn a_member_that_sends_nothing_at_all_is_gone() {
    let mut script = rekeyed([group("G1")], 3);
    for sequence in 4..=7 {
        script.at(1_800.0 * sequence as f64);
        rekey(&mut script, sequence, &[5]);
    }
    let (diagnosis, _) = diagnosed(&script);
    let incident = only(&diagnosis);
    assert_eq!(incident.cause, Cause::MemberGone);
    assert_eq!(incident.certainty, Certainty::Likely);
    assert!(incident.is_open());
    assert!(
        incident.summary().contains("No power, or the line is down"),
        "{}",
        incident.summary()
    );
}

#[test]
fn a_dead_key_server_is_one_incident_with_everything_that_follows() {
    let mut script = rekeyed([group("G1")], 3);
    script.at(4.0 * 1_800.0);
    for round in 0..4 {
        for number in 1..=8 {
            let gm = member(number);
            let cookies = script.main_mode(&gm, KS, 1);
            for _repeat in 0..4 {
                script.wait(1.0);
                script.main_mode_message(&gm, KS, cookies, 1);
            }
        }
        script.wait(40.0 + f64::from(round)).advance();
    }
    script.wait(900.0).advance();
    let (diagnosis, _) = diagnosed(&script);
    let incident = only(&diagnosis);
    assert_eq!(incident.cause, Cause::KeyServerDown);
    assert_eq!(incident.severity, Severity::Critical);
    assert_eq!(incident.affected.count(), 8);
    assert!(
        incident.effect("registration_failed") >= 30,
        "{:?}",
        incident.effects
    );
    assert_eq!(incident.effect("rekey_overdue"), 1);
    // It comes back: the incident ends, and the following registrations belong to it.
    for number in 1..=8 {
        script.register(&member(number), KS);
    }
    let (diagnosis, changes) = diagnosed(&script);
    let incident = only(&diagnosis);
    assert!(!incident.is_open());
    assert_eq!(
        changes
            .iter()
            .filter(|change| change.what.name() == "incident_closed")
            .count(),
        1
    );
}

#[test]
fn what_may_only_not_have_been_seen_is_an_incident_of_the_monitor() {
    let mut script = rekeyed([group("G1")], 3);
    script.at(4.5 * 1_800.0).blind(2_000.0);
    script.wait(300.0).advance();
    script.at(5.0 * 1_800.0);
    rekey(&mut script, 5, &[]);
    let (diagnosis, _) = diagnosed(&script);
    let incident = only(&diagnosis);
    assert_eq!(incident.cause, Cause::CaptureIncomplete);
    assert_eq!(incident.group, None);
}

#[test]
fn a_member_that_cannot_authenticate_is_one_incident_however_often_it_tries() {
    let mut script = rekeyed([group("G1")], 2);
    for _attempt in 0..20 {
        let cookies = script.main_mode(&member(9), KS, 5);
        for _repeat in 0..3 {
            script.wait(10.0);
            script.main_mode_message(&member(9), KS, cookies, 5);
        }
        script.wait(35.0).advance();
    }
    let (diagnosis, changes) = diagnosed(&script);
    let incident = only(&diagnosis);
    assert_eq!(incident.cause, Cause::AuthenticationRefused);
    assert_eq!(incident.effect("registration_failed"), 20);
    assert!(incident.evidence.len() <= 12 && incident.more_evidence > 0);
    // It is not reported for every attempt.
    assert!(changes.len() <= 6, "{}", changes.len());
    script.register(&member(9), KS);
    let (diagnosis, _) = diagnosed(&script);
    assert!(!only(&diagnosis).is_open());
}

#[test]
fn one_failure_is_no_incident() {
    let mut script = rekeyed([group("G1")], 2);
    script.main_mode(&member(9), KS, 5);
    script.wait(3_600.0).advance();
    assert_eq!(causes(&diagnosed(&script).0), []);
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_nanos(seconds * 1_000_000_000)
}

fn told(seconds: u64, server: &str, gm: Option<u32>, what: What) -> Transition {
    Transition {
        at: at(seconds),
        group: Some(String::from("G1")),
        key_server: Some(server.parse().unwrap()),
        member: gm.map(|number| std::format!("{}:0", member(number)).parse().unwrap()),
        what,
    }
}

fn feed(transitions: &[Transition]) -> (Diagnosis, Vec<Transition>) {
    let mut diagnosis = Diagnosis::new();
    let mut changes = Vec::new();
    for transition in transitions {
        diagnosis.handle_transition(transition, &[], &mut changes);
    }
    (diagnosis, changes)
}

fn behavior(verdict: Verdict, provisional: bool) -> What {
    What::KekBehavior(KekBehavior {
        verdict,
        lead_seconds: Some(0.0),
        expected_lead: None,
        votes: 3,
        cycles: 3,
        provisional,
        lifetime_source: None,
    })
}

#[test]
fn a_legacy_key_server_ends_when_it_renews_early() {
    let (mut diagnosis, mut changes) = feed(&[told(100, KS, None, behavior(Verdict::Legacy, true))]);
    let incident = only(&diagnosis);
    assert_eq!(
        (incident.cause, incident.certainty),
        (Cause::LegacyKeyServer, Certainty::Likely)
    );
    for transition in [
        told(200, KS, None, behavior(Verdict::Legacy, false)),
        told(300, KS, None, behavior(Verdict::New, false)),
    ] {
        diagnosis.handle_transition(&transition, &[], &mut changes);
    }
    let incident = only(&diagnosis);
    assert_eq!(
        (incident.certainty, incident.ended),
        (Certainty::Certain, Some(at(300)))
    );
}

#[test]
fn a_split_is_one_incident_with_the_failover_that_was_its_first_sign() {
    let mut script = rekeyed([group("G1")], 2);
    let split = |merged| {
        What::KekSplit(KekSplit {
            first: crate::transition::Cookies([1; 16]),
            first_key_server: KS.parse().unwrap(),
            second: crate::transition::Cookies([2; 16]),
            second_key_server: KS2.parse().unwrap(),
            merged,
        })
    };
    let takeover = What::KeyServerChanged(crate::transition::KeyServerChanged {
        from: KS.parse().unwrap(),
        to: KS2.parse().unwrap(),
        cookies_kept: true,
    });
    script.out.extend([
        told(10_000, KS2, None, takeover.clone()),
        told(11_000, KS, None, split(false)),
        told(15_000, KS, None, split(true)),
        told(15_000, KS, None, takeover),
    ]);
    let (diagnosis, changes) = diagnosed(&script);
    let incident = only(&diagnosis);
    assert_eq!(incident.cause, Cause::KeyServerSplit);
    assert_eq!((incident.began, incident.ended), (at(10_000), Some(at(15_000))));
    assert_eq!(incident.effect("key_server_changed"), 2);
    let names: Vec<_> = changes.iter().map(|change| change.what.name()).collect();
    assert_eq!(
        names,
        [
            "incident_opened",
            "incident_closed",
            "incident_opened",
            "incident_closed"
        ]
    );
}

#[test]
fn a_rekey_out_of_schedule_was_forced_and_one_with_a_new_kek_was_not() {
    let check = |keks: [u64; 2], expected: &[Cause]| {
        let mut script = rekeyed([group("G1")], 4);
        // The schedule restarts with it.
        for (place, kek) in keks.into_iter().enumerate() {
            script.at(4.5 * 1_800.0 + 1_800.0 * place as f64);
            for number in 1..=8 {
                script.push(KS, &member(number), kek, 40 + place as u64);
                script.acknowledge(&member(number), KS, kek);
            }
            script.wait(100.0).advance();
        }
        assert_eq!(causes(&diagnosed(&script).0), expected, "{keks:?}");
    };
    check([1, 1], &[Cause::ForcedRekey]);
    check([1, 2], &[]);
}

#[test]
fn a_power_cut_is_told_from_a_rekey_that_all_missed() {
    let again = |seconds, gm, reason| {
        told(
            seconds,
            KS,
            Some(gm),
            What::ReRegistration(ReRegistration {
                reason,
                since_last: Some(Duration::from_secs(4_000)),
            }),
        )
    };
    let burst = told(
        10_000,
        KS,
        None,
        What::RegistrationBurstStarted(crate::transition::RegistrationBurst {
            members: 10,
            peak_rate: 2.0,
            character: crate::transition::BurstCharacter::Storm,
            started: 10,
            completed: 0,
            failed: 0,
            duration: Duration::ZERO,
        }),
    );
    for (reason, cause) in [
        (ReRegistrationReason::Reload, Cause::PowerCut),
        (ReRegistrationReason::MissedRekey, Cause::RekeyLost),
        (ReRegistrationReason::Forced, Cause::MembersCleared),
    ] {
        let mut transitions = std::vec![burst.clone()];
        transitions.extend((1..=30).map(|number| again(10_010 + u64::from(number), number, reason)));
        let (mut diagnosis, mut changes) = feed(&transitions);
        diagnosis.advance(at(10_400), &mut changes);
        let incident = only(&diagnosis);
        assert_eq!(
            (incident.cause, incident.certainty),
            (cause, Certainty::Likely),
            "{reason:?}"
        );
        assert_eq!(incident.effect("re_registration"), 30);
    }
    // If lifetimes are unknown, an expiry may explain it.
    let mut transitions = std::vec![burst];
    transitions.extend(
        (1..=30).map(|number| again(10_010 + u64::from(number), number, ReRegistrationReason::Unknown)),
    );
    let (mut diagnosis, mut changes) = feed(&transitions);
    diagnosis.advance(at(10_400), &mut changes);
    assert_eq!(causes(&diagnosis), []);
}

#[test]
fn nothing_grows_without_bound() {
    let mut diagnosis = Diagnosis::new();
    let mut changes = Vec::new();
    for number in 0..5_000_u32 {
        let server = std::format!("10.9.{}.{}", number / 250, number % 250);
        let mut transition = told(
            u64::from(number),
            &server,
            Some(number),
            behavior(Verdict::Legacy, false),
        );
        transition.group = Some(std::format!("G{number}"));
        diagnosis.handle_transition(&transition, &[], &mut changes);
    }
    assert!(diagnosis.incidents().len() <= 512);
    assert!(diagnosis.totals().count() <= 4_096);
    // What is not listed is counted.
    let collected: u64 = diagnosis.incidents().iter().map(|one| one.collected).sum();
    assert_eq!(collected + diagnosis.incidents().len() as u64 - 1, 5_000);
}

#[test]
fn multicast_rekeys_that_reach_nobody() {
    let mut config = group("G1");
    config.rekey_address = Some(MULTICAST.parse().unwrap());
    let mut script = script([config]);
    for number in 1..=4 {
        script.register(&member(number), KS);
    }
    for sequence in 1..=6_u64 {
        script.at(3_600.0 * sequence as f64);
        script.push(KS, MULTICAST, 1, sequence);
        for number in 1..=4 {
            script.wait(15.0);
            script.register(&member(number), KS);
        }
        script.wait(120.0).advance();
    }
    let (diagnosis, _) = diagnosed(&script);
    let incident = only(&diagnosis);
    assert_eq!(incident.cause, Cause::RekeyLost);
    assert_eq!(incident.affected.count(), 4);
    assert!(
        incident.summary().contains("all 4 members"),
        "{}",
        incident.summary()
    );
}

#[test]
fn a_saved_diagnosis_continues() {
    let mut script = rekeyed([group("G1")], 3);
    for sequence in 4..=6 {
        script.at(1_800.0 * sequence as f64);
        rekey(&mut script, sequence, &[5]);
    }
    let (diagnosis, _) = diagnosed(&script);
    let saved = diagnosis.save().unwrap();
    let restored = Diagnosis::restore(&saved).unwrap();
    assert_eq!(restored.incidents(), diagnosis.incidents());
    assert_eq!(restored.save().unwrap(), saved);
    assert!(Diagnosis::restore(&saved[..saved.len() / 2]).is_none());
    assert!(Diagnosis::restore(&[]).is_none());
    let other = [&[0xff, 0xff], &saved[2..]].concat();
    assert!(Diagnosis::restore(&other).is_none());
}
