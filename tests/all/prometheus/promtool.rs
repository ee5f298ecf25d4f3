//! What `promtool` says of the rules, and the cases of each alert.

use std::fs;

use gdoi_lab::prometheus::{program, promtool};

use super::{deploy, is_installed};

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

#[test]
fn a_case_that_is_wrong_fails() {
    if program("promtool").is_none() {
        return;
    }
    let deployed = deploy().join("prometheus");
    let folder = tempfile::tempdir().unwrap();
    for part in ["rules", "tests"] {
        fs::create_dir(folder.path().join(part)).unwrap();
    }
    let rules = fs::read_to_string(deployed.join("rules/gdoi-alerts.yml")).unwrap();
    let lie = rules.replace("max by (job, group) (gdoi_kek_split) == 1", "gdoi_kek_split == 2");
    assert_ne!(rules, lie);
    fs::write(folder.path().join("rules/gdoi-alerts.yml"), lie).unwrap();
    fs::copy(
        deployed.join("tests/kek.yml"),
        folder.path().join("tests/kek.yml"),
    )
    .unwrap();
    let said = promtool(&folder.path().join("tests"), &["test", "rules", "kek.yml"]);
    assert!(said.unwrap_err().to_string().contains("GdoiKekSplit"));
}
