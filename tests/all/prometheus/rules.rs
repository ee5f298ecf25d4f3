//! The rules name existing metrics, and every alert has its runbook and its two cases.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::Deserialize;

use super::expression::Known;
use super::{deploy, root};

const FILES: [&str; 2] = ["gdoi-recording.yml", "gdoi-alerts.yml"];
const PARTS: [&str; 6] = [
    "What it means",
    "How sure it is",
    "What the monitor knows",
    "What to type on the router",
    "What helps",
    "How it was tested",
];

/// A file of rules.
#[derive(Deserialize)]
struct File {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

/// An alert or a recording rule.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Rule {
    pub(super) alert: Option<String>,
    pub(super) record: Option<String>,
    pub(super) expr: String,
    #[serde(rename = "for")]
    lasting: Option<String>,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

impl Rule {
    /// How long an alert must hold, in seconds.
    pub(super) fn lasting(&self) -> u64 {
        let text = self.lasting.as_deref().unwrap();
        let (number, unit) = text.split_at(text.len() - 1);
        let unit = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            _ => panic!("{text}"),
        };
        number.parse::<u64>().unwrap() * unit
    }
}

/// All rules, in the order of the files.
pub(super) fn all() -> Vec<Rule> {
    let mut rules = Vec::new();
    for name in FILES {
        let text = fs::read_to_string(deploy().join("prometheus/rules").join(name)).unwrap();
        let file: File = serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        rules.extend(file.groups.into_iter().flat_map(|group| group.rules));
    }
    rules
}

/// Copies the rules into a folder, with Prometheus' default evaluation interval.
pub(super) fn copy(folder: &Path) {
    fs::create_dir(folder).unwrap();
    for name in FILES {
        let text = fs::read_to_string(deploy().join("prometheus/rules").join(name)).unwrap();
        fs::write(folder.join(name), text.replace("    interval: 2m\n", "")).unwrap();
    }
}

/// All alerts.
pub(super) fn alerts() -> BTreeMap<String, Rule> {
    let named = |rule: Rule| rule.alert.clone().map(|name| (name, rule));
    all().into_iter().filter_map(named).collect()
}

/// The alerts that each simulated day raises.
pub(super) fn expected() -> BTreeMap<String, BTreeSet<String>> {
    let text = fs::read_to_string(deploy().join("prometheus/scenarios.yml")).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

#[test]
fn rules_name_what_there_is() {
    let rules = all();
    let mut known = Known::metrics();
    for name in rules.iter().filter_map(|rule| rule.record.as_ref()) {
        known.record(name);
    }
    let faults: Vec<String> = rules.iter().flat_map(|rule| known.faults(&rule.expr)).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_alert_is_whole() {
    for (name, alert) in alerts() {
        let Rule {
            labels, annotations, ..
        } = &alert;
        let severity = labels.get("severity").map(String::as_str);
        assert!(
            matches!(severity, Some("info" | "warning" | "critical")),
            "{name}: {severity:?}"
        );
        assert_eq!(labels.len(), 1, "{name}");
        let has: Vec<&str> = annotations.keys().map(String::as_str).collect();
        assert_eq!(has, ["description", "runbook_url", "summary"], "{name}");
        assert_eq!(annotations["runbook_url"], format!("docs/runbooks/{name}.md"));
        assert!(name.starts_with("Gdoi") && alert.lasting() > 0, "{name}");
    }
}

#[test]
fn every_alert_has_a_page_and_every_page_an_alert() {
    let folder = root().join("docs/runbooks");
    let mut pages: BTreeSet<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(pages.remove("README.md"));
    let alerts = alerts();
    let wanted: BTreeSet<String> = alerts.keys().map(|name| format!("{name}.md")).collect();
    assert_eq!(pages, wanted);
    let index = fs::read_to_string(folder.join("README.md")).unwrap();
    for (name, alert) in alerts {
        let severity = &alert.labels["severity"];
        assert!(
            index.contains(&format!("| [{name}]({name}.md) | {severity} |")),
            "{name}"
        );
        let page = fs::read_to_string(folder.join(format!("{name}.md"))).unwrap();
        assert!(page.contains(&format!("Severity: {severity}.")), "{name}");
        for part in PARTS {
            assert!(page.contains(&format!("\n## {part}\n")), "{name}: {part}");
        }
        let raised = expected();
        let told = raised.iter().filter(|(_, alerts)| alerts.contains(&name));
        for (scenario, _) in told {
            assert!(
                page.contains(&format!("`{scenario}`")),
                "{name} does not tell of {scenario}"
            );
        }
    }
}

#[test]
fn every_alert_has_a_case_that_fires_and_one_that_is_quiet() {
    let mut cases = String::new();
    for entry in fs::read_dir(deploy().join("prometheus/tests")).unwrap() {
        cases += &fs::read_to_string(entry.unwrap().path()).unwrap();
    }
    for name in alerts().keys() {
        assert!(cases.contains(&format!("name: {name} fires\n")), "{name}");
        assert!(cases.contains(&format!("name: '{name} is quiet: ")), "{name}");
    }
}
