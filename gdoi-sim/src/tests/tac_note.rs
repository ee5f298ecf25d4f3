//! The sequences of Cisco TAC note 116737, and the timing that follows from them.

use std::time::Duration;

use super::{count, library, play};
use crate::scenario::{Behavior, Scenario};
use crate::truth::{Happened, Kind, Reason};

/// Six members, no traffic, three KEK lifetimes.
fn group(server: Behavior, member: Behavior, kek_lifetime: u64, tek_lifetime: u64) -> Scenario {
    let mut scenario = library("demo");
    scenario.events.clear();
    scenario.duration = Duration::from_secs(kek_lifetime * 7 / 2);
    let group = &mut scenario.groups[0];
    (group.server, group.member, group.traffic_every) = (server, member, Duration::ZERO);
    group.kek_lifetime = Duration::from_secs(kek_lifetime);
    group.tek_lifetime = Duration::from_secs(tek_lifetime);
    scenario
}

fn kek_leads(happened: &[Happened]) -> Vec<f64> {
    happened
        .iter()
        .filter_map(|happened| match happened.kind {
            Kind::Rekey { lead_seconds, .. } => lead_seconds,
            _ => None,
        })
        .collect()
}

#[test]
fn a_new_server_renews_the_kek_by_the_formula() {
    // 5 % of the lifetime or 200 s, and for unicast 2 repeats of 10 s and 5 s for one batch; up to a minute more if a
    // TEK is due then.
    for (kek, tek, lead) in [(3_600, 900, 225.0), (86_400, 3_600, 4_345.0), (1_800, 600, 225.0)] {
        let (_, happened) = play(&group(Behavior::New, Behavior::New, kek, tek), 1);
        let leads = kek_leads(&happened);
        assert!(leads.len() >= 3, "{leads:?}");
        assert!(
            leads.iter().all(|one| (lead..=lead + 60.0).contains(one)),
            "{leads:?}"
        );
    }
}

#[test]
fn a_legacy_server_renews_the_kek_when_it_expires() {
    let (_, happened) = play(&group(Behavior::Legacy, Behavior::Legacy, 3_600, 900), 1);
    assert_eq!(kek_leads(&happened), [0.0; 3]);
}

#[test]
fn only_a_new_member_of_a_legacy_server_registers_twice() {
    for seed in 0..5 {
        for (server, member, doubles) in [
            (Behavior::New, Behavior::New, 0),
            (Behavior::New, Behavior::Legacy, 0),
            (Behavior::Legacy, Behavior::Legacy, 0),
            // Six members, three cycles.
            (Behavior::Legacy, Behavior::New, 18),
        ] {
            let (_, happened) = play(&group(server, member, 3_600, 900), seed);
            let seen = count(&happened, |kind| matches!(kind, Kind::DoubleReregistration));
            assert_eq!(seen, doubles, "{server:?} server, {member:?} member, seed {seed}");
        }
    }
}

#[test]
fn the_two_registrations_are_in_the_order_of_the_note() {
    let (_, happened) = play(&group(Behavior::Legacy, Behavior::New, 1_800, 900), 3);
    let member = happened[0].member;
    let expiry = happened
        .iter()
        .find(|one| matches!(one.kind, Kind::KekDeleted))
        .unwrap()
        .at;
    let of_member: Vec<&Happened> = happened
        .iter()
        .filter(|one| one.member == member)
        .filter(|one| !matches!(one.kind, Kind::RekeyReceived { .. } | Kind::SpiRolled { .. }))
        .filter(|one| one.at > expiry.before(Duration::from_secs(150)))
        .take(8)
        .collect();
    let kinds: Vec<&Kind> = of_member.iter().map(|one| &one.kind).collect();
    assert!(
        matches!(
            kinds[..],
            [
                Kind::RegistrationStarted { reason: Reason::Kek },
                Kind::RegistrationCompleted { same_kek: true, .. },
                Kind::KekDeleted,
                Kind::RegistrationStarted { reason: Reason::Kek },
                Kind::RegistrationCompleted { same_kek: false, .. },
                Kind::DoubleReregistration,
                ..
            ]
        ),
        "{kinds:#?}"
    );
    // x of 60 to 96 s for a KEK of 1,800 s, and y of 25 s.
    let before = expiry.since(of_member[0].at).as_secs();
    assert!((60..=96).contains(&before), "{before} s before expiry");
    let after = of_member[3].at.since(expiry).as_secs();
    assert!((24..=26).contains(&after), "{after} s after expiry");
}

/// The messages that one member logs around the end of a KEK, without their texts.
fn mnemonics(scenario: &Scenario, member: &str, kinds: &[&str]) -> Vec<String> {
    let mut simulation = crate::Simulation::new(scenario, Some(3)).unwrap();
    assert!(simulation.by_ref().count() > 0);
    let log = simulation.truth().syslog(scenario);
    let own = format!(" {member}: %");
    let messages = log.lines().filter_map(|line| line.split_once(&own));
    messages
        .map(|(_, message)| message.split(':').next().unwrap().to_owned())
        .filter(|message| !kinds.contains(&message.as_str()))
        .collect()
}

#[test]
fn every_member_logs_in_the_order_of_the_note() {
    let scenario = group(Behavior::Legacy, Behavior::New, 1_800, 900);
    let registers = [
        "GDOI-4-GM_RE_REGISTER",
        "CRYPTO-5-GM_REGSTER",
        "GDOI-5-GM_REKEY_TRANS_2_UNI",
        "GDOI-5-SA_KEK_UPDATED",
        "GDOI-5-SA_TEK_UPDATED",
        "GDOI-5-GM_REGS_COMPL",
        "GDOI-5-GM_INSTALL_POLICIES_SUCCESS",
    ];
    let mut expected: Vec<&str> = registers[1..].to_vec();
    for _ in 0..3 {
        expected.extend(registers);
        expected.push("GDOI-5-GM_DELETE_EXPIRED_KEK");
        expected.extend(registers);
    }
    for number in 13..19 {
        let logged = mnemonics(&scenario, &format!("10.1.{number}.2"), &["GDOI-5-GM_RECV_REKEY"]);
        assert_eq!(logged, expected, "member {number}");
    }
}

#[test]
fn a_member_of_a_new_server_logs_nothing_but_rekeys() {
    let scenario = group(Behavior::New, Behavior::New, 1_800, 900);
    let logged = mnemonics(&scenario, "10.1.13.2", &[]);
    assert_eq!(logged[0], "CRYPTO-5-GM_REGSTER");
    assert!(logged.len() > 12, "{logged:?}");
    for message in &logged[6..] {
        assert_eq!(message, "GDOI-5-GM_RECV_REKEY");
    }
}

#[test]
fn a_member_shows_what_the_note_shows() {
    // 56 seconds of KEK left, and registered without a new KEK: it registers again 25 s after the KEK expired.
    let mut scenario = group(Behavior::Legacy, Behavior::New, 1_800, 900);
    scenario.duration = Duration::from_secs(1_800 - 56);
    let mut simulation = crate::Simulation::new(&scenario, Some(3)).unwrap();
    assert!(simulation.by_ref().count() > 0);
    for member in 1..=6 {
        let shown = simulation.show_member(1, member).unwrap();
        for line in [
            "Group Name               : G1",
            "Lifetime (secs)          : 56",
            "Reregisters in           : 81 sec",
        ] {
            assert!(shown.contains(line), "{line} is not in\n{shown}");
        }
        assert_eq!(shown.matches("(outbound)").count(), 1, "{shown}");
        let labels = shown
            .lines()
            .filter_map(|line| line.strip_prefix("    ")?.split_once(" : "));
        let labels: Vec<&str> = labels
            .map(|(label, _)| label.trim_end())
            .take(LABELS.len())
            .collect();
        assert_eq!(labels, LABELS);
    }
    assert_eq!(simulation.show_member(1, 7), None);
    assert_eq!(simulation.show_member(2, 1), None);
    assert_eq!(simulation.show_member(0, 0), None);
}

/// The lines of the note's output about a modelled group, in order.
const LABELS: [&str; 16] = [
    "Group Name",
    "Group Identity",
    "Key Management Path",
    "Rekeys received",
    "IPSec SA Direction",
    "Group Server list",
    "Group Member",
    "Registration status",
    "Registered with",
    "Reregisters in",
    "Succeeded registration",
    "Attempted registration",
    "Last rekey from",
    "Last rekey seq num",
    "Rekey Transport Type",
    "SPI",
];
