//! The input of the tracker: what a source observed, and what it missed.

use core::net::{IpAddr, SocketAddr};

use gdoi_wire::isakmp::Header;
use gdoi_wire::record::{FLAG_FIRST_FRAGMENT, FLAG_MARKED, KIND_MESSAGE, Record};

use serde::{Deserialize, Serialize, Serializer};

use crate::time::Timestamp;

/// One thing that was seen, or a window in which something was not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Observation<'a> {
    /// An ISAKMP message.
    Message(Message<'a>),
    /// ESP packets of one SPI.
    Esp(Esp),
    /// Something was not seen: absences in its window prove nothing.
    Loss(Loss),
    /// Something is invisible now; a [`Loss`] follows at the end. Absences meanwhile prove nothing.
    OpenGap(OpenGap),
}

/// An ISAKMP message, as far as a passive observer sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Source address and port.
    pub source: SocketAddr,
    /// Destination address and port.
    pub destination: SocketAddr,
    /// The 28 octets of the ISAKMP header (RFC 2408 §3.1).
    pub header: Header,
    /// Octets of the datagram from the ISAKMP header on; compare with the length in the header.
    pub datagram_octets: u32,
    /// It follows a non-ESP marker (RFC 3948 §2.2).
    pub marked: bool,
    /// It is in a first fragment: the rest is in other frames.
    pub fragmented: bool,
    /// The 16 octets after the header, when there are as many.
    pub fingerprint: Option<[u8; 16]>,
    /// The payloads of a clear-text message, as far as they were kept.
    pub payloads: &'a [u8],
}

impl<'a> Message<'a> {
    /// The message in a record, with the snapshot that followed it. `None` when the record is of another kind.
    #[inline]
    pub fn from_record(record: &Record, snapshot: &'a [u8]) -> Option<Self> {
        if record.kind != KIND_MESSAGE {
            return None;
        }
        Some(Self {
            source: SocketAddr::new(record.source_address(), record.source_port),
            destination: SocketAddr::new(record.destination_address(), record.destination_port),
            header: record.isakmp(),
            datagram_octets: u32::from(record.datagram_octets),
            marked: record.flags & FLAG_MARKED != 0,
            fragmented: record.flags & FLAG_FIRST_FRAGMENT != 0,
            fingerprint: (record.fingerprint_octets > 0).then_some(record.fingerprint),
            payloads: snapshot,
        })
    }
}

/// ESP packets of one SPI since it was last observed.
///
/// Live, a source reports this once per tick and SPI from the kernel's counters; from a capture, once per tick of
/// capture time. There is never one observation per packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Esp {
    /// Security parameters index.
    pub spi: u32,
    /// The configured site of the senders.
    pub site: Option<Site>,
    /// Packets since the last observation of this SPI and site. Zero in a hint: the SPI is known to be in use.
    pub packets: u64,
    /// Octets of those packets, from the IP header on.
    pub octets: u64,
    /// Time of the first of those packets.
    pub first: Timestamp,
    /// Time of the last of those packets.
    pub last: Timestamp,
}

/// Number of a configured site, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Site(pub u32);

/// A window in which the source missed something, and what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Everything before was seen.
    pub from: Timestamp,
    /// Everything after was seen.
    pub until: Timestamp,
    /// What was lost.
    pub kind: LossKind,
    /// How many were lost, if known.
    pub count: Option<u64>,
}

/// A window in which the source misses something and whose end is not known yet. It is reported again as it grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenGap {
    /// Everything before was seen.
    pub since: Timestamp,
    /// Its end so far.
    pub until: Timestamp,
}

impl Serialize for Loss {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self {
            from,
            until,
            kind,
            count,
        } = *self;
        let object = LossObject {
            kind,
            duration_seconds: until.since(from).as_secs_f64(),
            count,
        };
        object.serialize(serializer)
    }
}

/// A loss in an event.
#[derive(Serialize)]
struct LossObject {
    kind: LossKind,
    duration_seconds: f64,
    count: Option<u64>,
}

/// What was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LossKind {
    /// Messages, because the ring buffer or a queue was full.
    Messages,
    /// ESP packets that could not be counted by SPI.
    Spis,
    /// Everything: the source was not attached, or a capture has a hole.
    Blind,
    /// Perhaps everything: there was silence for far longer than usual, without a known reason.
    Silence,
}

impl LossKind {
    /// Its name in events and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Spis => "spis",
            Self::Blind => "blind",
            Self::Silence => "silence",
        }
    }

    /// Every kind, in the order of the enum.
    pub const ALL: [Self; 4] = [Self::Messages, Self::Spis, Self::Blind, Self::Silence];
}

/// An address without its port, where the port does not matter.
pub(crate) const fn host(socket: SocketAddr) -> IpAddr {
    socket.ip()
}
