//! Encrypted version 1.0 messages in IPv4, on an ISAKMP port and not fragmented: nearly everything that a key server
//! sends in a storm. Every offset is a constant, and only the record is written.

use core::ffi::c_void;
use core::mem::offset_of;

use aya_ebpf::bindings::BPF_RB_NO_WAKEUP;
use gdoi_wire::Class;
use gdoi_wire::isakmp::{FLAG_ENCRYPTION, HEADER_OCTETS};
use gdoi_wire::record::{FINGERPRINT_OCTETS, KIND_MESSAGE, RECORD_VERSION, Record, site_address_v4};

use super::{FirstBuffer, Next, TAGGED};
use crate::count::CpuCounters;
use crate::emit::now;
use crate::maps::{RING, is_nat_t_port};
use crate::reader::Hook;

/// Offset in a record of fingerprint length, site, sequence number and the spare word.
const END: usize = offset_of!(Record, fingerprint_octets);
/// From the IP header to the end of the fingerprint.
const SHORTEST: usize = 20 + 8 + HEADER_OCTETS + FINGERPRINT_OCTETS;
/// Offsets in the ISAKMP header (RFC 2408 §3.1).
const VERSION: usize = 17;
const FLAGS: usize = 19;
const VERSION_1: u8 = 0x10;

/// Decides a message that follows 20 octets of IPv4 at `AT`, or leaves it. The caller has checked that the packet is
/// whole, no fragment, and that one of the ports is configured.
///
/// Out of line: otherwise the registers it needs are saved for every frame.
#[inline(never)]
pub(super) fn decide<H: Hook, const AT: usize>(raw: *mut c_void) -> Next {
    let ctx = &H::from_raw(raw);
    let frame = FirstBuffer::of(ctx);
    // A tag that the kernel stripped belongs to the message.
    if frame.start + AT + SHORTEST > frame.end || frame.stripped_vlan_len != 0 {
        return Next::SlowPath;
    }
    let udp = AT + 20;
    let (source, destination) = (frame.be16(udp), frame.be16(udp + 2));
    let length = frame.be16(udp + 4);
    // A marker is four zero octets; the dissector distinguishes it from a cookie.
    let plain = frame.word::<u32>(udp + 8) != 0 && !is_nat_t_port(source, destination);
    let encrypted = frame.word::<u8>(udp + 8 + VERSION) == VERSION_1
        && frame.word::<u8>(udp + 8 + FLAGS) & FLAG_ENCRYPTION != 0;
    let whole = usize::from(frame.be16(AT + 2));
    let exact = whole == 20 + usize::from(length) && whole >= SHORTEST;
    if !plain || !encrypted || !exact {
        return Next::SlowPath;
    }
    let Some(mut counts) = CpuCounters::new() else {
        return Next::SlowPath;
    };
    counts.packet(Class::Isakmp, frame.wire_octets());
    let Some(mut entry) = RING.reserve_bytes(size_of::<Record>(), 0) else {
        counts.lost_message();
        return Next::Done;
    };
    // SAFETY: the entry has room for a record, and is aligned for it.
    let record = unsafe { &mut *entry.as_mut_ptr().cast::<Record>() };
    let vlan = if AT == TAGGED { frame.be16(AT - 4) } else { 0 };
    // Every field once: zeroing the record first would write it twice.
    record.version = RECORD_VERSION;
    record.kind = KIND_MESSAGE;
    record.flags = 0;
    record.vlan_depth = u8::from(AT == TAGGED);
    record.interface = ctx.interface();
    record.at_ns = now(&mut counts);
    record.source = site_address_v4(frame.word(AT + 12));
    record.destination = site_address_v4(frame.word(AT + 16));
    record.source_port = source;
    record.destination_port = destination;
    record.vlan_tci = [vlan, 0];
    record.frame_octets = frame.octets as u32;
    record.datagram_octets = length - 8;
    record.snapshot_octets = 0;
    // In words: 28 octets become a call that copies them one by one.
    let header = udp + 8;
    let words: *mut u64 = (&raw mut record.header).cast();
    for word in 0..HEADER_OCTETS / 8 {
        let to = words.wrapping_add(word);
        // SAFETY: three words are inside the header, and it is aligned for them.
        unsafe { to.write(frame.word(header + 8 * word)) };
    }
    let last = u64::from(frame.word::<u32>(header + 24));
    let to = words.wrapping_add(3);
    // SAFETY: the fourth word is the end of the header and the SPI, which is zero.
    unsafe { to.write(last) };
    let behind = header + HEADER_OCTETS;
    record.fingerprint = zerocopy::transmute!([frame.word::<u64>(behind), frame.word::<u64>(behind + 8)]);
    // From here to the end in words: 15 zero octets become a call that writes them one by one.
    let end = (&raw mut *record).cast::<u64>().wrapping_add(END / 8);
    let fingerprint_octets = u64::from_ne_bytes([FINGERPRINT_OCTETS as u8, 0, 0, 0, 0, 0, 0, 0]);
    // SAFETY: two words from there are the end of the record, which is aligned for them.
    unsafe { end.write(fingerprint_octets) };
    // SAFETY: as above.
    unsafe { end.wrapping_add(1).write(0) };
    entry.submit(u64::from(BPF_RB_NO_WAKEUP));
    Next::Done
}

// The last word of the header is followed by the SPI.
const _: () = assert!(offset_of!(Record, header) % 8 == 0);
const _: () = assert!(HEADER_OCTETS == 28 && offset_of!(Record, spi) == offset_of!(Record, header) + 28);
const _: () = assert!(END.is_multiple_of(8) && END + 16 == size_of::<Record>());
