//! ESP: totals, succession, stragglers.

use std::vec::Vec;

use super::script::{KS, KS2, MULTICAST, Script, address, group, member, script};
use crate::config::{GroupConfig, IpNet, SiteConfig};
use crate::snapshot::SpiStatus;
use crate::transition::{Spi, What};

fn site(name: &str, prefix: &str) -> SiteConfig {
    SiteConfig {
        name: name.into(),
        prefixes: [IpNet::new(address(prefix), 24).unwrap()].to_vec(),
        ..SiteConfig::default()
    }
}

fn sites() -> GroupConfig {
    GroupConfig {
        rekey_address: Some(address(MULTICAST)),
        sites: [site("north", "192.168.1.0"), site("south", "192.168.2.0")].to_vec(),
        ..group("G1")
    }
}

fn changes(script: &Script) -> Vec<(Option<Spi>, Spi, &str)> {
    let changes = script.whats().filter_map(|what| match what {
        What::SpiChanged(changed) => Some((
            changed.from,
            changed.to,
            changed.site.as_deref().unwrap_or_default(),
        )),
        _ => None,
    });
    changes.collect()
}

/// One packet a second from each of two sites.
fn traffic(script: &mut Script, seconds: u32, first: u32, second: u32) {
    for _ in 0..seconds {
        script.wait(1.0).esp(first, 1, 1).esp(second, 2, 1);
    }
}

#[test]
fn sites_roll_over_after_a_rekey() {
    let mut script = script([sites()]);
    script.push(KS, MULTICAST, 1, 1);
    traffic(&mut script, 200, 0x1000, 0x1000);
    script.push(KS, MULTICAST, 1, 2);
    traffic(&mut script, 5, 0x1000, 0x1000);
    traffic(&mut script, 200, 0x2000, 0x2000);
    let (old, new) = (Some(Spi(0x1000)), Spi(0x2000));
    assert_eq!(changes(&script), [(old, new, "north"), (old, new, "south")]);
    let snapshot = script.snapshot();
    let group = &snapshot.groups["G1"];
    assert_eq!(
        (group.esp.changes, group.esp.active, group.esp.stale_packets),
        (2, 2, 0)
    );
    assert_eq!(group.esp.rollover.count(), 2);
    assert_eq!(snapshot.esp["G1"].packets, 810);
    assert_eq!(snapshot.esp["unattributed"].packets, 0);
}

#[test]
fn a_site_that_stays_behind_is_stale() {
    let mut script = script([sites()]);
    script.push(KS, MULTICAST, 1, 1);
    traffic(&mut script, 200, 0x1000, 0x1000);
    script.push(KS, MULTICAST, 1, 2);
    traffic(&mut script, 100, 0x2000, 0x1000);
    assert_eq!(script.count("spi_stale"), 0);
    traffic(&mut script, 100, 0x2000, 0x1000);
    assert_eq!(script.count("spi_stale"), 1);
    let snapshot = script.snapshot();
    assert_eq!(snapshot.groups["G1"].esp.lagging_sites, 1);
    assert!(snapshot.groups["G1"].esp.stale_packets >= 60);
    let states: Vec<_> = snapshot.spis.iter().map(|spi| (spi.spi.0, spi.status)).collect();
    assert!(states.contains(&(0x1000, SpiStatus::Stale)), "{states:?}");
}

/// Key servers that lost each other: each replaces the SPI of its own sites, one much earlier than the other.
#[test]
fn each_side_of_a_split_rolls_over_and_is_not_stale() {
    let mut script = script([GroupConfig {
        tek_lifetime: Some(core::time::Duration::from_mins(20)),
        ..sites()
    }]);
    script.push(KS, MULTICAST, 1, 1);
    traffic(&mut script, 200, 0x1000, 0x1000);
    script.push(KS2, MULTICAST, 1, 2);
    traffic(&mut script, 600, 0x1000, 0x2000);
    script.push(KS, MULTICAST, 1, 3);
    traffic(&mut script, 100, 0x3000, 0x2000);
    let old = Some(Spi(0x1000));
    let expected = [(old, Spi(0x2000), "south"), (old, Spi(0x3000), "north")];
    assert_eq!(changes(&script), expected);
    assert_eq!(script.count("spi_stale"), 0, "{:?}", script.out);
    // Beyond the end of its TEK it is.
    traffic(&mut script, 500, 0x1000, 0x2000);
    assert_eq!(script.count("spi_stale"), 1);
}

/// Rekeys every ten minutes let expect that a TEK lasts as long, and a little longer.
#[test]
fn an_spi_is_stale_after_the_time_that_rekeys_let_expect() {
    let mut script = script([sites()]);
    for (sequence, spi, seconds) in [(1, 0x1000, 600), (2, 0x2000, 600), (3, 0x3000, 490)] {
        script.push(KS, MULTICAST, 1, sequence);
        traffic(&mut script, seconds, spi, spi);
    }
    script.push(KS, MULTICAST, 1, 4);
    let stale = |script: &Script| script.snapshot().groups["G1"].esp.stale_packets;
    traffic(&mut script, 210, 0x4000, 0x3000);
    assert_eq!(stale(&script), 0);
    traffic(&mut script, 60, 0x4000, 0x3000);
    // What was seen in a second is of its beginning.
    assert_eq!(stale(&script), 29);
}

#[test]
fn esp_without_configuration_belongs_to_a_group_once_it_followed_a_rekey() {
    let mut script = script([]);
    script.register(&member(1), KS).push(KS, MULTICAST, 1, 1);
    for spi in [0x1000, 0x2000, 0x3000] {
        for _ in 0..200 {
            script.wait(1.0).esp(spi, 0, 10);
        }
        script.push(KS, MULTICAST, 1, u64::from(spi));
    }
    let snapshot = script.snapshot();
    let ours = snapshot.esp["10.0.0.1/239.0.1.2"].packets;
    let none = snapshot.esp["unattributed"].packets;
    assert_eq!(ours + none, 6_000);
    assert!(ours > 3_000, "{ours}");
    assert_eq!(changes(&script).len(), 2, "{:?}", script.out);
}

#[test]
fn other_esp_stays_unattributed() {
    let mut script = script([]);
    for second in 0..600 {
        script.wait(1.0).esp(0xdead, 0, 5);
        if second % 200 == 0 {
            script.push(KS, MULTICAST, 1, second);
        }
    }
    assert_eq!(script.snapshot().esp["unattributed"].packets, 3_000);
}

#[test]
fn reserved_spis_are_counted_and_make_no_state() {
    let mut script = script([]);
    script.esp(0, 0, 5).esp(255, 0, 7);
    let snapshot = script.snapshot();
    assert_eq!(snapshot.spis, []);
    assert_eq!(snapshot.esp["unattributed"].packets, 12);
    assert_eq!(snapshot.anomalies.values().sum::<u64>(), 12);
}
