//! What is built in from elsewhere: licences, sources and versions as `deny.toml` allows them, without the network.
//!
//! `cargo deny check` asks more, advisories among it, where it is installed and can reach them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use serde_json::Value;
use spdx::{Expression, ParseMode};

use super::root;

#[test]
fn what_is_built_in_may_be() {
    let rules: toml::Value = toml::from_str(&fs::read_to_string(root().join("deny.toml")).unwrap()).unwrap();
    let packages = packages();
    assert!(packages.len() > 100, "{}", packages.len());
    assert_eq!(faults(&rules, &packages), Vec::<String>::new());
}

#[test]
fn what_may_not_be_built_in_is_found() {
    let rules = toml::from_str(
        "[licenses]\nallow = [\"MIT\"]\n[bans]\nskip = [{crate = \"a@0.1\", reason = \"b\"}]\n",
    )
    .unwrap();
    let package = |name: &str, version: &str, licence: Option<&str>, source: &str| Package {
        name: name.to_owned(),
        version: version.to_owned(),
        licence: licence.map(str::to_owned),
        source: Some(source.to_owned()),
    };
    let check = |packages: &[Package], expect: &[&str]| assert_eq!(faults(&rules, packages), expect);
    let good = package("a", "0.1.2", Some("MIT/Apache-2.0"), REGISTRY);
    let next = package("a", "0.2.0", Some("MIT OR Apache-2.0"), REGISTRY);
    check(&[good.clone(), next.clone()], &[]);
    check(
        &[next],
        &["a 0.1 is not there any more: take it out of deny.toml"],
    );
    let others = [
        good,
        package("b", "1.0.0", Some("GPL-3.0-only"), REGISTRY),
        package("c", "1.0.0", Some("MIT AND Apache-2.0"), REGISTRY),
        package("d", "1.0.0", None, REGISTRY),
        package("e", "1.0.0", Some("MIT"), "git+https://example.org/e"),
        package("f", "1.0.0", Some("MIT"), REGISTRY),
        package("f", "2.0.0", Some("MIT"), REGISTRY),
    ];
    let expect = [
        "b 1.0.0 has the licence GPL-3.0-only",
        "c 1.0.0 has the licence MIT AND Apache-2.0",
        "d 1.0.0 has no licence",
        "e 1.0.0 comes from git+https://example.org/e",
        "f is there twice: 1.0.0, 2.0.0",
    ];
    check(&others, &expect);
}

/// A package of somebody else.
#[derive(Clone)]
struct Package {
    name: String,
    version: String,
    licence: Option<String>,
    source: Option<String>,
}

/// What is not as the rules want it.
fn faults(rules: &toml::Value, packages: &[Package]) -> Vec<String> {
    let mut faults = Vec::new();
    let allowed = rules["licenses"]["allow"].as_array().unwrap();
    let is_allowed = |licence: &str| allowed.iter().any(|allowed| allowed.as_str() == Some(licence));
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in packages {
        let Package {
            name,
            version,
            licence,
            source,
        } = package;
        versions.entry(name).or_default().insert(version);
        match licence {
            None => faults.push(format!("{name} {version} has no licence")),
            Some(licence) => {
                let read = Expression::parse_mode(licence, ParseMode::LAX);
                let is_good = read.is_ok_and(|read| read.evaluate(|one| is_allowed(&one.to_string())));
                if !is_good {
                    faults.push(format!("{name} {version} has the licence {licence}"));
                }
            }
        }
        if let Some(source) = source.as_deref().filter(|source| *source != REGISTRY) {
            faults.push(format!("{name} {version} comes from {source}"));
        }
    }
    for skipped in rules["bans"]["skip"].as_array().unwrap() {
        let (name, old) = skipped["crate"].as_str().unwrap().split_once('@').unwrap();
        let of_old = |version: &str| {
            version
                .strip_prefix(old)
                .is_some_and(|rest| rest.starts_with('.'))
        };
        let have = versions.entry(name).or_default();
        let before = have.len();
        have.retain(|version| !of_old(version));
        if have.len() == before {
            faults.push(format!(
                "{name} {old} is not there any more: take it out of deny.toml"
            ));
        }
    }
    for (name, versions) in versions.iter().filter(|(_, versions)| versions.len() > 1) {
        let versions: Vec<_> = versions.iter().copied().collect();
        faults.push(format!("{name} is there twice: {}", versions.join(", ")));
    }
    faults
}

/// Those that are built for Linux, in every kind of dependency.
fn packages() -> Vec<Package> {
    // The tree leaves out what only a feature that is off would bring; it does not say where packages come from.
    let tree = cargo(&[
        "tree",
        "--workspace",
        "--prefix=none",
        "--no-dedupe",
        "--format={p}",
        "--edges=normal,build,dev",
        "--target=x86_64-unknown-linux-gnu",
        "--target=aarch64-unknown-linux-gnu",
    ]);
    let built: BTreeSet<(&str, &str)> = tree
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ');
            Some((words.next()?, words.next()?.strip_prefix('v')?))
        })
        .collect();
    let metadata: Value = serde_json::from_str(&cargo(&["metadata", "--format-version=1"])).unwrap();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .map(|package| Package {
            name: text(&package["name"]).unwrap(),
            version: text(&package["version"]).unwrap(),
            licence: text(&package["license"]),
            source: text(&package["source"]),
        })
        .filter(|package| built.contains(&(&*package.name, &*package.version)))
        .collect()
}

fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--offline", "--locked"])
        .current_dir(root())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";
