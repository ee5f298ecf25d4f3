//! Writes capture files.

use std::io::{self, Write};

use gdoi_core::Timestamp;

const MAGIC_NANOSECONDS: u32 = 0xa1b2_3c4d;
const SNAP_OCTETS: u32 = 262_144;
const LINK_ETHERNET: u32 = 1;
const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 6;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;

/// The form of a capture file, little endian, with nanoseconds and Ethernet frames.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// The classic form (draft-ietf-opsawg-pcap §4).
    #[default]
    Pcap,
    /// The form in blocks (draft-ietf-opsawg-pcapng §4).
    Pcapng,
}

impl Format {
    /// The format that a file name suggests.
    pub fn of_name(name: &str) -> Self {
        if name.to_ascii_lowercase().ends_with(".pcapng") {
            Self::Pcapng
        } else {
            Self::Pcap
        }
    }
}

/// Writes a capture file.
#[derive(Debug)]
pub struct PcapWriter<W> {
    to: W,
    format: Format,
}

impl<W: Write> PcapWriter<W> {
    /// Begins a file of the classic form.
    pub fn new(to: W) -> io::Result<Self> {
        Self::of(Format::Pcap, to)
    }

    /// Begins a file.
    pub fn of(format: Format, mut to: W) -> io::Result<Self> {
        match format {
            Format::Pcap => {
                let (major, minor) = (2_u16, 4_u16);
                to.write_all(&MAGIC_NANOSECONDS.to_le_bytes())?;
                to.write_all(&major.to_le_bytes())?;
                to.write_all(&minor.to_le_bytes())?;
                to.write_all(&[0; 8])?;
                to.write_all(&SNAP_OCTETS.to_le_bytes())?;
                to.write_all(&LINK_ETHERNET.to_le_bytes())?;
            }
            Format::Pcapng => {
                block(&mut to, SECTION, &section())?;
                block(&mut to, INTERFACE, &interface())?;
            }
        }
        Ok(Self { to, format })
    }

    /// Adds one frame.
    pub fn frame(&mut self, at: Timestamp, frame: &[u8]) -> io::Result<()> {
        let length = frame.len() as u32;
        match self.format {
            Format::Pcap => {
                let seconds = (at.as_nanos() / 1_000_000_000) as u32;
                let nanos = (at.as_nanos() % 1_000_000_000) as u32;
                for field in [seconds, nanos, length, length] {
                    self.to.write_all(&field.to_le_bytes())?;
                }
                self.to.write_all(frame)
            }
            Format::Pcapng => {
                let (high, low) = ((at.as_nanos() >> 32) as u32, at.as_nanos() as u32);
                // On the first interface.
                let mut packet: Vec<u8> = [0, high, low, length, length]
                    .iter()
                    .flat_map(|field| field.to_le_bytes())
                    .collect();
                packet.extend(frame);
                block(&mut self.to, PACKET, &packet)
            }
        }
    }

    /// Finishes the file and returns the writer.
    pub fn finish(mut self) -> io::Result<W> {
        self.to.flush()?;
        Ok(self.to)
    }
}

/// A block: type, length, body padded to words, length again.
fn block(to: &mut impl Write, kind: u32, body: &[u8]) -> io::Result<()> {
    let padding = body.len().next_multiple_of(4) - body.len();
    let length = (12 + body.len() + padding) as u32;
    to.write_all(&kind.to_le_bytes())?;
    to.write_all(&length.to_le_bytes())?;
    to.write_all(body)?;
    to.write_all([0; 3].get(..padding).unwrap_or_default())?;
    to.write_all(&length.to_le_bytes())
}

/// Byte order, version 1.0, and a section of unknown length.
fn section() -> Vec<u8> {
    let mut body = Vec::from(BYTE_ORDER.to_le_bytes());
    body.extend([1, 0, 0, 0]);
    body.extend(u64::MAX.to_le_bytes());
    body
}

/// Ethernet, whole frames, times in nanoseconds.
fn interface() -> Vec<u8> {
    let mut body = Vec::from(LINK_ETHERNET.to_le_bytes());
    body.extend(SNAP_OCTETS.to_le_bytes());
    // if_tsresol: a power of ten, padded; the end of the options.
    body.extend([9, 0, 1, 0, 9, 0, 0, 0]);
    body.extend([0; 4]);
    body
}
