//! Paths in the documents name existing files.

use std::fs;
use std::path::Path;

use super::root;

const MAPS: [&str; 2] = ["ARCHITECTURE.md", "CONTRIBUTING.md"];
/// Folders of the project; everything else was built or downloaded.
const FOLDERS: [&str; 13] = [
    "deploy",
    "docs",
    "ebpf-object",
    "fuzz",
    "gdoi-core",
    "gdoi-lab",
    "gdoi-monitor",
    "gdoi-monitor-ebpf",
    "gdoi-sim",
    "gdoi-wire",
    "tests",
    "xtask",
    ".ci",
];

#[test]
fn the_maps_of_the_code_name_what_there_is() {
    let mut there = Vec::new();
    for folder in FOLDERS {
        collect(&root().join(folder), folder, &mut there);
    }
    for map in MAPS {
        let text = fs::read_to_string(root().join(map)).unwrap();
        let named: Vec<String> = text.split('`').skip(1).step_by(2).flat_map(paths).collect();
        assert!(named.len() > 10, "{map} names {named:?}");
        for name in named {
            let whole = there
                .iter()
                .any(|path| *path == name || path.ends_with(&format!("/{name}")));
            assert!(whole, "{map}: there is no {name}");
        }
    }
}

/// The paths in a code span: what ends like a Rust file or a folder, with each of its alternatives.
fn paths(code: &str) -> Vec<String> {
    let path = code.split(':').next().unwrap_or_default();
    let is_rust = Path::new(path)
        .extension()
        .is_some_and(|extension| extension == "rs");
    let is_path = (is_rust || path.ends_with('/')) && !path.contains([' ', '*', '|']);
    // `/-/ready` is a page, `name/` and `name.rs` are placeholders.
    if !is_path || path.starts_with('/') || path.starts_with("name") {
        return Vec::new();
    }
    let alternatives = |before: &str, inner: &str, after: &str| {
        let each = inner.split(',').map(|one| format!("{before}{one}{after}"));
        each.collect()
    };
    let braces = path.split_once('{').and_then(|(before, rest)| {
        let (inner, after) = rest.split_once('}')?;
        Some((before, inner, after))
    });
    match braces {
        Some((before, inner, after)) => alternatives(before, inner, after),
        None => vec![path.to_owned()],
    }
}

fn collect(folder: &Path, name: &str, there: &mut Vec<String>) {
    there.push(format!("{name}/"));
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let file = entry.file_name().to_string_lossy().into_owned();
        if path.is_dir() && file != "target" {
            collect(&path, &format!("{name}/{file}"), there);
        } else if path.is_file() {
            there.push(format!("{name}/{file}"));
        }
    }
}

#[test]
fn paths_are_found_in_code() {
    assert_eq!(paths("gdoi-core/src/tracker.rs"), ["gdoi-core/src/tracker.rs"]);
    assert_eq!(
        paths("tests/all/{live,faults/ring}.rs"),
        ["tests/all/live.rs", "tests/all/faults/ring.rs"]
    );
    assert_eq!(paths("web/"), ["web/"]);
    for other in [
        "/-/ready/",
        "cargo xtask docs",
        "Engine::run",
        "name/",
        "RECORD_VERSION",
    ] {
        assert_eq!(paths(other), [""; 0], "{other}");
    }
}
