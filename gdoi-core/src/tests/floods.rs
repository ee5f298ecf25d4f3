//! Forged messages must not harm existing groups.

use std::string::String;

use super::script::{KS, Script, Wire, group, limited, member, script};
use crate::config::GroupConfig;
use crate::{Limits, Transition};

/// Small limits, so that a flood fills the tables soon.
const SMALL: Limits = Limits {
    members: 1_000,
    groups: 10,
    spis: 100,
    key_servers: 20,
    associations: 1_000,
    keks: 50,
    hash_seed: 7,
};

fn told(script: &Script, name: &str) -> usize {
    let of_g1 = |transition: &&Transition| transition.group.as_deref() == Some("G1");
    let told = script.out.iter().filter(of_g1);
    told.filter(|transition| transition.what.name() == name).count()
}

fn somewhere(number: u32) -> String {
    std::format!(
        "172.{}.{}.{}:848",
        16 + number % 16,
        number / 250 % 250,
        number % 250
    )
}

fn forged_push(number: u64) -> Wire {
    Wire {
        cookies: (0xf000_0000 + number, number),
        next_payload: 18,
        version: 0x10,
        exchange: 33,
        flags: 1,
        message_id: 0,
        length: 700,
        fingerprint: number,
    }
}

/// A bug: each message of the flood took an entry in the KEK table, the least recently used entry was evicted, and
/// its rekey was never reported.
#[test]
fn a_flood_of_kek_spis_leaves_rekeys_alone() {
    let mut script = limited([group("G1")], SMALL);
    script.register(&member(1), KS);
    for rekey in 1..=5 {
        script.wait(150.0).push(KS, &member(1), 1, rekey);
        for number in 0..10_000 {
            let from = somewhere(number).parse().unwrap();
            let to = std::format!("{}:848", member(1)).parse().unwrap();
            script.send(from, to, forged_push(u64::from(number) + 10_000 * rekey));
        }
    }
    let now = script.now;
    script.tracker.finish(now, &mut script.out);
    assert_eq!(told(&script, "rekey"), 5);
    let snapshot = script.snapshot();
    let table = |kind: &str| snapshot.tables.iter().find(|table| table.kind == kind).unwrap();
    assert_eq!(table("kek").entries, 1);
    assert!(
        table("unconfirmed_kek").evictions > 40_000,
        "{:?}",
        snapshot.tables
    );
}

/// A small KEK table is full of real ones: the rekeys of an evicted KEK are reported.
#[test]
fn the_rekeys_of_a_kek_that_makes_room_are_told() {
    let small = Limits { keks: 3, ..SMALL };
    let mut script = limited([group("G1")], small);
    script.register(&member(1), KS);
    for kek in 1..=20 {
        script.wait(1.0).push(KS, &member(1), kek, kek);
    }
    let now = script.now;
    script.tracker.finish(now, &mut script.out);
    assert_eq!(told(&script, "rekey"), 20);
}

/// Eight rekeys of a KEK are tracked at once. A bug: with a ninth within a minute, the first was not reported.
#[test]
fn rekeys_in_quick_succession_are_all_told() {
    let mut script = script([group("G1")]);
    script.register(&member(1), KS);
    for rekey in 1..=30 {
        script.wait(0.7).push(KS, &member(1), 1, rekey);
    }
    let now = script.now;
    script.tracker.finish(now, &mut script.out);
    assert_eq!(told(&script, "rekey"), 30);
}

/// A bug: each recipient of the flood evicted a member, and a rekey to forgotten members was taken for a part of the
/// previous rekey.
#[test]
fn a_push_from_everywhere_pushes_out_no_member() {
    let mut script = limited([group("G1")], SMALL);
    for number in 1..=4 {
        script.register(&member(number), KS);
    }
    for rekey in 1..=6 {
        script.wait(0.7);
        for number in 1..=4 {
            script.push(KS, &member(number), 1, rekey);
            script.acknowledge(&member(number), KS, 1);
        }
        for number in 0..5_000 {
            let (from, to) = (somewhere(number), somewhere(number.wrapping_mul(7_919) + 1));
            let forged = forged_push(u64::from(number % 8));
            script.send(from.parse().unwrap(), to.parse().unwrap(), forged);
        }
    }
    script.wait(60.0);
    let now = script.now;
    script.tracker.advance(now, &mut script.out);
    script.tracker.finish(now, &mut script.out);
    assert_eq!(told(&script, "rekey"), 6);
    assert!(script.count("rekey") < 1_000, "{}", script.count("rekey"));
    assert_eq!(told(&script, "rekey_unacknowledged"), 0);
    assert!(script.snapshot().overflow["recipient"] > 10_000);
}

/// A bug: each first message was reported as the start of a registration.
#[test]
fn a_flood_of_cookies_is_no_flood_of_events() {
    let mut script = script([group("G1")]);
    for number in 0..100_000 {
        let from = somewhere(number).parse().unwrap();
        let to = std::format!("{KS}:848").parse().unwrap();
        let first = Wire {
            cookies: (0xf000_0000 + u64::from(number), 0),
            next_payload: 1,
            exchange: 2,
            flags: 0,
            ..forged_push(0)
        };
        script.wait(0.0001).send(from, to, first);
    }
    script.wait(31.0).advance();
    assert!(script.out.len() < 10, "{} events", script.out.len());
    let unannounced = script.snapshot().overflow["registration"];
    assert!(unannounced > 99_000, "{unannounced}");
    // A member that gets an answer is reported, flood or not.
    script.out.clear();
    script.register(&member(1), KS);
    for told in ["registration_started", "registration_completed"] {
        assert_eq!(script.count(told), 1, "{told}");
    }
}

/// If a group names its key servers, only they can rekey it.
#[test]
fn a_push_from_everywhere_changes_no_key_server() {
    let known = GroupConfig {
        rekey_address: Some(super::script::address(super::script::MULTICAST)),
        ..group("G1")
    };
    let mut script = limited([known], SMALL);
    script.push(KS, super::script::MULTICAST, 1, 1);
    for number in 0..10_000 {
        let from = somewhere(number).parse().unwrap();
        let to = std::format!("{}:848", super::script::MULTICAST).parse().unwrap();
        script.send(from, to, forged_push(u64::from(number % 100)));
    }
    script.wait(150.0).push(KS, super::script::MULTICAST, 1, 2);
    let now = script.now;
    script.tracker.finish(now, &mut script.out);
    assert_eq!(told(&script, "key_server_changed"), 0);
    assert_eq!(told(&script, "kek_changed"), 0);
    assert_eq!(told(&script, "rekey"), 2);
}
