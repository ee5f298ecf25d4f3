//! Demonstrations: the tracker reports what is expected.

use super::library;
use crate::demonstration::{DEMONSTRATIONS, Demonstration};
use crate::digest;
use crate::judge::Told;
use crate::scenario::parse_duration;

#[test]
fn every_demonstration_tells_its_story() {
    for Demonstration { name, expected } in DEMONSTRATIONS {
        let told = digest(&library(name), None, Told::All).unwrap();
        let different = told
            .lines()
            .zip(expected.lines())
            .find(|(told, line)| told != line);
        assert!(
            told == expected,
            "{name}: {different:?}; when it is right: cargo xtask demonstrate --write"
        );
    }
}

/// Each demonstration reports its subject, and no false alarm.
#[test]
fn the_stories_are_the_right_ones() {
    let rows: [(&str, &[&str], &[&str]); 5] = [
        ("healthy_day", &[], &[]),
        (
            "lost_rekey",
            &[
                "reason=missed_rekey member=10.1.19.2",
                "reason=missed_rekey member:12",
            ],
            &["registration_burst_started", "registration_failed"],
        ),
        (
            "power_cut",
            &[
                "2000 info     registration_started       G1 exchange=main_mode key_server=10.1.11.2 kind=re_registration",
            ],
            &["registration_burst_started"],
        ),
        (
            "coop_split",
            &[
                "coop_silent",
                "kek_split",
                "merged=false",
                "merged=true",
                "key_server_changed",
            ],
            &["coop_silent", "kek_split", "key_server_changed"],
        ),
        (
            "mixed_upgrade",
            &["verdict=legacy", "verdict=new", "double_reregistration"],
            &[
                "double_reregistration",
                "kek_behavior",
                "rekey_retransmitted",
                "rekey_unacknowledged",
            ],
        ),
    ];
    for (name, told, alarms) in rows {
        let digest = digest(&library(name), None, Told::All).unwrap();
        for words in told {
            assert!(digest.contains(words), "{words} is not in {name}:\n{digest}");
        }
        for line in digest.lines().skip(2) {
            let severity = line.split_whitespace().nth(3).unwrap();
            let kind = line.split_whitespace().nth(4).unwrap();
            assert!(severity == "info" || alarms.contains(&kind), "{name}: {line}");
        }
    }
}

#[test]
fn events_are_one_line_until_a_pause_or_another_word() {
    let mut scenario = library("late_joiner");
    scenario.duration = parse_duration("75m").unwrap();
    let digest = digest(&scenario, Some(3), Told::All).unwrap();
    let started: Vec<&str> = digest
        .lines()
        .filter(|line| line.contains("registration_started"))
        .collect();
    assert_eq!(started.len(), 2, "{started:#?}");
    assert!(
        started[0].contains("    6 info") && started[0].contains("member:6"),
        "{started:#?}"
    );
    assert!(
        started[1].starts_with("01:1") && started[1].contains("member:2"),
        "{started:#?}"
    );
}
