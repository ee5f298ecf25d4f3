//! What the agent has learned and read, in a file, so that it survives a restart of the agent.
//!
//! Times in it are the kernel's since boot, so it is of use until the machine is started again and no longer: nothing is
//! forced to the disk, and an agent that is killed finds in the page cache what it wrote.
//!
//! ```text
//! magic | version | checksum of what follows | name of the boot | what the agent read | state of the tracker
//! ```
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

use super::trouble::Trouble;
use crate::files::{self, Lock, beside};
use crate::source::xdp::SavedTap;
use writer::Writer;

const MAGIC: [u8; 8] = *b"gdoikept";
/// Layout of the file and of [`Head`]. Any change raises it.
const VERSION: u16 = 3;
/// What is before the octets that the checksum is of.
const START: usize = MAGIC.len() + size_of::<u16>() + size_of::<u32>();
/// The largest tracker, with a million members, has less.
const MAX_STATE: u64 = 1 << 30;
/// What the files beside the state are called, behind its name.
const LOCK: &str = ".lock";
const MESSAGES: &str = ".messages";

/// Where the state is kept.
#[derive(Debug)]
pub struct StateFile {
    path: PathBuf,
    /// Keeps other agents away, until the writer does.
    lock: Option<Lock>,
    /// None until a state was kept: the first message that is written down follows one.
    writer: Option<Writer>,
    trouble: Trouble,
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
    at_ns: u64,
    in_rings: i64,
    taps: Vec<SavedTap>,
}

/// Why the state could not be taken up, or kept.
#[derive(Debug, thiserror::Error)]
pub enum StateFileError {
    /// The file cannot be read.
    #[error("{0}")]
    File(#[from] files::FileError),
    /// The system does not tell the name of this boot, or starts no thread.
    #[error("{0}")]
    System(#[from] io::Error),
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
    /// It is something else.
    #[error("it is no saved state")]
    NoState,
    /// It is not as it was written.
    #[error("it is damaged: its checksum does not fit")]
    Damaged,
}

impl StateFile {
    /// In the file at `path`, which no other agent may use. A disk that is not there yet is waited for.
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

    /// Where that is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was kept; `None` when nothing was.
    pub fn restore(&self, config: Config, limits: Limits) -> Result<Option<Restored>, StateFileError> {
        let Some(octets) = files::read(&self.path, MAX_STATE)? else {
            return Ok(None);
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
        };
        let octets = postcard::to_extend(&head, begun()?).map_err(|_postcard| gdoi_core::SaveError)?;
        let octets = sealed([octets, tracker.save()?].concat());
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

    /// Why it cannot be written now; `None` when it can.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.why()
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
        beside(&self.path, MESSAGES)
    }
}

/// A file of this version and this boot with other octets than an agent would write: for who tries what becomes of it.
pub fn with_content(content: &[u8]) -> io::Result<Vec<u8>> {
    Ok(sealed([begun()?, content.to_vec()].concat()))
}

/// The beginning of a file, up to the name of the boot.
fn begun() -> io::Result<Vec<u8>> {
    Ok([
        &MAGIC[..],
        &VERSION.to_be_bytes(),
        &[0; size_of::<u32>()],
        boot()?.as_bytes(),
    ]
    .concat())
}

/// With the checksum in its place.
fn sealed(mut octets: Vec<u8>) -> Vec<u8> {
    if let Some((start, rest)) = octets.split_at_mut_checked(START)
        && let Some(checksum) = start.last_chunk_mut()
    {
        *checksum = crc32fast::hash(rest).to_be_bytes();
    }
    octets
}

/// What is in the file of a state: what the agent knows, and the state of its tracker.
///
/// # Errors
///
/// When it is the state of another boot, or not one of this version.
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

/// What names this run of the machine: 36 characters and a line end.
fn boot() -> io::Result<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// What is said of a file with these octets.
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

    /// A file whose checksum fits.
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
        check(Some(&MAGIC), "it is damaged: its checksum does not fit");
        check(
            Some(&file(VERSION + 1, &[boot])),
            "another version of the agent saved it",
        );
        let other = [b'x'; 37];
        let other = file(VERSION, &[&other]);
        check(Some(&other), "the machine was rebooted since it was saved");
        check(Some(&file(VERSION, &[boot, &[1]])), "the saved state is damaged");
        let wrong = file(VERSION, &[boot, &[7, 0, 0], b"something"]);
        check(Some(&wrong), "this is not a saved state");
    }

    /// Each octet of a state, changed: none is believed.
    #[test]
    fn a_flipped_bit_is_noticed_wherever_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let mut saved = StateFile::open(&folder.path().join("state")).unwrap();
        let tracker = Tracker::new(Config::default(), Limits::default());
        let at = Timestamp::from_nanos(77);
        saved.save(&tracker, at, 0, Vec::new()).unwrap();
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

    /// A folder that is not there is said once, and looked for again less and less often.
    #[test]
    fn a_folder_that_comes_later_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("there");
        let mut saved = StateFile::open(&there.join("state")).unwrap();
        let tracker = Tracker::new(Config::default(), Limits::default());
        let mut save = |second: u64| {
            let now = Timestamp::from_nanos(second * 1_000_000_000);
            saved.save(&tracker, now, 0, Vec::new()).unwrap();
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
            .save(&tracker, Timestamp::from_nanos(77), 0, Vec::new())
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
        // Nothing is written down before there is a state that it follows.
        saved.note(vec![one.clone()]);
        saved
            .save(&tracker, Timestamp::from_nanos(1), 0, Vec::new())
            .unwrap();
        assert_eq!(messages(&mut saved), [""; 0]);
        saved.note(vec![one.clone()]);
        saved.note(vec![two.clone(), one.clone()]);
        assert_eq!(messages(&mut saved), [&one, &two, &one]);
        // A log that ends within a record, one with a flipped bit, and one that belongs to another state.
        let log = fs::read(saved.log_path()).unwrap();
        fs::write(saved.log_path(), &log[..log.len() - 1]).unwrap();
        assert_eq!(messages(&mut saved), [&one, &two]);
        let mut flipped = log.clone();
        flipped[8 + 8 + 3 + 8] ^= 1;
        fs::write(saved.log_path(), &flipped).unwrap();
        assert_eq!(messages(&mut saved), [&one]);
        saved
            .save(&tracker, Timestamp::from_nanos(2), 0, Vec::new())
            .unwrap();
        assert_eq!(messages(&mut saved), [""; 0]);
        fs::write(saved.log_path(), &log).unwrap();
        assert_eq!(messages(&mut saved), [""; 0]);
    }
}
