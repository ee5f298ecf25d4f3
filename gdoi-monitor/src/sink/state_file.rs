//! The agent's state in a file, so that it survives a restart of the agent.
//!
//! Its times are the kernel's since boot, so it is valid until a reboot. Nothing is synced to the disk: an agent that
//! starts after a kill finds the file in the page cache.
//!
//! ```text
//! magic | version | checksum of the rest | boot id | reading positions | state of the tracker
//! ```
//!
//! Next to the state is the log of messages since ([`log`]): together they are everything the agent knew when it was
//! killed. A thread writes both ([`writer`]): a hanging disk stops nothing.

mod log;
mod writer;

use std::path::{Path, PathBuf};
use std::{fs, io};

use bytes::Bytes;
use gdoi_core::{Config, Diagnosis, Limits, Timestamp, Tracker};
use serde::{Deserialize, Serialize};

use super::trouble::Trouble;
use crate::files::{self, Lock, beside};
use crate::source::xdp::SavedTap;
use writer::Writer;

const MAGIC: [u8; 8] = *b"gdoikept";
/// Layout of the file and of [`Head`]. Any change raises it.
const VERSION: u16 = 4;
/// Octets before the part that the checksum covers.
const START: usize = MAGIC.len() + size_of::<u16>() + size_of::<u32>();
/// The largest tracker, with a million members, is smaller.
const MAX_STATE: u64 = 1 << 30;
/// Suffixes of the files next to the state.
const LOCK: &str = ".lock";
const MESSAGES: &str = ".messages";

/// The saved state of an agent.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    /// Keeps other agents away, until the writer takes it over.
    lock: Option<Lock>,
    /// None until a state was saved: the first logged message follows one.
    writer: Option<Writer>,
    trouble: Trouble,
}

/// What another agent left.
#[derive(Debug)]
pub struct Restored {
    /// Its tracker.
    pub tracker: Tracker,
    /// Its diagnosis.
    pub diagnosis: Diagnosis,
    /// When it was saved.
    pub at: Timestamp,
    /// Its counters and reading positions at that time.
    pub taps: Vec<SavedTap>,
    /// Messages that it had counted and not yet read.
    pub in_rings: i64,
    /// Records of later messages, as far as it could log them.
    pub messages: Vec<Bytes>,
}

/// The part of the file between boot id and tracker.
#[derive(Serialize, Deserialize)]
struct Head {
    at_ns: u64,
    in_rings: i64,
    taps: Vec<SavedTap>,
    diagnosis: Vec<u8>,
}

/// Why the state could not be resumed or saved.
#[derive(Debug, thiserror::Error)]
pub enum StateFileError {
    /// The file cannot be read.
    #[error("{0}")]
    File(#[from] files::FileError),
    /// The system does not return the boot id, or starts no thread.
    #[error("{0}")]
    System(#[from] io::Error),
    /// It is no state of a tracker of this version.
    #[error("{0}")]
    State(#[from] gdoi_core::RestoreError),
    /// It cannot be serialised.
    #[error("{0}")]
    Save(#[from] gdoi_core::SaveError),
    /// The machine was rebooted since.
    #[error("the machine was rebooted since it was saved")]
    OtherBoot,
    /// Another version of the agent wrote it.
    #[error("another version of the agent saved it")]
    Version,
    /// It is another kind of file.
    #[error("it is no saved state")]
    NoState,
    /// The checksum does not match.
    #[error("it is damaged: its checksum does not match")]
    Damaged,
}

impl StateFile {
    /// In the file at `path`, which no other agent may use. Retries while the disk is not there yet.
    pub fn open(path: &Path) -> Result<Self, files::FileError> {
        let lock = match Lock::take(&beside(path, LOCK)) {
            Ok(lock) => Some(lock),
            Err(error) if error.is_passing() => None,
            Err(error) => return Err(error),
        };
        Ok(Self {
            path: path.to_owned(),
            lock,
            writer: None,
            trouble: Trouble::default(),
        })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The saved state; `None` if there is none.
    pub fn restore(&self, config: Config, limits: Limits) -> Result<Option<Restored>, StateFileError> {
        let Some(octets) = files::read(&self.path, MAX_STATE)? else {
            return Ok(None);
        };
        let (head, state) = split(&octets)?;
        let at = Timestamp::from_nanos(head.at_ns);
        Ok(Some(Restored {
            tracker: Tracker::restore(config, limits, state)?,
            diagnosis: Diagnosis::restore(&head.diagnosis).unwrap_or_default(),
            at,
            taps: head.taps,
            in_rings: head.in_rings,
            messages: log::read(&self.log_path(), at)?,
        }))
    }

    /// Saves the tracker and the reading positions as of `now`, with this many messages counted and not yet read. The
    /// file is the old one or the new one, never a mix.
    ///
    /// Skipped while the previous save is still being written. The writer logs errors.
    pub fn save(
        &mut self,
        tracker: &Tracker,
        diagnosis: &Diagnosis,
        now: Timestamp,
        in_rings: i64,
        taps: Vec<SavedTap>,
    ) -> Result<(), StateFileError> {
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(Writer::start(
                self.path.clone(),
                self.lock.take(),
                self.trouble.clone(),
            )?),
        };
        if !writer.is_ready() {
            return Ok(());
        }
        let head = Head {
            at_ns: now.as_nanos(),
            in_rings,
            taps,
            diagnosis: diagnosis.save()?,
        };
        let octets = postcard::to_extend(&head, begun()?).map_err(|_postcard| gdoi_core::SaveError)?;
        let octets = sealed([octets, tracker.save()?].concat());
        writer.state(now, octets);
        Ok(())
    }

    /// Logs records of messages seen since the state was saved. On return they are in the log, unless the disk takes
    /// too long.
    pub fn note(&mut self, records: Vec<Bytes>) {
        if let Some(writer) = &mut self.writer {
            writer.messages(records);
        }
    }

    /// Why it cannot be written now; `None` if it can.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.why()
    }

    /// Whether the disk was too slow and accepts writes again: it has an outdated state.
    pub fn is_behind(&self) -> bool {
        self.writer.as_ref().is_some_and(Writer::is_behind)
    }

    /// Waits a while until everything is written; returns whether it is.
    pub fn finish(&mut self) -> bool {
        self.writer.as_mut().is_none_or(Writer::finish)
    }

    fn log_path(&self) -> PathBuf {
        beside(&self.path, MESSAGES)
    }
}

/// A file of this version and this boot with other content than an agent writes: for tests of hostile files.
pub fn with_content(content: &[u8]) -> io::Result<Vec<u8>> {
    Ok(sealed([begun()?, content.to_vec()].concat()))
}

/// The beginning of a file, up to the boot id.
fn begun() -> io::Result<Vec<u8>> {
    Ok([
        &MAGIC[..],
        &VERSION.to_be_bytes(),
        &[0; size_of::<u32>()],
        boot()?.as_bytes(),
    ]
    .concat())
}

/// Inserts the checksum.
fn sealed(mut octets: Vec<u8>) -> Vec<u8> {
    if let Some((start, rest)) = octets.split_at_mut_checked(START)
        && let Some(checksum) = start.last_chunk_mut()
    {
        *checksum = crc32fast::hash(rest).to_be_bytes();
    }
    octets
}

/// Splits the content of a state file: what the agent knows, and the state of its tracker.
///
/// # Errors
///
/// If it is of another boot, or not of this version.
fn split(octets: &[u8]) -> Result<(Head, &[u8]), StateFileError> {
    let rest = octets.strip_prefix(&MAGIC).ok_or(StateFileError::NoState)?;
    let (version, rest) = rest.split_first_chunk().ok_or(StateFileError::Damaged)?;
    if u16::from_be_bytes(*version) != VERSION {
        return Err(StateFileError::Version);
    }
    let (checksum, rest) = rest.split_first_chunk().ok_or(StateFileError::Damaged)?;
    if u32::from_be_bytes(*checksum) != crc32fast::hash(rest) {
        return Err(StateFileError::Damaged);
    }
    let rest = rest
        .strip_prefix(boot()?.as_bytes())
        .ok_or(StateFileError::OtherBoot)?;
    let (head, state) =
        postcard::take_from_bytes(rest).map_err(|_postcard| gdoi_core::RestoreError::Damaged)?;
    Ok((head, state))
}

/// The boot id: 36 characters and a newline.
fn boot() -> io::Result<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// The error for a file with these octets.
    fn said(octets: Option<&[u8]>) -> String {
        let folder = tempfile::tempdir().unwrap();
        let saved = StateFile::open(&folder.path().join("state")).unwrap();
        if let Some(octets) = octets {
            fs::write(saved.path(), octets).unwrap();
        }
        match saved.restore(Config::default(), Limits::default()) {
            Ok(None) => "nothing".to_owned(),
            Ok(Some(restored)) => format!("since {}", restored.at.as_nanos()),
            Err(error) => error.to_string(),
        }
    }

    /// A file with a valid checksum.
    fn file(version: u16, rest: &[&[u8]]) -> Vec<u8> {
        let rest = rest.concat();
        let checksum = crc32fast::hash(&rest).to_be_bytes();
        [&MAGIC[..], &version.to_be_bytes(), &checksum, &rest].concat()
    }

    #[test]
    fn what_is_no_state_is_refused_for_what_it_is() {
        let boot = boot().unwrap();
        let boot = boot.as_bytes();
        let check = |octets: Option<&[u8]>, expect: &str| assert_eq!(said(octets), expect);
        check(None, "nothing");
        check(Some(b""), "it is no saved state");
        check(Some(boot), "it is no saved state");
        check(Some(&MAGIC), "it is damaged: its checksum does not match");
        check(
            Some(&file(VERSION + 1, &[boot])),
            "another version of the agent saved it",
        );
        let other = [b'x'; 37];
        let other = file(VERSION, &[&other]);
        check(Some(&other), "the machine was rebooted since it was saved");
        check(Some(&file(VERSION, &[boot, &[1]])), "the saved state is damaged");
        let wrong = file(VERSION, &[boot, &[7, 0, 0, 0], b"something"]);
        check(Some(&wrong), "this is not a saved state");
    }

    /// Each octet of a state, changed: all are rejected.
    #[test]
    fn a_flipped_bit_is_noticed_wherever_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let mut saved = StateFile::open(&folder.path().join("state")).unwrap();
        let tracker = Tracker::new(Config::default(), Limits::default());
        let at = Timestamp::from_nanos(77);
        saved
            .save(&tracker, &Diagnosis::new(), at, 0, Vec::new())
            .unwrap();
        assert!(saved.finish());
        let whole = fs::read(saved.path()).unwrap();
        assert_eq!(said(Some(&whole)), "since 77");
        for index in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[index] ^= 1 << (index % 8);
            let said = said(Some(&flipped));
            assert!(!said.starts_with("since"), "octet {index}: {said}");
        }
    }

    #[test]
    fn two_agents_have_no_state_in_common() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let first = StateFile::open(&path).unwrap();
        let refused = StateFile::open(&path).unwrap_err().to_string();
        assert!(refused.starts_with("another agent uses it"), "{refused}");
        drop(first);
        StateFile::open(&path).unwrap();
    }

    /// A missing folder is logged once, and retried less and less often.
    #[test]
    fn a_folder_that_comes_later_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("there");
        let mut saved = StateFile::open(&there.join("state")).unwrap();
        let tracker = Tracker::new(Config::default(), Limits::default());
        let mut save = |second: u64| {
            let now = Timestamp::from_nanos(second * 1_000_000_000);
            saved
                .save(&tracker, &Diagnosis::new(), now, 0, Vec::new())
                .unwrap();
            assert!(saved.finish());
            saved.trouble().is_some()
        };
        assert!(save(1) && save(2));
        fs::create_dir(&there).unwrap();
        assert!(save(2), "not yet tried again");
        assert!(!save(3));
        assert!(there.join("state").is_file() && there.join("state.lock").is_file());
    }

    #[test]
    fn what_was_saved_is_taken_up() {
        let folder = tempfile::tempdir().unwrap();
        let mut saved = StateFile::open(&folder.path().join("state")).unwrap();
        let tracker = Tracker::new(Config::default(), Limits::default());
        saved
            .save(
                &tracker,
                &Diagnosis::new(),
                Timestamp::from_nanos(77),
                0,
                Vec::new(),
            )
            .unwrap();
        assert!(saved.finish());
        assert_eq!(said(Some(&fs::read(saved.path()).unwrap())), "since 77");
        for path in [saved.path().to_owned(), saved.log_path()] {
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", path.display());
        }
    }

    #[test]
    fn messages_since_then_are_taken_up_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut saved = StateFile::open(&folder.path().join("state")).unwrap();
        let tracker = Tracker::new(Config::default(), Limits::default());
        let messages = |saved: &mut StateFile| {
            assert!(saved.finish());
            let restored = saved.restore(Config::default(), Limits::default()).unwrap();
            restored.unwrap().messages
        };
        let (one, two) = (Bytes::from_static(b"one"), Bytes::from_static(b"a record"));
        // Nothing is logged before there is a state that it follows.
        saved.note(vec![one.clone()]);
        saved
            .save(
                &tracker,
                &Diagnosis::new(),
                Timestamp::from_nanos(1),
                0,
                Vec::new(),
            )
            .unwrap();
        assert_eq!(messages(&mut saved), [""; 0]);
        saved.note(vec![one.clone()]);
        saved.note(vec![two.clone(), one.clone()]);
        assert_eq!(messages(&mut saved), [&one, &two, &one]);
        // A log that ends within a record, one with a flipped bit, and one of another state.
        let log = fs::read(saved.log_path()).unwrap();
        fs::write(saved.log_path(), &log[..log.len() - 1]).unwrap();
        assert_eq!(messages(&mut saved), [&one, &two]);
        let mut flipped = log.clone();
        flipped[8 + 8 + 3 + 8] ^= 1;
        fs::write(saved.log_path(), &flipped).unwrap();
        assert_eq!(messages(&mut saved), [&one]);
        saved
            .save(
                &tracker,
                &Diagnosis::new(),
                Timestamp::from_nanos(2),
                0,
                Vec::new(),
            )
            .unwrap();
        assert_eq!(messages(&mut saved), [""; 0]);
        fs::write(saved.log_path(), &log).unwrap();
        assert_eq!(messages(&mut saved), [""; 0]);
    }
}
