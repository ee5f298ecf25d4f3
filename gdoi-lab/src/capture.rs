//! The frames of a capture in memory, ready to be sent again.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use gdoi_core::Timestamp;
use gdoi_monitor::source::pcap::CaptureReader;
use gdoi_wire::layers::LinkType;

/// The kernel sends nothing shorter than an Ethernet header.
const ETHERNET_OCTETS: usize = 14;

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Time since the first frame of the capture.
    pub at: Duration,
    /// The octets that were kept.
    pub octets: Vec<u8>,
}

/// The frames of a capture that can be sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frames {
    /// The frames.
    pub frames: Vec<Frame>,
    /// Frames that cannot be sent on Ethernet: of another link layer, or shorter than its header.
    pub unfit: usize,
}

impl Frames {
    /// Reads a capture.
    pub fn read(path: &Path) -> Result<Self> {
        let mut reader = CaptureReader::open(path)?;
        let mut read = Self::default();
        let mut first: Option<Timestamp> = None;
        while let Some(frame) = reader.next_frame()? {
            let first = *first.get_or_insert(frame.at);
            if frame.link == LinkType::ETHERNET && frame.kept.len() >= ETHERNET_OCTETS {
                read.frames.push(Frame {
                    at: frame.at.since(first),
                    octets: frame.kept.to_vec(),
                });
            } else {
                read.unfit += 1;
            }
        }
        if read.frames.is_empty() {
            bail!("{}: no Ethernet frame to send", path.display());
        }
        Ok(read)
    }

    /// Total octets of the frames.
    pub fn octets(&self) -> Result<u64> {
        u64::try_from(self.frames.iter().map(|frame| frame.octets.len()).sum::<usize>())
            .context("count the octets")
    }
}
