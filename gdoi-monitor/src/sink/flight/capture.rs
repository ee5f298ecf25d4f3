//! A pcapng capture of one interface (draft-ietf-opsawg-pcapng §4).

use std::io::{self, Write};

use gdoi_core::Timestamp;

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 6;
const BYTE_ORDER_MARK: u32 = 0x1a2b_3c4d;
const LINK_ETHERNET: u16 = 1;
const OPTION_END: u16 = 0;
const OPTION_COMMENT: u16 = 1;
const OPTION_APPLICATION: u16 = 4;
const OPTION_RESOLUTION: u16 = 9;
const NANOSECONDS: u8 = 9;
const APPLICATION: &str = concat!("gdoi-monitor ", env!("CARGO_PKG_VERSION"));

/// Begins a section with a comment, and describes the interface: Ethernet, times in nanoseconds.
pub(super) fn begin(out: &mut impl Write, comment: &str) -> io::Result<()> {
    let mut section = Vec::new();
    section.extend(BYTE_ORDER_MARK.to_le_bytes());
    for version in [1_u16, 0] {
        section.extend(version.to_le_bytes());
    }
    // The length of the section is unknown.
    section.extend(u64::MAX.to_le_bytes());
    option(&mut section, OPTION_COMMENT, comment.as_bytes());
    option(&mut section, OPTION_APPLICATION, APPLICATION.as_bytes());
    option(&mut section, OPTION_END, &[]);
    block(out, SECTION, &section)?;
    let mut interface = Vec::new();
    for field in [LINK_ETHERNET, 0] {
        interface.extend(field.to_le_bytes());
    }
    // No snap length: a record's size limits a frame.
    interface.extend(0_u32.to_le_bytes());
    option(&mut interface, OPTION_RESOLUTION, &[NANOSECONDS]);
    option(&mut interface, OPTION_END, &[]);
    block(out, INTERFACE, &interface)
}

/// A frame of `wire` octets on the wire.
pub(super) fn packet(out: &mut impl Write, at: Timestamp, frame: &[u8], wire: u32) -> io::Result<()> {
    let kept = u32::try_from(frame.len()).unwrap_or(u32::MAX);
    let nanos = at.as_nanos();
    let (high, low) = ((nanos >> 32) as u32, (nanos & 0xffff_ffff) as u32);
    let mut body = Vec::with_capacity(frame.len() + 24);
    for field in [0, high, low, kept, wire.max(kept)] {
        body.extend(field.to_le_bytes());
    }
    body.extend(frame);
    pad(&mut body);
    block(out, PACKET, &body)
}

fn block(out: &mut impl Write, kind: u32, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len() + 12).unwrap_or(u32::MAX).to_le_bytes();
    out.write_all(&kind.to_le_bytes())?;
    out.write_all(&length)?;
    out.write_all(body)?;
    out.write_all(&length)
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    body.extend(code.to_le_bytes());
    body.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes());
    body.extend(value);
    pad(body);
}

/// Blocks consist of words of four octets.
fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}
