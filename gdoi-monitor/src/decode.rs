//! `decode`: one JSON line for every packet of ours in a capture.

mod line;

use std::collections::BTreeMap;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use gdoi_wire::{Body, Dissected, Packet, Ports};

use crate::cli;
use crate::exit::Exit;
use crate::progress::Progress;
use crate::source::link::{LinkType, UnreadLinks};
use crate::source::pcap::{self, CaptureReader, Frame};
use line::DecodedLine;

const BUFFER_OCTETS: usize = 64 * 1024;

/// Runs the command: lines to standard output, what is wrong with a capture to standard error.
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
            Ok(()) => {}
            Err(DecodeError::Write(error)) => return Err(error.into()),
            Err(error) => {
                exit = Exit::Failed;
                writeln!(io::stderr(), "gdoi-monitor: {error}")?;
            }
        }
    }
    Ok(exit)
}

/// Why a capture was not decoded to its end. What came before has been written.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The capture is damaged, truncated or none.
    #[error(transparent)]
    Capture(#[from] pcap::CaptureError),
    /// It has frames of link layers that are not read; the others were read.
    #[error("{}: {}", path.display(), UnreadLinks(links))]
    Link {
        /// The capture.
        path: PathBuf,
        /// How many frames there are of each.
        links: BTreeMap<LinkType, u64>,
    },
    /// The lines cannot be written.
    #[error("cannot write: {0}")]
    Write(#[from] io::Error),
}

/// Writes one line for every packet of ours in the capture. `named` is what the lines call the capture, if anything.
pub fn decode(
    path: &Path,
    named: Option<&Path>,
    ports: &Ports,
    out: &mut impl Write,
) -> Result<(), DecodeError> {
    lines(path, named, ports, out, &mut Progress::new(false))
}

fn lines(
    path: &Path,
    named: Option<&Path>,
    ports: &Ports,
    out: &mut impl Write,
    progress: &mut Progress,
) -> Result<(), DecodeError> {
    let mut reader = CaptureReader::open(path)?;
    let mut links = BTreeMap::new();
    while let Some(frame) = reader.next_frame()? {
        match frame.dissect(ports) {
            Some(Dissected::Other) => {}
            Some(Dissected::Packet(packet)) => write_packet(named, &frame, &packet, out)?,
            Some(Dissected::Error(error)) => write_line(&DecodedLine::miss(named, &frame, error), out)?,
            None => *links.entry(frame.link).or_default() += 1,
        }
        progress.step(1, || reader.octets());
    }
    if links.is_empty() {
        return Ok(());
    }
    Err(DecodeError::Link {
        path: path.to_owned(),
        links,
    })
}

/// A packet has a line for its AH, if it has one, and a line for what that protects, if that is ours.
fn write_packet(
    named: Option<&Path>,
    frame: &Frame<'_>,
    packet: &Packet,
    out: &mut impl Write,
) -> io::Result<()> {
    if let Some(ah) = packet.ah {
        write_line(&DecodedLine::ah(named, frame, packet, ah), out)?;
    }
    match packet.body {
        Body::Ah => Ok(()),
        Body::Esp(esp) => write_line(&DecodedLine::esp(named, frame, packet, esp), out),
        Body::Isakmp {
            header,
            offset: _,
            available: _,
            octets,
            marked,
        } => write_line(
            &DecodedLine::isakmp(named, frame, packet, header, u32::from(octets), marked),
            out,
        ),
        Body::NatKeepalive => write_line(&DecodedLine::nat_keepalive(named, frame, packet), out),
    }
}

fn write_line(line: &DecodedLine<'_>, out: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    out.write_all(b"\n")
}
