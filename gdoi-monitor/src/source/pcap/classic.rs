//! pcap: one header, then records (draft-ietf-opsawg-pcap).
//!
//! ```text
//! header:  magic 4, version 2 + 2, time zone 4, accuracy 4, snap length 4, link type 4
//! record:  seconds 4, fraction 4, octets kept 4, octets on the wire 4, [8 more in Kuznetzov's form], the octets
//! ```

use gdoi_wire::layers::LinkType;

use super::window::ReadWindow;
use super::{CaptureProblem, Damage, NANOS, Record, fill};

pub(super) const HEADER_OCTETS: usize = 24;
const RECORD_OCTETS: usize = 16;
/// With an interface, a protocol and a packet type after the lengths.
const MODIFIED_RECORD_OCTETS: usize = 24;
const MICROSECONDS: u32 = 0xa1b2_c3d4;
const NANOSECONDS: u32 = 0xa1b2_3c4d;
/// The magic number of Alexey Kuznetzov's patch.
const MODIFIED: u32 = 0xa1b2_cd34;
/// The other bits say whether frames end in a check sequence.
const LINK_MASK: u32 = 0x03ff_ffff;

/// The header of a pcap capture.
#[derive(Clone, Copy)]
pub(super) struct Pcap {
    link: LinkType,
    is_big_endian: bool,
    /// Length of a record header.
    header: usize,
    /// Nanoseconds in one unit of the second half of a timestamp.
    unit: u64,
    /// Maximum number of octets kept of a frame.
    snap_length: u32,
    /// Headers read, including this one.
    headers: u64,
}

impl Pcap {
    /// Parses the header of a file. `None` if it is of another format.
    pub(super) fn from_header(header: &[u8; HEADER_OCTETS]) -> Option<Self> {
        let words: &[[u8; 4]] = header.as_chunks().0;
        let [magic, version, _, _, snap, link] = *words else {
            return None;
        };
        let (is_big_endian, header, unit) = form(magic)?;
        let four = |octets| word(octets, is_big_endian);
        // Version 2 since 1998; the halves of the word are in the byte order of the file.
        let major = if is_big_endian {
            four(version) >> 16
        } else {
            four(version) & 0xffff
        };
        (major == 2).then(|| Self {
            link: LinkType(four(link) & LINK_MASK),
            is_big_endian,
            header,
            unit,
            snap_length: four(snap),
            headers: 1,
        })
    }

    /// Whether a file that is too short for a header begins like one.
    pub(super) fn is_magic(begin: &[u8]) -> bool {
        begin.first_chunk().copied().and_then(form).is_some()
    }

    pub(super) const fn headers(&self) -> u64 {
        self.headers
    }

    pub(super) const fn snap_length(&self) -> u32 {
        self.snap_length
    }

    /// Finds the next record. If files were joined, the header of the next one appears instead of a record, and is
    /// read as a header.
    pub(super) fn next(
        &mut self,
        window: &mut ReadWindow,
        frame: u64,
    ) -> Result<Option<Record>, CaptureProblem> {
        loop {
            if !fill(window, self.header, frame)? {
                return match window.held() {
                    [] => Ok(None),
                    rest if rest.iter().all(|octet| *octet == 0) => Err(zeros(frame)),
                    _ => Err(CaptureProblem::Truncated { frame }),
                };
            }
            if let Some(record) = self.whole(window.held()) {
                return Ok(Some(record));
            }
            let record = self
                .record(window.held())
                .ok_or(CaptureProblem::Truncated { frame })?;
            if record.wire_octets == 0 && record.kept.is_empty() {
                if fill(window, HEADER_OCTETS, frame)?
                    && let Some(another) = window.held().first_chunk().and_then(Self::from_header)
                {
                    window.consume(HEADER_OCTETS);
                    *self = Self {
                        headers: self.headers + 1,
                        ..another
                    };
                    continue;
                }
                if window.held().iter().take(RECORD_OCTETS).all(|octet| *octet == 0) {
                    return Err(zeros(frame));
                }
            }
            if !fill(window, record.octets, frame)? {
                return Err(CaptureProblem::Truncated { frame });
            }
            return Ok(Some(record));
        }
    }

    /// The record at the beginning of `held`, if it is complete and not empty on the wire.
    #[inline]
    pub(super) fn whole(&self, held: &[u8]) -> Option<Record> {
        let record = self.record(held)?;
        (record.wire_octets != 0 && record.octets <= held.len()).then_some(record)
    }

    /// The record whose header is at the beginning of `held`.
    #[inline]
    fn record(&self, held: &[u8]) -> Option<Record> {
        let header: &[u8; RECORD_OCTETS] = held.first_chunk()?;
        let [seconds, fraction, kept, wire] = *header.as_chunks().0 else {
            return None;
        };
        let [seconds, fraction, kept, wire] = if self.is_big_endian {
            [seconds, fraction, kept, wire].map(u32::from_be_bytes)
        } else {
            [seconds, fraction, kept, wire].map(u32::from_le_bytes)
        };
        let octets = self.header + kept as usize;
        Some(Record {
            octets,
            kept: self.header..octets,
            at_ns: u64::from(seconds) * NANOS + u64::from(fraction) * self.unit,
            wire_octets: wire,
            link: self.link,
        })
    }
}

/// The format of a magic number: byte order, length of a record header, and unit of the fraction.
const fn form(magic: [u8; 4]) -> Option<(bool, usize, u64)> {
    let little = u32::from_le_bytes(magic);
    let is_big_endian = !matches!(little, MICROSECONDS | NANOSECONDS | MODIFIED);
    match if is_big_endian {
        little.swap_bytes()
    } else {
        little
    } {
        MICROSECONDS => Some((is_big_endian, RECORD_OCTETS, 1000)),
        NANOSECONDS => Some((is_big_endian, RECORD_OCTETS, 1)),
        MODIFIED => Some((is_big_endian, MODIFIED_RECORD_OCTETS, 1000)),
        _ => None,
    }
}

const fn word(octets: [u8; 4], is_big_endian: bool) -> u32 {
    if is_big_endian {
        u32::from_be_bytes(octets)
    } else {
        u32::from_le_bytes(octets)
    }
}

const fn zeros(frame: u64) -> CaptureProblem {
    CaptureProblem::Damaged {
        frame,
        damage: Damage::Zeros,
    }
}
