//! Several captures as one: frames in time order, each file open only while it is needed.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;

use gdoi_core::Timestamp;

use crate::source::pcap::{CaptureError, MonotonicReader};

/// Maximum number of open files: 32 MiB of windows in total, and fewer than any system allows.
const MOST_OPEN: usize = 64;

/// Captures that are read together.
#[derive(Default)]
pub(super) struct Captures {
    /// Captures that begin later, in the order of their first frames.
    waiting: VecDeque<Waiting>,
    /// Captures being read, the one with the earliest next frame first.
    running: Vec<OpenCapture>,
}

/// A capture that begins later.
struct Waiting {
    file: u32,
    first: Timestamp,
    /// An input that cannot be opened twice stays open: standard input, a pipe.
    recording: Option<MonotonicReader>,
}

/// A capture being read.
pub(super) struct OpenCapture {
    pub(super) file: u32,
    pub(super) recording: MonotonicReader,
    /// When its next frame was captured.
    next: Timestamp,
    /// Number of clock steps already reported.
    pub(super) steps_told: u64,
}

/// The capture with the earliest next frame.
pub(super) struct Turn<'a> {
    pub(super) capture: &'a mut OpenCapture,
    /// It is read up to this time; then the order is decided again.
    pub(super) until: Timestamp,
    /// No other capture was being read when it began, and it begins here.
    pub(super) begins: bool,
}

/// Why no capture can be read.
pub(super) enum TurnError {
    /// A capture cannot be opened when its time has come.
    Open(CaptureError),
    /// Too many captures that cannot be reopened overlap in time.
    TooMany(u32),
}

impl Captures {
    /// Opens a capture up to its first frame. One without frames is ignored.
    pub(super) fn add(&mut self, file: u32, path: &Path) -> Result<(), CaptureError> {
        let mut recording = MonotonicReader::open(path)?;
        if let Some(first) = recording.peek()? {
            let again = fs::metadata(path).is_ok_and(|what| what.is_file());
            self.waiting.push_back(Waiting {
                file,
                first,
                recording: (!again).then_some(recording),
            });
        }
        Ok(())
    }

    /// Sorts the waiting captures. If two begin at the same time, the one named first comes first.
    pub(super) fn sort(&mut self) {
        self.waiting
            .make_contiguous()
            .sort_by_key(|waiting| waiting.first);
    }

    /// The capture to read next; `None` when all have been read.
    pub(super) fn turn<P: AsRef<Path>>(&mut self, paths: &[P]) -> Result<Option<Turn<'_>>, TurnError> {
        let earliest = self.running.iter().map(|capture| capture.next).min();
        let due = self.waiting.front().map(|waiting| waiting.first);
        let mut begins = false;
        if let Some(first) = due
            && earliest.is_none_or(|earliest| first <= earliest)
            && let Some(waiting) = self.waiting.pop_front()
        {
            begins = self.running.is_empty();
            self.begin(waiting, paths)?;
        }
        self.running.sort_by_key(|capture| capture.next);
        self.close_some();
        let another = self.running.get(1).map(|capture| capture.next);
        let due = self.waiting.front().map(|waiting| waiting.first);
        let until = [another, due].into_iter().flatten().min();
        Ok(self.running.first_mut().map(|capture| Turn {
            capture,
            until: until.unwrap_or(Timestamp::from_nanos(u64::MAX)),
            begins,
        }))
    }

    fn begin<P: AsRef<Path>>(&mut self, waiting: Waiting, paths: &[P]) -> Result<(), TurnError> {
        let Waiting {
            file,
            first,
            recording,
        } = waiting;
        let path = usize::try_from(file).ok().and_then(|at| paths.get(at));
        let recording = match (recording, path) {
            (Some(recording), _) => recording,
            (None, Some(path)) => MonotonicReader::open(path.as_ref()).map_err(TurnError::Open)?,
            (None, None) => return Ok(()),
        };
        if self.open().count() >= MOST_OPEN && !self.close_some() {
            return Err(TurnError::TooMany(file));
        }
        self.running.push(OpenCapture {
            file,
            recording,
            next: first,
            steps_told: 0,
        });
        Ok(())
    }

    /// Captures with open files.
    fn open(&self) -> impl Iterator<Item = &OpenCapture> {
        self.running
            .iter()
            .filter(|capture| !capture.recording.is_closed())
    }

    /// Closes files, starting with those needed last, until the limit is met. `false` if they cannot be closed.
    fn close_some(&mut self) -> bool {
        let mut beyond = (self.open().count() + 1).saturating_sub(MOST_OPEN);
        for capture in self.running.iter_mut().skip(1).rev() {
            if beyond == 0 {
                break;
            }
            if !capture.recording.is_closed() && capture.recording.close() {
                beyond -= 1;
            }
        }
        beyond == 0
    }

    /// A capture has ended, or cannot be read further.
    pub(super) fn end(&mut self, file: u32) {
        self.running.retain(|capture| capture.file != file);
    }
}

impl OpenCapture {
    /// When its next frame was captured; `None` when it has ended.
    pub(super) fn peek(&mut self) -> Result<Option<Timestamp>, CaptureError> {
        let next = self.recording.peek()?;
        self.next = next.unwrap_or(self.next);
        Ok(next)
    }
}
