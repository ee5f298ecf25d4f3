//! Several captures as one: frames in the order of time, each file open only while its time is.

use std::collections::VecDeque;
use std::fs;
use std::path::Path;

use gdoi_core::Timestamp;

use crate::source::pcap::{CaptureError, CaptureReader};

/// Captures that are read together.
#[derive(Default)]
pub(super) struct Captures {
    /// Those that begin later, in the order of their first frames.
    waiting: VecDeque<Waiting>,
    /// Those that are being read.
    open: Vec<OpenCapture>,
}

/// One that begins later.
struct Waiting {
    file: u32,
    first: Timestamp,
    /// What cannot be opened twice stays open: standard input, a pipe.
    reader: Option<CaptureReader>,
}

/// One that is being read.
pub(super) struct OpenCapture {
    pub(super) file: u32,
    pub(super) reader: CaptureReader,
    /// When its next frame was captured.
    next: Timestamp,
}

/// The capture whose turn it is.
pub(super) struct Turn<'a> {
    pub(super) capture: &'a mut OpenCapture,
    /// It is its turn up to here, then it must be asked whose it is.
    pub(super) until: Timestamp,
    /// Nothing else was being read when it began, and it begins here.
    pub(super) begins: bool,
}

impl Captures {
    /// Opens a capture as far as its first frame. One without frames has nothing to tell.
    pub(super) fn add(&mut self, file: u32, path: &Path) -> Result<(), CaptureError> {
        let mut reader = CaptureReader::open(path)?;
        if let Some(first) = reader.peek()? {
            let again = fs::metadata(path).is_ok_and(|what| what.is_file());
            self.waiting.push_back(Waiting {
                file,
                first,
                reader: (!again).then_some(reader),
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
    pub(super) fn turn<P: AsRef<Path>>(
        &mut self,
        paths: &[P],
    ) -> Result<Option<Turn<'_>>, (u32, CaptureError)> {
        let earliest = self.open.iter().map(|capture| capture.next).min();
        let due = self.waiting.front().map(|waiting| waiting.first);
        let mut begins = false;
        if let Some(first) = due
            && earliest.is_none_or(|earliest| first <= earliest)
            && let Some(waiting) = self.waiting.pop_front()
        {
            begins = self.open.is_empty();
            self.begin(waiting, paths)?;
        }
        self.open.sort_by_key(|capture| capture.next);
        let another = self.open.get(1).map(|capture| capture.next);
        let due = self.waiting.front().map(|waiting| waiting.first);
        let until = [another, due].into_iter().flatten().min();
        Ok(self.open.first_mut().map(|capture| Turn {
            capture,
            until: until.unwrap_or(Timestamp::from_nanos(u64::MAX)),
            begins,
        }))
    }

    fn begin<P: AsRef<Path>>(&mut self, waiting: Waiting, paths: &[P]) -> Result<(), (u32, CaptureError)> {
        let Waiting { file, first, reader } = waiting;
        let path = usize::try_from(file).ok().and_then(|at| paths.get(at));
        let reader = match (reader, path) {
            (Some(reader), _) => reader,
            (None, Some(path)) => CaptureReader::open(path.as_ref()).map_err(|error| (file, error))?,
            (None, None) => return Ok(()),
        };
        self.open.push(OpenCapture {
            file,
            reader,
            next: first,
        });
        Ok(())
    }

    /// A capture has ended, or cannot be read on.
    pub(super) fn end(&mut self, file: u32) {
        self.open.retain(|capture| capture.file != file);
    }
}

impl OpenCapture {
    /// When its next frame was captured; `None` when it has ended.
    pub(super) fn peek(&mut self) -> Result<Option<Timestamp>, CaptureError> {
        let next = self.reader.peek()?;
        self.next = next.unwrap_or(self.next);
        Ok(next)
    }
}
