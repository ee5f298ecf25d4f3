//! Every test that `docs/reliability.md` names for a fault exists, and every test of faults is named there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::{root, visit};

#[test]
fn every_fault_has_the_test_that_is_named_for_it() {
    let document = fs::read_to_string(root().join("docs/reliability.md")).unwrap();
    let (_, section) = document.split_once("\n## Faults\n").unwrap();
    let rows: Vec<&str> = section
        .lines()
        .skip_while(|line| !line.starts_with("|---"))
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .collect();
    assert!(rows.len() >= 15, "{} rows", rows.len());
    let mut named = BTreeSet::new();
    for row in rows {
        let tests: Vec<&str> = row.split('`').filter(|word| word.contains("::")).collect();
        assert!(!tests.is_empty(), "no test is named: {row}");
        for test in tests {
            let (file, name) = test.split_once("::").unwrap();
            assert!(is_test(file, name), "{test} is not there");
            named.insert(name.to_owned());
        }
    }
    visit(&root().join("tests/all/faults"), &mut |path, text| {
        for name in tests_of(text) {
            assert!(named.contains(name), "{name} in {} is not named", path.display());
        }
    });
}

/// Whether a file has a test of this name; the path starts at the workspace or at `tests/all`.
fn is_test(file: &str, name: &str) -> bool {
    let places = [root().join("tests/all").join(file), root().join(file)];
    let text = places
        .iter()
        .find_map(|path: &_| fs::read_to_string(path as &Path).ok());
    text.is_some_and(|text| tests_of(&text).any(|test| test == name))
}

/// The names of the tests in a file.
fn tests_of(text: &str) -> impl Iterator<Item = &str> {
    text.split("#[test]\nfn ")
        .skip(1)
        .filter_map(|rest| rest.split_once('(').map(|(name, _)| name))
}
