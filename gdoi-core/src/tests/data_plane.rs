//! ESP: totals, rollovers, stragglers.

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
    let mut script = script([GroupConfig {
        tek_lifetime: Some(core::time::Duration::from_secs(400)),
        ..sites()
    }]);
    script.push(KS, MULTICAST, 1, 1);
    traffic(&mut script, 200, 0x1000, 0x1000);
    script.push(KS, MULTICAST, 1, 2);
    traffic(&mut script, 100, 0x2000, 0x1000);
    assert_eq!(script.count("spi_stale"), 0);
    traffic(&mut script, 200, 0x2000, 0x1000);
    assert_eq!(script.count("spi_stale"), 1);
    let snapshot = script.snapshot();
    assert_eq!(snapshot.groups["G1"].esp.lagging_sites, 1);
    assert!(snapshot.groups["G1"].esp.stale_packets >= 60);
    let states: Vec<_> = snapshot.spis.iter().map(|spi| (spi.spi.0, spi.status)).collect();
    assert!(states.contains(&(0x1000, SpiStatus::Stale)), "{states:?}");
}

/// Key servers in a split: each replaces the SPI of its own sites, one much earlier than the other.
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
    // After the end of its TEK it is.
    traffic(&mut script, 500, 0x1000, 0x2000);
    assert_eq!(script.count("spi_stale"), 1);
}

/// Rekeys every ten minutes imply that a TEK lasts that long, and a little longer.
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
    traffic(&mut script, 175, 0x4000, 0x3000);
    // Packets of one second count at its beginning.
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
    // Packets of an SPI before its group was known belong to the group.
    assert_eq!(snapshot.esp["10.0.0.1/239.0.1.2"].packets, 6_000);
    assert_eq!(snapshot.esp["unattributed"].packets, 0);
    assert_eq!(snapshot.esp_attributed_later.packets, 2_420);
    assert_eq!(changes(&script).len(), 2, "{:?}", script.out);
}

/// Packets of two SPIs alternately, from no configured site.
fn mixed(script: &mut Script, seconds: u32, every: u32, spis: &[u32]) {
    for _ in 0..seconds / every {
        script.wait(every.into());
        for &spi in spis {
            script.esp(spi, 0, 1);
        }
    }
}

fn staleness(script: &Script) -> Vec<(Spi, Spi, u64)> {
    let stale = script.whats().filter_map(|what| match what {
        What::SpiStale(stale) => Some((stale.spi, stale.current, stale.late.as_secs())),
        _ => None,
    });
    stale.collect()
}

fn rolls(script: &Script) -> Vec<Option<u64>> {
    let rolls = script.whats().filter_map(|what| match what {
        What::SpiChanged(changed) => Some(changed.roll.map(|roll| roll.as_secs())),
        _ => None,
    });
    rolls.collect()
}

/// Members may use the old TEK until shortly before its end.
#[test]
fn an_spi_that_changes_minutes_after_the_rekey_is_followed() {
    for every in [1, 7, 60] {
        let mut script = script([]);
        mixed(&mut script, 120, every, &[0x1000]);
        script.push(KS, MULTICAST, 1, 1);
        mixed(&mut script, 480, every, &[0x1000]);
        mixed(&mut script, 3_000, every, &[0x2000]);
        script.push(KS, MULTICAST, 1, 2);
        mixed(&mut script, 180, every, &[0x2000]);
        mixed(&mut script, 600, every, &[0x3000]);
        let from = |spi| Some(Spi(spi));
        let expected = [(from(0x1000), Spi(0x2000), ""), (from(0x2000), Spi(0x3000), "")];
        assert_eq!(changes(&script), expected, "one packet in {every} s");
    }
}

/// Another tunnel may change its SPI at any time.
#[test]
fn what_comes_from_no_configured_site_is_not_the_groups() {
    let mut script = script([sites()]);
    mixed(&mut script, 120, 1, &[0x1000]);
    script.push(KS, MULTICAST, 1, 1);
    mixed(&mut script, 60, 1, &[0x1000]);
    mixed(&mut script, 600, 1, &[0x2000]);
    assert_eq!(changes(&script), []);
    assert_eq!(script.snapshot().esp["G1"].packets, 0);
}

/// Another tunnel changes its SPI minutes after a rekey, and did so an hour before, when there was none.
#[test]
fn a_tunnel_that_changes_at_other_times_as_well_is_not_the_groups() {
    let mut script = script([]);
    mixed(&mut script, 120, 1, &[0x1000]);
    script.push(KS, MULTICAST, 1, 1);
    mixed(&mut script, 3_600, 1, &[0x1000]);
    mixed(&mut script, 3_400, 1, &[0x2000]);
    script.push(KS, MULTICAST, 1, 2);
    mixed(&mut script, 200, 1, &[0x2000]);
    mixed(&mut script, 600, 1, &[0x3000]);
    assert_eq!(changes(&script), []);
}

/// From no configured site: the old SPI never falls silent, but its TEK ends.
#[test]
fn an_spi_that_goes_on_beside_its_successor_is_stale_when_its_tek_ends() {
    let mut script = script([]);
    mixed(&mut script, 120, 1, &[0x1000]);
    for sequence in 1..=3 {
        script.push(KS, MULTICAST, 1, sequence);
        mixed(
            &mut script,
            1_200,
            1,
            &[0x1000 + 0x1000 * u32::try_from(sequence).unwrap()],
        );
    }
    script.push(KS, MULTICAST, 1, 4);
    mixed(&mut script, 240, 1, &[0x4000, 0x5000]);
    assert_eq!((changes(&script).len(), staleness(&script).len()), (3, 0));
    mixed(&mut script, 20, 1, &[0x4000, 0x5000]);
    assert_eq!(changes(&script).len(), 4);
    let [(spi, by, _)] = staleness(&script)[..] else {
        panic!("{:?}", script.out)
    };
    assert_eq!((spi, by), (Spi(0x4000), Spi(0x5000)));
}

/// At night one packet in ten minutes: three times that is no silence yet.
#[test]
fn thin_traffic_is_followed() {
    let mut script = script([]);
    mixed(&mut script, 7_200, 600, &[0x1000]);
    script.push(KS, MULTICAST, 1, 1);
    mixed(&mut script, 7_200, 600, &[0x2000]);
    assert_eq!(changes(&script), [(Some(Spi(0x1000)), Spi(0x2000), "")]);
}

/// Two SPIs end at the same time: nothing shows which one was replaced.
#[test]
fn a_succession_that_is_ambiguous_is_not_claimed() {
    let mut script = script([]);
    mixed(&mut script, 600, 5, &[0x1000, 0x1001]);
    script.push(KS, MULTICAST, 1, 1);
    mixed(&mut script, 60, 5, &[0x1000, 0x1001]);
    mixed(&mut script, 600, 5, &[0x2000, 0x2001]);
    assert_eq!(changes(&script), []);
}

/// Other ESP that continues proves nothing.
#[test]
fn a_foreign_tunnel_beside_the_group_is_not_taken_for_its_spi() {
    let mut script = script([]);
    mixed(&mut script, 600, 5, &[0x1000, 0xf000]);
    script.push(KS, MULTICAST, 1, 1);
    mixed(&mut script, 60, 5, &[0x1000, 0xf000]);
    mixed(&mut script, 600, 5, &[0x2000, 0xf000]);
    assert_eq!(changes(&script), [(Some(Spi(0x1000)), Spi(0x2000), "")]);
}

/// While neither lifetime nor interval is known nothing is stale; once they are, earlier observations are judged.
#[test]
fn a_straggler_is_named_once_the_interval_is_known() {
    let mut script = script([]);
    mixed(&mut script, 300, 10, &[0x1000]);
    script.push(KS, MULTICAST, 1, 1);
    mixed(&mut script, 20, 10, &[0x1000]);
    mixed(&mut script, 3_375, 10, &[0x2000]);
    script.push(KS, MULTICAST, 1, 2);
    mixed(&mut script, 1_100, 10, &[0x2000, 0x3000]);
    mixed(&mut script, 2_295, 10, &[0x3000]);
    assert_eq!(staleness(&script), []);
    script.push(KS, MULTICAST, 1, 3);
    mixed(&mut script, 3_395, 10, &[0x4000]);
    script.push(KS, MULTICAST, 1, 4);
    mixed(&mut script, 300, 10, &[0x5000]);
    let stale: Vec<_> = staleness(&script)
        .into_iter()
        .map(|(old, new, _)| (old, new))
        .collect();
    assert_eq!(stale, [(Spi(0x2000), Spi(0x3000))]);
}

/// A site that missed a rekey and registered later: its rollover belongs to that rekey, not to the next one.
#[test]
fn a_late_site_rolls_over_since_the_rekey_that_brought_its_spi() {
    let mut script = script([GroupConfig {
        tek_lifetime: Some(core::time::Duration::from_hours(1)),
        ..sites()
    }]);
    traffic(&mut script, 60, 0x1000, 0x1000);
    script.push(KS, MULTICAST, 1, 1);
    traffic(&mut script, 10, 0x1000, 0x1000);
    traffic(&mut script, 1_100, 0x2000, 0x1000);
    traffic(&mut script, 60, 0x2000, 0x2000);
    let old = Some(Spi(0x1000));
    let expected = [(old, Spi(0x2000), "north"), (old, Spi(0x2000), "south")];
    assert_eq!(changes(&script), expected);
    assert_eq!(rolls(&script), [Some(10), Some(1_110)]);
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

/// Rekeys come every 20 minutes, but a TEK lasts for two of them: its rekeys alternate with those of the KEK.
#[test]
fn an_spi_that_nothing_has_replaced_yet_is_not_stale_whatever_the_rekeys_let_expect() {
    let mut script = script([]);
    for (sequence, spi) in (1..).zip([0x1000, 0x2000, 0x2000, 0x3000, 0x3000, 0x4000, 0x4000, 0x5000]) {
        script.push(KS, MULTICAST, 1, sequence);
        mixed(&mut script, 20, 1, &[spi]);
        mixed(&mut script, 1_180, 1, &[spi]);
    }
    assert_eq!(changes(&script).len(), 4, "{:?}", script.out);
    assert_eq!(staleness(&script), []);
}

/// What a first rekey seems to replace may have been of another origin, so its use proves nothing.
#[test]
fn an_spi_that_replaced_none_of_the_group_is_not_stale() {
    let mut script = script([]);
    for sequence in 1..=3 {
        script.push(KS, MULTICAST, 1, sequence);
        mixed(&mut script, 1_200, 7, &[0x1000]);
    }
    script.push(KS, MULTICAST, 1, 4);
    mixed(&mut script, 100, 7, &[0x2000]);
    assert_eq!(changes(&script).len(), 1, "{:?}", script.out);
    // The other tunnel had only been silent.
    mixed(&mut script, 2_000, 7, &[0x1000, 0x2000]);
    assert_eq!(staleness(&script), []);
}
