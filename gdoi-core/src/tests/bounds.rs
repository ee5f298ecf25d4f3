//! Floods: the state stays bounded, and everything is counted.

use core::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::vec::Vec;

use super::restart::Numbers;
use super::script::{KS, Script, Wire, group, limited, member};
use crate::{Limits, Transition};

const SMALL: Limits = Limits {
    members: 100,
    groups: 10,
    spis: 100,
    key_servers: 20,
    associations: 100,
    keks: 50,
    hash_seed: 7,
};

/// Observations of a flood.
const FLOOD: usize = 10_000_000;

fn host(numbers: &mut Numbers) -> SocketAddr {
    let bits = u32::try_from(numbers.below(1 << 31)).unwrap();
    let port = if numbers.below(2) == 0 {
        848
    } else {
        u16::try_from(numbers.below(65_535)).unwrap()
    };
    SocketAddr::new(IpAddr::V4(Ipv4Addr::from(bits)), port)
}

#[test]
fn a_flood_is_bounded_and_counted() {
    let mut script = limited([group("G1")], SMALL);
    let mut numbers = Numbers::new(42);
    let (mut messages, mut packets) = (0_u64, 0_u64);
    let mut sizes = Vec::new();
    for number in 0..FLOOD {
        if number % (FLOOD / 10) == FLOOD / 20 {
            sizes.push(script.tracker.save().unwrap().len());
        }
        if numbers.below(4) == 0 {
            let spi = u32::try_from(numbers.below(1 << 32)).unwrap();
            script.esp(spi, 0, 1);
            packets += 1;
            continue;
        }
        let types = [
            (0x10, 2),
            (0x10, 32),
            (0x10, 33),
            (0x10, 35),
            (0x10, 5),
            (0x20, 34),
            (0x20, 41),
            (0x33, 9),
        ];
        let (version, exchange) = types[numbers.below(8) as usize];
        let wire = Wire {
            cookies: (numbers.below(5_000), numbers.below(3)),
            next_payload: 1,
            version,
            exchange,
            flags: u8::try_from(numbers.below(2)).unwrap(),
            message_id: u32::try_from(numbers.below(3)).unwrap(),
            length: 700,
            fingerprint: numbers.below(50),
        };
        let (source, destination) = (host(&mut numbers), host(&mut numbers));
        script.send(source, destination, wire);
        messages += 1;
        if numbers.below(50) == 0 {
            script.wait(0.5);
        }
        // Nothing of it concerns the configured group.
        let of_g1 = |transition: &&Transition| transition.group.as_deref() == Some("G1");
        assert_eq!(script.out.iter().find(of_g1), None);
        script.out.clear();
    }
    // Not only what the tables count, but all memory. The size of an entry varies, the mean does not grow.
    let (early, late) = sizes.split_at(sizes.len() / 2);
    let (early, late) = (early.iter().sum::<usize>(), late.iter().sum::<usize>());
    assert!(late < early + early / 10, "{sizes:?}");
    let snapshot = script.snapshot();
    for table in &snapshot.tables {
        assert!(table.entries <= table.capacity, "{table:?}");
    }
    assert_eq!(snapshot.messages.values().sum::<u64>(), messages);
    assert_eq!(
        snapshot.esp.values().map(|total| total.packets).sum::<u64>(),
        packets
    );
    let evictions: u64 = snapshot.tables.iter().map(|table| table.evictions).sum();
    assert!(evictions > 10_000, "{:?}", snapshot.tables);
    assert!(
        snapshot.overflow["group"] > 0 && snapshot.overflow["key_server"] > 0,
        "{:?}",
        snapshot.overflow
    );
}

/// The attacker can forge the key server's address, and repeat a captured rekey to any destination.
#[test]
fn a_rekey_to_everywhere_is_bounded_and_counted() {
    let mut script = limited([group("G1")], SMALL);
    script.push(KS, &member(1), 1, 1).acknowledge(&member(1), KS, 1);
    let mut numbers = Numbers::new(3);
    let size = |script: &Script| script.tracker.save().unwrap().len();
    let mut sizes = Vec::new();
    for number in 0..20_000 {
        if number % 5_000 == 2_500 {
            sizes.push(size(&script));
        }
        script.wait(0.001);
        let to = std::format!("10.9.{}.{}", numbers.below(250), numbers.below(250));
        script.push(KS, &to, 1, 1);
        script.out.clear();
    }
    assert!(
        sizes.iter().all(|size| size.abs_diff(sizes[0]) < 1_000),
        "{sizes:?}"
    );
    assert!(script.snapshot().overflow["recipient"] > 10_000);
}

#[test]
fn a_clock_that_jumps_is_clamped_and_counted() {
    use super::script::script;
    let mut script = script([group("G1")]);
    script.register(&member(1), KS);
    let before = script.now;
    script.now = before.before(core::time::Duration::from_hours(1));
    script.register(&member(2), KS).register(&member(3), KS);
    assert_eq!(script.count("clock_step"), 1);
    assert_eq!(script.snapshot().clock_steps, 20);
    assert_eq!(script.count("registration_completed"), 3);
    assert_eq!(script.count("registration_failed"), 0);
    assert!(script.out.iter().all(|transition| transition.at <= before));
}

/// A slot adds 8 octets and the index 5; vectors may be half empty.
#[test]
fn entries_stay_small() {
    use crate::state::data_plane::{SpiKey, SpiTraffic};
    use crate::state::id::Peer;
    use crate::state::ike_sa::IkeSa;
    use crate::state::member::Member;
    assert!(size_of::<([u8; 8], IkeSa)>() <= 152);
    assert!(size_of::<(SpiKey, SpiTraffic)>() <= 80);
    assert!(size_of::<(Peer, Member)>() <= 160);
}

#[test]
fn groups_of_a_key_server_are_bounded() {
    let groups = (0..1_100).map(|number| group(&std::format!("G{number}")));
    let limits = Limits {
        groups: 2_000,
        ..SMALL
    };
    let mut script = limited(groups, limits);
    let ids: Vec<_> = script.tracker.state.groups.iter().map(|(id, _)| id).collect();
    let id = script.tracker.state.servers.find(KS.parse().unwrap()).unwrap();
    let server = &mut script.tracker.state.servers[id];
    assert!(ids.len() > 1_024 && server.groups.len() == 1_024);
    for group in ids {
        // Without counters of its own it counts with the first.
        assert!(server.counters(group).is_some());
    }
    assert_eq!(server.all_counters().len(), 1_024);
}
