//! A capture with times that never decrease.

use std::collections::VecDeque;
use std::path::Path;

use gdoi_core::Timestamp;
use gdoi_wire::layers::LinkType;

use super::clock::{ClockNotes, LOOK_AHEAD, Look, RecorderClock};
use super::{CaptureError, CaptureReader, Frame, Record};

/// Reads the frames of a capture with corrected times: see [`super::clock`].
pub struct MonotonicReader {
    reader: CaptureReader,
    clock: RecorderClock,
    next: Next,
    /// Frames read ahead to judge the times of earlier ones.
    ahead: VecDeque<HeldFrame>,
    /// An error after those.
    error: Option<CaptureError>,
    has_ended: bool,
    is_closed: bool,
}

/// The next frame, once its time is known.
enum Next {
    /// The first of the frames read ahead.
    Held(Timestamp),
    Unknown,
    /// In the reader's window.
    Found(Record, Timestamp),
}

/// A frame, kept.
struct HeldFrame {
    number: u64,
    recorded: u64,
    kept: Vec<u8>,
    wire_octets: u32,
    link: LinkType,
}

impl MonotonicReader {
    /// Opens a capture; `-` is standard input.
    pub fn open(path: &Path) -> Result<Self, CaptureError> {
        CaptureReader::open(path).map(Self::new)
    }

    /// From a reader at the beginning of its capture.
    pub fn new(reader: CaptureReader) -> Self {
        Self {
            reader,
            clock: RecorderClock::default(),
            next: Next::Unknown,
            ahead: VecDeque::new(),
            error: None,
            has_ended: false,
            is_closed: false,
        }
    }

    /// The time of the next frame; `None` at the end. After an error there are no more frames.
    pub fn peek(&mut self) -> Result<Option<Timestamp>, CaptureError> {
        if let Next::Found(_, at) | Next::Held(at) = self.next {
            return Ok(Some(at));
        }
        if self.ahead.is_empty() {
            let Some(record) = self.find()? else {
                return Ok(None);
            };
            if let Look::At(at) = self.clock.look(record.at_ns) {
                let at = Timestamp::from_nanos(at);
                self.next = Next::Found(record, at);
                return Ok(Some(at));
            }
            self.hold(record);
        }
        let Some(HeldFrame { number, recorded, .. }) = self.ahead.front() else {
            return Ok(None);
        };
        let (number, recorded) = (*number, *recorded);
        let at = match self.clock.look(recorded) {
            Look::At(at) => at,
            Look::Ahead => {
                self.look_ahead();
                let following: Vec<u64> = self.ahead.iter().skip(1).map(|frame| frame.recorded).collect();
                self.clock.judge(number, recorded, &following)
            }
        };
        let at = Timestamp::from_nanos(at);
        self.next = Next::Held(at);
        Ok(Some(at))
    }

    /// Takes the next frame, with the time of [`MonotonicReader::peek`]; `None` at the end.
    pub fn with_next<T>(&mut self, take: impl FnOnce(Frame<'_>) -> T) -> Result<Option<T>, CaptureError> {
        self.peek()?;
        match std::mem::replace(&mut self.next, Next::Unknown) {
            Next::Found(record, at) => {
                let frame = self.reader.frame(record);
                Ok(Some(take(Frame { at, ..frame })))
            }
            Next::Held(at) => Ok(self.ahead.pop_front().map(|frame| take(frame.at(at)))),
            Next::Unknown => Ok(None),
        }
    }

    /// Passes the next frames, as many as are in memory, to `take` until it refuses one; that one stays the next.
    #[inline]
    pub fn skim(&mut self, mut take: impl FnMut(&Frame<'_>) -> bool) {
        if !matches!(self.next, Next::Unknown) || !self.ahead.is_empty() {
            return;
        }
        let offset = self.clock.offset();
        let mut last = 0;
        let mut pass = |frame: &Frame<'_>| {
            let is_taken = take(frame);
            if is_taken {
                last = last.max(frame.at.as_nanos());
            }
            is_taken
        };
        // Two loops: most captures have no offset.
        if offset == 0 {
            self.reader.skim(pass);
        } else {
            self.reader.skim(|frame| {
                let at = i128::from(frame.at.as_nanos()) + offset;
                u64::try_from(at).is_ok_and(|at| {
                    let at = Timestamp::from_nanos(at);
                    pass(&Frame { at, ..*frame })
                })
            });
        }
        if last > 0 {
            self.clock.passed(last);
        }
    }

    /// Whether another recording begins with the next frame, once its time is known: the files were joined.
    pub fn take_join(&mut self) -> bool {
        let number = match (&self.next, self.ahead.front()) {
            (Next::Held(_), Some(frame)) => frame.number,
            (Next::Found(..), _) => self.reader.frames + 1,
            _ => return false,
        };
        self.reader.take_join(number)
    }

    /// The corrections of times so far.
    pub const fn clock(&self) -> &ClockNotes {
        self.clock.notes()
    }

    /// Octets of the file that have been read.
    pub fn octets(&self) -> u64 {
        self.reader.octets()
    }

    /// The snap length, as far as the capture has one.
    pub fn snap_length(&self) -> Option<u32> {
        self.reader.snap_length()
    }

    /// Frames that the recorder reports as lost.
    pub fn dropped(&self) -> u64 {
        self.reader.dropped()
    }

    /// Closes the file until the next read, so that any number of captures can be read together. `false` if it cannot
    /// be reopened.
    pub fn close(&mut self) -> bool {
        if self.reader.can_reopen() && !self.is_closed {
            if let Next::Found(record, at) = std::mem::replace(&mut self.next, Next::Unknown) {
                self.hold(record);
                self.next = Next::Held(at);
            }
            self.reader.close();
            self.is_closed = true;
        }
        self.is_closed
    }

    /// Whether its file is closed.
    pub const fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Finds the next record; `None` at the end.
    fn find(&mut self) -> Result<Option<Record>, CaptureError> {
        if let Some(error) = self.error.take() {
            self.has_ended = true;
            return Err(error);
        }
        if self.has_ended {
            return Ok(None);
        }
        if std::mem::take(&mut self.is_closed) {
            self.reader.reopen()?;
        }
        let found = self.reader.find()?;
        self.has_ended = found.is_none();
        Ok(found)
    }

    /// Stores the frame of a record.
    fn hold(&mut self, record: Record) {
        let held = HeldFrame::new(&self.reader.frame(record));
        self.ahead.push_back(held);
    }

    /// Reads ahead as many frames as needed to judge a time.
    fn look_ahead(&mut self) {
        while self.ahead.len() <= LOOK_AHEAD {
            match self.find() {
                Ok(Some(record)) => self.hold(record),
                Ok(None) => return,
                Err(error) => {
                    self.error = Some(error);
                    return;
                }
            }
        }
    }
}

impl HeldFrame {
    fn new(frame: &Frame<'_>) -> Self {
        Self {
            number: frame.number,
            recorded: frame.at.as_nanos(),
            kept: frame.kept.to_vec(),
            wire_octets: frame.wire_octets,
            link: frame.link,
        }
    }

    fn at(&self, at: Timestamp) -> Frame<'_> {
        Frame {
            number: self.number,
            at,
            kept: &self.kept,
            wire_octets: self.wire_octets,
            link: self.link,
        }
    }
}
