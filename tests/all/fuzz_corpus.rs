//! What the fuzzers start from, and what they found: every file of the corpus comes back from its target.

use std::fs;
use std::path::Path;

use gdoi_lab::hostile;

#[test]
fn every_file_comes_back() {
    check("capture", hostile::capture);
    check("config", hostile::config);
    check("dissect", hostile::dissect);
}

fn check(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../fuzz/corpus")
        .join(name);
    let mut files = 0;
    for entry in folder.read_dir().unwrap() {
        let octets = fs::read(entry.unwrap().path()).unwrap();
        target(&octets);
        // And cut short anywhere.
        for end in 0..octets.len().min(600) {
            target(&octets[..end]);
        }
        files += 1;
    }
    assert!(files > 0, "no corpus for {name}");
}
