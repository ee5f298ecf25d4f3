//! A capture file of what passed.

use std::io::{self, Write};

use gdoi_core::Timestamp;

/// Writes a classic pcap file with nanoseconds and Ethernet frames (draft-ietf-opsawg-pcap §4).
#[derive(Debug)]
pub struct PcapWriter<W> {
    to: W,
}

impl<W: Write> PcapWriter<W> {
    /// Begins the file.
    pub fn new(mut to: W) -> io::Result<Self> {
        let (major, minor) = (2_u16, 4_u16);
        to.write_all(&MAGIC_NANOSECONDS.to_le_bytes())?;
        to.write_all(&major.to_le_bytes())?;
        to.write_all(&minor.to_le_bytes())?;
        to.write_all(&[0; 8])?;
        to.write_all(&SNAP_OCTETS.to_le_bytes())?;
        to.write_all(&LINK_ETHERNET.to_le_bytes())?;
        Ok(Self { to })
    }

    /// Adds one frame.
    pub fn frame(&mut self, at: Timestamp, frame: &[u8]) -> io::Result<()> {
        let seconds = (at.as_nanos() / 1_000_000_000) as u32;
        let nanos = (at.as_nanos() % 1_000_000_000) as u32;
        let length = frame.len() as u32;
        for field in [seconds, nanos, length, length] {
            self.to.write_all(&field.to_le_bytes())?;
        }
        self.to.write_all(frame)
    }

    /// Ends the file and gives back what it was written to.
    pub fn finish(mut self) -> io::Result<W> {
        self.to.flush()?;
        Ok(self.to)
    }
}

const MAGIC_NANOSECONDS: u32 = 0xa1b2_3c4d;
const SNAP_OCTETS: u32 = 262_144;
const LINK_ETHERNET: u32 = 1;
