//! The rules under `promtool`, and the cases of each alert.

use std::fs;

use gdoi_lab::prometheus::promtool;

use super::{deploy, is_installed};

/// Test file, alert, and a replacement in its rule or in a rule that it joins with.
const PLANTED: [(&str, &str, &str, &str); 12] = [
    (
        "kek.yml",
        "GdoiKekSplit",
        "max by (job, group) (gdoi_kek_split) == 1",
        "gdoi_kek_split == 2",
    ),
    // A gateway that saw nothing counts as a witness.
    (
        "rekey.yml",
        "GdoiRekeyOverdue",
        "            gdoi_rekey_overdue
            and on (job, instance, group) gdoi_rekey_next_expected_timestamp_seconds
            and on (job, instance, group) job_instance_group:gdoi_rekey_saw_latest:bool == 1
",
        "            gdoi_rekey_overdue
",
    ),
    // The same for the uncertain alert: a gateway that saw nothing silences it.
    (
        "rekey.yml",
        "GdoiRekeyOverdueUncertain",
        "            gdoi_rekey_overdue
            and on (job, instance, group) gdoi_rekey_next_expected_timestamp_seconds
            and on (job, instance, group) job_instance_group:gdoi_rekey_saw_latest:bool == 1
",
        "            gdoi_rekey_overdue
",
    ),
    // No other gateway needs to have seen the rekey.
    (
        "rekey.yml",
        "GdoiRekeyLostOnTheWay",
        "            gdoi_rekey_overdue == 1
            and on (job, instance, group) job_instance_group:gdoi_rekey_watched:bool == 1
            and on (job, instance, group) job_instance_group:gdoi_rekey_saw_latest:bool == 0
",
        "            gdoi_rekey_overdue == 1
            and on (job, instance, group) job_instance_group:gdoi_rekey_watched:bool == 1
",
    ),
    // An uncertain incident pages.
    (
        "incident.yml",
        "GdoiIncidentCritical",
        "{severity=\"critical\", certainty=\"certain\"}",
        "{severity=\"critical\"}",
    ),
    // A gateway that missed the latest rekey says that none came.
    (
        "incident.yml",
        "GdoiIncidentCritical",
        "cause=~\"kek_over_age|key_server_down|rekey_stopped\"",
        "cause=\"none\"",
    ),
    // A KEK that no gateway knows to be valid refutes.
    (
        "kek.yml",
        "GdoiKekExpired",
        "unless on (job, group) gdoi_kek_expiry_timestamp_seconds > time()",
        "unless on (job, group) gdoi_kek_expired == 0",
    ),
    // A gateway that missed the new KEK accuses.
    (
        "kek.yml",
        "GdoiKekOverAge",
        "unless on (job, instance, group) job_instance_group:gdoi_rekey_saw_latest:bool == 0",
        "",
    ),
    // An answer of last week refutes.
    (
        "key-server.yml",
        "GdoiKeyServerSilent",
        "time() - gdoi_key_server_last_seen_timestamp_seconds < 4500",
        "gdoi_key_server_last_seen_timestamp_seconds",
    ),
    // A refused page is reported as an agent that does not answer.
    (
        "monitor.yml",
        "GdoiMonitorDown",
        " unless on (job, instance) scrape_samples_scraped{job=~\"gdoi.*\"} > 0",
        "",
    ),
    // No limit counts as a limit of 0.
    (
        "monitor.yml",
        "GdoiScrapeNearLimit",
        "(scrape_sample_limit{job=~\"gdoi.*\"} > 0)",
        "(scrape_sample_limit{job=~\"gdoi.*\"})",
    ),
    // After an hour the gateway is forgotten.
    (
        "fleet.yml",
        "GdoiGatewayMissing",
        "(up{job=~\"gdoi.*\"} offset 1h or up{job=~\"gdoi.*\"} offset 1d)",
        "(up{job=~\"gdoi.*\"} offset 1h)",
    ),
];

#[test]
fn promtool_accepts_configuration_and_rules() {
    if !is_installed("promtool_accepts_configuration_and_rules") {
        return;
    }
    let folder = deploy().join("prometheus");
    let said = promtool(&folder, &["check", "config", "prometheus.yml"]).unwrap();
    assert_eq!(said.matches("SUCCESS").count(), 4, "{said}");
}

#[test]
fn every_case_of_every_alert() {
    if !is_installed("every_case_of_every_alert") {
        return;
    }
    let folder = deploy().join("prometheus/tests");
    let names: Vec<String> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let mut arguments = vec!["test", "rules"];
    arguments.extend(names.iter().map(String::as_str));
    promtool(&folder, &arguments).unwrap();
}

/// Each change makes an alert wrong; the cases of that alert must notice.
#[test]
fn a_rule_that_is_wrong_fails_its_cases() {
    if !is_installed("a_rule_that_is_wrong_fails_its_cases") {
        return;
    }
    let rules = fs::read_to_string(deploy().join("prometheus/rules/gdoi-alerts.yml")).unwrap();
    for (cases, alert, right, wrong) in PLANTED {
        assert_eq!(rules.matches(right).count(), 1, "{alert}: {right}");
        let said = judged(cases, alert, &rules.replace(right, wrong)).unwrap_err();
        assert!(said.contains(&format!("{alert}\\\"")), "{alert}: {said}");
    }
}

/// A test file with the cases of one alert only.
fn cases_of(alert: &str, file: &str) -> String {
    let mut parts = file.split("\n  - name: ");
    let head = parts.next().unwrap();
    let kept: Vec<&str> = parts
        .filter(|case| {
            let name = case.trim_start_matches('\'');
            name.split_whitespace().next() == Some(alert)
        })
        .collect();
    assert!(!kept.is_empty(), "no case of {alert}");
    format!("{head}\n  - name: {}", kept.join("\n  - name: "))
}

/// The result of promtool for the cases of an alert with modified rules.
fn judged(cases: &str, alert: &str, rules: &str) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    for part in ["rules", "tests"] {
        fs::create_dir(folder.path().join(part)).unwrap();
    }
    fs::write(folder.path().join("rules/gdoi-alerts.yml"), rules).unwrap();
    let all = fs::read_to_string(deploy().join("prometheus/tests").join(cases)).unwrap();
    fs::write(folder.path().join("tests").join(cases), cases_of(alert, &all)).unwrap();
    let said = promtool(&folder.path().join("tests"), &["test", "rules", cases]);
    said.map_err(|error| error.to_string())
}
