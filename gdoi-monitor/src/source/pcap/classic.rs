//! pcap: one header, then records (draft-ietf-opsawg-pcap).

use pcap_parser::nom::{self, Needed};
use pcap_parser::{
    LegacyPcapBlock, PcapError, PcapHeader, parse_pcap_frame, parse_pcap_frame_be, parse_pcap_frame_modified,
};

use super::window::ReadWindow;
use super::{CaptureProblem, Damage, Found, NANOS, fill};
use crate::source::link::LinkType;

/// The rest of the field says whether frames end in a check sequence.
const LINK_MASK: u32 = 0x03ff_ffff;

/// What the header of a pcap capture says of all its records.
pub(super) struct Pcap {
    link: LinkType,
    record: Record,
    /// Neither in the other byte order nor with longer record headers.
    plain: bool,
    /// Nanoseconds in one unit of the second half of a timestamp.
    unit: u64,
}

type Record = fn(&[u8]) -> nom::IResult<&[u8], LegacyPcapBlock<'_>, PcapError<&[u8]>>;

impl From<&PcapHeader> for Pcap {
    fn from(header: &PcapHeader) -> Self {
        let record = match (header.is_modified_format(), header.is_bigendian()) {
            (true, _) => parse_pcap_frame_modified,
            (false, true) => parse_pcap_frame_be,
            (false, false) => parse_pcap_frame,
        };
        Self {
            link: LinkType::from_number(header.network.0.cast_unsigned() & LINK_MASK),
            record,
            plain: !header.is_modified_format() && !header.is_bigendian(),
            unit: if header.is_nanosecond_precision() { 1 } else { 1000 },
        }
    }
}

impl Pcap {
    pub(super) fn next(&self, window: &mut ReadWindow, frame: u64) -> Result<Option<Found>, CaptureProblem> {
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
                    return Err(CaptureProblem::Damaged { frame, damage });
                }
            };
            if !fill(window, window.held().len() + missing, frame)? {
                return if window.held().is_empty() {
                    Ok(None)
                } else {
                    Err(CaptureProblem::Truncated { frame })
                };
            }
        }
    }

    /// The record that `held` begins with, when all of it is there and its header is as nearly all are: 16 octets, the
    /// least significant first. The parser for any header takes three times as long.
    pub(super) fn whole(&self, held: &[u8]) -> Option<Found> {
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
