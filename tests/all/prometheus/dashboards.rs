//! The dashboards follow the rules for good ones, name existing metrics, and have data.

mod lint;

use std::collections::BTreeSet;
use std::fs;

use gdoi_lab::prometheus::Series;
use serde_json::Value;

use super::deploy;
use super::expression::{Known, Names};
use super::rules;

/// A dashboard, by file name.
pub(super) struct Dashboard {
    name: String,
    document: Value,
}

impl Dashboard {
    fn panels(&self) -> impl Iterator<Item = &Value> {
        let panels = self.document["panels"].as_array().unwrap();
        panels.iter().filter(|panel| panel["type"] != "row")
    }

    fn variables(&self) -> impl Iterator<Item = &Value> {
        self.document["templating"]["list"].as_array().unwrap().iter()
    }

    fn annotations(&self) -> impl Iterator<Item = &Value> {
        let list = self.document["annotations"]["list"].as_array().unwrap();
        list.iter().filter(|one| one["builtIn"] != 1)
    }

    /// Every expression, with its purpose.
    fn expressions(&self) -> Vec<(String, String)> {
        let name = &self.name;
        let mut all = Vec::new();
        for panel in self.panels() {
            for target in panel["targets"].as_array().unwrap() {
                let place = format!("{name}: {} {}", text(&panel["title"]), text(&target["refId"]));
                all.push((place, text(&target["expr"])));
            }
        }
        for annotation in self.annotations() {
            all.push((
                format!("{name}: {}", text(&annotation["name"])),
                text(&annotation["expr"]),
            ));
        }
        for variable in self.variables().filter(|variable| variable["type"] == "query") {
            let query = text(&variable["query"]["query"]);
            let chosen = query
                .strip_prefix("label_values(")
                .unwrap()
                .strip_suffix(')')
                .unwrap();
            let (selector, label) = chosen.rsplit_once(", ").unwrap();
            all.push((
                format!("{name}: ${}", text(&variable["name"])),
                format!("count by ({label}) ({selector})"),
            ));
        }
        all
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned()
}

/// All dashboards.
fn all() -> Vec<Dashboard> {
    let mut all = Vec::new();
    for entry in fs::read_dir(deploy().join("grafana/dashboards")).unwrap() {
        let path = entry.unwrap().path();
        let document = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        all.push(Dashboard { name, document });
    }
    assert!(all.len() >= 5);
    all
}

/// Every expression of every dashboard has a value somewhere, except for those that are rightly empty.
pub(super) fn have_answers(ask: impl Fn(&str) -> Vec<Series>) {
    let mut empty = BTreeSet::new();
    for dashboard in all() {
        for (place, expression) in dashboard.expressions() {
            let is_finite = |series: &Series| series.points.iter().any(|(_, value)| value.is_finite());
            if !ask(&with_everything(&expression)).iter().any(is_finite) {
                empty.insert(place);
            }
        }
    }
    let rightly: BTreeSet<String> = RIGHTLY_EMPTY.into_iter().map(str::to_owned).collect();
    assert_eq!(empty, rightly);
}

/// The expressions of panels about the agent's process.
pub(super) fn of_the_process() -> Vec<String> {
    let all = all().into_iter().flat_map(|dashboard| dashboard.expressions());
    let of_process =
        all.filter(|(_, expression)| expression.contains("process_") || expression.contains("scrape_"));
    of_process
        .map(|(_, expression)| with_everything(&expression))
        .collect()
}

/// The expressions of a dashboard, or of all of them, with one job and everything in it chosen.
pub(super) fn with(job: &str, dashboard: &str) -> Vec<(String, String)> {
    let all = all().into_iter().filter(|one| one.name.starts_with(dashboard));
    let chosen =
        |(place, expression): (String, String)| (place, with_everything(&expression.replace("$job", job)));
    all.flat_map(|one| one.expressions()).map(chosen).collect()
}

/// The expression that Grafana sends when everything is chosen.
fn with_everything(expression: &str) -> String {
    expression
        .replace("$__rate_interval", "5m")
        .replace("$job", ".+")
        .replace("$instance", ".+")
        .replace("$group", ".+")
}

#[test]
fn dashboards_name_what_there_is() {
    let mut known = Known::metrics();
    for name in rules::all().iter().filter_map(|rule| rule.record.as_ref()) {
        known.record(name);
    }
    let mut faults = Vec::new();
    let mut shown = BTreeSet::new();
    for dashboard in all() {
        for (place, expression) in dashboard.expressions() {
            let found = known.faults(&expression);
            faults.extend(found.into_iter().map(|fault| format!("{place}: {fault}")));
            shown.extend(Names::of(&expression).series.into_iter().map(|(name, _)| name));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
    for rule in rules::all() {
        shown.extend(Names::of(&rule.expr).series.into_iter().map(|(name, _)| name));
    }
    let orphans = known.not_among(&shown);
    assert!(orphans.is_empty(), "show {orphans:?} on a dashboard or in a rule");
}

/// Data that a simulated gateway does not have: configuration files, privileges to drop, a process that is scraped
/// over the network, a kernel program that is timed, and peers that violate the protocol.
const RIGHTLY_EMPTY: [&str; 12] = [
    "gdoi-monitor: Blind spots A",
    "gdoi-monitor: CPU A",
    "gdoi-monitor: Configuration A",
    "gdoi-monitor: Configuration B",
    "gdoi-monitor: Configuration C",
    "gdoi-monitor: Configuration D",
    "gdoi-monitor: Protocol violations A",
    "gdoi-monitor: Dropped privileges A",
    "gdoi-monitor: Memory A",
    "gdoi-monitor: Program A",
    "gdoi-monitor: Scrape duration A",
    "gdoi-monitor: Web connections B",
];
