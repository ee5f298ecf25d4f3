//! Rules of the repository.

mod commands;
mod faults;
mod language;
mod licences;
mod modules;
mod paths;
mod saved_state;
mod unsafe_code;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Crates of the workspace that each crate may use, in every kind of dependency except for tests.
const MAY_USE: [(&str, &[&str]); 9] = [
    ("ebpf-object", &[]),
    ("gdoi-wire", &[]),
    ("gdoi-core", &["gdoi-wire"]),
    ("gdoi-monitor-ebpf", &["gdoi-wire"]),
    ("gdoi-sim", &["gdoi-wire", "gdoi-core"]),
    ("gdoi-monitor", &["gdoi-wire", "gdoi-core"]),
    (
        "gdoi-lab",
        &["gdoi-wire", "gdoi-core", "gdoi-monitor", "gdoi-sim", "xtask"],
    ),
    ("xtask", &[]),
    ("gdoi-tests", &[]),
];

#[test]
fn imports_point_one_way() {
    let uses = dependencies();
    let allowed: BTreeMap<_, _> = MAY_USE.into_iter().collect();
    for (name, uses) in &uses {
        let allowed: BTreeSet<_> = allowed[name.as_str()].iter().copied().collect();
        let ours: BTreeSet<_> = uses
            .iter()
            .map(String::as_str)
            .filter(|used| MAY_USE.iter().any(|(ours, _)| ours == used))
            .collect();
        assert!(
            ours.is_subset(&allowed),
            "{name} uses {ours:?}, and may use {allowed:?}"
        );
    }
    assert_eq!(uses.len(), MAY_USE.len());
}

#[test]
fn the_shared_crates_know_nothing_of_aya_or_of_a_host() {
    let uses = dependencies();
    let of = |name: &str| uses[name].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(of("gdoi-wire"), ["strum", "zerocopy"]);
    for host in ["aya", "jiff", "libc", "nix", "std", "tokio"] {
        assert!(!of("gdoi-core").contains(&host), "gdoi-core uses {host}");
    }
    for shared in ["gdoi-wire", "gdoi-core"] {
        let text = fs::read_to_string(root().join(shared).join("src/lib.rs")).unwrap();
        assert!(
            text.contains("#![no_std]") && text.contains("#![forbid(unsafe_code)]"),
            "{shared}"
        );
        // Tests may use the host; nothing else may ask for the time, a file or a socket.
        visit(&root().join(shared).join("src"), &mut |path, text| {
            let others = text.replace("#[cfg(test)]\nextern crate std;", "");
            assert!(!others.contains("extern crate std"), "{}", path.display());
        });
    }
}

#[test]
fn the_list_of_metrics_is_the_catalogue() {
    let path = root().join("docs/metrics.md");
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text, gdoi_lab::documents::metrics(), "run `cargo xtask docs`");
}

#[test]
fn labels_name_no_spi_no_cookie_and_no_member() {
    let labels = [
        "cause",
        "class",
        "direction",
        "exchange",
        "group",
        "interface",
        "key_server",
        "kind",
        "mode",
        "reason",
        "result",
        "severity",
        "stage",
        "target",
        "transport",
        "verdict",
        "version",
    ];
    for family in gdoi_monitor::exposition::families() {
        for label in family.labels {
            assert!(labels.contains(label), "{} has the label {label}", family.name);
        }
    }
}

/// Crates of the workspace that each crate uses, except in its tests.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| {
            let uses = package["dependencies"].as_array().unwrap().iter();
            let uses = uses.filter(|used| used["kind"] != "dev").map(name);
            (name(package), uses.collect())
        })
        .collect()
}

fn visit(folder: &Path, each: &mut impl FnMut(&Path, &str)) {
    for entry in folder.read_dir().unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            visit(&path, each);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            each(&path, &fs::read_to_string(&path).unwrap());
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
