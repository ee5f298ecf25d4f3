//! Every simulated day in a real Prometheus: each raises exactly its alerts, and every expression has a value.

mod live;

use std::collections::{BTreeMap, BTreeSet};

use gdoi_lab::prometheus::Series;
use gdoi_sim::scenario;

use super::{dashboards, is_installed, rules};
use live::{Days, Fired, ONCE, STEP, TWICE, all};

/// Recorded series that sum the gateways' own values.
const OF_GATEWAYS: [&str; 2] = ["job:gdoi_packets:rate5m", "job:gdoi_capture_up:count"];

#[test]
fn each_day_raises_its_alerts_and_screens_show_it() {
    if !is_installed("each_day_raises_its_alerts_and_screens_show_it") {
        return;
    }
    let mut days = Days::live();
    let fired = days.fired();
    let mut wanted = rules::expected();
    for name in all().into_keys() {
        wanted.entry(name).or_default();
    }
    // One group at two gateways raises the same alerts as at one.
    wanted.insert(TWICE.to_owned(), wanted[ONCE].clone());
    assert_eq!(by_day(&fired), wanted);
    a_fleet_counts_nothing_twice(&days);
    days.keep(&fired);
    dashboards::have_answers(|expression| days.ask(expression, 5 * STEP));
}

fn by_day(fired: &[Fired]) -> BTreeMap<String, BTreeSet<String>> {
    let mut by_day: BTreeMap<String, BTreeSet<String>> =
        all().into_keys().map(|name| (name, BTreeSet::new())).collect();
    for one in fired {
        by_day.get_mut(one.day()).unwrap().insert(one.alert.clone());
    }
    by_day
}

/// Fleet series are the same for one gateway or two, and match the truth.
fn a_fleet_counts_nothing_twice(days: &Days) {
    let mut compared = 0;
    for name in rules::all().into_iter().filter_map(|rule| rule.record) {
        if name.contains("instance") || OF_GATEWAYS.contains(&name.as_str()) {
            continue;
        }
        let of = |day: &str| {
            let mut series = days.ask(&format!("{name}{{job=\"gdoi-{day}\"}}"), STEP);
            for one in &mut series {
                one.labels.remove("job");
            }
            series.sort_by(|a, b| a.labels.cmp(&b.labels));
            series
        };
        let (once, twice) = (of(ONCE), of(TWICE));
        assert_eq!(once.len(), twice.len(), "{name}");
        for (once, twice) in once.iter().zip(&twice) {
            assert!(are_equal(once, twice), "{name}: {once:?} {twice:?}");
        }
        compared += once.len();
    }
    assert!(compared > 20, "{compared}");
    let last = |name: &str| {
        let series = days.ask(&format!("{name}{{job=\"gdoi-{TWICE}\"}}"), STEP);
        series[0].points.last().unwrap().1
    };
    let truth = scenario::named(ONCE).unwrap();
    let members: u32 = truth.groups.iter().map(|group| group.members).sum();
    assert!((last("job:gdoi_members:sum") - f64::from(members)).abs() < f64::EPSILON);
    assert!((last("job:gdoi_capture_up:count") - 2.0).abs() < f64::EPSILON);
}

/// Equal except for the last digits of a sum.
fn are_equal(one: &Series, other: &Series) -> bool {
    let close = |a: f64, b: f64| a.is_nan() && b.is_nan() || (a - b).abs() <= 1e-9 * a.abs().max(1.0);
    one.labels == other.labels
        && one.points.len() == other.points.len()
        && one
            .points
            .iter()
            .zip(&other.points)
            .all(|(a, b)| a.0 == b.0 && close(a.1, b.1))
}
