//! A window that slides over a stream, so that memory does not grow with the capture.

use std::io::{self, Read};

/// Room for the longest record that libpcap writes, 262,144 octets, is made when one comes; this much stays in the
/// second-level cache. Less asks the kernel more often, more has been found no faster.
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

    /// What has been read and not consumed.
    pub(super) fn held(&self) -> &[u8] {
        self.octets.get(self.start..self.end).unwrap_or_default()
    }

    /// Reads until `wanted` octets are held, growing to that many if need be. `false` when the stream ends before.
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

    /// Gives up the first `octets` of what is held.
    pub(super) fn consume(&mut self, octets: usize) {
        self.start = (self.start + octets).min(self.end);
    }

    /// Gives up the first `octets` of what is held, and shows some of them until the next call.
    pub(super) fn take(&mut self, octets: usize, shown: std::ops::Range<usize>) -> &[u8] {
        let from = self.start;
        self.consume(octets);
        self.octets
            .get(from + shown.start..from + shown.end)
            .unwrap_or_default()
    }
}
