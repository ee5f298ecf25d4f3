//! pcapng: sections of blocks, of which some are packets (draft-ietf-opsawg-pcapng).
//!
//! ```text
//!  0            4              8                     length - 4
//! +------------+--------------+---------------------+--------------+
//! | block type | block length | body ...            | block length |
//! +------------+--------------+---------------------+--------------+
//! ```

use gdoi_wire::layers::LinkType;

use super::window::ReadWindow;
use super::{CaptureProblem, Damage, NANOS, Record, SECTION_MAGIC, fill};

/// Type, length, and in a section header the byte-order mark.
pub(super) const BLOCK_HEADER_OCTETS: usize = 12;
/// `0x1a2b3c4d` in a big-endian section.
const BYTE_ORDER_MARK: [u8; 4] = [0x1a, 0x2b, 0x3c, 0x4d];
const INTERFACE: u32 = 1;
const OBSOLETE: u32 = 2;
const SIMPLE: u32 = 3;
const STATISTICS: u32 = 5;
const ENHANCED: u32 = 6;
/// Type and length, then interface, two halves of a timestamp and two lengths; the same in the obsolete block.
const ENHANCED_OFFSET: usize = 28;
/// Type and length, then one length.
const SIMPLE_OFFSET: usize = 12;
/// Type and length, link type and reserved, snap length.
const INTERFACE_OPTIONS_OFFSET: usize = 16;
/// Type and length, interface, two halves of a timestamp.
const STATISTICS_OPTIONS_OFFSET: usize = 20;
const END_OF_OPTIONS: u16 = 0;
/// `if_tsresol` and `if_tsoffset`.
const TIME_RESOLUTION: u16 = 9;
const TIME_OFFSET: u16 = 14;
/// `isb_ifdrop` and `isb_osdrop`.
const DROPPED_BY_INTERFACE: u16 = 5;
const DROPPED_BY_SYSTEM: u16 = 7;
/// A tool that merges captures writes one interface for each; 40 octets each.
const MAX_INTERFACES: usize = 65_536;

/// State until the next section header.
#[derive(Default)]
pub(super) struct Section {
    order: Order,
    interfaces: Vec<CaptureInterface>,
    /// Time of the last frame: simple packet blocks have no time.
    last_ns: u64,
    /// Frames that the recorder reported as lost in earlier sections.
    dropped_before: u64,
    /// Section headers read.
    headers: u64,
}

/// The byte order of numbers.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Order {
    Big,
    #[default]
    Little,
}

/// How to read the packets of one interface.
#[derive(Clone, Copy)]
struct CaptureInterface {
    link: LinkType,
    /// Maximum number of octets kept of a packet; 0 is unlimited.
    snap_length: u32,
    units: Units,
    offset_seconds: i64,
    /// Frames that the recorder reports as lost.
    dropped: u64,
}

/// Units of a timestamp per second.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Units {
    Nanoseconds,
    Microseconds,
    PerSecond(u64),
}

/// A packet inside a block.
struct PacketBlock {
    interface: u32,
    /// `None` in a simple packet block.
    stamp: Option<u64>,
    wire_octets: u32,
    /// Its offset in the block.
    offset: usize,
    octets: usize,
}

impl Section {
    /// Reads blocks up to the next packet.
    pub(super) fn next(
        &mut self,
        window: &mut ReadWindow,
        frame: u64,
    ) -> Result<Option<Record>, CaptureProblem> {
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
                Ok(Some(record)) => return Ok(Some(record)),
                Ok(None) => window.consume(length),
                Err(damage) => return Err(CaptureProblem::Damaged { frame, damage }),
            }
        }
    }

    pub(super) const fn headers(&self) -> u64 {
        self.headers
    }

    /// The snap lengths of the interfaces that have one.
    pub(super) fn snap_lengths(&self) -> impl Iterator<Item = u32> {
        self.interfaces.iter().map(|interface| interface.snap_length)
    }

    /// Frames that the recorder has reported as lost so far.
    pub(super) fn dropped(&self) -> u64 {
        let of_interfaces = self.interfaces.iter().map(|interface| interface.dropped);
        self.dropped_before.saturating_add(of_interfaces.sum())
    }

    /// The packet of the block at the beginning of `held`, if it is complete and of the common form: an enhanced
    /// packet without options, in little-endian order.
    #[inline]
    pub(super) fn whole(&mut self, held: &[u8]) -> Option<Record> {
        let header: &[u8; ENHANCED_OFFSET] = held.first_chunk()?;
        let [kind, length, interface, high, low, kept, wire] = *header.as_chunks().0 else {
            return None;
        };
        let [kind, length, interface, high, low, kept, wire] =
            [kind, length, interface, high, low, kept, wire].map(u32::from_le_bytes);
        if self.order == Order::Big || kind != ENHANCED || !length.is_multiple_of(4) {
            return None;
        }
        let block = held.get(..length as usize)?;
        let (body, again) = block.split_last_chunk()?;
        let padding = body
            .len()
            .checked_sub(ENHANCED_OFFSET)?
            .checked_sub(kept as usize)?;
        if u32::from_le_bytes(*again) != length || padding >= 4 {
            return None;
        }
        let packet = PacketBlock {
            interface,
            stamp: Some(u64::from(high) << 32 | u64::from(low)),
            wire_octets: wire,
            offset: ENHANCED_OFFSET,
            octets: kept as usize,
        };
        self.record(block, &packet).ok()
    }

    /// The length of the block that begins here; a section header sets the byte order.
    fn enter(&mut self, held: &[u8]) -> usize {
        let [kind, length, mark, ..] = *held.as_chunks().0 else {
            return 0;
        };
        if kind == SECTION_MAGIC {
            self.order = if mark == BYTE_ORDER_MARK {
                Order::Big
            } else {
                Order::Little
            };
            self.headers += 1;
            self.dropped_before = self.dropped();
            self.interfaces.clear();
        }
        self.order.four(length) as usize
    }

    /// Reads a complete block; `None` if it is not a packet. Blocks that are no packets and do not affect packets are
    /// skipped: names, statistics, secrets and unknown ones.
    fn read(&mut self, block: &[u8]) -> Result<Option<Record>, Damage> {
        let [kind, length, ..] = *block.as_chunks().0 else {
            return Err(Damage::Block);
        };
        let again = block.last_chunk().copied();
        if block.len() < BLOCK_HEADER_OCTETS || again != Some(length) || !block.len().is_multiple_of(4) {
            return Err(Damage::Block);
        }
        match self.order.four(kind) {
            ENHANCED => self.packet(block, Self::enhanced),
            SIMPLE => self.packet(block, Self::simple),
            OBSOLETE => self.packet(block, Self::obsolete),
            INTERFACE => self.interface(block).map(|()| None),
            STATISTICS => {
                self.statistics(block);
                Ok(None)
            }
            _ => Ok(None),
        }
    }

    fn packet(
        &mut self,
        block: &[u8],
        parse: impl FnOnce(&Self, &[[u8; 4]]) -> Option<PacketBlock>,
    ) -> Result<Option<Record>, Damage> {
        let packet = parse(self, block.as_chunks().0).ok_or(Damage::Block)?;
        self.record(block, &packet).map(Some)
    }

    fn enhanced(&self, words: &[[u8; 4]]) -> Option<PacketBlock> {
        let [_, _, interface, high, low, kept, wire, ..] = *words else {
            return None;
        };
        Some(PacketBlock {
            interface: self.order.four(interface),
            ..self.stamped([high, low, kept, wire])
        })
    }

    /// The packet block that enhanced packets replaced; old captures still have it.
    fn obsolete(&self, words: &[[u8; 4]]) -> Option<PacketBlock> {
        let [_, _, [i0, i1, _, _], high, low, kept, wire, ..] = *words else {
            return None;
        };
        Some(PacketBlock {
            interface: self.order.two([i0, i1]).into(),
            ..self.stamped([high, low, kept, wire])
        })
    }

    fn stamped(&self, words: [[u8; 4]; 4]) -> PacketBlock {
        let [high, low, kept, wire] = words.map(|octets| self.order.four(octets));
        PacketBlock {
            interface: 0,
            stamp: Some(u64::from(high) << 32 | u64::from(low)),
            wire_octets: wire,
            offset: ENHANCED_OFFSET,
            octets: kept as usize,
        }
    }

    fn simple(&self, words: &[[u8; 4]]) -> Option<PacketBlock> {
        let [_, _, wire, data @ .., _] = words else {
            return None;
        };
        let wire = self.order.four(*wire);
        let snap_length = self.interfaces.first().map_or(0, |first| first.snap_length);
        let kept = if snap_length == 0 {
            wire
        } else {
            wire.min(snap_length)
        };
        Some(PacketBlock {
            interface: 0,
            stamp: None,
            wire_octets: wire,
            offset: SIMPLE_OFFSET,
            octets: (kept as usize).min(data.len() * 4),
        })
    }

    fn interface(&mut self, block: &[u8]) -> Result<(), Damage> {
        if self.interfaces.len() >= MAX_INTERFACES {
            return Err(Damage::Interfaces);
        }
        let [_, _, [l0, l1, _, _], snap, ..] = *block.as_chunks().0 else {
            return Err(Damage::Block);
        };
        let mut interface = CaptureInterface {
            link: LinkType(self.order.two([l0, l1]).into()),
            snap_length: self.order.four(snap),
            units: Units::Microseconds,
            offset_seconds: 0,
            dropped: 0,
        };
        for (code, value) in options(self.order, block.get(INTERFACE_OPTIONS_OFFSET..)) {
            match (code, value) {
                (TIME_RESOLUTION, [resolution, ..]) => {
                    interface.units =
                        Units::from_option(*resolution).ok_or(Damage::Resolution(*resolution))?;
                }
                (TIME_OFFSET, value) => {
                    let offset = value.first_chunk().copied().unwrap_or_default();
                    interface.offset_seconds = self.order.eight(offset).cast_signed();
                }
                _ => {}
            }
        }
        self.interfaces.push(interface);
        Ok(())
    }

    /// The recorder's count of lost frames. It is written repeatedly, and grows.
    fn statistics(&mut self, block: &[u8]) {
        let order = self.order;
        let [_, _, interface, ..] = *block.as_chunks().0 else {
            return;
        };
        let interface = usize::try_from(order.four(interface)).ok();
        let Some(interface) = interface.and_then(|index| self.interfaces.get_mut(index)) else {
            return;
        };
        let mut dropped = 0_u64;
        for (code, value) in options(order, block.get(STATISTICS_OPTIONS_OFFSET..)) {
            if let (DROPPED_BY_INTERFACE | DROPPED_BY_SYSTEM, Some(count)) = (code, value.first_chunk()) {
                dropped = dropped.saturating_add(order.eight(*count));
            }
        }
        interface.dropped = interface.dropped.max(dropped);
    }

    fn record(&mut self, block: &[u8], packet: &PacketBlock) -> Result<Record, Damage> {
        let interface = usize::try_from(packet.interface)
            .ok()
            .and_then(|index| self.interfaces.get(index))
            .ok_or(Damage::Interface(packet.interface))?;
        let end = packet.offset + packet.octets;
        // The length of the block follows the packet.
        if end + 4 > block.len() {
            return Err(Damage::Block);
        }
        let at_ns = packet.stamp.map_or(self.last_ns, |stamp| interface.nanos(stamp));
        self.last_ns = at_ns;
        Ok(Record {
            octets: block.len(),
            kept: packet.offset..end,
            at_ns,
            wire_octets: packet.wire_octets,
            link: interface.link,
        })
    }
}

impl Order {
    const fn two(self, octets: [u8; 2]) -> u16 {
        match self {
            Self::Big => u16::from_be_bytes(octets),
            Self::Little => u16::from_le_bytes(octets),
        }
    }

    const fn four(self, octets: [u8; 4]) -> u32 {
        match self {
            Self::Big => u32::from_be_bytes(octets),
            Self::Little => u32::from_le_bytes(octets),
        }
    }

    const fn eight(self, octets: [u8; 8]) -> u64 {
        match self {
            Self::Big => u64::from_be_bytes(octets),
            Self::Little => u64::from_le_bytes(octets),
        }
    }
}

impl CaptureInterface {
    /// A timestamp in nanoseconds since the epoch, limited to 64 bits.
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
    /// The option `if_tsresol`: a negative power of ten, or of two if the first bit is set.
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

/// The options at the end of a block, up to the end-of-options or the first that does not fit.
fn options(order: Order, octets: Option<&[u8]>) -> impl Iterator<Item = (u16, &[u8])> {
    let mut rest = octets.unwrap_or_default();
    std::iter::from_fn(move || {
        let ([c0, c1, l0, l1], tail) = rest.split_first_chunk()?;
        let code = order.two([*c0, *c1]);
        let length = usize::from(order.two([*l0, *l1]));
        let value = tail.get(..length)?;
        rest = tail.get(length.next_multiple_of(4)..).unwrap_or_default();
        (code != END_OF_OPTIONS).then_some((code, value))
    })
}
