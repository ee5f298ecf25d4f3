//! The printed diagnosis of every field case, every attack and every demonstration; expected texts are in
//! `tests/data/diagnosis`. To accept a change: `EXPECT=write cargo test -p gdoi-tests -- diagnosis::`.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;

use gdoi_sim::demonstration::DEMONSTRATIONS;
use gdoi_sim::scenario;
use gdoi_sim::{Format, PcapWriter, Simulation};

use crate::analyze_command::analyzed;
use crate::captures;

/// The variable that replaces the expected text by the present output.
const WRITE: &str = "EXPECT";

/// The section of the report that states what is wrong.
fn diagnosis(capture: &Path, configuration: Option<&Path>) -> String {
    let mut arguments = vec![capture.to_str().unwrap()];
    if let Some(configuration) = configuration {
        arguments.extend(["--config", configuration.to_str().unwrap()]);
    }
    let (text, _) = analyzed(&arguments);
    let rest = text.strip_prefix("DIAGNOSIS\n").expect("it is said first");
    let (section, _) = rest.split_once("\n\n").unwrap();
    format!("{section}\n")
}

/// Writes what passes the gateway in a scenario.
fn play(name: &str, path: &Path) {
    let scenario = scenario::named(name).unwrap();
    let out = BufWriter::new(File::create(path).unwrap());
    let mut capture = PcapWriter::of(Format::of_name(path.to_str().unwrap()), out).unwrap();
    for emission in Simulation::new(&scenario, None).unwrap() {
        for frame in emission.frames(&scenario.vlan) {
            capture.frame(emission.at(), &frame).unwrap();
        }
    }
    capture.finish().unwrap();
}

/// Compares with the expected text, or replaces it.
fn complaint(name: &str, text: &str) -> Option<String> {
    let path = captures::data(&format!("diagnosis/{name}.txt"));
    if std::env::var_os(WRITE).is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        return None;
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    (expected != text).then(|| format!("{name}: printed\n{text}\nexpected\n{expected}"))
}

#[test]
fn field_cases_and_attacks_are_diagnosed_as_expected() {
    let mut complaints = Vec::new();
    for folder in ["field", "attacks"] {
        for case in captures::cases(folder) {
            let mut text = format!("untold\n{}", diagnosis(&case.path, None));
            if let Some(configuration) = &case.config {
                // Writing to a string cannot fail.
                write!(text, "\ntold\n{}", diagnosis(&case.path, Some(configuration))).unwrap();
            }
            complaints.extend(complaint(&case.name, &text));
        }
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn demonstrations_are_diagnosed_as_expected() {
    let folder = tempfile::tempdir().unwrap();
    let mut complaints = Vec::new();
    for demonstration in DEMONSTRATIONS {
        let name = demonstration.name;
        let path = folder.path().join(format!("{name}.pcap"));
        play(name, &path);
        complaints.extend(complaint(name, &format!("untold\n{}", diagnosis(&path, None))));
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}
