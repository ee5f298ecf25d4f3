//! Events to a file of limited size: a full one is renamed, and the oldest is deleted.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::{OutputLine, Target};
use crate::files;

/// Limits of the event files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Maximum size of a file in octets.
    pub size: u64,
    /// Number of full files to keep: `NAME.1`, the newest, to `NAME.N`.
    pub keep: u32,
}

impl Default for Rotation {
    fn default() -> Self {
        Self {
            size: 100 << 20,
            keep: 3,
        }
    }
}

/// A file of events, one JSON object per line.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    rotation: Rotation,
    file: File,
    /// Size of its complete lines.
    size: u64,
}

impl EventFile {
    /// Appends to the file at `path`.
    pub fn open(path: &Path, rotation: Rotation) -> Result<Self, files::FileError> {
        let (file, size) = append(path)?;
        Ok(Self {
            path: path.to_owned(),
            rotation,
            file,
            size,
        })
    }

    /// Reopens the file if somebody renamed it, as `logrotate` does.
    fn follow(&mut self) -> io::Result<()> {
        let ours = self.file.metadata()?;
        let is_there = fs::metadata(&self.path)
            .is_ok_and(|found| (found.dev(), found.ino()) == (ours.dev(), ours.ino()));
        if is_there {
            // Somebody may have truncated it.
            self.size = ours.len();
        } else {
            (self.file, self.size) = append(&self.path)?;
        }
        Ok(())
    }

    /// Renames the full file, and the earlier ones.
    fn rotate(&mut self) -> io::Result<()> {
        if self.rotation.keep == 0 {
            fs::remove_file(&self.path)?;
        } else {
            for number in (1..self.rotation.keep).rev() {
                rename(&self.numbered(number), &self.numbered(number + 1))?;
            }
            rename(&self.path, &self.numbered(1))?;
        }
        (self.file, self.size) = append(&self.path)?;
        Ok(())
    }

    fn numbered(&self, number: u32) -> PathBuf {
        let mut name = OsString::from(&self.path);
        name.push(format!(".{number}"));
        name.into()
    }

    /// Writes complete lines: if the disk is full, truncates what was written of them.
    fn append(&mut self, octets: &[u8]) -> io::Result<()> {
        match self.file.write_all(octets) {
            Ok(()) => {
                self.size += octets.len() as u64;
                Ok(())
            }
            Err(error) => {
                // If it cannot be truncated it is no plain file, and has no lines to corrupt.
                match self.file.set_len(self.size) {
                    Ok(()) | Err(_) => Err(error),
                }
            }
        }
    }
}

impl Target for EventFile {
    fn write(&mut self, lines: &[OutputLine]) -> Result<(), (usize, io::Error)> {
        self.follow().map_err(|error| (0, error))?;
        let mut octets = Vec::new();
        let mut written = 0;
        for (index, line) in lines.iter().enumerate() {
            let length = line.json.len() as u64 + 1;
            let size = self.size + octets.len() as u64;
            if size > 0 && size + length > self.rotation.size {
                self.append(&octets).map_err(|error| (written, error))?;
                octets.clear();
                written = index;
                self.rotate().map_err(|error| (written, error))?;
            }
            octets.extend_from_slice(line.json.as_bytes());
            octets.push(b'\n');
        }
        self.append(&octets).map_err(|error| (written, error))
    }
}

/// Opens a file to append to. Terminates a line that was cut off, for example by a power failure.
fn append(path: &Path) -> Result<(File, u64), files::FileError> {
    let mut file = files::append(path)?;
    let mut size = file.metadata()?.len();
    if size > 0 {
        let mut last = [0];
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
        if last != *b"\n" {
            file.write_all(b"\n")?;
            size += 1;
        }
    }
    Ok((file, size))
}

fn rename(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        // There are fewer files than may be kept.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
