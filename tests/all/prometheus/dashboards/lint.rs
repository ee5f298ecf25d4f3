//! Rules for any dashboard: those of Grafana's dashboard linter and some more.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Dashboard, all, text};

const SOURCE: &str = "${datasource}";
const VARIABLES: [&str; 3] = ["datasource", "job", "instance"];
const COUNTED: [&str; 3] = ["rate(", "increase(", "changes("];

#[test]
fn dashboards_follow_the_rules() {
    let faults: Vec<String> = all().iter().flat_map(faults).collect();
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn rules_that_are_broken_are_found() {
    let whole = all().remove(0);
    let found = |change: &dyn Fn(&mut Value)| {
        let mut document = whole.document.clone();
        change(&mut document);
        let name = whole.name.clone();
        faults(&Dashboard { name, document }).join("; ")
    };
    let panel = |document: &Value| {
        let panels = document["panels"].as_array().unwrap();
        panels
            .iter()
            .position(|panel| panel["type"] == "timeseries")
            .unwrap()
    };
    assert!(found(&|document| document["editable"] = true.into()).contains("can be edited"));
    assert!(found(&|document| document["uid"] = "other".into()).contains("is not the name of its file"));
    for (pointer, value, fault) in [
        ("description", "", "no description"),
        ("fieldConfig/defaults/unit", "", "no unit"),
        ("datasource/uid", "abc", "a data source of its own"),
        (
            "targets/0/expr",
            "rate(gdoi_esp_packets_total[5m])",
            "not $__rate_interval",
        ),
        (
            "targets/0/expr",
            "gdoi_esp_packets_total{job=~\"$job\"}",
            "a counter as it is",
        ),
        ("targets/0/expr", "gdoi_members", "does not choose by job"),
    ] {
        let change = |document: &mut Value| {
            let at = panel(document);
            *document["panels"][at]
                .pointer_mut(&format!("/{pointer}"))
                .unwrap() = value.into();
        };
        assert!(found(&change).contains(fault), "{fault}");
    }
}

fn faults(dashboard: &Dashboard) -> Vec<String> {
    let Dashboard { name, document } = dashboard;
    let mut faults = Vec::new();
    let mut fault = |is_one: bool, what: &str| {
        if is_one {
            faults.push(format!("{name}: {what}"));
        }
    };
    fault(
        document["uid"] != name.as_str(),
        "its uid is not the name of its file",
    );
    fault(
        document["editable"] != false,
        "can be edited, and the next start would undo it",
    );
    fault(
        document["schemaVersion"].as_u64() < Some(39),
        "is of an old schema",
    );
    fault(document["id"] != Value::Null, "has the id of somebody's Grafana");
    fault(text(&document["description"]).is_empty(), "has no description");
    fault(document["tags"][0] != "gdoi", "has no tag to be linked by");
    fault(
        document["links"].as_array().is_none_or(Vec::is_empty),
        "has no links",
    );
    fault(dashboard.annotations().next().is_none(), "has no annotations");
    let variables: Vec<String> = dashboard.variables().map(|one| text(&one["name"])).collect();
    fault(
        !variables.starts_with(&VARIABLES.map(str::to_owned)),
        "lacks a variable",
    );
    for variable in dashboard.variables().filter(|one| one["type"] == "query") {
        fault(
            variable["datasource"]["uid"] != SOURCE,
            "a variable has a data source of its own",
        );
        fault(
            variable["refresh"] != 2,
            "a variable is not refreshed when the time changes",
        );
    }
    for annotation in dashboard.annotations() {
        fault(
            annotation["datasource"]["uid"] != SOURCE,
            "an annotation has a data source of its own",
        );
    }
    let titles: BTreeSet<String> = dashboard.panels().map(|panel| text(&panel["title"])).collect();
    fault(
        titles.len() < dashboard.panels().count(),
        "two panels have one title",
    );
    faults.extend(overlaps(document).map(|what| format!("{name}: {what}")));
    for panel in dashboard.panels() {
        let title = text(&panel["title"]);
        faults.extend(of_panel(panel).map(|what| format!("{name}: {title}: {what}")));
    }
    faults
}

fn of_panel(panel: &Value) -> impl Iterator<Item = String> {
    let mut faults = Vec::new();
    let mut fault = |is_one: bool, what: &str| {
        if is_one {
            faults.push(what.to_owned());
        }
    };
    fault(text(&panel["title"]).is_empty(), "no title");
    fault(!text(&panel["description"]).ends_with('.'), "no description");
    fault(
        text(&panel["fieldConfig"]["defaults"]["unit"]).is_empty(),
        "no unit",
    );
    fault(panel["datasource"]["uid"] != SOURCE, "a data source of its own");
    let targets = panel["targets"].as_array().unwrap();
    let ids: BTreeSet<String> = targets.iter().map(|target| text(&target["refId"])).collect();
    fault(
        ids.len() < targets.len() || targets.is_empty(),
        "targets without names of their own",
    );
    for target in targets {
        let expression = text(&target["expr"]);
        fault(
            target["datasource"]["uid"] != SOURCE,
            "a target with a data source of its own",
        );
        fault(
            expression
                .split('{')
                .skip(1)
                .any(|selector| !selector.starts_with("job=~\"$job\"")),
            "does not choose by job",
        );
        fault(!expression.contains("{job=~\"$job\""), "does not choose by job");
        // A quantile of rare events needs a longer window.
        let rates = expression.split("rate(").skip(1);
        let is_fixed = |rate: &str| !range(rate).starts_with("$__rate_interval");
        fault(
            !expression.contains("histogram_quantile") && rates.into_iter().any(is_fixed),
            "a rate over what is not $__rate_interval",
        );
        fault(
            has_bare_counter(&without_first_times(&expression)),
            "a counter as it is",
        );
    }
    faults.into_iter()
}

/// The content of the first brackets.
fn range(expression: &str) -> &str {
    let rest = expression.split_once('[').map_or("", |(_, rest)| rest);
    rest.split_once(']').map_or("", |(range, _)| range)
}

/// The expression without the part that counts first occurrences: a series that is younger than its window, by its
/// value.
fn without_first_times(expression: &str) -> String {
    let mut rest = expression.to_owned();
    for counted in expression.split("increase(").skip(1) {
        let Some((series, after)) = counted.split_once('[') else {
            continue;
        };
        let window = after.split(']').next().unwrap();
        let first = format!(
            "({series} unless {series} offset {window} and on (job, instance) gdoi_build_info offset {window}) or "
        );
        rest = rest.replace(&first, "");
    }
    rest
}

/// Whether a counter is shown without a rate.
fn has_bare_counter(expression: &str) -> bool {
    let mut before = "";
    for word in expression.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && c != '_') {
        let name = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        if name.starts_with("gdoi_") && name.ends_with("_total") && !COUNTED.contains(&before) {
            return true;
        }
        before = word;
    }
    false
}

/// Panels that overlap or exceed the grid.
fn overlaps(document: &Value) -> impl Iterator<Item = String> {
    let mut taken = BTreeSet::new();
    let mut ids = BTreeSet::new();
    let mut faults = Vec::new();
    for panel in document["panels"].as_array().unwrap() {
        let number = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        let title = text(&panel["title"]);
        if number("x") + number("w") > 24 {
            faults.push(format!("{title} reaches over the edge"));
        }
        if !ids.insert(panel["id"].as_u64()) {
            faults.push(format!("{title} has the id of another panel"));
        }
        for x in number("x")..number("x") + number("w") {
            for y in number("y")..number("y") + number("h") {
                if !taken.insert((x, y)) {
                    faults.push(format!("{title} lies on another panel"));
                    return faults.into_iter();
                }
            }
        }
    }
    faults.into_iter()
}
