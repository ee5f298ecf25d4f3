//! The flight recorder: keeps the latest GDOI messages as far as records hold them, and writes them as a capture
//! after a critical event or on request. It never has ESP, and at most sixteen octets of an encrypted body.
//!
//! A thread writes: a hanging disk stops nothing.

mod capture;
mod frame;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use gdoi_core::Timestamp;
use gdoi_core::transition::{Severity, Transition};
use gdoi_wire::record::Record;

use super::trouble::Trouble;
use super::worker::Worker;
use crate::files::{self, Backoff, Lock};
use crate::time::Calendar;

/// Comment in each capture: what is real in its frames.
const COMMENT: &str = "These frames were rebuilt from records. Addresses, ports, VLAN tags, lengths, times, ISAKMP \
headers and the bytes after them are as captured. Ethernet addresses, IP options, identifiers and checksums were not \
kept and are zero; the TTL is always 64. Frames are truncated after what was kept: 16 bytes after the header of an \
encrypted message, 512 bytes after the header of a message in clear text.";
/// What follows a critical event belongs to it.
const AFTERMATH: Duration = Duration::from_secs(10);
/// One capture covers a series of critical events.
const AT_MOST_EVERY: Duration = Duration::from_mins(5);
/// Keeps other agents out of the folder.
const LOCK: &str = "gdoi-flight.lock";
/// The oldest file is overwritten.
const MOST_FILES: u32 = 16;
const LAST_WRITES: Duration = Duration::from_secs(2);

/// Keeps the latest messages, and writes them.
#[derive(Debug)]
pub struct Recorder {
    folder: PathBuf,
    #[expect(dead_code, reason = "it is held, not used")]
    lock: Option<Lock>,
    /// Records with their snapshots, oldest first, and their total size.
    records: VecDeque<Bytes>,
    octets: usize,
    capacity: usize,
    /// Messages that were dropped for newer ones.
    forgotten: u64,
    /// When to write, and why.
    due: Option<(Timestamp, &'static str)>,
    /// When a critical event last caused a capture.
    written: Option<Timestamp>,
    files: u32,
    /// The capture being written, by its reason, and the error of the last one that failed.
    handed_over: Option<&'static str>,
    trouble: Trouble,
    /// The capture to retry after a failure, and when.
    again: Option<&'static str>,
    backoff: Backoff,
    /// The writing thread; started with the first capture.
    writer: Option<Worker<Recording>>,
}

/// A complete capture, before it is a file.
#[derive(Debug)]
struct Recording {
    path: PathBuf,
    octets: Vec<u8>,
    messages: usize,
    why: &'static str,
    trouble: Trouble,
}

impl Recorder {
    /// Keeps up to `capacity` octets of messages, and writes captures into a folder. The folder must be writable, and
    /// not in use by another agent.
    pub fn open(folder: &Path, capacity: usize) -> Result<Self, files::FileError> {
        files::try_folder(folder)?;
        let lock = Lock::take(&folder.join(LOCK))?;
        Ok(Self {
            lock: Some(lock),
            ..Self::new(folder, capacity)
        })
    }

    fn new(folder: &Path, capacity: usize) -> Self {
        Self {
            folder: folder.to_owned(),
            lock: None,
            records: VecDeque::new(),
            octets: 0,
            capacity,
            forgotten: 0,
            due: None,
            written: None,
            files: 0,
            handed_over: None,
            trouble: Trouble::default(),
            again: None,
            backoff: Backoff::default(),
            writer: None,
        }
    }

    /// Handles a message. `record` is the kernel's record, followed by the snapshot.
    pub fn keep(&mut self, record: &Bytes) {
        // A copy: the record is a slice of the whole drain's buffer.
        let record = Bytes::copy_from_slice(record);
        self.octets += cost(&record);
        self.records.push_back(record);
        while self.octets > self.capacity
            && let Some(oldest) = self.records.pop_front()
        {
            self.octets -= cost(&oldest);
            self.forgotten += 1;
        }
    }

    /// Handles transitions. If one is critical, schedules a capture of what led to it and a little of what follows.
    pub fn watch(&mut self, transitions: &[Transition]) {
        let critical = transitions
            .iter()
            .find(|transition| transition.what.severity() == Severity::Critical);
        let Some(transition) = critical else {
            return;
        };
        let lately = self
            .written
            .is_some_and(|written| transition.at.since(written) < AT_MOST_EVERY);
        if self.due.is_none() && !lately {
            self.due = Some((transition.at.after(AFTERMATH), transition.what.name()));
        }
    }

    /// Advances the time to `now`: writes what is due.
    pub fn advance(&mut self, now: Timestamp, calendar: Calendar) {
        if self.is_writing() {
            return;
        }
        self.note_outcome(now);
        if let Some(why) = self.again.take_if(|_| self.backoff.is_over(now)) {
            self.write(now, calendar, why);
            return;
        }
        if let Some((_, why)) = self.due.take_if(|(at, _)| *at <= now) {
            self.written = Some(now);
            self.write(now, calendar, why);
        }
    }

    /// Writes what is kept, and logs the path.
    pub fn write(&mut self, now: Timestamp, calendar: Calendar, why: &'static str) {
        if self.is_writing() {
            tracing::error!(
                why,
                "the flight recorder is still being written; skipping this request"
            );
            return;
        }
        if let Err(error) = self.hand_over(now, calendar, why) {
            let folder = self.folder.display();
            tracing::error!(%error, %folder, "cannot write the flight recorder");
        }
    }

    /// Why writing fails; `None` if it does not.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.why()
    }

    /// Retries a failed capture, as long as its messages are still kept.
    fn note_outcome(&mut self, now: Timestamp) {
        let Some(why) = self.handed_over.take() else {
            return;
        };
        if self.trouble.why().is_some() {
            self.backoff.failed(now);
            self.again = Some(why);
        } else {
            self.backoff.succeeded();
        }
    }

    /// Waits a while until everything is written.
    pub fn finish(&self) {
        if self
            .writer
            .as_ref()
            .is_some_and(|writer| !writer.wait(LAST_WRITES))
        {
            tracing::error!("timed out writing the flight recorder");
        }
    }

    fn is_writing(&self) -> bool {
        self.writer.as_ref().is_some_and(|writer| !writer.is_idle())
    }

    fn hand_over(&mut self, now: Timestamp, calendar: Calendar, why: &'static str) -> io::Result<()> {
        // File names rotate: captures around critical events must not fill the disk.
        let path = self
            .folder
            .join(format!("gdoi-flight-{}.pcapng", self.files % MOST_FILES));
        let comment = format!(
            "Written at {} because of: {why}. {COMMENT} {} older messages had been dropped.",
            calendar.date(now),
            self.forgotten
        );
        let mut octets = Vec::new();
        self.write_to(&mut octets, calendar, &comment)?;
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => none.insert(Worker::start("flight", 1, |recording: Recording| {
                recording.write();
            })?),
        };
        writer.hand_over(Recording {
            path,
            octets,
            messages: self.records.len(),
            why,
            trouble: self.trouble.clone(),
        });
        self.handed_over = Some(why);
        self.files += 1;
        Ok(())
    }

    fn write_to(&self, out: &mut impl io::Write, calendar: Calendar, comment: &str) -> io::Result<()> {
        capture::begin(out, comment)?;
        for octets in &self.records {
            let Some((record, snapshot)) = Record::parse(octets) else {
                continue;
            };
            let at = calendar.date(Timestamp::from_nanos(record.at_ns)).0;
            capture::packet(out, at, &frame::of(record, snapshot), record.frame_octets)?;
        }
        Ok(())
    }
}

impl Recording {
    fn write(&self) {
        let path = self.path.display();
        match self.try_write() {
            Ok(()) => {
                let Self { messages, why, .. } = self;
                self.trouble.end();
                tracing::info!(%path, messages, why, "wrote the flight recorder");
            }
            Err(error) => {
                if self.trouble.begin(&error) {
                    tracing::error!(%error, %path, "cannot write the flight recorder");
                }
            }
        }
    }

    /// The file gets its name when it is complete.
    fn try_write(&self) -> Result<(), files::FileError> {
        let unfinished = self.path.with_extension("pcapng.new");
        files::create_new(&unfinished)?.write_all(&self.octets)?;
        Ok(fs::rename(&unfinished, &self.path)?)
    }
}

/// Memory used by a record, bookkeeping included.
fn cost(record: &Bytes) -> usize {
    record.len() + size_of::<Bytes>()
}
