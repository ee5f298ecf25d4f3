//! Errors in a capture.

use std::io;
use std::path::PathBuf;

/// An error in a capture. Everything before the frame that it names has been read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}", path.display())]
pub struct CaptureError {
    /// The capture, `-` for standard input.
    pub path: PathBuf,
    /// The error.
    pub what: CaptureProblem,
}

/// What is wrong.
#[derive(Debug, thiserror::Error)]
pub enum CaptureProblem {
    /// It cannot be opened.
    #[error("cannot be opened: {0}")]
    Open(io::Error),
    /// It cannot be read further.
    #[error("cannot be read at frame {frame}: {error}")]
    Read {
        /// The frame that was being read.
        frame: u64,
        /// Why.
        error: io::Error,
    },
    /// It has no octets.
    #[error("is empty")]
    Empty,
    /// It is compressed in an unsupported format.
    #[error(
        "is compressed with {name}, which is not supported: decompress it first, or pipe it: {command} FILE | gdoi-monitor analyze -"
    )]
    Packed {
        /// The compression format.
        name: &'static str,
        /// The command that decompresses to standard output.
        command: &'static str,
    },
    /// It is a capture in another format.
    #[error(
        "is a capture of {0}, which is not supported; convert it first: editcap -F pcapng FILE FILE.pcapng"
    )]
    Foreign(&'static str),
    /// It is neither pcap nor pcapng.
    #[error("is neither a pcap nor a pcapng capture")]
    NotACapture,
    /// It ends before its first record.
    #[error("ends inside its file header")]
    Header,
    /// It ends inside a record: a capture that was cut, or is still being written.
    #[error("ends inside frame {frame}")]
    Truncated {
        /// The incomplete frame.
        frame: u64,
    },
    /// A record contradicts itself.
    #[error("is damaged at frame {frame}: {damage}")]
    Damaged {
        /// The frame that would have come next.
        frame: u64,
        /// How.
        damage: Damage,
    },
}

impl CaptureProblem {
    /// The kind of error, independent of the frame.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Open(_) => "captures that cannot be opened",
            Self::Read { .. } => "captures that cannot be read",
            Self::Empty => "empty captures",
            Self::Packed { .. } => "captures in an unsupported compression",
            Self::Foreign(_) => "captures in an unsupported format",
            Self::NotACapture => "files that are not captures",
            Self::Header | Self::Truncated { .. } => "truncated captures",
            Self::Damaged { .. } => "damaged captures",
        }
    }
}

/// How a record contradicts itself, or exceeds a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// A length below the fixed part of a block, or inconsistent lengths in it.
    #[error("a block with contradictory lengths")]
    Block,
    /// A packet of an interface that was not described.
    #[error("a packet of interface {0}, which the file does not describe")]
    Interface(u32),
    /// An unsupported time resolution.
    #[error("a time resolution of {0:#04x}")]
    Resolution(u8),
    /// A record longer than any recorder writes.
    #[error("a record of {0} bytes")]
    Length(usize),
    /// Zeros instead of a record: a file that was extended but never filled.
    #[error("zeros instead of a record: the rest was never written")]
    Zeros,
    /// Too many interfaces in one section.
    #[error("too many interfaces")]
    Interfaces,
}
