//! `decode`: one JSON line for every packet of a monitored protocol in a capture.

mod line;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::Path;

use gdoi_wire::layers::{Found, NotRead, Unwrapped};
use gdoi_wire::{Body, Ports};

use crate::cli;
use crate::exit::Exit;
use crate::progress::Progress;
use crate::source::pcap::{self, CaptureReader};
use crate::text::{Json, complain, counted};
use line::DecodedLine;

const BUFFER_OCTETS: usize = 64 * 1024;
/// Maximum number of kinds of unread frames that are reported separately.
const MOST_UNREAD: usize = 64;

/// Runs the command: lines to standard output, errors in captures to standard error.
pub fn command(arguments: &cli::Decode) -> anyhow::Result<Exit> {
    let ports = arguments.ports.over(&Ports::DEFAULT)?;
    let mut out = BufWriter::with_capacity(BUFFER_OCTETS, io::stdout().lock());
    let mut progress = Progress::new(!io::stdout().is_terminal());
    let mut exit = Exit::Fine;
    for path in &arguments.files {
        let named = (arguments.files.len() > 1).then_some(path.as_path());
        progress.expect(std::slice::from_ref(path));
        let decoded = lines(path, named, &ports, &mut out, &mut progress);
        progress.clear();
        out.flush()?;
        match decoded {
            Ok(unread) if unread.is_empty() => {}
            Ok(unread) => {
                if unread.has_link_layers() {
                    exit = Exit::Failed;
                }
                complain(format_args!("{}: {unread} not read", path.display()))?;
            }
            Err(DecodeError::Write(error)) => return Err(error.into()),
            Err(error) => {
                exit = Exit::Failed;
                complain(error)?;
            }
        }
    }
    Ok(exit)
}

/// Why a capture was not decoded to its end. Everything before it has been written.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The capture is damaged, truncated or not a capture.
    #[error(transparent)]
    Capture(#[from] pcap::CaptureError),
    /// The lines cannot be written.
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

/// Unread frames, by content.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unread {
    frames: BTreeMap<NotRead, u64>,
    /// Frames of kinds beyond the limit.
    others: u64,
}

impl Unread {
    fn add(&mut self, what: NotRead) {
        if self.frames.len() < MOST_UNREAD || self.frames.contains_key(&what) {
            *self.frames.entry(what).or_default() += 1;
        } else {
            self.others += 1;
        }
    }

    /// Whether everything was read.
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    /// Whether a whole link layer was not read.
    pub fn has_link_layers(&self) -> bool {
        self.frames.keys().any(|what| matches!(what, NotRead::Link(_)))
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (what, frames)) in self.frames.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{} of {what}", counted(*frames, "frame"))?;
        }
        if self.others > 0 {
            write!(f, ", {} of other kinds", counted(self.others, "frame"))?;
        }
        Ok(())
    }
}

/// Writes one line for every monitored packet in the capture, and returns what was not read. `named` is the name of
/// the capture in the lines, if any.
pub fn decode(
    path: &Path,
    named: Option<&Path>,
    ports: &Ports,
    out: &mut impl Write,
) -> Result<Unread, DecodeError> {
    lines(path, named, ports, out, &mut Progress::new(false))
}

fn lines(
    path: &Path,
    named: Option<&Path>,
    ports: &Ports,
    out: &mut impl Write,
    progress: &mut Progress,
) -> Result<Unread, DecodeError> {
    let name = named.map(|path| path.display().to_string());
    let mut reader = CaptureReader::open(path)?;
    let mut unread = Unread::default();
    while let Some(frame) = reader.next_frame()? {
        let unwrapped = frame.unwrap(ports);
        let line = DecodedLine::new(name.as_deref(), &frame, &unwrapped);
        write_unwrapped(&line, &unwrapped, out)?;
        if let Found::NotRead(what) = unwrapped.found {
            unread.add(what);
        }
        progress.step(1, || reader.octets());
    }
    Ok(unread)
}

/// A frame has a line for each AH in it, and a line for the innermost packet, if that is monitored.
fn write_unwrapped(line: &DecodedLine<'_>, unwrapped: &Unwrapped, out: &mut impl Write) -> io::Result<()> {
    for ah in unwrapped.ahs.iter().flatten() {
        write_line(&line.ah(ah), out)?;
    }
    match unwrapped.found {
        Found::Elsewhere(_) | Found::NotRead(_) | Found::Other => Ok(()),
        Found::ParseError(reason) => write_line(&line.miss(&unwrapped.envelope, reason), out),
        Found::Packet(packet) => match packet.body {
            Body::Ah => Ok(()),
            Body::Esp(esp) => write_line(&line.esp(&packet, esp), out),
            Body::Isakmp {
                header,
                octets,
                marked,
                ..
            } => write_line(&line.isakmp(&packet, header, u32::from(octets), marked), out),
            Body::NatKeepalive => write_line(&line.nat_keepalive(&packet), out),
        },
    }
}

fn write_line(line: &DecodedLine<'_>, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer(Json(&mut *out), line)?;
    out.write_all(b"\n")
}
