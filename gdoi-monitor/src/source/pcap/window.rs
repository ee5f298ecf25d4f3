//! A window that slides over a stream, so that memory does not grow with the capture.

use std::io::{self, Read};

/// The window grows when a longer record comes, up to libpcap's maximum of 262,144 octets; this size stays in the
/// second-level cache. A smaller window makes more system calls, a larger one was not faster.
const FIRST_OCTETS: usize = 512 * 1024;

/// The part of a stream that is being parsed.
pub(super) struct ReadWindow {
    stream: Box<dyn Read + Send>,
    octets: Vec<u8>,
    start: usize,
    end: usize,
    /// Octets of the stream before the window.
    before: u64,
}

impl ReadWindow {
    /// A window over a stream of which `before` octets have been read already.
    pub(super) fn new(stream: Box<dyn Read + Send>, before: u64) -> Self {
        Self {
            stream,
            octets: Vec::new(),
            start: 0,
            end: 0,
            before,
        }
    }

    /// Octets of the stream that have been consumed.
    pub(super) const fn consumed(&self) -> u64 {
        self.before + self.start as u64
    }

    /// Octets that are read and not consumed.
    pub(super) fn held(&self) -> &[u8] {
        self.octets.get(self.start..self.end).unwrap_or_default()
    }

    /// Reads until `wanted` octets are available, growing if necessary. `false` if the stream ends before.
    pub(super) fn fill(&mut self, wanted: usize) -> io::Result<bool> {
        if self.end - self.start >= wanted {
            return Ok(true);
        }
        self.octets.copy_within(self.start..self.end, 0);
        self.before += self.start as u64;
        self.end -= self.start;
        self.start = 0;
        if self.octets.len() < wanted {
            let first = if self.octets.is_empty() { FIRST_OCTETS } else { 0 };
            self.octets.resize(wanted.next_power_of_two().max(first), 0);
        }
        while self.end < wanted {
            let space = self.octets.get_mut(self.end..).unwrap_or_default();
            match self.stream.read(space) {
                Ok(0) => return Ok(false),
                Ok(octets) => self.end += octets,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Consumes the first `octets`.
    pub(super) fn consume(&mut self, octets: usize) {
        self.start = (self.start + octets).min(self.end);
    }

    /// Consumes the first `octets`, and returns a range of them until the next call.
    pub(super) fn take(&mut self, octets: usize, shown: std::ops::Range<usize>) -> &[u8] {
        let from = self.start;
        self.consume(octets);
        self.octets
            .get(from + shown.start..from + shown.end)
            .unwrap_or_default()
    }
}
