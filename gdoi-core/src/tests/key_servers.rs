//! Separate groups, failover, split.

use std::string::String;
use std::vec::Vec;

use super::script::{KS, KS2, MULTICAST, Script, Wire, address, group, member, script};
use crate::config::{GroupConfig, IpNet, SiteConfig};
use crate::transition::{Certainty, What};

fn multicast() -> GroupConfig {
    GroupConfig {
        rekey_address: Some(address(MULTICAST)),
        ..group("G1")
    }
}

fn groups(script: &Script) -> Vec<String> {
    script
        .snapshot()
        .groups
        .into_keys()
        .filter(|name| name != "unattributed")
        .collect()
}

#[test]
fn a_failover_keeps_the_cookies() {
    let mut script = script([multicast()]);
    script
        .push(KS, MULTICAST, 1, 1)
        .wait(600.0)
        .push(KS2, MULTICAST, 1, 2)
        .wait(60.0)
        .advance();
    let changed: Vec<_> = script
        .whats()
        .filter_map(|what| match what {
            What::KeyServerChanged(changed) => Some((changed.from, changed.to, changed.cookies_kept)),
            _ => None,
        })
        .collect();
    assert_eq!(changed, [(address(KS), address(KS2), true)]);
    let servers = &script.snapshot().groups["G1"].key_servers;
    assert_eq!(
        (servers[&address(KS)].pushes, servers[&address(KS2)].pushes),
        (false, true)
    );
}

/// Between two rekeys there is silence; only an overdue rekey allows another sender to be a new key server.
#[test]
fn a_stranger_takes_over_no_group_whose_next_rekey_is_not_due() {
    let takes_over_after = |seconds: f64| {
        let stranger = "10.0.0.9";
        let mut script = script([multicast()]);
        for sequence in 1..=4 {
            script.push(KS, MULTICAST, 1, sequence).wait(600.0);
        }
        script.push(KS, MULTICAST, 1, 5).wait(seconds);
        script.push(stranger, MULTICAST, 7, 1);
        let servers = &script.snapshot().groups["G1"].key_servers;
        servers.contains_key(&address(stranger))
    };
    assert!(!takes_over_after(300.0));
    assert!(takes_over_after(700.0));
}

#[test]
fn two_live_chains_of_one_parent_are_a_split() {
    let mut script = script([multicast()]);
    for sequence in 1..=3 {
        script.push(KS, MULTICAST, 1, sequence).wait(600.0);
    }
    for sequence in 1..=3 {
        script.push(KS2, MULTICAST, 2, sequence).wait(300.0);
        script.push(KS, MULTICAST, 1, 10 + sequence).wait(300.0);
    }
    assert_eq!(script.count("kek_split"), 1, "{:?}", script.out);
    // The second took over; further alternations are not reported.
    assert_eq!(script.count("key_server_changed"), 1);
}

#[test]
fn unicast_groups_are_chained_by_their_members() {
    let mut script = script([]);
    let mut round = |kek: u64, sequence: u64, members: core::ops::Range<u32>| {
        for number in members {
            script.push(KS, &member(number), kek, sequence).wait(0.1);
        }
        script.wait(300.0);
    };
    for sequence in 1..=3 {
        round(1, sequence, 0..10);
        round(100, sequence, 20..30);
    }
    round(2, 1, 0..10);
    round(101, 1, 20..30);
    round(2, 2, 0..10);
    assert_eq!(
        groups(&script),
        ["10.0.0.1/cafe0000", "10.0.0.1/cafe0000-2"],
        "{:?}",
        script.out
    );
    let snapshot = script.snapshot();
    let changes: Vec<u64> = snapshot.groups.values().map(|group| group.kek.changes).collect();
    assert_eq!(changes, [1, 1, 0]);
}

/// Groups of one key server with members in common: `(members, interval, length without a KEK and with one)`.
fn shared_members(known: &[(u32, u32, u32, u32)]) -> Script {
    let mut script = script([]);
    for second in (0..20_000).step_by(50) {
        for (number, &(members, interval, tek, kek)) in (0_u32..).zip(known) {
            let (round, is_due) = (second / interval, second % interval == 0);
            if !is_due {
                continue;
            }
            // Every third rekey delivers a KEK.
            let length = if round % 3 == 2 { kek } else { tek };
            script.at(f64::from(second + number));
            for member_number in 0..members {
                let kek = u64::from(number * 1_000 + round / 3);
                script.push_of(KS, &member(member_number), kek, u64::from(round), length);
            }
        }
    }
    script
}

/// The KEKs of each stay together, whatever members they share: by their lengths, times and deliveries.
#[test]
fn groups_that_share_members_keep_their_keks() {
    let known = [(8, 600, 540, 796), (26, 950, 1_420, 2_076), (13, 800, 892, 1_196)];
    let script = shared_members(&known);
    assert_eq!(groups(&script).len(), 3, "{:?}", groups(&script));
    let snapshot = script.snapshot();
    for name in groups(&script) {
        let group = &snapshot.groups[&name];
        let of: Vec<u8> = group.kek.chain.iter().map(|kek| kek.0[7]).collect();
        assert!(of.is_sorted() && of.len() > 4, "{of:?}");
    }
    assert_eq!(
        script.names(&["kek_split", "member_lost", "rekey_overdue"]),
        [""; 0]
    );
}

/// The delivery of a KEK is repeated with numbers of its own while the KEK is in use already.
#[test]
fn late_repeats_of_the_delivery_are_no_other_group() {
    let mut script = script([multicast()]);
    for (seconds, kek, length) in [
        (0_u32, 1, 524),
        (600, 1, 524),
        (1_200, 1, 524),
        (1_797, 1, 796),
        (1_800, 2, 524),
    ] {
        script
            .at(f64::from(seconds))
            .push_of(KS, MULTICAST, kek, seconds.into(), length);
    }
    for seconds in [1_802_u32, 1_807, 1_812] {
        script
            .at(f64::from(seconds))
            .push_of(KS, MULTICAST, 1, seconds.into(), 796);
    }
    assert_eq!(groups(&script), ["G1"]);
    assert_eq!(script.names(&["kek_split", "kek_change_revoked"]), [""; 0]);
}

#[test]
fn members_of_two_groups_on_one_key_server_are_not_guessed() {
    let mut script = script([]);
    script.register(&member(1), KS);
    script.push(KS, MULTICAST, 1, 1);
    assert_eq!(
        script.snapshot().members[0].group.as_deref(),
        Some("10.0.0.1/239.0.1.2")
    );
    script.push(KS, "239.0.1.3", 2, 1);
    assert_eq!(script.snapshot().members[0].group, None);
    assert_eq!(script.count("group_ambiguous"), 1);
}

#[test]
fn configured_members_tell_groups_apart() {
    let of = |name: &str, prefix: &str| GroupConfig {
        members: [IpNet::new(address(prefix), 24).unwrap()].to_vec(),
        ..group(name)
    };
    let mut script = script([of("G1", "10.1.0.0"), of("G2", "10.1.1.0")]);
    let (one, two) = (member(1), member(251));
    script.register(&one, KS).register(&two, KS);
    script.push(KS, &one, 1, 1).push(KS, &two, 2, 1);
    assert_eq!(groups(&script), ["G1", "G2"]);
    let snapshot = script.snapshot();
    let members: Vec<_> = snapshot
        .members
        .iter()
        .map(|member| member.group.as_deref())
        .collect();
    assert_eq!(members, [Some("G1"), Some("G2")]);
}

#[test]
fn one_message_from_nowhere_makes_no_group() {
    let mut script = script([]);
    script
        .push("10.66.6.6", &member(1), 1, 1)
        .wait(100.0)
        .advance()
        .finish();
    assert_eq!(groups(&script), Vec::<String>::new());
    assert_eq!(script.count("rekey"), 0);
    script.push("10.66.6.6", &member(2), 1, 1);
    assert_eq!(groups(&script).len(), 1);
}

#[test]
fn a_rekey_from_a_member_is_forged() {
    let mut script = script([group("G1")]);
    script.register(&member(1), KS).push(&member(1), KS, 1, 1);
    assert_eq!(script.count("malformed"), 1);
    assert_eq!(script.count("rekey"), 0);
}

/// Malformed rekeys: none creates state, all are counted.
#[test]
fn rekeys_against_the_protocol_are_counted() {
    let mut script = script([]);
    let good = Wire {
        cookies: (1, 2),
        next_payload: 18,
        version: 0x10,
        exchange: 33,
        flags: 1,
        message_id: 0,
        length: 700,
        fingerprint: 1,
    };
    let zero = Wire {
        cookies: (0, 0),
        ..good
    };
    script.message(KS, MULTICAST, zero);
    assert_eq!(groups(&script), Vec::<String>::new());
    script.message(
        KS,
        MULTICAST,
        Wire {
            message_id: 5,
            ..good
        },
    );
    let anomalies = script.snapshot().anomalies;
    assert_eq!(anomalies.values().sum::<u64>(), 2, "{anomalies:?}");
    assert_eq!(script.snapshot().messages.values().sum::<u64>(), 2);
}

fn announcement(script: &mut Script, from: &str, to: &str) {
    let wire = Wire {
        cookies: (0xc0, 0xc1),
        next_payload: 8,
        version: 0x10,
        exchange: 34,
        flags: 1,
        message_id: 77,
        length: 600,
        fingerprint: script.now.as_nanos(),
    };
    script.message(from, to, wire);
}

/// Announcements every 20 s for a while, then none from the primary, and some back if the roles change.
fn check_announcements(back: bool, blind: bool, others: bool, expected: &[Certainty]) {
    let mut script = script([group("G1")]);
    for _ in 0..20 {
        announcement(&mut script, KS, KS2);
        script.wait(20.0);
    }
    for _ in 0..20 {
        if back {
            announcement(&mut script, KS2, KS);
        }
        if others {
            script.register(&member(1), KS2);
        }
        script.wait(20.0);
        if blind {
            script.blind(1.0);
        }
        script.advance();
    }
    let silent: Vec<_> = script
        .whats()
        .filter_map(|what| match what {
            What::CoopSilent(silent) => Some(silent.grounds.certainty),
            _ => None,
        })
        .collect();
    assert_eq!(silent, expected, "back {back}, blind {blind}, others {others}");
}

#[test]
fn a_silent_primary_is_noticed() {
    check_announcements(false, false, true, &[Certainty::Certain]);
    check_announcements(false, true, true, &[Certainty::Uncertain]);
    check_announcements(true, false, true, &[]);
    // Nothing at all was seen meanwhile.
    check_announcements(false, false, false, &[Certainty::Uncertain]);
}

/// Two unicast groups with the same members, each with sites of its own.
#[test]
fn sites_tell_which_of_two_groups_with_the_same_members_it_is() {
    let of = |name: &str, prefix: &str| GroupConfig {
        members: [IpNet::new(address("10.1.0.0"), 24).unwrap()].to_vec(),
        sites: [SiteConfig {
            prefixes: [IpNet::new(address(prefix), 24).unwrap()].to_vec(),
            ..SiteConfig::default()
        }]
        .to_vec(),
        ..group(name)
    };
    let mut script = script([of("DATA", "192.168.1.0"), of("VOICE", "172.16.1.0")]);
    let mut round = |kek: u64, site: u32, sequence: u32| {
        script.push(KS, &member(1), kek, u64::from(sequence));
        script.push(KS, &member(2), kek, u64::from(sequence));
        for _ in 0..50 {
            script.wait(6.0).esp(0x1000 * site + sequence, site, 1);
        }
    };
    for sequence in 1..=4 {
        round(1, 1, sequence);
        round(2, 2, sequence);
    }
    let snapshot = script.snapshot();
    let chain = |name: &str| {
        snapshot.groups[name]
            .kek
            .chain
            .iter()
            .map(|kek| kek.0[7])
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (chain("DATA"), chain("VOICE")),
        ([1].to_vec(), [2].to_vec()),
        "{:?}",
        script.out
    );
    assert_eq!(snapshot.esp["DATA"].packets, 200);
    assert_eq!(snapshot.esp["VOICE"].packets, 200);
    assert_eq!(script.count("group_ambiguous"), 1);
}

/// Each of 34 key servers announces itself to every other: more pairs than are tracked.
#[test]
fn pairs_that_announce_are_bounded() {
    let servers: Vec<String> = (1..=34).map(|number| std::format!("10.0.9.{number}")).collect();
    let mut script = script([GroupConfig {
        key_servers: servers.iter().map(|server| address(server)).collect(),
        ..group("G1")
    }]);
    for server in &servers {
        script.register(&member(1), server);
    }
    for from in &servers {
        for to in servers.iter().filter(|to| *to != from) {
            announcement(&mut script, from, to);
        }
    }
    assert_eq!(script.tracker.state.coop_links.len(), 1_024);
}
