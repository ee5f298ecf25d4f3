//! Alerts by incident: the page of causes is that of the agent, and inhibition names alerts and causes that exist.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;

use gdoi_core::transition::{Cause, Certainty, Severity, StepTarget};
use serde::Deserialize;

use super::{deploy, root, rules};

/// The variable that replaces the page by the present one.
const WRITE: &str = "EXPECT";

/// A configuration of the Alertmanager.
#[derive(Deserialize)]
struct Alertmanager {
    inhibit_rules: Vec<Inhibition>,
}

#[derive(Deserialize)]
struct Inhibition {
    source_matchers: Vec<String>,
    target_matchers: Vec<String>,
    equal: Vec<String>,
}

impl Inhibition {
    /// The value that a label of the source must have.
    fn source(&self, label: &str) -> Option<&str> {
        let start = format!("{label}=\"");
        let mut matchers = self.source_matchers.iter();
        matchers.find_map(|matcher| matcher.strip_prefix(&start)?.strip_suffix('"'))
    }

    /// The alerts that it inhibits.
    fn targets(&self) -> Vec<&str> {
        let mut matchers = self.target_matchers.iter();
        let alerts = matchers.find_map(|matcher| matcher.strip_prefix("alertname=~\"")?.strip_suffix('"'));
        alerts.unwrap().split('|').collect()
    }
}

#[test]
fn an_incident_inhibits_effects_that_exist_and_nothing_worse() {
    let text = fs::read_to_string(deploy().join("prometheus/alertmanager.yml")).unwrap();
    let Alertmanager { inhibit_rules } = serde_saphyr::from_str(&text).unwrap();
    let alerts = rules::alerts();
    let mut critical = BTreeSet::new();
    for rule in &inhibit_rules {
        let cause = rule.source("cause").unwrap();
        let known = Cause::ALL.iter().find(|one| one.name() == cause);
        let known = known.unwrap_or_else(|| panic!("there is no cause {cause}"));
        assert_eq!(rule.equal, ["job", "group"], "{cause}");
        let source = rule.source("alertname").unwrap();
        let is_critical = source == "GdoiIncidentCritical";
        if is_critical {
            assert_eq!(known.row().severity, Severity::Critical, "{cause}");
            critical.insert(cause);
        } else {
            assert_eq!(source, "GdoiIncident", "{cause}");
            assert_eq!(rule.source("certainty"), Some("certain"), "{cause}");
            let spares = "severity!=\"critical\"".to_owned();
            assert!(rule.target_matchers.contains(&spares), "{cause}");
        }
        for alert in rule.targets() {
            let found = alerts
                .get(alert)
                .unwrap_or_else(|| panic!("{cause}: there is no {alert}"));
            assert!(!alert.starts_with("GdoiIncident"), "{cause}");
            // Otherwise the alert has no group, and would be inhibited for every group.
            assert!(
                found.expr.contains("group"),
                "{cause}: {alert} is not about a group"
            );
        }
    }
    let all = Cause::ALL
        .iter()
        .filter(|one| one.row().severity == Severity::Critical);
    let all: BTreeSet<&str> = all.map(|one| one.name()).collect();
    assert_eq!(critical, all, "each critical cause inhibits its effects");
}

/// `EXPECT=write cargo test -p gdoi-tests -- prometheus::incidents` writes the page.
#[test]
fn the_page_of_causes_is_that_of_the_agent() {
    let path = root().join("docs/causes.md");
    let page = page();
    if std::env::var_os(WRITE).is_some() {
        fs::write(&path, &page).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap_or_default(), page);
}

fn page() -> String {
    let mut page = String::from(HEAD);
    for cause in Cause::ALL {
        let row = cause.row();
        let most = match cause.most_certain() {
            Certainty::Certain => "certain",
            Certainty::Likely => "likely: headers show what fails, and this is the most likely reason",
            Certainty::Uncertain => "uncertain",
        };
        write!(
            page,
            "\n## {}\n\n{}. Severity: at most {}. Certainty: at most {most}.\n\n| where | what to type | what to look for |\n|---|---|---|\n",
            row.name,
            row.title,
            row.severity.name(),
        )
        .unwrap();
        for step in row.next {
            let place = match step.target {
                StepTarget::KeyServer => "key server",
                StepTarget::Member => "member",
                StepTarget::Monitor => "host of the monitor",
                StepTarget::Path => "router between them",
            };
            let command = step.command.replace('|', "\\|");
            writeln!(page, "| {place} | `{command}` | {} |", step.look_for).unwrap();
        }
    }
    page
}

const HEAD: &str = "\
# Causes

Why something is wrong: the label `cause` of `gdoi_incidents_active`, and the alerts *GdoiIncident* and
*GdoiIncidentCritical*. `gdoi-monitor show incidents` and `analyze` show the same steps with the addresses of the incident;
the agent's page shows the first step. A test keeps this page equal to the agent's table. Commands are those of Cisco IOS and
IOS-XE; they were not run for this page, because no router was at hand.
";
