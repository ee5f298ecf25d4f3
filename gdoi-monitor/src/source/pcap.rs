//! Captures, pcap and pcapng, read as a stream in constant memory.
//!
//! [`CaptureReader`] returns the frames as recorded. [`MonotonicReader`] returns them with times that never decrease.

mod classic;
mod clock;
mod compressed;
mod error;
mod monotonic;
mod next_generation;
#[cfg(test)]
mod tests;
mod window;

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Seek as _, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gdoi_core::Timestamp;
use gdoi_wire::layers::{LinkType, Unwrapped, unwrap};
use gdoi_wire::{Capture, Ports, QuickClass, quick_class};

use classic::{HEADER_OCTETS, Pcap};
pub use clock::{ClockNote, ClockNotes};
use compressed::Unpacked;
pub use error::{CaptureError, CaptureProblem, Damage};
pub use monotonic::MonotonicReader;
use next_generation::{BLOCK_HEADER_OCTETS, Section};
use window::ReadWindow;

/// A snap length of this size keeps every packet whole.
const UNLIMITED_SNAP_LENGTH: u32 = 65_535;
const NANOS: u64 = 1_000_000_000;
/// The type of a section header block: the same in either byte order.
const SECTION_MAGIC: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
/// Number of recent joins that are remembered: more than frames are read ahead.
const MAX_JOINS: usize = 16;
/// libpcap keeps at most 262,144 octets of a frame; a block of pcapng may also carry name tables or TLS secrets.
const MAX_RECORD_OCTETS: usize = 16 << 20;

/// Reads the frames of a capture in order.
pub struct CaptureReader {
    path: PathBuf,
    window: ReadWindow,
    format: CaptureFormat,
    frames: u64,
    /// Numbers of the latest frames that begin a joined recording.
    joins: VecDeque<u64>,
    /// Octets read from the file; fewer than the capture's if it is compressed.
    position: Arc<AtomicU64>,
    /// It is a plain file: it can be closed, and reopened at the same position.
    can_reopen: bool,
}

/// A frame of a capture.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Its number in the capture, from 1.
    pub number: u64,
    /// Capture time, since the epoch. A frame without a time has that of the previous one.
    pub at: Timestamp,
    /// The octets that were kept.
    pub kept: &'a [u8],
    /// Its length on the wire.
    pub wire_octets: u32,
    /// Its link layer.
    pub link: LinkType,
}

impl<'a> Frame<'a> {
    /// The frame in the dissector's form.
    pub fn capture(&self) -> Capture<'a> {
        Capture::cut(self.kept, self.wire_octets as usize)
    }

    /// Dissects the frame, through any encapsulation.
    pub fn unwrap(&self, ports: &Ports) -> Unwrapped {
        unwrap(&self.capture(), ports, self.link)
    }

    /// Classifies the frame without a dissection, if possible. Nearly all captures are of Ethernet.
    #[inline]
    pub fn quick_class(&self, ports: &Ports) -> QuickClass {
        if self.link == LinkType::ETHERNET {
            quick_class(&self.capture(), ports)
        } else {
            gdoi_wire::layers::quick_class(&self.capture(), ports, self.link)
        }
    }

    /// Whether the frame was cut.
    #[inline]
    pub const fn is_cut(&self) -> bool {
        self.kept.len() < self.wire_octets as usize
    }
}

enum CaptureFormat {
    Pcap(Pcap),
    NextGeneration(Section),
}

impl CaptureFormat {
    /// File headers read so far.
    const fn headers(&self) -> u64 {
        match self {
            Self::Pcap(pcap) => pcap.headers(),
            Self::NextGeneration(section) => section.headers(),
        }
    }
}

/// The position of a frame in the window, and the fields of its record.
struct Record {
    /// Length of the whole record.
    octets: usize,
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
        let opened = File::open(path).and_then(|file| match file.metadata()? {
            metadata if metadata.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            metadata => Ok((metadata.is_file(), file)),
        });
        match opened {
            Ok((is_file, file)) => {
                let mut reader = Self::new(path, Box::new(file))?;
                reader.can_reopen &= is_file;
                Ok(reader)
            }
            Err(error) => Err(CaptureError {
                path: path.to_owned(),
                what: CaptureProblem::Open(error),
            }),
        }
    }

    /// Reads a capture from a stream. Errors name it `path`.
    pub fn new(path: &Path, stream: Box<dyn io::Read + Send>) -> Result<Self, CaptureError> {
        let error = |what| CaptureError {
            path: path.to_owned(),
            what,
        };
        let position = Arc::default();
        let counted = compressed::CountingReader::new(stream, Arc::clone(&position));
        let (stream, can_reopen) = match compressed::unpack(counted).map_err(error)? {
            Unpacked::Compressed(stream) => (stream, false),
            Unpacked::Plain(stream) => (stream, true),
        };
        let mut window = ReadWindow::new(stream, 0);
        let format = begin(&mut window).map_err(error)?;
        Ok(Self {
            path: path.to_owned(),
            window,
            format,
            frames: 0,
            joins: VecDeque::new(),
            position,
            can_reopen,
        })
    }

    /// Whether it can be closed, and reopened at the same position.
    pub(super) const fn can_reopen(&self) -> bool {
        self.can_reopen
    }

    /// Closes the file and frees the window. It must be reopened before the next read.
    pub(super) fn close(&mut self) {
        self.window = ReadWindow::new(Box::new(io::empty()), self.window.consumed());
    }

    /// Reopens the file where it was closed.
    pub(super) fn reopen(&mut self) -> Result<(), CaptureError> {
        let consumed = self.window.consumed();
        let file = File::open(&self.path).and_then(|mut file| {
            file.seek(SeekFrom::Start(consumed))?;
            Ok(file)
        });
        let file = file.map_err(|error| CaptureError {
            path: self.path.clone(),
            what: CaptureProblem::Open(error),
        })?;
        let counted = compressed::CountingReader::new(Box::new(file), Arc::clone(&self.position));
        self.position.store(consumed, Ordering::Relaxed);
        self.window = ReadWindow::new(Box::new(counted), consumed);
        Ok(())
    }

    /// Octets of the file that have been read.
    pub fn octets(&self) -> u64 {
        self.position.load(Ordering::Relaxed)
    }

    /// The snap length, if it limits frames.
    pub fn snap_length(&self) -> Option<u32> {
        let longest = match &self.format {
            CaptureFormat::Pcap(pcap) => Some(pcap.snap_length()),
            CaptureFormat::NextGeneration(section) => section.snap_lengths().max(),
        };
        longest.filter(|octets| (1..UNLIMITED_SNAP_LENGTH).contains(octets))
    }

    /// Frames that the recorder reports as lost.
    pub fn dropped(&self) -> u64 {
        match &self.format {
            CaptureFormat::Pcap(_) => 0,
            CaptureFormat::NextGeneration(section) => section.dropped(),
        }
    }

    /// The next frame, or `None` at the end. After an error there are no more frames.
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, CaptureError> {
        let record = self.find()?;
        Ok(record.map(|record| self.frame(record)))
    }

    /// The frame of a record.
    fn frame(&mut self, record: Record) -> Frame<'_> {
        self.frames += 1;
        Frame {
            number: self.frames,
            at: Timestamp::from_nanos(record.at_ns),
            kept: self.window.take(record.octets, record.kept),
            wire_octets: record.wire_octets,
            link: record.link,
        }
    }

    /// Passes the next frames, as many as are in memory, to `take` until it refuses one; that one stays the next.
    ///
    /// This is the path of millions of frames without events. It computes nothing for a frame that `take` does not
    /// use.
    #[inline]
    pub fn skim(&mut self, mut take: impl FnMut(&Frame<'_>) -> bool) {
        let held = self.window.held();
        let (mut rest, mut frames) = (held, self.frames);
        // One call of `take` for both formats, so that it can be inlined into this loop.
        while let Some(record) = match &mut self.format {
            CaptureFormat::Pcap(pcap) => pcap.whole(rest),
            CaptureFormat::NextGeneration(section) => section.whole(rest),
        } {
            let (Some(kept), Some(following)) = (rest.get(record.kept), rest.get(record.octets..)) else {
                break;
            };
            let frame = Frame {
                number: frames + 1,
                at: Timestamp::from_nanos(record.at_ns),
                kept,
                wire_octets: record.wire_octets,
                link: record.link,
            };
            if !take(&frame) {
                break;
            }
            frames += 1;
            rest = following;
        }
        self.frames = frames;
        let octets = held.len() - rest.len();
        self.window.consume(octets);
    }

    /// Whether another recording begins with this frame: the files were joined.
    fn take_join(&mut self, number: u64) -> bool {
        let has_begun = self.joins.front().is_some_and(|joined| *joined <= number);
        if has_begun {
            self.joins.pop_front();
        }
        has_begun
    }

    /// Finds the next frame in the window.
    fn find(&mut self) -> Result<Option<Record>, CaptureError> {
        let number = self.frames + 1;
        let headers = self.format.headers();
        let record = match &mut self.format {
            CaptureFormat::Pcap(pcap) => pcap.next(&mut self.window, number),
            CaptureFormat::NextGeneration(section) => section.next(&mut self.window, number),
        };
        if number > 1 && self.format.headers() != headers {
            self.joins.truncate(MAX_JOINS - 1);
            self.joins.push_back(number);
        }
        record.map_err(|what| CaptureError {
            path: self.path.clone(),
            what,
        })
    }
}

/// Reads enough to recognise the format.
fn begin(window: &mut ReadWindow) -> Result<CaptureFormat, CaptureProblem> {
    let whole = fill(window, HEADER_OCTETS, 1)?;
    let held = window.held();
    if held.is_empty() {
        return Err(CaptureProblem::Empty);
    }
    if held.starts_with(&SECTION_MAGIC) {
        return Ok(CaptureFormat::NextGeneration(Section::default()));
    }
    if let Some((_, name)) = FOREIGN.iter().find(|(magic, _)| held.starts_with(magic)) {
        return Err(CaptureProblem::Foreign(name));
    }
    match held.first_chunk().and_then(Pcap::from_header) {
        Some(pcap) => {
            window.consume(HEADER_OCTETS);
            Ok(CaptureFormat::Pcap(pcap))
        }
        None if !whole && Pcap::is_magic(held) => Err(CaptureProblem::Header),
        None if is_extensible_record_format(held) => Err(CaptureProblem::Foreign("Endace (ERF)")),
        None => Err(CaptureProblem::NotACapture),
    }
}

/// Whether this is a file of ERF records, which has no header: a type, and a length that leads to another record of a
/// known type, or to the end.
fn is_extensible_record_format(held: &[u8]) -> bool {
    let length = |at: usize| -> Option<usize> {
        let [kind, _, l0, l1, _, _, w0, w1] = *held.get(at + 8..)?.first_chunk()?;
        let (length, wire) = (u16::from_be_bytes([l0, l1]), u16::from_be_bytes([w0, w1]));
        (matches!(kind & 0x7f, 1..=48) && length >= 16 && wire != 0).then(|| length.into())
    };
    length(0).is_some_and(|first| first == held.len() || length(first).is_some())
}

/// Makes `wanted` octets available, up to a limit. `false` if the capture ends before.
fn fill(window: &mut ReadWindow, wanted: usize, frame: u64) -> Result<bool, CaptureProblem> {
    if wanted > MAX_RECORD_OCTETS {
        let damage = Damage::Length(wanted);
        return Err(CaptureProblem::Damaged { frame, damage });
    }
    window.fill(wanted).map_err(|error| match error.kind() {
        // The compressed data end too early.
        io::ErrorKind::UnexpectedEof => CaptureProblem::Truncated { frame },
        _ => CaptureProblem::Read { frame, error },
    })
}

const _: () = assert!(BLOCK_HEADER_OCTETS <= HEADER_OCTETS);
/// Magic numbers of capture formats that `editcap` reads.
const FOREIGN: [(&[u8], &str); 7] = [
    (b"snoop\0\0\0", "snoop"),
    (b"GMBU", "Microsoft Network Monitor"),
    (b"RTSS", "Microsoft Network Monitor"),
    (b"XCP\0", "NetXRay"),
    (b"TRSNIFF data    \x1a", "Sniffer"),
    (b"BTSnoop", "btsnoop"),
    (b"\x7fpkt", "EyeSDN"),
];
