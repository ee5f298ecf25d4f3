//! The fast way: what nearly all frames are, decided in a few instructions.
//!
//! It knows IPv4 without options and IPv6 without extension headers, untagged or with one VLAN tag, whole in the
//! first buffer, and takes four decisions: not ours (neither UDP, ESP nor AH), UDP between other ports, whole ESP
//! packets, and ([`message`]) the most common ISAKMP messages. Whatever it is not sure of it leaves, untouched and
//! uncounted, to the dissector.

mod message;

use gdoi_wire::record::site_address_v4;
use gdoi_wire::{Class, Esp};

use crate::count::{Counts, site_of};
use crate::maps::ports;
use crate::reader::Hook;

/// Decides a frame, or leaves it.
#[inline(always)]
pub(crate) fn is_left(ctx: &impl Hook) -> bool {
    let (start, end) = ctx.first_buffer();
    if start + UNTAGGED + IPV4_READ > end {
        return true;
    }
    let frame = Frame {
        start,
        end,
        octets: ctx.octets(),
        beside: ctx.octets_beside(),
    };
    match frame.word::<u16>(ETHERTYPE) {
        ETHERTYPE_IPV4 => frame.ipv4::<UNTAGGED>(ctx),
        ETHERTYPE_IPV6 => frame.ipv6::<UNTAGGED>(),
        ETHERTYPE_VLAN => {
            if start + TAGGED + IPV4_READ > end {
                return true;
            }
            match frame.word::<u16>(TAGGED - 2) {
                ETHERTYPE_IPV4 => frame.ipv4::<TAGGED>(ctx),
                ETHERTYPE_IPV6 => frame.ipv6::<TAGGED>(),
                _ => true,
            }
        }
        _ => true,
    }
}

#[derive(Clone, Copy)]
struct Frame {
    start: usize,
    end: usize,
    /// Octets of the whole frame, if that is known.
    octets: usize,
    /// Octets of a tag that the kernel took off the frame.
    beside: usize,
}

impl Frame {
    /// What is at a constant offset. Callers have compared the end of it with the end of the frame.
    #[inline(always)]
    fn word<T: Copy>(self, at: usize) -> T {
        // SAFETY: `is_left` and `ipv6` leave a frame that does not reach 28 (62 - 14 for IPv6) octets into the IP
        // packet, and every offset read here ends before that. The verifier checks each one again.
        unsafe { ((self.start + at) as *const T).read_unaligned() }
    }

    #[inline(always)]
    fn be16(self, at: usize) -> u16 {
        u16::from_be(self.word(at))
    }

    /// Octets of the frame as it was on the wire.
    #[inline(always)]
    fn wire_octets(self) -> u64 {
        (self.octets + self.beside) as u64
    }

    #[inline(always)]
    fn ipv4<const AT: usize>(self, ctx: &impl Hook) -> bool {
        let total = usize::from(self.be16(AT + 2));
        if self.word::<u8>(AT) != VERSION_4_NO_OPTIONS || !self.is_whole(AT + total) {
            return true;
        }
        let protocol = self.word::<u8>(AT + 9);
        if protocol != ESP {
            if protocol == AH {
                return true;
            }
            if protocol == UDP && (total < IPV4_READ || self.is_fragment::<AT>()) {
                return true;
            }
            if protocol == UDP && self.is_port_of_ours(AT + 20) {
                return message::is_left::<_, AT>(ctx);
            }
            return self.count_other();
        }
        if total < IPV4_READ || self.is_fragment::<AT>() {
            return true;
        }
        let source = || site_address_v4(self.word(AT + 12));
        self.count_esp(AT + 20, total, source)
    }

    #[inline(always)]
    fn ipv6<const AT: usize>(self) -> bool {
        if self.start + AT + IPV6_READ > self.end {
            return true;
        }
        let payload = usize::from(self.be16(AT + 4));
        if self.word::<u8>(AT) >> 4 != 6 || !self.is_whole(AT + 40 + payload) {
            return true;
        }
        match self.word::<u8>(AT + 6) {
            ESP if payload >= 8 => self.count_esp(AT + 40, 40 + payload, || self.word(AT + 8)),
            UDP if payload >= 8 && !self.is_port_of_ours(AT + 40) => self.count_other(),
            TCP | ICMPV6 => self.count_other(),
            _ => true,
        }
    }

    /// Whether the IP packet ends with the frame, or before the padding of the shortest frames.
    ///
    /// Otherwise a length lies, or the frame has several buffers, whose length is not known here.
    #[inline(always)]
    fn is_whole(self, end: usize) -> bool {
        end == self.octets || (end < self.octets && self.octets <= SHORTEST_FRAME)
    }

    /// Any fragment, first or later.
    #[inline(always)]
    fn is_fragment<const AT: usize>(self) -> bool {
        self.word::<u16>(AT + 6) & u16::to_be(0x3fff) != 0
    }

    #[inline(always)]
    fn is_port_of_ours(self, at: usize) -> bool {
        let ports = ports();
        let (source, destination) = (self.be16(at), self.be16(at + 2));
        ports.is_isakmp(source, destination) || ports.is_nat_t(source, destination)
    }

    #[inline(always)]
    fn count_other(self) -> bool {
        if let Some(mut counts) = Counts::new() {
            counts.packet(Class::Other, self.wire_octets());
        }
        false
    }

    #[inline(always)]
    fn count_esp(self, at: usize, ip_octets: usize, source: impl FnOnce() -> [u8; 16]) -> bool {
        let esp = Esp {
            spi: u32::from_be(self.word(at)),
            sequence: u32::from_be(self.word(at + 4)),
            in_udp: false,
        };
        if let Some(mut counts) = Counts::new() {
            counts.packet(Class::Esp, self.wire_octets());
            counts.esp(esp, site_of(source), ip_octets as u64);
        }
        false
    }
}

/// Offset of the Ethertype.
const ETHERTYPE: usize = 12;
/// Offset of the IP header behind no tag, and behind one.
const UNTAGGED: usize = 14;
const TAGGED: usize = 18;
/// 20 octets of IPv4 header and 8 of UDP or ESP.
const IPV4_READ: usize = 28;
/// 40 octets of IPv6 header and 8 of UDP or ESP.
const IPV6_READ: usize = 48;
/// The shortest frame with a tag and a checksum at its end (IEEE 802.3 §4.4.2): shorter packets are padded to it.
const SHORTEST_FRAME: usize = 68;
const VERSION_4_NO_OPTIONS: u8 = 0x45;
const ETHERTYPE_IPV4: u16 = u16::to_be(0x0800);
const ETHERTYPE_IPV6: u16 = u16::to_be(0x86dd);
const ETHERTYPE_VLAN: u16 = u16::to_be(0x8100);
const TCP: u8 = 6;
const UDP: u8 = 17;
const ESP: u8 = 50;
const AH: u8 = 51;
const ICMPV6: u8 = 58;
