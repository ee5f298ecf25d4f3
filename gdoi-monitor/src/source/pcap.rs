//! Captures, pcap and pcapng, read as a stream: memory does not grow with them.

mod error;
mod next_generation;
mod packed;
#[cfg(test)]
mod tests;
mod window;

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gdoi_core::Timestamp;
use gdoi_wire::{Capture, Ports, Seen};
use pcap_parser::nom::{self, Needed};
use pcap_parser::{
    LegacyPcapBlock, PcapError, PcapHeader, parse_pcap_frame, parse_pcap_frame_be, parse_pcap_frame_modified,
    parse_pcap_header,
};

pub use error::{Damage, Error, What};
use next_generation::{BLOCK_HEADER_OCTETS, Section};
use window::Window;

use crate::source::link::Link;

/// Reads the frames of a capture, one after the other.
pub struct Reader {
    path: PathBuf,
    window: Window,
    format: Format,
    frames: u64,
    /// The next frame, when somebody asked for its time.
    next: Option<Found>,
    /// Octets of the file that were read, which are fewer than those of the capture where it is compressed.
    position: Arc<AtomicU64>,
}

/// A frame of a capture.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Its number in the capture, from 1.
    pub number: u64,
    /// When it was captured, since the epoch. A frame without a time has that of the one before it.
    pub at: Timestamp,
    /// The octets that were kept.
    pub kept: &'a [u8],
    /// How many octets it had on the wire.
    pub wire_octets: u32,
    /// What its first octets are.
    pub link: Link,
}

impl<'a> Frame<'a> {
    /// The frame as the dissector wants it.
    pub fn capture(&self) -> Capture<'a> {
        Capture::cut(self.kept, self.wire_octets as usize)
    }

    /// Says what the frame is. `None`: its link layer is not read.
    pub fn dissect(&self, ports: &Ports) -> Option<Seen> {
        self.link.dissect(&self.capture(), ports)
    }
}

enum Format {
    Pcap(Pcap),
    NextGeneration(Section),
}

/// What the header of a pcap capture says of all its records.
struct Pcap {
    link: Link,
    record: Record,
    /// Neither in the other byte order nor with longer record headers.
    plain: bool,
    /// Nanoseconds in one unit of the second half of a timestamp.
    unit: u64,
}

type Record = fn(&[u8]) -> nom::IResult<&[u8], LegacyPcapBlock<'_>, PcapError<&[u8]>>;

/// Where a frame stands in the window.
struct Found {
    /// Octets of the whole record.
    record: usize,
    kept: Range<usize>,
    at_ns: u64,
    wire_octets: u32,
    link: Link,
}

impl Reader {
    /// Opens a capture; `-` is standard input.
    pub fn open(path: &Path) -> Result<Self, Error> {
        if path == Path::new("-") {
            return Self::new(path, Box::new(io::stdin()));
        }
        match File::open(path) {
            Ok(file) => Self::new(path, Box::new(file)),
            Err(error) => Err(Error {
                path: path.to_owned(),
                what: What::Open(error),
            }),
        }
    }

    /// When the next frame was captured; `None` at the end.
    pub fn peek(&mut self) -> Result<Option<Timestamp>, Error> {
        if self.next.is_none() {
            self.next = self.find()?;
        }
        Ok(self.next.as_ref().map(|found| Timestamp::from_nanos(found.at_ns)))
    }

    /// Reads a capture from a stream. `path` is what errors call it.
    pub fn new(path: &Path, stream: Box<dyn io::Read + Send>) -> Result<Self, Error> {
        let error = |what| Error {
            path: path.to_owned(),
            what,
        };
        let position = Arc::default();
        let counted = packed::Counted::new(stream, Arc::clone(&position));
        let mut window = Window::new(packed::unpack(counted).map_err(error)?);
        let format = begin(&mut window).map_err(error)?;
        Ok(Self {
            path: path.to_owned(),
            window,
            format,
            frames: 0,
            next: None,
            position,
        })
    }

    /// Octets of the file that have been read.
    pub fn octets(&self) -> u64 {
        self.position.load(Ordering::Relaxed)
    }

    /// The next frame, or `None` at the end. After an error there is nothing more to read.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, Error> {
        let found = match self.next.take() {
            Some(found) => found,
            None => match self.find()? {
                Some(found) => found,
                None => return Ok(None),
            },
        };
        self.frames += 1;
        Ok(Some(Frame {
            number: self.frames,
            at: Timestamp::from_nanos(found.at_ns),
            kept: self.window.take(found.record, found.kept),
            wire_octets: found.wire_octets,
            link: found.link,
        }))
    }

    /// Finds the next frame in the window.
    fn find(&mut self) -> Result<Option<Found>, Error> {
        let number = self.frames + 1;
        let found = match &mut self.format {
            Format::Pcap(pcap) => pcap.next(&mut self.window, number),
            Format::NextGeneration(section) => section.next(&mut self.window, number),
        };
        found.map_err(|what| Error {
            path: self.path.clone(),
            what,
        })
    }
}

/// Reads as much as tells the two formats apart.
fn begin(window: &mut Window) -> Result<Format, What> {
    let whole = fill(window, PCAP_HEADER_OCTETS, 1)?;
    if window.held().is_empty() {
        return Err(What::Empty);
    }
    if window.held().starts_with(&SECTION_MAGIC) {
        return Ok(Format::NextGeneration(Section::default()));
    }
    match parse_pcap_header(window.held()) {
        Ok((_, header)) => {
            window.consume(PCAP_HEADER_OCTETS);
            Ok(Format::Pcap(Pcap::from(&header)))
        }
        Err(nom::Err::Incomplete(_)) if !whole && window.held().len() >= MAGIC_OCTETS => Err(What::Header),
        Err(_) => Err(What::NotACapture),
    }
}

impl From<&PcapHeader> for Pcap {
    fn from(header: &PcapHeader) -> Self {
        let record = match (header.is_modified_format(), header.is_bigendian()) {
            (true, _) => parse_pcap_frame_modified,
            (false, true) => parse_pcap_frame_be,
            (false, false) => parse_pcap_frame,
        };
        Self {
            link: Link::from_number(header.network.0.cast_unsigned() & LINK_MASK),
            record,
            plain: !header.is_modified_format() && !header.is_bigendian(),
            unit: if header.is_nanosecond_precision() { 1 } else { 1000 },
        }
    }
}

impl Pcap {
    fn next(&self, window: &mut Window, frame: u64) -> Result<Option<Found>, What> {
        loop {
            let held = window.held();
            if let Some(found) = self.whole(held) {
                return Ok(Some(found));
            }
            let missing = match (self.record)(held) {
                Ok((rest, block)) => {
                    let record = held.len() - rest.len();
                    return Ok(Some(Found {
                        record,
                        kept: record - block.data.len()..record,
                        at_ns: u64::from(block.ts_sec) * NANOS + u64::from(block.ts_usec) * self.unit,
                        wire_octets: block.origlen,
                        link: self.link,
                    }));
                }
                Err(nom::Err::Incomplete(Needed::Size(missing))) => missing.get(),
                Err(_) => {
                    let damage = Damage::Block;
                    return Err(What::Damaged { frame, damage });
                }
            };
            if !fill(window, window.held().len() + missing, frame)? {
                return if window.held().is_empty() {
                    Ok(None)
                } else {
                    Err(What::Truncated { frame })
                };
            }
        }
    }
}

impl Pcap {
    /// The record that `held` begins with, when all of it is there and its header is as nearly all are: 16 octets, the
    /// least significant first. The parser for any header takes three times as long.
    fn whole(&self, held: &[u8]) -> Option<Found> {
        if !self.plain {
            return None;
        }
        let header: &[u8; 16] = held.first_chunk()?;
        let [seconds, fraction, kept, wire] = *header.as_chunks().0 else {
            return None;
        };
        let [seconds, fraction, kept, wire] = [seconds, fraction, kept, wire].map(u32::from_le_bytes);
        let record = header.len().checked_add(kept as usize)?;
        (record <= held.len()).then(|| Found {
            record,
            kept: header.len()..record,
            at_ns: u64::from(seconds) * NANOS + u64::from(fraction) * self.unit,
            wire_octets: wire,
            link: self.link,
        })
    }
}

/// Holds `wanted` octets, within reason. `false` when the capture ends before.
fn fill(window: &mut Window, wanted: usize, frame: u64) -> Result<bool, What> {
    if wanted > MAX_RECORD_OCTETS {
        let damage = Damage::Length(wanted);
        return Err(What::Damaged { frame, damage });
    }
    window.fill(wanted).map_err(|error| match error.kind() {
        // Compressed data that end before their own end.
        io::ErrorKind::UnexpectedEof => What::Truncated { frame },
        _ => What::Read { frame, error },
    })
}

const NANOS: u64 = 1_000_000_000;
const PCAP_HEADER_OCTETS: usize = 24;
const MAGIC_OCTETS: usize = 4;
/// The type of a section header block: the same in either byte order.
const SECTION_MAGIC: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
/// The rest of the field says whether frames end in a check sequence.
const LINK_MASK: u32 = 0x03ff_ffff;
/// libpcap keeps at most 262,144 octets of a frame; a block of pcapng may also carry name tables or TLS secrets.
const MAX_RECORD_OCTETS: usize = 16 << 20;
const _: () = assert!(BLOCK_HEADER_OCTETS <= PCAP_HEADER_OCTETS);
