//! Where the captures of real peers are.

use std::path::{Path, PathBuf};

/// The folder of shared captures, or `None` after saying on standard error that `what` is skipped.
pub(crate) fn folder(what: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/captures");
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("SKIP {what}: there are no captures at {}", folder.display());
    None
}

/// The names of the captures in the folder, in order.
pub(crate) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder.join("pcap"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
