//! Captures after vendors' publications, with injected packets, or with clock errors: the reports with and without
//! configuration, compared with the right answers.
//!
//! Wrong answers are listed in `known_wrong.txt`, one check per line. The list can only shrink: a check in it that
//! passes fails the test too.

mod check;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::analyze_command::document;
use crate::captures;
use check::Check;

const ANSWERS: &str = include_str!("field/answers.toml");
const KNOWN_WRONG: &str = include_str!("field/known_wrong.txt");
/// The vantage without a configuration.
const UNTOLD: &str = "untold";

/// All right answers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answers {
    capture: Vec<FieldCapture>,
}

/// The right answers for one capture.
#[derive(Deserialize)]
struct FieldCapture {
    file: String,
    /// Configurations by the name of the vantage.
    #[serde(default)]
    configurations: BTreeMap<String, String>,
    /// Checks that hold with any configuration.
    always: Vec<String>,
    /// Checks by the name of the vantage.
    #[serde(flatten)]
    checks: BTreeMap<String, Vec<String>>,
}

impl FieldCapture {
    /// Its name in the list: the file's name up to the first dot.
    fn name(&self) -> &str {
        let file = self.file.rsplit('/').next().unwrap();
        file.split('.').next().unwrap()
    }

    /// Every vantage with its configuration, the one without first.
    fn vantages(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        let told = self.configurations.iter();
        std::iter::once((UNTOLD, None)).chain(told.map(|(name, file)| (name.as_str(), Some(file.as_str()))))
    }

    fn checks(&self, vantage: &str) -> impl Iterator<Item = &str> {
        let own = self.checks.get(vantage).into_iter().flatten();
        self.always.iter().chain(own).map(String::as_str)
    }
}

fn answers() -> Answers {
    toml::from_str(ANSWERS).unwrap()
}

/// The path of a capture or a configuration.
fn locate(file: &str) -> PathBuf {
    let path = captures::data(file);
    assert!(path.is_file(), "there is no {}", path.display());
    path
}

fn analyzed(capture: &Path, configuration: Option<&Path>) -> Value {
    let mut arguments = vec![capture.to_str().unwrap()];
    if let Some(configuration) = configuration {
        arguments.extend(["--config", configuration.to_str().unwrap()]);
    }
    document(&arguments)
}

/// Every check of every capture: its name, and the actual result if it fails.
fn results() -> BTreeMap<String, Option<String>> {
    let mut results = BTreeMap::new();
    for capture in answers().capture {
        let file = locate(&capture.file);
        for (vantage, configuration) in capture.vantages() {
            let configuration = configuration.map(locate);
            let document = analyzed(&file, configuration.as_deref());
            for text in capture.checks(vantage) {
                let name = format!("{} {vantage}: {text}", capture.name());
                let failed = Check::parse(text).failure(&document);
                assert!(results.insert(name.clone(), failed).is_none(), "twice: {name}");
            }
        }
    }
    results
}

fn known_wrong() -> BTreeSet<&'static str> {
    let lines: Vec<&str> = KNOWN_WRONG.lines().filter(|line| !line.is_empty()).collect();
    let known: BTreeSet<&str> = lines.iter().copied().collect();
    assert_eq!(known.len(), lines.len(), "known_wrong.txt names a check twice");
    known
}

#[test]
fn what_is_said_of_every_capture_is_right_or_known_to_be_wrong() {
    let (results, known) = (results(), known_wrong());
    let mut complaints = String::new();
    for (name, failed) in &results {
        match (failed, known.contains(name.as_str())) {
            (Some(found), false) => writeln!(complaints, "wrong: {name}\n    {found}").unwrap(),
            (None, true) => writeln!(complaints, "right now, take it off the list: {name}").unwrap(),
            _ => {}
        }
    }
    for name in known.iter().filter(|name| !results.contains_key(**name)) {
        writeln!(complaints, "on the list, and no check: {name}").unwrap();
    }
    assert!(complaints.is_empty(), "\n{complaints}");
}

#[test]
fn every_field_case_and_every_attack_has_an_answer() {
    let captures = answers().capture;
    let answered: BTreeSet<&str> = captures.iter().map(FieldCapture::name).collect();
    for case in captures::cases("field")
        .into_iter()
        .chain(captures::cases("attacks"))
    {
        assert!(answered.contains(case.name.as_str()), "{}", case.name);
    }
    assert_eq!(answered.len(), captures.len(), "a capture is named twice");
}

#[test]
fn every_vantage_that_is_asked_about_exists() {
    for capture in answers().capture {
        let vantages: Vec<&str> = capture.vantages().map(|(name, _)| name).collect();
        for asked in capture.checks.keys() {
            assert!(vantages.contains(&asked.as_str()), "{}: {asked}", capture.file);
        }
    }
}
