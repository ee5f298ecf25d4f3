//! Records into the ring. Nothing here wakes the agent: it polls the ring, which costs far less.

use aya_ebpf::bindings::BPF_RB_NO_WAKEUP;
use aya_ebpf::helpers::generated::bpf_ktime_get_boot_ns;
use gdoi_wire::record::{KIND_MESSAGE, RECORD_VERSION, Record, SNAPSHOT_OCTETS};
use gdoi_wire::{Body, Esp, Packet};

use crate::count::{CpuCounters, jiffies};
use crate::maps::RING;
use crate::reader::Frame;

/// At 250 jiffies a second, up to 4,000 messages a second have exact times.
const EXACT_STAMPS_PER_JIFFY: u32 = 16;
const STAMP_REUSE: u32 = 8;
const RECORD_WORDS: usize = size_of::<Record>() / size_of::<u64>();

/// An ISAKMP message, with a snapshot of its payloads if they are in clear text.
#[inline(always)]
pub(crate) fn message(counts: &mut CpuCounters, packet: &Packet, frame: &impl Frame, interface: u32) {
    let encrypted = match packet.body {
        Body::Isakmp { header, .. } => header.is_encrypted(),
        Body::Esp(_) | Body::Ah | Body::NatKeepalive => return,
    };
    // The verifier requires constant sizes.
    let entry = if encrypted {
        RING.reserve_bytes(size_of::<Record>(), 0)
    } else {
        RING.reserve_bytes(size_of::<Record>() + SNAPSHOT_OCTETS, 0)
    };
    let Some(mut entry) = entry else {
        return counts.lost_message();
    };
    let at = entry.as_mut_ptr();
    // SAFETY: every entry begins with room for a record.
    let record = unsafe { zeroed_record(at, KIND_MESSAGE) };
    let Some(payloads) = record.write_message(packet, frame) else {
        return entry.discard(0);
    };
    record.frame_octets += frame.stripped_vlan_len() as u32;
    record.interface = interface;
    record.at_ns = now(counts);
    if !encrypted && record.snapshot_octets != 0 {
        // One 64-bit length from here to the helper, never zero and never more than the room: the verifier follows a
        // mask, not the branch before it ("R4 invalid zero-sized read: u64=[0,512]").
        let length = ((u64::from(record.snapshot_octets) - 1) & (SNAPSHOT_OCTETS as u64 - 1)) + 1;
        // SAFETY: the entry of a clear-text message has SNAPSHOT_OCTETS after the record.
        let room = unsafe { at.add(size_of::<Record>()) };
        // SAFETY: as above, and `length` is 1 to SNAPSHOT_OCTETS.
        if !unsafe { frame.copy(payloads, room, length) } {
            record.snapshot_octets = 0;
        }
    }
    entry.submit(u64::from(BPF_RB_NO_WAKEUP));
}

/// A hint that an SPI took a slot of the table, or found none.
#[inline(always)]
pub(crate) fn hint(counts: &mut CpuCounters, kind: u8, esp: Esp, site: u32) {
    if write_hint(u64::from(kind), esp.spi, esp.sequence, site) == 0 {
        counts.lost_hint();
    }
}

/// Out of line: otherwise every place that counts ESP carries code that runs once per SPI.
#[inline(never)]
fn write_hint(kind: u64, spi: u32, sequence: u32, site: u32) -> u32 {
    let Some(mut entry) = RING.reserve_bytes(size_of::<Record>(), 0) else {
        return 0;
    };
    // SAFETY: the entry has room for a record.
    let record = unsafe { zeroed_record(entry.as_mut_ptr(), kind as u8) };
    record.at_ns = boot_time();
    record.spi = spi;
    record.sequence = sequence;
    record.site = site;
    entry.submit(u64::from(BPF_RB_NO_WAKEUP));
    1
}

/// Makes an empty record at the beginning of an entry of the ring.
///
/// # Safety
///
/// There must be room for a record at `at`.
#[inline(always)]
pub(crate) unsafe fn zeroed_record<'a>(at: *mut u8, kind: u8) -> &'a mut Record {
    let words = at.cast::<u64>();
    for index in 0..RECORD_WORDS {
        // SAFETY: the caller guarantees the room.
        let word = unsafe { words.add(index) };
        // Volatile: otherwise the compiler makes it a call that writes zeros octet by octet.
        // SAFETY: as above, and the ring aligns entries to eight octets.
        unsafe { word.write_volatile(0) };
    }
    // SAFETY: as above, and zeros are a record.
    let record = unsafe { &mut *at.cast::<Record>() };
    record.version = RECORD_VERSION;
    record.kind = kind;
    record
}

/// The time of a message.
///
/// Clock readings are expensive. From the [`EXACT_STAMPS_PER_JIFFY`]th message of a CPU in one jiffy on, when
/// messages are microseconds apart, one reading serves [`STAMP_REUSE`] messages. The ring keeps their order.
#[inline(always)]
pub(crate) fn now(counts: &mut CpuCounters) -> u64 {
    let jiffies = jiffies();
    let stamp = counts.stamp();
    let before = if stamp.jiffies == jiffies {
        stamp.messages
    } else {
        0
    };
    stamp.jiffies = jiffies;
    stamp.messages = before + 1;
    if before < EXACT_STAMPS_PER_JIFFY || before % STAMP_REUSE == 0 {
        stamp.at_ns = boot_time();
    }
    stamp.at_ns
}

#[inline(always)]
fn boot_time() -> u64 {
    // SAFETY: the helper only reads a clock.
    unsafe { bpf_ktime_get_boot_ns() }
}
