//! Several captures as one: frames in the order of time, each file open only while its time is.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;

use gdoi_core::Timestamp;

use crate::source::pcap::{CaptureError, MonotonicReader};

/// Files that are open at once: windows of 32 MiB in all, and fewer than any system allows.
const MOST_OPEN: usize = 64;

/// Captures that are read together.
#[derive(Default)]
pub(super) struct Captures {
    /// Those that begin later, in the order of their first frames.
    waiting: VecDeque<Waiting>,
    /// Those that are being read, the one with the earliest next frame first.
    running: Vec<OpenCapture>,
}

/// One that begins later.
struct Waiting {
    file: u32,
    first: Timestamp,
    /// What cannot be opened twice stays open: standard input, a pipe.
    recording: Option<MonotonicReader>,
}

/// One that is being read.
pub(super) struct OpenCapture {
    pub(super) file: u32,
    pub(super) recording: MonotonicReader,
    /// When its next frame was captured.
    next: Timestamp,
    /// How often its clock was set, as far as that was told.
    pub(super) steps_told: u64,
}

/// The capture whose turn it is.
pub(super) struct Turn<'a> {
    pub(super) capture: &'a mut OpenCapture,
    /// It is its turn up to here, then it must be asked whose it is.
    pub(super) until: Timestamp,
    /// Nothing else was being read when it began, and it begins here.
    pub(super) begins: bool,
}

/// Why it is nobody's turn.
pub(super) enum TurnError {
    /// A capture cannot be opened when its time has come.
    Open(CaptureError),
    /// Too many captures that cannot be closed and opened again are of one time.
    TooMany(u32),
}

impl Captures {
    /// Opens a capture as far as its first frame. One without frames has nothing to tell.
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

    /// Puts those that wait in order. Of two that begin at once, the one that was named first comes first.
    pub(super) fn sort(&mut self) {
        self.waiting
            .make_contiguous()
            .sort_by_key(|waiting| waiting.first);
    }

    /// Whose turn it is. `None` when all have been read.
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

    /// Captures whose files are open.
    fn open(&self) -> impl Iterator<Item = &OpenCapture> {
        self.running
            .iter()
            .filter(|capture| !capture.recording.is_closed())
    }

    /// Closes files, those first that are read on last, until as many are open as may be. `false`: they cannot be closed.
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

    /// A capture has ended, or cannot be read on.
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
