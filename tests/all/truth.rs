//! The tracker's reports of captures, compared with the logs of the key servers and members in them.

mod log;

use std::collections::BTreeMap;

use gdoi_core::Config;
use gdoi_core::transition::{RegistrationStage, RekeyKind, What};

use crate::captures::{self, Capture};
use crate::replay::{Replay, replay};
use log::Truth;

/// Replays a recording of the repository.
fn run(name: &str) -> Replay {
    run_capture(&captures::recording(name))
}

fn run_capture(capture: &Capture) -> Replay {
    let replay = replay(&capture.path, Config::default());
    check_sums(&capture.name, &replay);
    replay
}

/// For any capture, everything is counted somewhere.
fn check_sums(name: &str, replay: &Replay) {
    let counted: u64 = replay.snapshot.messages.values().sum();
    assert_eq!(counted, replay.messages, "{name}: messages");
    let esp: u64 = replay.snapshot.esp.values().map(|total| total.packets).sum();
    assert_eq!(esp, replay.esp, "{name}: ESP packets");
}

fn completed(replay: &Replay) -> BTreeMap<String, u64> {
    let mut completed = BTreeMap::new();
    for transition in &replay.transitions {
        if let What::RegistrationCompleted(_) = transition.what {
            *completed
                .entry(transition.member.unwrap().ip().to_string())
                .or_default() += 1;
        }
    }
    completed
}

/// The rekeys in the order they began.
fn rekeys(replay: &Replay) -> Vec<RekeyKind> {
    let mut rekeys: Vec<_> = replay
        .transitions
        .iter()
        .filter_map(|transition| match &transition.what {
            What::Rekey(rekey) => Some((transition.at.before(rekey.began), rekey.kind)),
            _ => None,
        })
        .collect();
    rekeys.sort_by_key(|(began, _)| *began);
    rekeys.into_iter().map(|(_, kind)| kind).collect()
}

#[test]
fn reference_key_server_agrees() {
    for (name, log) in captures::truths() {
        let truth = Truth::read(&log);
        let replay = run(&name);
        let lines = replay.lines();
        assert_eq!(
            completed(&replay),
            truth.completed,
            "{name}: registrations\n{lines}"
        );
        assert_eq!(rekeys(&replay), truth.rekeys, "{name}: rekeys\n{lines}");
        let chains: Vec<Vec<String>> = replay
            .snapshot
            .groups
            .values()
            .map(|group| group.kek.chain.iter().map(ToString::to_string).collect())
            .filter(|chain: &Vec<String>| !chain.is_empty())
            .collect();
        assert_eq!(chains, pushed(&name), "{name}: KEKs\n{lines}");
        for held in truth.chains() {
            // A member logs no KEK before its first PUSH, may leave before the last, and may hold one that no message
            // used; the common ones are in the same order.
            let agrees = |chain: &Vec<String>| {
                let both: Vec<_> = chain.iter().filter(|kek| held.contains(kek)).collect();
                let order: Vec<_> = held.iter().filter(|kek| chain.contains(kek)).collect();
                both == order && both.len() + 1 >= chain.len().max(held.len())
            };
            assert!(chains.iter().any(agrees), "{name}: nobody held {held:?}\n{lines}");
        }
    }
}

/// The cookie pairs of the PUSH messages to each address, in order, as decoded by tshark.
fn pushed(name: &str) -> Vec<Vec<String>> {
    let oracle = captures::recording(name).oracle();
    let mut chains: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in oracle.lines() {
        let frame: serde_json::Value = serde_json::from_str(line).unwrap();
        if frame["isakmp.exchangetype"] != "33" {
            continue;
        }
        let word = |field: &str| frame[field].as_str().unwrap().to_owned();
        // A PUSH quoted by an ICMP error is not a message.
        if word("ip.dst").contains(',') {
            continue;
        }
        let chain = chains.entry(word("ip.dst")).or_default();
        let pair = word("isakmp.ispi") + &word("isakmp.rspi");
        if !chain.contains(&pair) {
            chain.push(pair);
        }
    }
    chains.into_values().collect()
}

/// Failed registrations: the stage, and the number of repeats.
fn check_failure(name: &str, stage: RegistrationStage, retransmissions: u32) {
    let replay = run(name);
    let failed: Vec<_> = replay
        .transitions
        .iter()
        .filter_map(|transition| match &transition.what {
            What::RegistrationFailed(end) => Some((end.stage, end.retransmissions)),
            _ => None,
        })
        .collect();
    assert_eq!(failed, [(stage, retransmissions)], "{name}\n{}", replay.lines());
}

#[test]
fn a_bad_key_fails_at_authentication() {
    check_failure("gdoid_badpsk.pcap", RegistrationStage::Auth, 3);
}

#[test]
fn an_unknown_group_fails_at_the_first_pull_message() {
    check_failure("gdoid_badgroup.pcap", RegistrationStage::Pull2, 3);
}

/// Retransmissions of registrations and of rekeys in the whole capture.
fn check_retransmissions(name: &str, registration: u64, rekey: u64) {
    let replay = run(name);
    let lines = replay.lines();
    let groups = replay.snapshot.groups.values();
    let rekeys: u64 = groups.clone().map(|group| group.rekey.retransmissions).sum();
    let all: u64 = groups.flat_map(|group| group.retransmissions.values()).sum();
    assert_eq!((all - rekeys, rekeys), (registration, rekey), "{name}\n{lines}");
}

#[test]
fn repeats_are_recognised() {
    check_retransmissions("gdoid_retx_mm.pcap", 4, 0);
    check_retransmissions("gdoid_retx_pull.pcap", 4, 0);
    check_retransmissions("der_teklong_push3x.pcap", 0, 36);
    check_retransmissions("gdoid_teklong.pcap", 0, 0);
}

#[test]
fn two_groups_are_kept_apart() {
    let replay = run("gdoid_twogroups.pcap");
    let rekeys: BTreeMap<&str, u64> = replay
        .snapshot
        .groups
        .iter()
        .map(|(name, group)| {
            let rekeys = group
                .key_servers
                .values()
                .flat_map(|server| server.rekeys.values());
            (name.as_str(), rekeys.sum())
        })
        .collect();
    let expected = BTreeMap::from([
        ("10.0.224.44/239.10.1.1", 8),
        ("10.0.224.44/239.10.1.2", 11),
        ("unattributed", 0),
    ]);
    assert_eq!(rekeys, expected, "{}", replay.lines());
}

#[test]
fn a_second_registration_is_a_re_registration() {
    let replay = run("gdoid_rereg2.pcap");
    let again = replay
        .transitions
        .iter()
        .filter(|transition| matches!(transition.what, What::ReRegistration(_)))
        .count();
    assert_eq!(again, 2, "{}", replay.lines());
}

/// Other stacks: registrations that completed, and none that only looked like one.
fn check_registrations(capture: &Capture, expected: usize) {
    let name = &capture.name;
    let replay = run_capture(capture);
    let of = |word: &str| {
        let named = |transition: &&gdoi_core::Transition| transition.what.name() == word;
        replay.transitions.iter().filter(named).count()
    };
    let found = (
        of("registration_started"),
        of("registration_completed"),
        of("registration_failed"),
    );
    assert_eq!(found, (expected, expected, 0), "{name}\n{}", replay.lines());
}

#[test]
fn other_stacks_register_when_they_do() {
    check_registrations(&captures::recording("nanosec_reg.pcap"), 1);
    for name in [
        "ss_aggr848.pcap",
        "ss_cert848_ipfrag.pcap",
        "ss_cert848_v6frag.pcap",
        "ss_ikev2_848.pcap",
        "ss_main848.pcap",
        "ss_main848v6.pcap",
        "ss_natt.pcap",
        "ss_raw848main.pcap",
    ] {
        check_registrations(&captures::recording(name), 0);
    }
    // Captures of IKE whose port 500 was rewritten to 848.
    for capture in captures::third_party() {
        let is_ike = [
            "p848_corelight_ikev1-certs.pcap",
            "p848_corelight_ipsec-ikev1-isakmp-aggressive-mode.pcap",
            "p848_corelight_ipsec.pcap",
            "p848_tcpdump_ISAKMP_sa_setup.pcap",
        ];
        if is_ike.contains(&&*capture.name) {
            check_registrations(&capture, 0);
        }
    }
}

#[test]
fn every_capture_is_survived_and_counted() {
    for capture in captures::all() {
        run_capture(&capture);
    }
}
