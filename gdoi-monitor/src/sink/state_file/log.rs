//! The log of messages seen since the state was saved, as records of the kernel.
//!
//! ```text
//! time of the state | length, checksum | record | length, checksum | record | …
//! ```
//!
//! The time, and length and checksum together, have 8 octets each, most significant first. Records are multiples of 8
//! octets, so each is aligned and can be read in place.
//!
//! Messages that could not be written, because the disk is full or the log too long, are missing. The reader knows
//! from the kernel's counters how many messages there were.

use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::path::Path;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use gdoi_core::Timestamp;

use crate::files;

/// Some seconds of the greatest storm; with little to save, the state is saved more often.
pub(super) const AT_MOST: usize = 16 << 20;
/// The last records may exceed it.
const MAX_LOG: u64 = 2 * AT_MOST as u64;

/// Writes the log.
#[derive(Debug)]
pub(super) struct MessageLog {
    file: File,
    octets: usize,
    /// Nothing more is written until the next state: the log would have a gap.
    is_full: bool,
}

impl MessageLog {
    /// A log that follows the state saved at `at`.
    pub(super) fn create(path: &Path, at: Timestamp) -> Result<Self, files::FileError> {
        let mut log = Self {
            // Membership is for the owner only.
            file: files::create_new(path)?,
            octets: 0,
            is_full: false,
        };
        log.begin(at)?;
        Ok(log)
    }

    /// Restarts the log after the state saved at `at`.
    pub(super) fn begin(&mut self, at: Timestamp) -> io::Result<()> {
        // Until the new beginning is written, nothing may follow the old one.
        self.is_full = true;
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(&at.as_nanos().to_be_bytes())?;
        self.octets = 0;
        self.is_full = false;
        Ok(())
    }

    /// Leaves it unchanged until the next state: something is missing after it.
    pub(super) fn end(&mut self) {
        self.is_full = true;
    }

    /// Writes records, all at once.
    pub(super) fn append(&mut self, records: &[Bytes]) {
        if self.is_full {
            return;
        }
        let mut octets = BytesMut::new();
        for record in records {
            octets.put_u32(u32::try_from(record.len()).unwrap_or(u32::MAX));
            octets.put_u32(crc32fast::hash(record));
            octets.extend_from_slice(record);
        }
        if octets.is_empty() {
            return;
        }
        self.octets += octets.len();
        self.is_full = self.octets > AT_MOST;
        if !self.is_full
            && let Err(error) = self.file.write_all(&octets)
        {
            tracing::warn!(%error, "cannot write the message log; if the agent is killed now, messages are missing from its state");
            self.is_full = true;
        }
    }
}

/// The records that follow the state saved at `at`, up to the first damaged one.
pub(super) fn read(path: &Path, at: Timestamp) -> Result<Vec<Bytes>, files::FileError> {
    let mut octets = Bytes::from(files::read(path, MAX_LOG)?.unwrap_or_default());
    let mut records = Vec::new();
    if octets.try_get_u64() != Ok(at.as_nanos()) {
        return Ok(records);
    }
    while let (Ok(length), Ok(checksum)) = (octets.try_get_u32(), octets.try_get_u32()) {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > octets.len() {
            break;
        }
        let record = octets.split_to(length);
        if crc32fast::hash(&record) != checksum {
            tracing::warn!(path = %path.display(), "the message log is damaged: the rest is ignored");
            break;
        }
        records.push(record);
    }
    Ok(records)
}
