//! What crosses the kernel boundary: records through the ring buffer, counters and the SPI table through maps.
//!
//! [`Record::message`] turns a capture into the same records, so nothing after the decoder depends on the source.

mod counted;

use core::net::IpAddr;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::isakmp::{HEADER_OCTETS, Header};
use crate::octets::Octets;
use crate::packet::{Body, Esp, Fragment, Packet, Vlan, address, mapped, octets_of};

pub use counted::{
    Bucket, CPU_STATE_BUCKETS, Counters, CpuState, DEFAULT_BUCKETS, FIRST_SPI, Slot, Stamp, bucket_of,
    slot_key,
};

/// Layout version, the first octet of every record. Any change of layout raises it.
pub const RECORD_VERSION: u8 = 2;
/// Name of the XDP program.
pub const PROGRAM_XDP: &str = "gdoi_xdp";
/// Name of the program at traffic control.
pub const PROGRAM_TC: &str = "gdoi_tc";
/// Name of the program that pairs the kernel's clocks; it is only test-run.
pub const PROGRAM_CLOCK: &str = "gdoi_clock";
/// Ring buffer of [`Record`]s, each optionally followed by [`SNAPSHOT_OCTETS`].
pub const MAP_RING: &str = "RING";
/// Array of [`CpuState`]s: the first part of every possible CPU, then the second part of each; memory-mappable.
pub const MAP_CPU_STATE: &str = "CPU_STATE";
/// LPM trie from source prefix (IPv4 as IPv4-mapped IPv6) to site number.
pub const MAP_SITES: &str = "SITES";
/// Array with one [`Clocks`].
pub const MAP_CLOCKS: &str = "CLOCKS";
/// Read-only global: [`crate::Ports`] for ISAKMP.
pub const GLOBAL_ISAKMP_PORTS: &str = "ISAKMP_PORTS";
/// Read-only global: [`crate::Ports`] for NAT traversal.
pub const GLOBAL_NAT_T_PORTS: &str = "NAT_T_PORTS";
/// Read-only global: buckets of one CPU's table, minus one.
pub const GLOBAL_SPI_MASK: &str = "SPI_MASK";
/// Read-only global: number of possible CPUs.
pub const GLOBAL_CPUS: &str = "CPUS";
/// Read-only global: whether the program sees egress frames.
pub const GLOBAL_EGRESS: &str = "EGRESS";
/// Read-only global: whether [`MAP_SITES`] has entries.
pub const GLOBAL_SITES_ON: &str = "SITES_ON";
/// Octets after the header that distinguish messages (RFC 6407 §4: with the IV that came with the KEK, the first
/// cipher block of a PUSH is a function of its sequence number).
pub const FINGERPRINT_OCTETS: usize = 16;
/// Octets kept after the header of a clear-text message. A power of two: the kernel masks with it.
pub const SNAPSHOT_OCTETS: usize = 512;
/// An ISAKMP message.
pub const KIND_MESSAGE: u8 = 1;
/// An SPI took a slot of the table: a hint to read the table soon.
pub const KIND_SPI_SEEN: u8 = 2;
/// A sample of the SPIs without a slot.
pub const KIND_SPI_OVERFLOW: u8 = 3;
/// [`Record::flags`]: the message follows a non-ESP marker.
pub const FLAG_MARKED: u8 = 0x01;
/// [`Record::flags`]: the message is in a first fragment.
pub const FLAG_FIRST_FRAGMENT: u8 = 0x02;
const MAPPED_PREFIX_BITS: u32 = 96;

/// One observation from the kernel or from a capture to the tracker. Integers are in host order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Record {
    /// [`RECORD_VERSION`].
    pub version: u8,
    /// [`KIND_MESSAGE`], [`KIND_SPI_SEEN`] or [`KIND_SPI_OVERFLOW`].
    pub kind: u8,
    /// [`FLAG_MARKED`] and [`FLAG_FIRST_FRAGMENT`].
    pub flags: u8,
    /// Number of VLAN tags in `vlan_tci`.
    pub vlan_depth: u8,
    /// Index of the interface that received the frame; 0 in a capture.
    pub interface: u32,
    /// Nanoseconds since boot, suspend included (`CLOCK_BOOTTIME`); since the epoch in a capture.
    pub at_ns: u64,
    /// IP source, IPv4 as IPv4-mapped IPv6.
    pub source: [u8; 16],
    /// IP destination, IPv4 as IPv4-mapped IPv6.
    pub destination: [u8; 16],
    /// UDP source port.
    pub source_port: u16,
    /// UDP destination port.
    pub destination_port: u16,
    /// Tag control information, outermost first.
    pub vlan_tci: [u16; 2],
    /// Octets of the frame on the wire.
    pub frame_octets: u32,
    /// Octets of the datagram from the header on, as declared by UDP.
    pub datagram_octets: u16,
    /// Octets of the message that follow this record.
    pub snapshot_octets: u16,
    /// The ISAKMP header.
    pub header: [u8; HEADER_OCTETS],
    /// SPI, for the two SPI kinds.
    pub spi: u32,
    /// What follows the header; zero if nothing was kept.
    pub fingerprint: [u8; FINGERPRINT_OCTETS],
    /// How many octets of the fingerprint were kept.
    pub fingerprint_octets: u8,
    /// Zero.
    pub reserved: [u8; 3],
    /// Site of the source address, for the two SPI kinds; 0 is none.
    pub site: u32,
    /// Low 32 bits of the ESP sequence number, for the two SPI kinds.
    pub sequence: u32,
    /// Zero: fills the second cache line.
    pub spare: u32,
}

// Two cache lines, and a multiple of the eight octets that the ring buffer aligns to.
const _: () = assert!(size_of::<Record>() == 128);

impl Record {
    /// Only a version and a kind.
    #[inline(always)]
    pub const fn empty(kind: u8) -> Self {
        Self {
            version: RECORD_VERSION,
            kind,
            flags: 0,
            vlan_depth: 0,
            interface: 0,
            at_ns: 0,
            source: [0; 16],
            destination: [0; 16],
            source_port: 0,
            destination_port: 0,
            vlan_tci: [0; 2],
            frame_octets: 0,
            datagram_octets: 0,
            snapshot_octets: 0,
            header: [0; HEADER_OCTETS],
            spi: 0,
            fingerprint: [0; FINGERPRINT_OCTETS],
            fingerprint_octets: 0,
            reserved: [0; 3],
            site: 0,
            sequence: 0,
            spare: 0,
        }
    }

    /// The record of an ISAKMP message, and the offset in the frame of what follows its header.
    ///
    /// `None` if the packet is not an ISAKMP message.
    pub fn message<O: Octets>(packet: &Packet, octets: &O) -> Option<(Self, usize)> {
        let mut record = Self::empty(KIND_MESSAGE);
        let rest = record.write_message(packet, octets)?;
        Some((record, rest))
    }

    /// Fills in an empty record for a message, except for `interface` and `at_ns`. Returns the offset in the frame
    /// where its payloads begin: `snapshot_octets` are to be copied from there.
    ///
    /// In place, because the kernel's stack of 512 octets has no room for a second record.
    #[inline(always)]
    pub fn write_message<O: Octets>(&mut self, packet: &Packet, octets: &O) -> Option<usize> {
        let Body::Isakmp {
            header,
            offset,
            octets: datagram,
            available,
            marked,
        } = packet.body
        else {
            return None;
        };
        self.vlan_depth = packet.vlan.depth;
        self.vlan_tci = packet.vlan.tci;
        self.source = packet.source;
        self.destination = packet.destination;
        self.flags = if marked { FLAG_MARKED } else { 0 };
        if packet.fragment == Fragment::First {
            self.flags |= FLAG_FIRST_FRAGMENT;
        }
        self.source_port = packet.source_port;
        self.destination_port = packet.destination_port;
        self.frame_octets = octets.wire_length() as u32;
        self.datagram_octets = datagram;
        self.header = header.octets();
        let rest = offset + HEADER_OCTETS;
        let kept = usize::from(available).saturating_sub(HEADER_OCTETS);
        // All sixteen or none: a partial fingerprint would make two different short messages look alike.
        if kept >= FINGERPRINT_OCTETS
            && let (Some(first), Some(second)) = (octets.array::<8>(rest), octets.array::<8>(rest + 8))
        {
            // As two words: sixteen octets become a call that copies them one by one.
            self.fingerprint = zerocopy::transmute!([first, second]);
            self.fingerprint_octets = FINGERPRINT_OCTETS as u8;
        }
        if !header.is_encrypted() {
            self.snapshot_octets = kept.min(SNAPSHOT_OCTETS) as u16;
        }
        Some(rest)
    }

    /// The record of an ESP packet that took a slot, or found none.
    #[inline(always)]
    pub const fn spi(kind: u8, esp: Esp, site: u32) -> Self {
        let mut record = Self::empty(kind);
        record.spi = esp.spi;
        record.sequence = esp.sequence;
        record.site = site;
        record
    }

    /// Reads a record and the snapshot that follows it. `None` for another version or too few octets.
    #[inline]
    pub fn parse(octets: &[u8]) -> Option<(&Self, &[u8])> {
        if octets.first() != Some(&RECORD_VERSION) {
            return None;
        }
        let (record, rest) = Self::ref_from_prefix(octets).ok()?;
        let snapshot = rest.get(..usize::from(record.snapshot_octets))?;
        Some((record, snapshot))
    }

    /// The ISAKMP header.
    #[inline]
    pub fn isakmp(&self) -> Header {
        Header::from(self.header)
    }

    /// IP source.
    #[inline]
    pub fn source_address(&self) -> IpAddr {
        address(self.source)
    }

    /// IP destination.
    #[inline]
    pub fn destination_address(&self) -> IpAddr {
        address(self.destination)
    }

    /// The VLAN tags.
    pub fn vlan(&self) -> Vlan {
        Vlan {
            depth: self.vlan_depth.min(2),
            tci: self.vlan_tci,
        }
    }
}

impl Packet {
    /// IP source.
    pub fn source_address(&self) -> IpAddr {
        address(self.source)
    }

    /// IP destination.
    pub fn destination_address(&self) -> IpAddr {
        address(self.destination)
    }
}

/// Key of [`MAP_SITES`]: the 128 bits of an address, IPv4 as IPv4-mapped IPv6.
pub fn site_key(prefix: IpAddr, length: u8) -> (u32, [u8; 16]) {
    let mapped_length = match prefix {
        IpAddr::V4(_) => u32::from(length) + MAPPED_PREFIX_BITS,
        IpAddr::V6(_) => u32::from(length),
    };
    (mapped_length, octets_of(prefix))
}

/// The lookup key of a source address.
#[inline(always)]
pub const fn site_address_v4(source: [u8; 4]) -> [u8; 16] {
    mapped(source)
}

/// Readings of the kernel's clocks and of the ring at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
pub struct Clocks {
    /// Nanoseconds since boot, suspend included.
    pub boot_ns: u64,
    /// Jiffies.
    pub jiffies: u64,
    /// Octets in the ring that the agent has not read.
    pub ring_octets: u64,
}
