//! pcapng: sections of blocks, of which some are packets (draft-ietf-opsawg-pcapng).
//!
//! ```text
//!  0            4              8                     length - 4
//! +------------+--------------+---------------------+--------------+
//! | block type | block length | body ...            | block length |
//! +------------+--------------+---------------------+--------------+
//! ```

use pcap_parser::{
    Block, InterfaceDescriptionBlock, OptionCode, parse_block_be, parse_block_le,
    parse_enhancedpacketblock_be, parse_enhancedpacketblock_le,
};

use super::window::ReadWindow;
use super::{CaptureProblem, Damage, Found, NANOS, SECTION_MAGIC, fill};
use crate::source::link::LinkType;

/// Type, length, and in a section header the byte-order mark.
pub(super) const BLOCK_HEADER_OCTETS: usize = 12;
/// `0x1a2b3c4d` as a big-endian section has it.
const BYTE_ORDER_MARK: [u8; 4] = [0x1a, 0x2b, 0x3c, 0x4d];
/// Type of the enhanced packet block.
const ENHANCED: u32 = 6;
/// Type of the obsolete packet block.
const OBSOLETE_PACKET: u32 = 2;
/// Type and length, then interface, two halves of a timestamp and two lengths; the obsolete block likewise.
const ENHANCED_AT: usize = 28;
/// Type and length, then one length.
const SIMPLE_AT: usize = 12;
/// A tool that merges captures writes one interface for each; 24 octets each.
const MAX_INTERFACES: usize = 65_536;

/// What holds until the next section header.
#[derive(Default)]
pub(super) struct Section {
    big_endian: bool,
    interfaces: Vec<CaptureInterface>,
    /// When the last frame was captured: simple packet blocks have no time of their own.
    last_ns: u64,
}

/// How the packets of one interface are to be read.
#[derive(Clone, Copy)]
struct CaptureInterface {
    link: LinkType,
    /// Octets that were kept of a packet at most; 0 is all.
    kept: u32,
    units: Units,
    offset_seconds: i64,
}

/// How many units of a timestamp make a second.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Units {
    Nanoseconds,
    Microseconds,
    PerSecond(u64),
}

/// A packet inside a block.
struct Packet {
    interface: u32,
    /// `None` in a simple packet block.
    stamp: Option<u64>,
    wire_octets: u32,
    at: usize,
    octets: usize,
}

impl Section {
    /// Reads blocks up to the next packet.
    pub(super) fn next(
        &mut self,
        window: &mut ReadWindow,
        frame: u64,
    ) -> Result<Option<Found>, CaptureProblem> {
        loop {
            if !fill(window, BLOCK_HEADER_OCTETS, frame)? {
                return if window.held().is_empty() {
                    Ok(None)
                } else {
                    Err(CaptureProblem::Truncated { frame })
                };
            }
            let length = self.enter(window.held());
            if !fill(window, length, frame)? {
                return Err(CaptureProblem::Truncated { frame });
            }
            let block = window.held().get(..length).unwrap_or_default();
            match self.read(block) {
                Ok(Some(found)) => return Ok(Some(found)),
                Ok(None) => window.consume(length),
                Err(damage) => return Err(CaptureProblem::Damaged { frame, damage }),
            }
        }
    }

    /// The packet in the block that `held` begins with, when all of it is there and it is as nearly all are: an
    /// enhanced packet without options, the least significant octets first.
    #[inline]
    pub(super) fn whole(&mut self, held: &[u8]) -> Option<Found> {
        let header: &[u8; ENHANCED_AT] = held.first_chunk()?;
        let [kind, length, interface, high, low, kept, wire] = *header.as_chunks().0 else {
            return None;
        };
        let [kind, length, interface, high, low, kept, wire] =
            [kind, length, interface, high, low, kept, wire].map(u32::from_le_bytes);
        if self.big_endian || kind != ENHANCED || !length.is_multiple_of(4) {
            return None;
        }
        let block = held.get(..length as usize)?;
        let (body, again) = block.split_last_chunk()?;
        let padding = body.len().checked_sub(ENHANCED_AT)?.checked_sub(kept as usize)?;
        if u32::from_le_bytes(*again) != length || padding >= 4 {
            return None;
        }
        let packet = Packet {
            interface,
            stamp: Some(u64::from(high) << 32 | u64::from(low)),
            wire_octets: wire,
            at: ENHANCED_AT,
            octets: kept as usize,
        };
        self.found(block, &packet).ok()
    }

    /// The length of the block that begins here; a section header decides in what byte order.
    fn enter(&mut self, held: &[u8]) -> usize {
        let [kind, length, mark, ..] = *held.as_chunks().0 else {
            return 0;
        };
        if kind == SECTION_MAGIC {
            self.big_endian = mark == BYTE_ORDER_MARK;
            self.interfaces.clear();
        }
        let length = if self.big_endian {
            u32::from_be_bytes(length)
        } else {
            u32::from_le_bytes(length)
        };
        length as usize
    }

    /// Reads a whole block; `None` when it is not a packet.
    fn read(&mut self, block: &[u8]) -> Result<Option<Found>, Damage> {
        if block.len() < BLOCK_HEADER_OCTETS {
            return Err(Damage::Block);
        }
        // Nearly all blocks are enhanced packets: the parser for any block takes twice as long.
        let enhanced = if self.big_endian {
            parse_enhancedpacketblock_be(block)
        } else {
            parse_enhancedpacketblock_le(block)
        };
        if let Ok((_, packet)) = enhanced {
            let packet = Packet {
                interface: packet.if_id,
                stamp: Some(u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low)),
                wire_octets: packet.origlen,
                at: ENHANCED_AT,
                octets: packet.caplen as usize,
            };
            return self.found(block, &packet).map(Some);
        }
        self.read_other(block)
    }

    /// Reads a whole block that is no enhanced packet.
    fn read_other(&mut self, block: &[u8]) -> Result<Option<Found>, Damage> {
        let any = if self.big_endian {
            parse_block_be(block)
        } else {
            parse_block_le(block)
        };
        match any {
            Ok((_, Block::InterfaceDescription(interface))) => {
                if self.interfaces.len() >= MAX_INTERFACES {
                    return Err(Damage::Interfaces);
                }
                self.interfaces
                    .push(CaptureInterface::from_block(&interface, self.big_endian)?);
                Ok(None)
            }
            Ok((_, Block::SimplePacket(packet))) => {
                let snap = self.interfaces.first().map_or(0, |first| first.kept);
                let kept = if snap == 0 {
                    packet.origlen
                } else {
                    packet.origlen.min(snap)
                };
                let packet = Packet {
                    interface: 0,
                    stamp: None,
                    wire_octets: packet.origlen,
                    at: SIMPLE_AT,
                    octets: (kept as usize).min(packet.data.len()),
                };
                self.found(block, &packet).map(Some)
            }
            Ok((_, Block::Unknown(unknown))) if self.is_packet_block(unknown.block_type) => {
                let packet = obsolete(unknown.data, self.big_endian).ok_or(Damage::Block)?;
                self.found(block, &packet).map(Some)
            }
            Ok(_) => Ok(None),
            Err(_) => Err(Damage::Block),
        }
    }

    fn found(&mut self, block: &[u8], packet: &Packet) -> Result<Found, Damage> {
        let interface = usize::try_from(packet.interface)
            .ok()
            .and_then(|index| self.interfaces.get(index))
            .ok_or(Damage::Interface(packet.interface))?;
        if packet.at + packet.octets > block.len() {
            return Err(Damage::Block);
        }
        let at_ns = packet.stamp.map_or(self.last_ns, |stamp| interface.nanos(stamp));
        self.last_ns = at_ns;
        Ok(Found {
            record: block.len(),
            kept: packet.at..packet.at + packet.octets,
            at_ns,
            wire_octets: packet.wire_octets,
            link: interface.link,
        })
    }

    /// The parser gives the type of an unknown block as if it were little-endian.
    const fn is_packet_block(&self, kind: u32) -> bool {
        let kind = if self.big_endian { kind.swap_bytes() } else { kind };
        kind == OBSOLETE_PACKET
    }
}

impl CaptureInterface {
    /// The parser's own offset is right in little-endian sections only.
    fn from_block(block: &InterfaceDescriptionBlock<'_>, big_endian: bool) -> Result<Self, Damage> {
        let offset = block
            .options
            .iter()
            .find(|option| option.code == OptionCode::IfTsoffset)
            .and_then(|option| option.value().first_chunk().copied())
            .unwrap_or_default();
        Ok(Self {
            link: LinkType::from_number(block.linktype.0.cast_unsigned()),
            kept: block.snaplen,
            units: Units::from_option(block.if_tsresol).ok_or(Damage::Resolution(block.if_tsresol))?,
            offset_seconds: if big_endian {
                i64::from_be_bytes(offset)
            } else {
                i64::from_le_bytes(offset)
            },
        })
    }

    /// A timestamp in nanoseconds since the epoch, held within what 64 bits can count.
    fn nanos(&self, stamp: u64) -> u64 {
        let nanos = match self.units {
            Units::Nanoseconds => i128::from(stamp),
            Units::Microseconds => i128::from(stamp) * 1000,
            Units::PerSecond(units) => i128::from(stamp) * i128::from(NANOS) / i128::from(units),
        };
        let nanos = nanos + i128::from(self.offset_seconds) * i128::from(NANOS);
        u64::try_from(nanos.max(0)).unwrap_or(u64::MAX)
    }
}

impl Units {
    /// The option `if_tsresol`: a negative power of ten, or of two when the first bit is set.
    const fn from_option(resolution: u8) -> Option<Self> {
        let exponent = (resolution & 0x7f) as u32;
        match resolution {
            6 => Some(Self::Microseconds),
            9 => Some(Self::Nanoseconds),
            0..=19 => Some(Self::PerSecond(10u64.pow(exponent))),
            0x80..=0xbf => Some(Self::PerSecond(1 << exponent)),
            _ => None,
        }
    }
}

/// The packet block that enhanced packets replaced; old captures still have it.
fn obsolete(body: &[u8], big_endian: bool) -> Option<Packet> {
    let [interface, high, low, kept, wire, ..] = *body.as_chunks().0 else {
        return None;
    };
    let word = |octets: [u8; 4]| {
        if big_endian {
            u32::from_be_bytes(octets)
        } else {
            u32::from_le_bytes(octets)
        }
    };
    let [i0, i1, _, _]: [u8; 4] = interface;
    Some(Packet {
        interface: u32::from(if big_endian {
            u16::from_be_bytes([i0, i1])
        } else {
            u16::from_le_bytes([i0, i1])
        }),
        stamp: Some(u64::from(word(high)) << 32 | u64::from(word(low))),
        wire_octets: word(wire),
        at: ENHANCED_AT,
        octets: word(kept) as usize,
    })
}
