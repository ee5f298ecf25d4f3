//! Captures, pcap and pcapng, read as a stream: memory does not grow with them.

mod classic;
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
use gdoi_wire::{Capture, Dissected, Ports, QuickClass};
use pcap_parser::{nom, parse_pcap_header};

use classic::Pcap;
pub use error::{CaptureError, CaptureProblem, Damage};
use next_generation::{BLOCK_HEADER_OCTETS, Section};
use window::ReadWindow;

use crate::source::link::LinkType;

const NANOS: u64 = 1_000_000_000;
const PCAP_HEADER_OCTETS: usize = 24;
const MAGIC_OCTETS: usize = 4;
/// The type of a section header block: the same in either byte order.
const SECTION_MAGIC: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
/// libpcap keeps at most 262,144 octets of a frame; a block of pcapng may also carry name tables or TLS secrets.
const MAX_RECORD_OCTETS: usize = 16 << 20;

/// Reads the frames of a capture, one after the other.
pub struct CaptureReader {
    path: PathBuf,
    window: ReadWindow,
    format: CaptureFormat,
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
    pub link: LinkType,
}

impl<'a> Frame<'a> {
    /// The frame as the dissector wants it.
    pub fn capture(&self) -> Capture<'a> {
        Capture::cut(self.kept, self.wire_octets as usize)
    }

    /// Says what the frame is. `None`: its link layer is not read.
    pub fn dissect(&self, ports: &Ports) -> Option<Dissected> {
        self.link.dissect(&self.capture(), ports)
    }

    /// Says what the frame is, if a glance tells.
    #[inline]
    pub fn quick_class(&self, ports: &Ports) -> QuickClass {
        self.link.quick_class(&self.capture(), ports)
    }
}

enum CaptureFormat {
    Pcap(Pcap),
    NextGeneration(Section),
}

/// Where a frame stands in the window.
struct Found {
    /// Octets of the whole record.
    record: usize,
    kept: Range<usize>,
    at_ns: u64,
    wire_octets: u32,
    link: LinkType,
}

impl CaptureReader {
    /// Opens a capture; `-` is standard input.
    pub fn open(path: &Path) -> Result<Self, CaptureError> {
        if path == Path::new("-") {
            return Self::new(path, Box::new(io::stdin()));
        }
        match File::open(path) {
            Ok(file) => Self::new(path, Box::new(file)),
            Err(error) => Err(CaptureError {
                path: path.to_owned(),
                what: CaptureProblem::Open(error),
            }),
        }
    }

    /// When the next frame was captured; `None` at the end.
    pub fn peek(&mut self) -> Result<Option<Timestamp>, CaptureError> {
        if self.next.is_none() {
            self.next = self.find()?;
        }
        Ok(self.next.as_ref().map(|found| Timestamp::from_nanos(found.at_ns)))
    }

    /// Reads a capture from a stream. `path` is what errors call it.
    pub fn new(path: &Path, stream: Box<dyn io::Read + Send>) -> Result<Self, CaptureError> {
        let error = |what| CaptureError {
            path: path.to_owned(),
            what,
        };
        let position = Arc::default();
        let counted = packed::CountingReader::new(stream, Arc::clone(&position));
        let mut window = ReadWindow::new(packed::unpack(counted).map_err(error)?);
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
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, CaptureError> {
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

    /// Hands over the next frames, as many as have been read already, until one is not taken: that one is the next.
    ///
    /// This is the way of the millions of frames that have nothing to tell. It makes nothing for a frame but what
    /// `take` looks at.
    #[inline]
    pub fn skim(&mut self, mut take: impl FnMut(&Frame<'_>) -> bool) {
        if self.next.is_some() {
            return;
        }
        let held = self.window.held();
        let (mut rest, mut frames) = (held, self.frames);
        // One call of `take` for both formats, so that it can become a part of this loop.
        while let Some(found) = match &mut self.format {
            CaptureFormat::Pcap(pcap) => pcap.whole(rest),
            CaptureFormat::NextGeneration(section) => section.whole(rest),
        } {
            let (Some(kept), Some(behind)) = (rest.get(found.kept), rest.get(found.record..)) else {
                break;
            };
            let frame = Frame {
                number: frames + 1,
                at: Timestamp::from_nanos(found.at_ns),
                kept,
                wire_octets: found.wire_octets,
                link: found.link,
            };
            if !take(&frame) {
                break;
            }
            frames += 1;
            rest = behind;
        }
        self.frames = frames;
        let octets = held.len() - rest.len();
        self.window.consume(octets);
    }

    /// Finds the next frame in the window.
    fn find(&mut self) -> Result<Option<Found>, CaptureError> {
        let number = self.frames + 1;
        let found = match &mut self.format {
            CaptureFormat::Pcap(pcap) => pcap.next(&mut self.window, number),
            CaptureFormat::NextGeneration(section) => section.next(&mut self.window, number),
        };
        found.map_err(|what| CaptureError {
            path: self.path.clone(),
            what,
        })
    }
}

/// Reads as much as tells the two formats apart.
fn begin(window: &mut ReadWindow) -> Result<CaptureFormat, CaptureProblem> {
    let whole = fill(window, PCAP_HEADER_OCTETS, 1)?;
    if window.held().is_empty() {
        return Err(CaptureProblem::Empty);
    }
    if window.held().starts_with(&SECTION_MAGIC) {
        return Ok(CaptureFormat::NextGeneration(Section::default()));
    }
    match parse_pcap_header(window.held()) {
        Ok((_, header)) => {
            window.consume(PCAP_HEADER_OCTETS);
            Ok(CaptureFormat::Pcap(Pcap::from(&header)))
        }
        Err(nom::Err::Incomplete(_)) if !whole && window.held().len() >= MAGIC_OCTETS => {
            Err(CaptureProblem::Header)
        }
        Err(_) => Err(CaptureProblem::NotACapture),
    }
}

/// Holds `wanted` octets, within reason. `false` when the capture ends before.
fn fill(window: &mut ReadWindow, wanted: usize, frame: u64) -> Result<bool, CaptureProblem> {
    if wanted > MAX_RECORD_OCTETS {
        let damage = Damage::Length(wanted);
        return Err(CaptureProblem::Damaged { frame, damage });
    }
    window.fill(wanted).map_err(|error| match error.kind() {
        // Compressed data that end before their own end.
        io::ErrorKind::UnexpectedEof => CaptureProblem::Truncated { frame },
        _ => CaptureProblem::Read { frame, error },
    })
}

const _: () = assert!(BLOCK_HEADER_OCTETS <= PCAP_HEADER_OCTETS);
