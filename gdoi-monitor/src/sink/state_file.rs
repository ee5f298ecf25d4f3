//! What the agent has learned and read, in a file, so that it survives a restart of the agent.
//!
//! Times in it are the kernel's since boot, so it is of use until the machine is started again and no longer: nothing is
//! forced to the disk, and an agent that is killed finds in the page cache what it wrote.
//!
//! Beside the state is the log of the messages that were seen since ([`log`]): together they are what the agent knew
//! when it was killed. Both are written by a thread of their own ([`writer`]): a disk that hangs stops nobody.

mod log;
mod writer;

use std::path::{Path, PathBuf};
use std::{fs, io};

use bytes::Bytes;
use gdoi_core::{Config, Limits, Timestamp, Tracker};
use serde::{Deserialize, Serialize};

use crate::source::xdp::SavedTap;
use writer::Writer;

const MAGIC: [u8; 8] = *b"gdoikept";
/// Layout of [`Head`]. Any change raises it.
const VERSION: u16 = 2;

/// Where the state is kept.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    /// None until a state was kept: the first message that is written down follows one.
    writer: Option<Writer>,
}

/// What another agent left.
#[derive(Debug)]
pub struct Restored {
    /// Its tracker.
    pub tracker: Tracker,
    /// When it was kept.
    pub at: Timestamp,
    /// What it had counted and read then.
    pub taps: Vec<SavedTap>,
    /// Messages that it had counted and not yet read.
    pub in_rings: i64,
    /// Records of the messages that it saw afterwards, as far as it could write them down.
    pub messages: Vec<Bytes>,
}

/// What stands in the file between the name of the boot and the state of the tracker.
#[derive(Serialize, Deserialize)]
struct Head {
    version: u16,
    at_ns: u64,
    in_rings: i64,
    taps: Vec<SavedTap>,
}

/// Why the state could not be taken up, or kept.
#[derive(Debug, thiserror::Error)]
pub enum StateFileError {
    /// The file cannot be read or written.
    #[error("{0}")]
    File(#[from] io::Error),
    /// It is not the state of a tracker of this version.
    #[error("{0}")]
    State(#[from] gdoi_core::RestoreError),
    /// It cannot be written down.
    #[error("{0}")]
    Save(#[from] gdoi_core::SaveError),
    /// The machine was started again since.
    #[error("the machine was rebooted since it was saved")]
    OtherBoot,
    /// Another version of the agent wrote it.
    #[error("another version of the agent saved it")]
    Version,
}

impl StateFile {
    /// In the file at `path`.
    pub fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            writer: None,
        }
    }

    /// Where that is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was kept; `None` when nothing was.
    pub fn restore(&self, config: Config, limits: Limits) -> Result<Option<Restored>, StateFileError> {
        let octets = match fs::read(&self.path) {
            Ok(octets) => octets,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let (head, state) = split(&octets)?;
        let at = Timestamp::from_nanos(head.at_ns);
        Ok(Some(Restored {
            tracker: Tracker::restore(config, limits, state)?,
            at,
            taps: head.taps,
            in_rings: head.in_rings,
            messages: log::read(&self.log_path(), at)?,
        }))
    }

    /// Keeps the tracker and what was read as they are at `now`, with as many messages counted and not yet read: the file
    /// is the old one or the new one, never a part.
    ///
    /// While the one before is still being written, none is kept. What goes wrong in writing is logged.
    pub fn save(
        &mut self,
        tracker: &Tracker,
        now: Timestamp,
        in_rings: i64,
        taps: Vec<SavedTap>,
    ) -> Result<(), StateFileError> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(Writer::start(self.path.clone(), log_path(&self.path))?),
        };
        if !writer.is_ready() {
            return Ok(());
        }
        let head = Head {
            version: VERSION,
            at_ns: now.as_nanos(),
            in_rings,
            taps,
        };
        let mut octets = boot()?.into_bytes();
        octets.extend(MAGIC);
        let mut octets = postcard::to_extend(&head, octets).map_err(|_postcard| gdoi_core::SaveError)?;
        octets.extend(tracker.save()?);
        writer.state(now, octets);
        Ok(())
    }

    /// Writes down records of messages that were seen since the state was kept. When this comes back they are in the log,
    /// unless the disk takes too long.
    pub fn note(&mut self, records: Vec<Bytes>) {
        if let Some(writer) = &mut self.writer {
            writer.messages(records);
        }
    }

    /// Whether the disk has taken too long and takes something again: what it has is not what is known.
    pub fn is_behind(&self) -> bool {
        self.writer.as_ref().is_some_and(Writer::is_behind)
    }

    /// Waits a while until everything is written that was given here; whether it is.
    pub fn finish(&mut self) -> bool {
        self.writer.as_mut().is_none_or(Writer::finish)
    }

    fn log_path(&self) -> PathBuf {
        log_path(&self.path)
    }
}

/// What is in the file of a state: what the agent knows, and the state of its tracker.
///
/// # Errors
///
/// When it is the state of another boot, or not one of this version.
fn split(octets: &[u8]) -> Result<(Head, &[u8]), StateFileError> {
    let behind = octets
        .strip_prefix(boot()?.as_bytes())
        .ok_or(StateFileError::OtherBoot)?;
    let behind = behind.strip_prefix(&MAGIC).ok_or(StateFileError::Version)?;
    let (head, state): (Head, _) =
        postcard::take_from_bytes(behind).map_err(|_postcard| gdoi_core::RestoreError::Damaged)?;
    if head.version != VERSION {
        return Err(StateFileError::Version);
    }
    Ok((head, state))
}

/// Where the messages are that follow the state at `path`.
fn log_path(path: &Path) -> PathBuf {
    beside(path, ".messages")
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut beside = path.to_owned().into_os_string();
    beside.push(ending);
    beside.into()
}

/// What names this run of the machine: 36 characters and a line end.
fn boot() -> io::Result<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn check(octets: Option<&[u8]>, expect: &str) {
        let folder = tempfile::tempdir().unwrap();
        let saved = StateFile::at(&folder.path().join("state"));
        if let Some(octets) = octets {
            fs::write(saved.path(), octets).unwrap();
        }
        let said = match saved.restore(Config::default(), Limits::default()) {
            Ok(None) => "nothing".to_owned(),
            Ok(Some(restored)) => format!("since {}", restored.at.as_nanos()),
            Err(error) => error.to_string(),
        };
        assert_eq!(said, expect);
    }

    #[test]
    fn what_is_no_state_is_refused() {
        let boot = boot().unwrap();
        check(None, "nothing");
        check(Some(b""), "the machine was rebooted since it was saved");
        check(Some(boot.as_bytes()), "another version of the agent saved it");
        let other = [boot.as_bytes(), &[0; 8], b"something"].concat();
        check(Some(&other), "another version of the agent saved it");
        let cut = [boot.as_bytes(), &MAGIC, &[1]].concat();
        check(Some(&cut), "the saved state is damaged");
        let head = [boot.as_bytes(), &MAGIC, &[2, 7, 0, 0], b"something"].concat();
        check(Some(&head), "this is not a saved state");
        let later = [boot.as_bytes(), &MAGIC, &[3, 7, 0, 0], b"something"].concat();
        check(Some(&later), "another version of the agent saved it");
    }

    #[test]
    fn what_was_saved_is_taken_up() {
        let folder = tempfile::tempdir().unwrap();
        let mut saved = StateFile::at(&folder.path().join("state"));
        let tracker = Tracker::new(Config::default(), Limits::default());
        saved
            .save(&tracker, Timestamp::from_nanos(77), 0, Vec::new())
            .unwrap();
        assert!(saved.finish());
        check(Some(&fs::read(saved.path()).unwrap()), "since 77");
        for path in [saved.path().to_owned(), saved.log_path()] {
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", path.display());
        }
    }

    #[test]
    fn messages_since_then_are_taken_up_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut saved = StateFile::at(&folder.path().join("state"));
        let tracker = Tracker::new(Config::default(), Limits::default());
        let messages = |saved: &mut StateFile| {
            assert!(saved.finish());
            let restored = saved.restore(Config::default(), Limits::default()).unwrap();
            restored.unwrap().messages
        };
        let (one, two) = (Bytes::from_static(b"one"), Bytes::from_static(b"a record"));
        // Nothing is written down before there is a state that it follows.
        saved.note(vec![one.clone()]);
        saved
            .save(&tracker, Timestamp::from_nanos(1), 0, Vec::new())
            .unwrap();
        assert_eq!(messages(&mut saved), [""; 0]);
        saved.note(vec![one.clone()]);
        saved.note(vec![two.clone(), one.clone()]);
        assert_eq!(messages(&mut saved), [&one, &two, &one]);
        // A log that ends within a record, and one that belongs to another state.
        let log = fs::read(saved.log_path()).unwrap();
        fs::write(saved.log_path(), &log[..log.len() - 1]).unwrap();
        assert_eq!(messages(&mut saved), [&one, &two]);
        saved
            .save(&tracker, Timestamp::from_nanos(2), 0, Vec::new())
            .unwrap();
        assert_eq!(messages(&mut saved), [""; 0]);
        fs::write(saved.log_path(), &log).unwrap();
        assert_eq!(messages(&mut saved), [""; 0]);
    }
}
