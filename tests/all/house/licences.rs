//! Dependencies: licences, sources and versions as `deny.toml` allows them, without the network.
//!
//! `cargo deny check` checks more, for example advisories, if it is installed and online.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

use spdx::{Expression, ParseMode};

use super::root;

#[test]
fn what_is_built_in_may_be() {
    let rules: toml::Value = toml::from_str(&fs::read_to_string(root().join("deny.toml")).unwrap()).unwrap();
    let mut packages = of_the_host(&rules);
    assert!(packages.len() > 100, "{}", packages.len());
    packages.extend(of_the_program().unwrap_or_default());
    assert_eq!(faults(&rules, &packages), Vec::<String>::new());
}

#[test]
fn what_may_not_be_built_in_is_found() {
    let rules = toml::from_str(
        "[licenses]\nallow = [\"MIT\"]\n[bans]\nskip = [{crate = \"a@0.1\", reason = \"b\"}]\n",
    )
    .unwrap();
    let read =
        |lines: &[&str]| -> Vec<_> { lines.iter().filter_map(|line| Package::of_line(line)).collect() };
    let check = |lines: &[&str], expect: &[&str]| assert_eq!(faults(&rules, &read(lines)), expect);
    let good = "a v0.1.2|MIT/Apache-2.0";
    let next = "a v0.2.0 (proc-macro)|MIT OR Apache-2.0";
    check(&[good, next, "ours v0.1.0 (/a/folder/of ours)|MIT"], &[]);
    check(
        &[next],
        &["a 0.1 is not there any more: take it out of deny.toml"],
    );
    let others = [
        good,
        "b v1.0.0|GPL-3.0-only",
        "c v1.0.0|MIT AND Apache-2.0",
        "d v1.0.0|",
        "e v1.0.0 (https://example.org/e#0123abcd)|MIT",
        "e2 v1.0.0 (registry `other`)|MIT",
        "f v1.0.0|MIT",
        "f v2.0.0|MIT",
    ];
    let expect = [
        "b 1.0.0 has the licence GPL-3.0-only",
        "c 1.0.0 has the licence MIT AND Apache-2.0",
        "d 1.0.0 has no licence",
        "e 1.0.0 comes from https://example.org/e#0123abcd",
        "e2 1.0.0 comes from registry `other`",
        "f is there twice: 1.0.0, 2.0.0",
    ];
    check(&others, &expect);
}

/// A third-party package.
#[derive(Clone)]
struct Package {
    name: String,
    version: String,
    licence: Option<String>,
    /// Its source, unless that is crates.io.
    source: Option<String>,
}

/// Violations of the rules.
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
        if let Some(source) = source {
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

/// Everything built for the targets of `deny.toml`, in every kind of dependency: the build of this test has
/// downloaded exactly that, so no network is needed.
fn of_the_host(rules: &toml::Value) -> Vec<Package> {
    let targets = rules["graph"]["targets"].as_array().unwrap().iter();
    let mut arguments = vec![
        "--workspace",
        "--exclude=gdoi-monitor-ebpf",
        "--edges=normal,build,dev",
    ];
    for target in targets {
        arguments.extend(["--target", target.as_str().unwrap()]);
    }
    tree(&arguments).unwrap()
}

/// The dependencies of the XDP program. It is built separately, perhaps never on this machine.
fn of_the_program() -> Option<Vec<Package>> {
    let program = [
        "--package=gdoi-monitor-ebpf",
        "--edges=normal,build",
        "--target=bpfel-unknown-none",
    ];
    match tree(&program) {
        Ok(packages) => Some(packages),
        Err(error) if error.contains("--offline was specified") => {
            eprintln!(
                "SKIP licences of the XDP program: its libraries are not downloaded; run `cargo xtask ebpf --check`"
            );
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// Third-party packages that cargo builds, offline; the error is cargo's.
fn tree(arguments: &[&str]) -> Result<Vec<Package>, String> {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--offline",
            "--locked",
            "--prefix=none",
            "--no-dedupe",
            "--format={p}|{l}",
        ])
        .args(arguments)
        .current_dir(root())
        .output()
        .unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let lines: BTreeSet<String> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    Ok(lines.iter().filter_map(|line| Package::of_line(line)).collect())
}

impl Package {
    /// A line of `cargo tree`: `log v0.4.35|MIT OR Apache-2.0`. A package from elsewhere than the registry has its
    /// source in parentheses after its version; one of this workspace has its folder there, and is not third-party.
    fn of_line(line: &str) -> Option<Self> {
        let (package, licence) = line.split_once('|')?;
        // A procedural macro is marked in parentheses.
        let package = package.replace(" (proc-macro)", "");
        let mut words = package.splitn(3, ' ');
        let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
        let source = words
            .next()
            .map(|source| source.trim_matches(['(', ')']).to_owned());
        if source.as_ref().is_some_and(|source| source.starts_with('/')) {
            return None;
        }
        Some(Self {
            name: name.to_owned(),
            version: version.to_owned(),
            licence: Some(licence.to_owned()).filter(|licence| !licence.is_empty()),
            source,
        })
    }
}
