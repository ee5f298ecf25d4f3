//! The fuzzers' seeds and findings: each target returns for every file of its corpus.

use std::fs;
use std::path::Path;

use gdoi_lab::hostile::{self, TARGETS, Target};
use gdoi_wire::craft::Random;

use crate::kernel;

const SHORT: usize = 600;

#[test]
fn every_file_comes_back() {
    for (name, target) in TARGETS {
        match name {
            "kernel" => {
                if kernel::is_usable("the corpus of the kernel") {
                    let _pinned = kernel::Pinned::new();
                    check(name, target);
                }
            }
            _ => check(name, target),
        }
    }
}

/// Each target can be built, and each that can be built is here.
#[test]
fn every_target_has_its_file() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/fuzz_targets");
    let mut files: Vec<String> = folder
        .read_dir()
        .unwrap()
        .map(|entry| {
            entry
                .unwrap()
                .path()
                .file_stem()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    files.sort();
    let names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(files, names);
}

/// A capture of the wrong kind, a state of another version and the like are no findings; a panic is.
#[test]
fn an_octet_alone_comes_back() {
    for octet in 0..=u8::MAX {
        hostile::payloads(&[octet]);
        hostile::tracker(&[octet, octet, octet]);
    }
}

/// A saved state is restored, and no change of its octets causes a panic.
#[test]
fn a_state_with_octets_changed_comes_back() {
    assert!(hostile::takes_up_what_it_kept());
    let mut random = Random::new(0x57a7e);
    for changes in 0..2_000 {
        let octets = random.octets(3 * (1 + changes % 5));
        hostile::state(&octets);
    }
}

fn check(name: &str, target: Target) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus")
        .join(name);
    let mut files = 0;
    for entry in folder.read_dir().unwrap() {
        let octets = fs::read(entry.unwrap().path()).unwrap();
        target(&octets);
        // And truncated anywhere.
        for end in 0..octets.len().min(SHORT) {
            target(&octets[..end]);
        }
        files += 1;
    }
    assert!(files > 0, "no corpus for {name}");
}
