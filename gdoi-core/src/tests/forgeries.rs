//! Rekeys under cookies that nobody delivered, and real KEKs that look like that.

use std::vec::Vec;

use super::script::{KS, Script, Wire, group, member, script};
use crate::config::GroupConfig;
use crate::transition::{Certainty, ForgeryKind, What};

const STRANGER: &str = "203.0.113.66";
const MEMBERS: u32 = 4;
const INTERVAL: f64 = 600.0;
const TEK_OCTETS: u32 = 652;
const KEK_OCTETS: u32 = 1_100;

/// A rekey to all members, which they acknowledge.
fn rekey(script: &mut Script, kek: u64, sequence: u64, length: u32) {
    for number in 0..MEMBERS {
        script.push_of(KS, &member(number), kek, sequence, length);
        script.wait(0.01).acknowledge(&member(number), KS, kek);
    }
}

/// Rekeys every ten minutes; the fourth delivers another KEK. After that the lengths of both kinds are known.
fn known_group(configured: bool) -> Script {
    let mut script = script(configured.then(|| group("G1")));
    for number in 0..MEMBERS {
        script.register(&member(number), KS);
    }
    for sequence in 1..=7 {
        script.at(INTERVAL * sequence as f64);
        let kek = if sequence <= 4 { 1 } else { 2 };
        let length = if sequence == 4 { KEK_OCTETS } else { TEK_OCTETS };
        rekey(&mut script, kek, sequence, length);
    }
    script
}

fn forgeries(script: &Script) -> Vec<ForgeryKind> {
    let forgeries = script.whats().filter_map(|what| match what {
        What::Forgery(forgery) => Some(forgery.kind),
        _ => None,
    });
    forgeries.collect()
}

fn overdue(script: &Script) -> Vec<Certainty> {
    let overdue = script.whats().filter_map(|what| match what {
        What::RekeyOverdue(overdue) => Some(overdue.grounds.certainty),
        _ => None,
    });
    overdue.collect()
}

/// The state of the real key server's group, unaffected by the forgeries.
fn check_untouched(script: &Script) {
    assert_eq!(script.count("kek_changed"), 1, "{:?}", script.out);
    assert_eq!(
        script.names(&["kek_split", "key_server_changed", "kek_over_age"]),
        [] as [&str; 0]
    );
    let snapshot = script.snapshot();
    assert_eq!(snapshot.groups.len(), 2);
    assert!(snapshot.groups.values().all(|group| {
        let stranger = super::script::address(STRANGER);
        !group.key_servers.contains_key(&stranger)
    }));
}

#[test]
fn a_stranger_continues_no_group_that_is_alive() {
    for (configured, recipients) in [(false, 1), (true, 1), (false, MEMBERS), (true, MEMBERS)] {
        let mut script = known_group(configured);
        script.at(INTERVAL * 8.0 - 5.0);
        for sequence in 0..2 {
            for number in 0..recipients {
                script.push_of(STRANGER, &member(number), 66, sequence, TEK_OCTETS);
            }
            script.wait(1.0);
        }
        script.at(INTERVAL * 8.0);
        rekey(&mut script, 2, 8, TEK_OCTETS);
        script.wait(100.0).advance();
        check_untouched(&script);
        assert_eq!(forgeries(&script), [ForgeryKind::StrangerPush]);
        assert_eq!(overdue(&script), []);
    }
}

/// The key server is dead: two messages to one member are not taken for its rekey, but one to each member is.
#[test]
fn a_stranger_hides_no_missing_rekey() {
    for (recipients, certainty) in [(1, Certainty::Likely), (MEMBERS, Certainty::Uncertain)] {
        let mut script = known_group(true);
        script.at(INTERVAL * 8.0 - 5.0);
        for number in 0..recipients {
            script.push_of(STRANGER, &member(number), 66, 1, 140);
        }
        script.at(INTERVAL * 8.0 + 100.0).advance();
        check_untouched(&script);
        assert_eq!(overdue(&script), [certainty]);
    }
}

/// As if from the key server, and acknowledged as if by the members; but the last rekey delivered no KEK.
#[test]
fn a_kek_that_nobody_was_given_is_believed_only_when_it_lasts() {
    let mut script = known_group(true);
    for sequence in 8..=9 {
        script.at(INTERVAL * sequence as f64);
        rekey(&mut script, 66, sequence, TEK_OCTETS);
    }
    script.wait(300.0).advance();
    check_untouched(&script);
    assert_eq!(forgeries(&script), [ForgeryKind::UndeliveredKek]);
    assert_eq!(overdue(&script), [Certainty::Uncertain]);
    script.at(INTERVAL * 10.0);
    rekey(&mut script, 66, 10, TEK_OCTETS);
    assert_eq!(script.count("kek_changed"), 2);
    assert_eq!(script.snapshot().groups.len(), 2);
}

#[test]
fn a_kek_that_members_registered_for_is_believed_at_once() {
    let mut script = known_group(true);
    script.at(INTERVAL * 7.0 + 100.0);
    for number in 0..MEMBERS {
        script.register(&member(number), KS);
    }
    script.at(INTERVAL * 8.0);
    rekey(&mut script, 3, 8, TEK_OCTETS);
    assert_eq!(script.count("kek_changed"), 2);
    assert_eq!(forgeries(&script), []);
}

/// An operator forces two rekeys within two minutes, the first with a KEK.
#[test]
fn forced_rekeys_tear_no_group() {
    let mut script = known_group(false);
    script.at(INTERVAL * 7.0 + 200.0);
    rekey(&mut script, 2, 8, KEK_OCTETS);
    script.at(INTERVAL * 7.0 + 320.0);
    rekey(&mut script, 3, 9, TEK_OCTETS);
    script.at(INTERVAL * 8.0 + 320.0);
    rekey(&mut script, 3, 10, TEK_OCTETS);
    script.wait(300.0).advance();
    assert_eq!(script.count("kek_changed"), 2, "{:?}", script.out);
    assert_eq!(script.snapshot().groups.len(), 2);
    assert_eq!((forgeries(&script), overdue(&script)), (Vec::new(), Vec::new()));
}

#[test]
fn a_scanner_makes_no_group() {
    let mut script = script([] as [GroupConfig; 0]);
    let wire = Wire {
        cookies: (0xdead, 0),
        next_payload: 0,
        version: 0x10,
        exchange: 33,
        flags: 0xff,
        message_id: 0xdead_beef,
        length: 28,
        fingerprint: 0,
    };
    for _ in 0..3 {
        script.message(STRANGER, &member(1), wire).wait(1.0);
    }
    assert_eq!(script.count("group_discovered"), 0);
    assert_eq!(script.snapshot().groups.len(), 1);
}

/// Heartbeats every five minutes, a rekey in between, heartbeats under its KEK.
#[test]
fn heartbeats_are_no_rekeys() {
    let mut script = script([] as [GroupConfig; 0]);
    for number in 0..2 {
        script.register(&member(number), KS);
    }
    let beat = |script: &mut Script, kek: u64, seconds: f64| {
        script.at(seconds);
        for number in 0..2 {
            script.push_of(KS, &member(number), kek, seconds as u64, 236);
        }
    };
    for number in 1..=11 {
        beat(&mut script, 1, 300.0 * f64::from(number));
    }
    script.at(3_540.0);
    for number in 0..2 {
        script.push_of(KS, &member(number), 1, 9_999, 460);
        script.wait(0.1).acknowledge(&member(number), KS, 1);
    }
    for number in 0..12 {
        beat(&mut script, 2, 3_700.0 + 300.0 * f64::from(number));
    }
    script.wait(700.0).finish();
    assert_eq!((script.count("rekey"), script.count("heartbeats")), (1, 1));
    assert_eq!(script.count("kek_changed"), 1, "{:?}", script.out);
    assert_eq!(
        script.names(&["rekey_unacknowledged", "rekey_overdue", "group_ambiguous"]),
        [] as [&str; 0]
    );
}
