//! Configured groups are shown from the beginning, inactive ones disappear, and the page stays bounded.

use std::collections::BTreeSet;
use std::time::Duration;

use gdoi_core::config::GroupConfig;
use gdoi_core::snapshot::{EspTotal, GroupState, Snapshot};
use gdoi_core::{Config, Limits, Timestamp, Tracker};

use super::*;
use crate::engine::DiagnosisView;
use crate::sink::{EventCounts, Tally};
use crate::time::Calendar;

const SUFFIXES: [&str; 3] = ["_bucket", "_sum", "_count"];

fn state(now: Duration, snapshot: Snapshot) -> State {
    State {
        now: at(now),
        calendar: Calendar::EPOCH,
        captures: Vec::new(),
        unread_records: 0,
        events: EventCounts::default(),
        tally: Tally::default(),
        recent: Vec::new(),
        snapshot,
        diagnosis: DiagnosisView::default(),
    }
}

fn at(since_boot: Duration) -> Timestamp {
    Timestamp::from_nanos(u64::try_from(since_boot.as_nanos()).unwrap())
}

fn page(exposition: &Exposition, state: &State) -> String {
    String::from_utf8(exposition.page(state, &Status::default(), Format::Text).unwrap()).unwrap()
}

#[test]
fn what_is_configured_is_there_from_the_beginning() {
    let group = GroupConfig {
        name: "G1".to_owned(),
        key_servers: vec!["10.0.0.1".parse().unwrap()],
        ..GroupConfig::default()
    };
    let config = Config { groups: vec![group] };
    let tracker = Tracker::new(config, Limits::default());
    let page = page(&Exposition::default(), &state(Duration::ZERO, tracker.summary()));
    for series in [
        "gdoi_groups 1",
        "gdoi_members{group=\"G1\"} 0",
        "gdoi_esp_packets_total{group=\"G1\"} 0",
        "gdoi_esp_packets_total{group=\"unattributed\"} 0",
        "gdoi_registrations_total{group=\"G1\",key_server=\"10.0.0.1\",kind=\"initial\",result=\"completed\"} 0",
        "gdoi_registration_duration_seconds_count{group=\"G1\"} 0",
        "gdoi_rekey_overdue{group=\"G1\"} 0",
        "gdoi_rekey_acks_total{group=\"G1\"} 0",
        "gdoi_kek_expired{group=\"G1\"} 0",
        "gdoi_spi_lagging_sites{group=\"G1\"} 0",
        "gdoi_label_overflow_total{kind=\"series\"} 0",
    ] {
        assert!(page.lines().any(|line| line == series), "{series}");
    }
}

#[test]
fn a_group_without_trouble_has_few_series() {
    let key_servers = ["10.0.0.1", "10.0.0.2"].map(|address| address.parse().unwrap());
    let group = GroupConfig {
        name: "G1".to_owned(),
        key_servers: key_servers.to_vec(),
        ..GroupConfig::default()
    };
    let config = Config { groups: vec![group] };
    let tracker = Tracker::new(config, Limits::default());
    let page = page(&Exposition::default(), &state(Duration::ZERO, tracker.summary()));
    let of = |name: &str| page.matches(&format!("{{group=\"{name}\"")).count();
    let at_zero: BTreeSet<&str> = page
        .lines()
        .filter(|line| line.contains("{group=\"G1\"") && line.ends_with(" 0"))
        .filter_map(|line| line.split('{').next())
        .map(|name| {
            SUFFIXES
                .iter()
                .fold(name, |name, suffix| name.trim_end_matches(suffix))
        })
        .collect();
    let listed: BTreeSet<&str> = families()
        .filter(|family| family.is_from_zero)
        .map(|family| family.name)
        .collect();
    assert_eq!(at_zero, listed);
    assert!((30..=40).contains(&of("G1")), "{}", of("G1"));
    // Unattributed ESP is always shown: its share says whether groups are missing. Nothing else unattributed is.
    assert_eq!(of("unattributed"), 2);
}

#[test]
fn a_learned_group_that_is_over_is_not_shown_and_comes_back() {
    let hours = |hours| Duration::from_hours(hours);
    let exposition = Exposition::default();
    let check = |now: Duration, packets: u64, next: Duration, expect: [bool; 2]| {
        let mut snapshot = Snapshot::default();
        for (name, configured) in [("kept", true), ("learned", false)] {
            let mut group = GroupState {
                configured,
                ..GroupState::default()
            };
            group.rekey.last = Some(at(Duration::ZERO));
            group.rekey.next_expected = Some(at(next));
            let total = EspTotal { packets, octets: 0 };
            snapshot.groups.insert(name.to_owned(), group);
            snapshot.esp.insert(name.to_owned(), total);
        }
        let page = page(&exposition, &state(now, snapshot));
        let shown = ["kept", "learned"].map(|name| page.contains(&format!("group=\"{name}\"")));
        assert_eq!(shown, expect, "after {now:?}");
    };
    check(hours(1), 7, hours(1), [true, true]);
    check(hours(25), 7, hours(1), [true, true]);
    check(hours(26), 7, hours(1), [true, false]);
    // It is rekeyed each day: for three of them its silence means nothing.
    check(hours(26), 7, hours(24), [true, true]);
    check(hours(74), 7, hours(24), [true, false]);
    check(hours(75), 8, hours(1), [true, true]);
}

#[test]
fn more_than_the_most_is_left_out_and_counted() {
    let mut snapshot = Snapshot::default();
    for number in 0..9 {
        let group = GroupState {
            configured: number == 8,
            ..GroupState::default()
        };
        snapshot.groups.insert(format!("g{number}"), group);
    }
    let exposition = Exposition::new(4);
    let state = state(Duration::ZERO, snapshot);
    let families = |page: &str, name: &str| page.lines().filter(|line| line.starts_with(name)).count();
    let first = page(&exposition, &state);
    assert_eq!(families(&first, "gdoi_members{"), 4);
    assert!(
        first.contains("gdoi_members{group=\"g8\"}"),
        "what is configured has room"
    );
    let left_out = |page: &str| -> u64 {
        let line = page
            .lines()
            .find_map(|line| line.strip_prefix("gdoi_label_overflow_total{kind=\"series\"} "));
        line.unwrap().parse().unwrap()
    };
    assert!(left_out(&first) > 5);
    assert_eq!(left_out(&page(&exposition, &state)), 2 * left_out(&first));
}

/// An attacker who makes up groups does not create unlimited series, and displaces no existing ones.
#[test]
fn learned_groups_have_series_in_the_order_they_came_and_not_too_many() {
    let exposition = Exposition::default();
    let mut snapshot = Snapshot::default();
    let mut scrape = |minute: u64, names: &[String]| {
        for name in names {
            snapshot.groups.insert(name.clone(), GroupState::default());
        }
        page(&exposition, &state(Duration::from_mins(minute), snapshot.clone()))
    };
    let shows = |page: &str, name: &str| page.contains(&format!("gdoi_members{{group=\"{name}\"}}"));
    let first = scrape(0, &["real".to_owned()]);
    assert!(shows(&first, "real"));
    let crowd: Vec<_> = (0..1_000).map(|number| format!("a{number:03}")).collect();
    let second = scrape(1, &crowd);
    let series = second.lines().filter(|line| line.starts_with("gdoi_members{"));
    assert_eq!(series.count(), shown_groups::MOST_LEARNED);
    assert!(shows(&second, "real"));
    let hidden = 1_001 - shown_groups::MOST_LEARNED;
    let line = format!("gdoi_label_overflow_total{{kind=\"group_series\"}} {hidden}");
    assert!(second.lines().any(|have| have == line), "{line}");
}
