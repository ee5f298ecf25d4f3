//! The captures for tests. Recordings of real peers, field cases, attacks and hostile files are part of the
//! repository; captures of other projects are read too if they are next to the checkout.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde_json::Value;

use crate::analyze_command::document;

/// A capture of real peers, with tshark's output for it.
pub(crate) struct Capture {
    /// Its name, without the suffix of a compression.
    pub(crate) name: String,
    /// The capture itself, which may be compressed.
    pub(crate) path: PathBuf,
    oracle: PathBuf,
}

impl Capture {
    /// tshark's output: one JSON object per line, one line per frame.
    pub(crate) fn oracle(&self) -> String {
        text(&self.oracle.join(format!("{}.jsonl", self.name)))
    }

    /// The totals of tshark's output.
    pub(crate) fn summary(&self) -> Value {
        let path = self.oracle.join(format!("{}.summary.json", self.name));
        serde_json::from_str(&text(&path)).unwrap()
    }
}

/// A recording of `tests/data/recordings` by its name, such as `gdoid_a.pcap`.
pub(crate) fn recording(name: &str) -> Capture {
    let folder = data("recordings");
    let capture = Capture {
        name: name.to_owned(),
        path: folder.join("pcap").join(format!("{name}.gz")),
        oracle: folder.join("oracle"),
    };
    assert!(capture.path.is_file(), "there is no {}", capture.path.display());
    capture
}

/// Every recording of `tests/data/recordings`.
pub(crate) fn recordings() -> Vec<Capture> {
    let names = names(&data("recordings/pcap"));
    let names = names.iter().map(|name| name.strip_suffix(".gz").unwrap());
    names.map(recording).collect()
}

/// The logs of the peers in a recording, if they wrote any: `(name, log)`.
pub(crate) fn truths() -> Vec<(String, Value)> {
    let folder = data("recordings/truth");
    let truth = |name: &String| {
        let log = serde_json::from_str(&text(&folder.join(name))).unwrap();
        (name.replace(".json", ".pcap"), log)
    };
    names(&folder).iter().map(truth).collect()
}

/// Captures of other projects, which are not part of the repository: none if they are not next to it.
pub(crate) fn third_party() -> Vec<Capture> {
    let folder = beside_the_checkout();
    if !folder.is_dir() {
        return Vec::new();
    }
    let is_third_party = |name: &String| THIRD_PARTIES.iter().any(|prefix| name.starts_with(prefix));
    names(&folder.join("pcap"))
        .into_iter()
        .filter(is_third_party)
        .map(|name| Capture {
            path: folder.join("pcap").join(&name),
            oracle: folder.join("oracle"),
            name,
        })
        .collect()
}

/// Every available capture of real peers.
pub(crate) fn all() -> Vec<Capture> {
    let mut all = recordings();
    all.extend(third_party());
    all
}

/// A capture made for a test, and its configuration.
#[derive(Debug)]
pub(crate) struct Case {
    /// The name of its file, without extensions.
    pub(crate) name: String,
    /// The capture.
    pub(crate) path: PathBuf,
    /// The configuration of the same name, if there is one.
    pub(crate) config: Option<PathBuf>,
}

/// The cases of a folder of `tests/data`: `field`, `attacks` or `hostile`. Its README has the right answer of each.
pub(crate) fn cases(folder: &str) -> Vec<Case> {
    let folder = data(folder);
    let case = |file: String| {
        let (name, extension) = file.split_once('.').unwrap();
        if ["md", "toml"].contains(&extension) {
            return None;
        }
        let config = folder.join(name).with_extension("toml");
        Some(Case {
            name: name.to_owned(),
            path: folder.join(&file),
            config: config.is_file().then_some(config),
        })
    };
    names(&folder).into_iter().filter_map(case).collect()
}

/// A file that may be compressed, whole.
pub(crate) fn octets(path: &Path) -> Vec<u8> {
    let mut octets = Vec::new();
    let mut file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    match path.extension() {
        Some(extension) if extension == "gz" => GzDecoder::new(file).read_to_end(&mut octets),
        _ => file.read_to_end(&mut octets),
    }
    .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    octets
}

/// A text file, or the compressed file of the same name with `.gz`.
fn text(path: &Path) -> String {
    let compressed = PathBuf::from(format!("{}.gz", path.display()));
    let path = if compressed.is_file() { &compressed } else { path };
    String::from_utf8(octets(path)).unwrap()
}

/// The names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = entries.map(name).collect();
    names.sort();
    names
}

/// A file or a folder of `tests/data`.
pub(crate) fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(name)
}

fn beside_the_checkout() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/captures")
}

/// Prefixes of the names of other projects' captures.
const THIRD_PARTIES: [&str; 6] = [
    "arkime_",
    "corelight_",
    "p848_",
    "tcpdump_",
    "wireshark_",
    "zeek_",
];

/// This test alone reports them as missing: all others read them if they exist.
#[test]
fn captures_of_other_projects_are_read_too() {
    let folder = beside_the_checkout();
    match third_party().len() {
        0 => eprintln!(
            "SKIP captures of other projects: there are no captures at {}",
            folder.display()
        ),
        count => assert!(count > 30, "only {count} captures at {}", folder.display()),
    }
}

#[test]
fn every_capture_is_described() {
    let described = |folder: &str, name: &str| {
        let readme = text(&data(folder).join("README.md"));
        assert!(
            readme.contains(&format!("`{name}`")),
            "{folder}/README.md: {name}"
        );
    };
    for capture in recordings() {
        described("recordings", &capture.name);
        assert_eq!(capture.summary()["file"], capture.name);
        assert!(!capture.oracle().is_empty(), "{}", capture.name);
    }
    for (folder, count) in [("attacks", 9), ("field", 21), ("hostile", 20)] {
        let cases = cases(folder);
        assert!(cases.len() >= count, "{folder}: only {} cases", cases.len());
        for case in cases {
            described(folder, &case.name);
        }
    }
}

#[test]
fn every_field_case_and_attack_is_read_to_its_end() {
    assert!(cases("field").iter().all(|case| case.config.is_some()));
    for case in cases("field").into_iter().chain(cases("attacks")) {
        let mut arguments = vec![case.path.to_str().unwrap()];
        if let Some(config) = &case.config {
            arguments.extend(["--config", config.to_str().unwrap()]);
        }
        let report = document(&arguments);
        assert_eq!(
            report["capture"]["errors"],
            Value::Array(Vec::new()),
            "{}",
            case.name
        );
        assert_ne!(report["capture"]["frames"], 0, "{}", case.name);
    }
}
