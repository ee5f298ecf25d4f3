//! Rekeys: gathering, kinds, acknowledgements, overdue.

use core::time::Duration;
use std::vec::Vec;

use super::script::{KS, MULTICAST, Script, address, group, member, script};
use crate::config::{GroupConfig, Retransmit};
use crate::transition::{ReRegistrationReason, Rekey, RekeyEvidence, RekeyKind, Transport, What};

pub(super) fn rekeys(script: &Script) -> Vec<Rekey> {
    let rekeys = script.whats().filter_map(|what| match what {
        What::Rekey(rekey) => Some(*rekey),
        _ => None,
    });
    rekeys.collect()
}

pub(super) fn multicast() -> GroupConfig {
    GroupConfig {
        rekey_address: Some(address(MULTICAST)),
        ..group("G1")
    }
}

#[test]
fn repeats_are_one_rekey() {
    let mut script = script([multicast()]);
    for _ in 0..3 {
        script.push(KS, MULTICAST, 1, 1).wait(10.0);
    }
    script.wait(100.0).advance();
    let [rekey] = rekeys(&script)[..] else {
        panic!("{:?}", script.out)
    };
    assert_eq!((rekey.transport, rekey.recipients), (Transport::Multicast, 1));
    assert_eq!((rekey.retransmissions, rekey.kind), (2, RekeyKind::Unknown));
    assert_eq!(rekey.duration, Duration::from_secs(20));
    assert_eq!(script.snapshot().groups["G1"].rekey.retransmissions, 2);
}

/// The timer of the second comes due while the first is still repeated and has to be reported before it.
#[test]
fn a_rekey_within_the_repeats_of_another_ends() {
    let slow = Retransmit {
        interval: Duration::from_secs(40),
        count: 2,
    };
    let mut script = script([GroupConfig {
        retransmit: Some(slow),
        ..multicast()
    }]);
    script.push(KS, MULTICAST, 1, 1).wait(5.0);
    script.push(KS, MULTICAST, 1, 2).wait(35.0);
    for _ in 0..2 {
        script.push(KS, MULTICAST, 1, 1).wait(40.0);
    }
    script.wait(200.0).advance();
    assert_eq!(rekeys(&script).len(), 2, "{:?}", script.out);
}

#[test]
fn what_the_network_doubles_is_no_repeat() {
    let mut script = script([multicast(), group("G2")]);
    script
        .push(KS, MULTICAST, 1, 1)
        .wait(0.001)
        .push(KS, MULTICAST, 1, 1);
    for number in [1, 2, 1, 2] {
        script.push(KS, &member(number), 2, 1).wait(0.002);
    }
    script.wait(100.0).advance();
    assert_eq!(rekeys(&script).len(), 2);
    assert_eq!(script.count("rekey_retransmitted"), 0, "{:?}", script.out);
}

#[test]
fn a_repeat_soon_after_a_copy_is_a_repeat() {
    let mut script = script([group("G1")]);
    script.push(KS, &member(1), 1, 1);
    script.wait(0.1).push(KS, &member(1), 1, 1);
    script.wait(0.45).push(KS, &member(1), 1, 1);
    script.wait(100.0).advance();
    assert_eq!(rekeys(&script)[0].retransmissions, 1, "{:?}", script.out);
}

#[test]
fn many_rekeys_at_once_are_all_told() {
    let mut script = script([multicast()]);
    for sequence in 0..20 {
        script.push(KS, MULTICAST, 1, sequence).wait(0.6);
    }
    script.wait(100.0).advance();
    assert_eq!(rekeys(&script).len(), 20, "{:?}", script.out);
}

#[test]
fn another_sequence_number_is_another_rekey() {
    let mut script = script([multicast()]);
    script
        .push(KS, MULTICAST, 1, 1)
        .wait(10.0)
        .push_of(KS, MULTICAST, 1, 2, 716)
        .wait(100.0)
        .advance();
    let kinds: Vec<_> = rekeys(&script).iter().map(|rekey| rekey.kind).collect();
    assert_eq!(kinds, [RekeyKind::Tek, RekeyKind::Unknown]);
}

/// Two rekeys that were not repeated, then two forced ones within 40 s.
#[test]
fn where_nothing_is_repeated_another_number_is_another_rekey() {
    let mut script = script([multicast()]);
    for (sequence, wait) in [(1, 600.0), (2, 600.0), (3, 40.0), (4, 600.0)] {
        script.push(KS, MULTICAST, 1, sequence).wait(wait).advance();
    }
    assert_eq!(rekeys(&script).len(), 4, "{:?}", script.out);
}

/// Interval and count of the repeats are not configured.
#[test]
fn repeats_with_numbers_of_their_own_are_told_by_what_was_seen() {
    let mut script = script([multicast()]);
    let mut sequence = 0;
    for _ in 0..3 {
        for _ in 0..4 {
            sequence += 1;
            script.push(KS, MULTICAST, 1, sequence).wait(40.0);
        }
        script.wait(600.0);
    }
    script.advance();
    let repeats: Vec<u32> = rekeys(&script)
        .iter()
        .map(|rekey| rekey.retransmissions)
        .collect();
    // The first is reported before its first repeat comes.
    assert_eq!(repeats[1..], [3, 3], "{:?}", script.out);
}

/// Repeats of one rekey alternate with those of a longer one.
#[test]
fn repeats_with_numbers_of_their_own_take_turns() {
    let mut script = script([multicast()]);
    for sequence in 0..3 {
        script.push_of(KS, MULTICAST, 1, 2 * sequence, 700).wait(3.0);
        script.push_of(KS, MULTICAST, 1, 2 * sequence + 1, 1000).wait(7.0);
    }
    script.wait(100.0).advance();
    let repeats: Vec<u32> = rekeys(&script)
        .iter()
        .map(|rekey| rekey.retransmissions)
        .collect();
    assert_eq!(repeats, [2, 2], "{:?}", script.out);
}

/// An acknowledged rekey is not repeated to that member: two forced rekeys within 40 s.
#[test]
fn after_an_acknowledgement_another_number_is_another_rekey() {
    let mut script = script([group("G1")]);
    for sequence in 1..=2 {
        script.push(KS, &member(1), 1, sequence).wait(0.1);
        script.acknowledge(&member(1), KS, 1).wait(40.0);
    }
    script.wait(100.0).advance();
    assert_eq!(rekeys(&script).len(), 2, "{:?}", script.out);
}

#[test]
fn repeats_with_numbers_of_their_own_are_told_by_the_configured_interval() {
    let retransmit = Some(Retransmit {
        interval: Duration::from_secs(10),
        count: 2,
    });
    let mut script = script([GroupConfig {
        retransmit,
        ..multicast()
    }]);
    for sequence in 1..=3 {
        script.push(KS, MULTICAST, 1, sequence).wait(10.0);
    }
    script.wait(100.0).advance();
    let [rekey] = rekeys(&script)[..] else {
        panic!("{:?}", script.out)
    };
    assert_eq!(rekey.retransmissions, 2);
}

#[test]
fn a_repeat_of_long_ago_begins_nothing() {
    let mut script = script([multicast()]);
    script
        .push(KS, MULTICAST, 1, 1)
        .wait(600.0)
        .push(KS, MULTICAST, 1, 2);
    script.wait(600.0).push(KS, MULTICAST, 1, 1).wait(100.0).advance();
    assert_eq!(rekeys(&script).len(), 2);
}

/// A rekey takes at most a repeat interval and some more from one member to the next: 14.5 s.
#[test]
fn a_rekey_to_one_member_after_the_other_is_one() {
    let check = |gap, expect: &[u32]| {
        let mut script = script([group("G1")]);
        script.register(&member(1), KS).register(&member(2), KS);
        script
            .push(KS, &member(1), 1, 1)
            .wait(gap)
            .push(KS, &member(2), 1, 2);
        script.wait(100.0).advance();
        let recipients: Vec<_> = rekeys(&script).iter().map(|rekey| rekey.recipients).collect();
        assert_eq!(recipients, expect, "{gap} s");
    };
    check(14.0, &[2]);
    check(15.0, &[1, 1]);
}

/// Unicast to `members`; the first `answering` acknowledge it, the others get it twice more.
fn unicast_round(script: &mut Script, members: u32, answering: u32, kek: u64, sequence: u64) {
    for number in 0..members {
        script.push(KS, &member(number), kek, sequence);
        if number < answering {
            script.wait(0.01).acknowledge(&member(number), KS, kek);
        }
    }
    for _ in 0..2 {
        script.wait(10.0);
        for number in answering..members {
            script.push(KS, &member(number), kek, sequence);
        }
    }
}

#[test]
fn unicast_is_one_rekey_with_many_recipients() {
    let mut script = script([group("G1")]);
    unicast_round(&mut script, 5, 3, 1, 1);
    script.wait(100.0).advance();
    let [rekey] = rekeys(&script)[..] else {
        panic!("{:?}", script.out)
    };
    assert_eq!((rekey.transport, rekey.recipients), (Transport::Unicast, 5));
    assert_eq!(rekey.acknowledged, Some(3));
    assert_eq!(script.count("rekey_unacknowledged"), 2);
    assert_eq!(
        script.snapshot().groups["G1"].rekey.unacknowledged_members,
        Some(2)
    );
    assert_eq!(script.snapshot().groups["G1"].members, 5);
}

#[test]
fn members_are_not_blamed_where_nobody_acknowledges() {
    let mut script = script([group("G1")]);
    unicast_round(&mut script, 5, 0, 1, 1);
    script.wait(100.0).advance();
    let [rekey] = rekeys(&script)[..] else {
        panic!("{:?}", script.out)
    };
    assert_eq!(rekey.acknowledged, None);
    assert_eq!(script.count("rekey_unacknowledged"), 0);
    assert_eq!(script.snapshot().groups["G1"].rekey.unacknowledged_members, None);
}

#[test]
fn a_member_the_server_dropped_is_lost() {
    let mut script = script([group("G1")]);
    for sequence in 1..=3 {
        unicast_round(&mut script, 3, 2, 1, sequence);
        script.wait(600.0).advance();
    }
    assert_eq!(script.count("member_lost"), 0);
    unicast_round(&mut script, 2, 2, 1, 4);
    script.wait(600.0).advance();
    let lost: Vec<_> = script
        .out
        .iter()
        .filter(|t| t.what.name() == "member_lost")
        .collect();
    assert_eq!(lost.len(), 1, "{:?}", script.out);
    assert_eq!(lost[0].member.unwrap().ip(), address(&member(2)));
    let What::MemberLost(what) = &lost[0].what else {
        panic!("{:?}", lost[0])
    };
    assert_eq!((what.unacknowledged, what.rekeys_without), (3, 1));
}

/// Nothing shows that the key server dropped it: the tap may have missed its rekeys.
#[test]
fn a_member_that_was_not_seen_to_get_two_rekeys_is_not_lost_yet() {
    let mut script = script([group("G1")]);
    for (sequence, members, lost) in [(1, 3, 0), (2, 2, 0), (3, 2, 0), (4, 2, 0), (5, 2, 1), (6, 2, 1)] {
        unicast_round(&mut script, members, members, 1, sequence);
        script.wait(600.0).advance();
        assert_eq!(script.count("member_lost"), lost, "rekey {sequence}");
    }
}

#[test]
fn a_missed_rekey_is_the_reason_to_register_again() {
    let mut script = script([group("G1")]);
    script.register(&member(1), KS).wait(5.0);
    unicast_round(&mut script, 3, 1, 1, 1);
    script.wait(60.0).advance().register(&member(1), KS);
    let reason = script.whats().find_map(|what| match what {
        What::ReRegistration(again) => Some(again.reason),
        _ => None,
    });
    assert_eq!(
        reason,
        Some(ReRegistrationReason::MissedRekey),
        "{:?}",
        script.out
    );
}

/// Rekeys every 55 minutes with an hour's TEK; then a member registers this long after the last one, which it may
/// have received.
fn reason_after(wait: f64, taken: bool) -> Option<ReRegistrationReason> {
    let hour = Some(Duration::from_hours(1));
    let mut script = script([GroupConfig {
        tek_lifetime: hour,
        kek_lifetime: Some(Duration::from_hours(24)),
        ..multicast()
    }]);
    script.register(&member(1), KS);
    for sequence in 1..=3 {
        script.wait(3_300.0).push(KS, MULTICAST, 1, sequence);
    }
    if taken {
        script.acknowledge(&member(1), KS, 1);
    }
    script.wait(wait).register(&member(1), KS);
    script.whats().find_map(|what| match what {
        What::ReRegistration(again) => Some(again.reason),
        _ => None,
    })
}

#[test]
fn who_registers_before_the_replaced_tek_ends_missed_the_rekey() {
    // It ends 300 s after the rekey; members register 108 to 180 s before.
    for (wait, missed) in [(60.0, false), (130.0, true), (180.0, true), (250.0, false)] {
        let reason = reason_after(wait, false);
        assert_eq!(
            reason == Some(ReRegistrationReason::MissedRekey),
            missed,
            "{wait} s: {reason:?}"
        );
        let reason = reason_after(wait, true);
        assert_ne!(
            reason,
            Some(ReRegistrationReason::MissedRekey),
            "{wait} s, acknowledged"
        );
    }
}

#[test]
fn a_rekey_that_comes_late_is_known_behind_one_to_many_members() {
    let mut script = script([group("G1")]);
    for sequence in 1..=2 {
        for number in 0..40 {
            script.push(KS, &member(number), 1, sequence).wait(0.01);
        }
        script.wait(600.0);
    }
    script.push(KS, &member(1), 1, 1).wait(600.0).advance();
    assert_eq!(rekeys(&script).len(), 2, "{:?}", rekeys(&script));
}

#[test]
fn the_last_rekey_under_old_cookies_delivered_the_new() {
    let mut script = script([multicast()]);
    script
        .push(KS, MULTICAST, 1, 1)
        .wait(300.0)
        .push(KS, MULTICAST, 1, 2)
        .wait(40.0);
    script
        .push(KS, MULTICAST, 2, 1)
        .wait(300.0)
        .push(KS, MULTICAST, 2, 2)
        .wait(300.0)
        .advance();
    let kinds: Vec<_> = rekeys(&script).iter().map(|rekey| rekey.kind).collect();
    let (tek, kek, unknown) = (RekeyKind::Tek, RekeyKind::Kek, RekeyKind::Unknown);
    // The first was reported before the second came; its kind is corrected.
    assert_eq!(kinds, [unknown, kek, unknown, unknown]);
    let corrected: Vec<_> = script
        .whats()
        .filter_map(|what| match what {
            What::RekeyClassified(classified) => Some((classified.from, classified.kind)),
            _ => None,
        })
        .collect();
    assert_eq!(corrected, [(unknown, tek), (unknown, tek)]);
    assert_eq!(script.snapshot().groups["G1"].kek.changes, 1);
}

#[test]
fn a_rekey_as_long_as_those_that_brought_a_kek_is_told_by_its_length() {
    let mut script = script([multicast()]);
    for kek in 1..=2 {
        script.push_of(KS, MULTICAST, kek, 1, 700).wait(300.0);
        script.push_of(KS, MULTICAST, kek, 2, 900).wait(40.0);
    }
    script.wait(60.0).advance();
    let last = rekeys(&script).pop().unwrap();
    assert_eq!(
        (last.kind, last.evidence),
        (RekeyKind::Kek, RekeyEvidence::Length)
    );
}
