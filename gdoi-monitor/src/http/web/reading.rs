//! Reads files, and notices later whether they have changed.

use std::fs::{File, Metadata};
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::error::{MAX_FILE, WebConfigProblem};

/// Files that were read, or could not be.
#[derive(Debug, Default)]
pub(super) struct WebConfigReader {
    seen: Vec<(PathBuf, Stamp)>,
}

/// Changes with a file: device, inode, length, and both times of change. `None`: it did not exist.
type Stamp = Option<(u64, u64, u64, [i64; 4])>;

impl WebConfigReader {
    /// Reads a whole file.
    pub(super) fn read(&mut self, path: &Path) -> Result<Vec<u8>, WebConfigProblem> {
        // The stamp first: a file that changes during the read is then read again.
        let found = path.metadata();
        let stamp = found.as_ref().ok().map(stamp);
        self.seen.push((path.to_owned(), stamp));
        let unreadable = |error| WebConfigProblem::Read {
            path: path.to_owned(),
            error,
        };
        let found = found.map_err(unreadable)?;
        // Opening a pipe would block for ever.
        if !found.is_file() || found.len() > MAX_FILE {
            return Err(WebConfigProblem::NotAFile(path.to_owned()));
        }
        let mut octets = Vec::new();
        File::open(path)
            .and_then(|file| file.take(MAX_FILE).read_to_end(&mut octets))
            .map_err(unreadable)?;
        Ok(octets)
    }

    /// The paths of the files.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        self.seen.iter().map(|(path, _)| path.clone()).collect()
    }

    /// Whether any of them has changed since it was read.
    pub(super) fn has_changed(&self) -> bool {
        self.seen
            .iter()
            .any(|(path, was)| path.metadata().ok().as_ref().map(stamp) != *was)
    }
}

fn stamp(found: &Metadata) -> (u64, u64, u64, [i64; 4]) {
    let times = [
        found.mtime(),
        found.mtime_nsec(),
        found.ctime(),
        found.ctime_nsec(),
    ];
    (found.dev(), found.ino(), found.len(), times)
}
