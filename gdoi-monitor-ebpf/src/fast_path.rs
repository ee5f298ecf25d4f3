//! The fast path: decides nearly all frames in a few instructions.
//!
//! It knows IPv4 without options and IPv6 without extension headers, untagged or with one VLAN tag, entirely in the
//! first buffer. It decides four cases: other protocols (neither UDP, ESP nor AH), UDP on other ports, whole ESP
//! packets, and ([`message`]) the most common ISAKMP messages. Everything else it leaves, untouched and uncounted, to
//! the dissector.

mod message;
mod site;

use gdoi_wire::Class;

use crate::count::{CpuCounters, SlotLookup, add_packet};
use crate::maps::{SITES_ON, is_gdoi_port};
use crate::reader::Hook;

/// The bits that [`FirstBuffer::ipv4`] checks in the second word of an IPv4 header. In the first 16 bits anything but
/// "don't fragment" is a fragment; the last eight are the protocol.
const FRAGMENT_AND_PROTOCOL: u32 = u32::from_le_bytes([0x3f, 0xff, 0, 0xff]);
/// Offset of the IP header without a tag; the next constant is that with one.
const UNTAGGED: usize = 14;
const TAGGED: usize = 18;
/// 20 octets of IPv4 header and 8 of UDP or ESP.
const IPV4_READ: usize = 28;
/// 40 octets of IPv6 header and 8 of UDP or ESP.
const IPV6_READ: usize = 48;
/// The shortest frame with a tag and a checksum (IEEE 802.3 §4.4.2): shorter packets are padded to it.
const SHORTEST_FRAME: usize = 68;
/// The Ethertype of IPv4, and version 4 with 5 words of header.
const IPV4_NO_OPTIONS: u32 = u32::from_le_bytes([0x08, 0x00, 0x45, 0]);
const ETHERTYPE_IPV6: u16 = u16::to_be(0x86dd);
const ETHERTYPE_VLAN: u16 = u16::to_be(0x8100);
const TCP: u8 = 6;
const UDP: u8 = 17;
const ESP: u8 = 50;
const AH: u8 = 51;
const ICMPV6: u8 = 58;

/// What remains to be done with a frame after the fast path.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Nothing: it is counted or recorded.
    Done,
    /// Dissect it. Nothing was counted yet.
    SlowPath,
}

/// Decides a frame, or leaves it to the slow path.
#[inline(always)]
pub(crate) fn decide(ctx: &impl Hook) -> Next {
    // Done first, so no helper call follows on the hot path and no register is spilled across one.
    let Some(counts) = CpuCounters::new() else {
        return Next::Done;
    };
    let (start, end) = ctx.first_buffer();
    if start + UNTAGGED + IPV4_READ > end {
        return Next::SlowPath;
    }
    let frame = FirstBuffer::of(ctx);
    let head = frame.head::<UNTAGGED>();
    if head.is_ipv4() {
        return frame.ipv4::<_, UNTAGGED>(ctx, counts, head);
    }
    match head.ethertype() {
        ETHERTYPE_IPV6 => frame.ipv6::<_, UNTAGGED>(ctx, counts, head),
        ETHERTYPE_VLAN => {
            if start + TAGGED + IPV4_READ > end {
                return Next::SlowPath;
            }
            let head = frame.head::<TAGGED>();
            if head.is_ipv4() {
                return frame.ipv4::<_, TAGGED>(ctx, counts, head);
            }
            match head.ethertype() {
                ETHERTYPE_IPV6 => frame.ipv6::<_, TAGGED>(ctx, counts, head),
                _ => Next::SlowPath,
            }
        }
        _ => Next::SlowPath,
    }
}

/// The Ethertype and the six octets after it, in one read.
#[derive(Clone, Copy)]
struct Head(u64);

impl Head {
    #[inline(always)]
    fn ethertype(self) -> u16 {
        self.0 as u16
    }

    /// IPv4 without options.
    #[inline(always)]
    fn is_ipv4(self) -> bool {
        self.0 as u32 & 0x00ff_ffff == IPV4_NO_OPTIONS
    }

    /// The version of IP.
    #[inline(always)]
    fn version(self) -> u8 {
        (self.0 >> 20) as u8 & 0xf
    }

    /// The length of an IPv4 packet.
    #[inline(always)]
    fn total(self) -> usize {
        usize::from(u16::from_be((self.0 >> 32) as u16))
    }

    /// The length of what follows an IPv6 header.
    #[inline(always)]
    fn payload(self) -> usize {
        usize::from(u16::from_be((self.0 >> 48) as u16))
    }
}

#[derive(Clone, Copy)]
struct FirstBuffer {
    start: usize,
    end: usize,
    /// Octets of the whole frame, if known.
    octets: usize,
    /// Octets of a tag that the kernel stripped from the frame.
    stripped_vlan_len: usize,
}

impl FirstBuffer {
    #[inline(always)]
    fn of(ctx: &impl Hook) -> Self {
        let (start, end) = ctx.first_buffer();
        Self {
            start,
            end,
            octets: ctx.octets(),
            stripped_vlan_len: ctx.stripped_vlan_len(),
        }
    }

    /// The value at a constant offset. Callers have checked that it ends inside the frame.
    #[inline(always)]
    fn word<T: Copy>(self, at: usize) -> T {
        // SAFETY: `decide` and `ipv6` leave a frame that does not reach 28 (62 - 14 for IPv6) octets into the IP
        // packet, and every offset read here ends before that. The verifier checks each one again.
        unsafe { ((self.start + at) as *const T).read_unaligned() }
    }

    #[inline(always)]
    fn be16(self, at: usize) -> u16 {
        u16::from_be(self.word(at))
    }

    #[inline(always)]
    fn be32(self, at: usize) -> u32 {
        u32::from_be(self.word(at))
    }

    /// Length of the frame on the wire, in octets.
    #[inline(always)]
    fn wire_octets(self) -> u64 {
        (self.octets + self.stripped_vlan_len) as u64
    }

    #[inline(always)]
    fn head<const AT: usize>(self) -> Head {
        Head(self.word(AT - 2))
    }

    #[inline(always)]
    fn ipv4<H: Hook, const AT: usize>(self, ctx: &H, counts: CpuCounters, head: Head) -> Next {
        let total = head.total();
        if !self.is_whole(AT + total) {
            return Next::SlowPath;
        }
        // Whether it is a fragment, time to live, protocol.
        let kind = self.word::<u32>(AT + 6) & FRAGMENT_AND_PROTOCOL;
        if kind == whole_packet_of(TCP) {
            return self.count_other(counts);
        }
        if kind == whole_packet_of(ESP) && total >= IPV4_READ {
            if SITES_ON.load() != 0 {
                return site::decide::<H, AT, 4>(ctx.as_ptr());
            }
            return self.count_esp(counts, self.be32(AT + 20), 0, total);
        }
        if kind == whole_packet_of(UDP) && total >= IPV4_READ {
            if self.is_gdoi_port(AT + 20) {
                return message::decide::<H, AT>(ctx.as_ptr());
            }
            return self.count_other(counts);
        }
        match (kind >> 24) as u8 {
            UDP | ESP | AH => Next::SlowPath,
            _ => self.count_other(counts),
        }
    }

    #[inline(always)]
    fn ipv6<H: Hook, const AT: usize>(self, ctx: &H, counts: CpuCounters, head: Head) -> Next {
        if self.start + AT + IPV6_READ > self.end {
            return Next::SlowPath;
        }
        let payload = head.payload();
        if head.version() != 6 || !self.is_whole(AT + 40 + payload) {
            return Next::SlowPath;
        }
        match self.word::<u8>(AT + 6) {
            TCP | ICMPV6 => self.count_other(counts),
            ESP if payload >= 8 && SITES_ON.load() != 0 => site::decide::<H, AT, 6>(ctx.as_ptr()),
            ESP if payload >= 8 => self.count_esp(counts, self.be32(AT + 40), 0, 40 + payload),
            UDP if payload >= 8 && !self.is_gdoi_port(AT + 40) => self.count_other(counts),
            _ => Next::SlowPath,
        }
    }

    /// Whether the IP packet ends with the frame, or before the padding of the shortest frames.
    ///
    /// Otherwise a length is false, or the frame has several buffers, whose length is not known here.
    #[inline(always)]
    fn is_whole(self, end: usize) -> bool {
        end == self.octets || (end < self.octets && self.octets <= SHORTEST_FRAME)
    }

    #[inline(always)]
    fn is_gdoi_port(self, at: usize) -> bool {
        is_gdoi_port(self.be16(at), self.be16(at + 2))
    }

    #[inline(always)]
    fn count_other(self, mut counts: CpuCounters) -> Next {
        counts.packet(Class::Other, self.wire_octets());
        Next::Done
    }

    /// ESP from a sender at `site`. Work that is needed once per SPI is left to the slow path.
    #[inline(always)]
    fn count_esp(self, mut counts: CpuCounters, spi: u32, site: u32, ip_octets: usize) -> Next {
        match counts.find_slot(spi, site) {
            SlotLookup::Slot(slot) => {
                counts.packet(Class::Esp, self.wire_octets());
                // SAFETY: the pointer is that of a slot of this CPU, as `find_slot` returns it.
                add_packet(unsafe { &mut *slot }, ip_octets as u64);
                Next::Done
            }
            SlotLookup::None if !counts.is_overflow_sampled() => {
                counts.packet(Class::Esp, self.wire_octets());
                counts.overflow(ip_octets as u64);
                Next::Done
            }
            SlotLookup::Free(_) | SlotLookup::None | SlotLookup::Reserved => Next::SlowPath,
        }
    }
}

const fn whole_packet_of(protocol: u8) -> u32 {
    u32::from_le_bytes([0, 0, 0, protocol])
}
