//! Metrics in documents and examples exist.

use std::fs;
use std::path::PathBuf;

use serde::Deserialize;

use super::expression::Known;
use super::rules;
use super::{deploy, root};

#[test]
fn documents_name_what_there_is() {
    let mut known = Known::metrics();
    for name in rules::all().iter().filter_map(|rule| rule.record.as_ref()) {
        known.record(name);
    }
    let mut faults = Vec::new();
    for path in documents() {
        let text = fs::read_to_string(&path).unwrap();
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && !"_:".contains(c));
        for word in words.map(|word| word.trim_matches(':')) {
            let is_name = word.starts_with("gdoi_") || word.contains(":gdoi_");
            if is_name && !word.ends_with('_') && !known.has(word) {
                faults.push(format!("{}: {word}", path.display()));
            }
        }
    }
    assert!(faults.is_empty(), "there is no such metric: {faults:#?}");
}

fn documents() -> Vec<PathBuf> {
    let mut documents = vec![root().join("docs/snmp.md"), root().join("README.md")];
    for folder in ["docs/runbooks", "deploy/prometheus", "deploy/grafana"] {
        let entries = fs::read_dir(root().join(folder)).unwrap();
        let files = entries.map(|entry| entry.unwrap().path());
        documents.extend(files.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    }
    assert!(documents.len() > 30);
    documents
}

/// A configuration of the SNMP exporter.
#[derive(Deserialize)]
struct Exporter {
    modules: std::collections::BTreeMap<String, Module>,
}

#[derive(Deserialize)]
struct Module {
    walk: Vec<String>,
    metrics: Vec<Object>,
}

#[derive(Deserialize)]
struct Object {
    name: String,
    oid: String,
    indexes: Vec<Index>,
    lookups: Vec<Index>,
}

#[derive(Deserialize)]
struct Index {
    labelname: String,
}

#[test]
fn the_snmp_module_is_whole() {
    let text = fs::read_to_string(deploy().join("snmp_exporter/cisco_gdoi.yml")).unwrap();
    let exporter: Exporter = serde_saphyr::from_str(&text).unwrap();
    let Module { walk, metrics } = &exporter.modules["cisco_gdoi"];
    let document = fs::read_to_string(root().join("docs/snmp.md")).unwrap();
    for object in metrics {
        let Object {
            name,
            oid,
            indexes,
            lookups,
        } = object;
        assert!(
            walk.iter().any(|table| oid.starts_with(&format!("{table}."))),
            "{name} is not walked"
        );
        assert!(
            document.contains(&format!("`{name}`")),
            "docs/snmp.md does not tell of {name}"
        );
        // The identity of the group is replaced by its name.
        assert_eq!(lookups[0].labelname, "group", "{name}");
        let dropped: Vec<&str> = lookups[1..].iter().map(|one| one.labelname.as_str()).collect();
        let identity: Vec<&str> = indexes[..2].iter().map(|one| one.labelname.as_str()).collect();
        assert_eq!(dropped, identity, "{name}");
        assert_eq!(
            metrics.iter().filter(|other| other.oid == *oid).count(),
            1,
            "{name}"
        );
    }
}
