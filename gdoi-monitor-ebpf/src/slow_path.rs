//! The slow path: the dissector of [`gdoi_wire`], for everything that the fast path leaves.

use core::ffi::c_void;

use aya_log_ebpf::debug;
use gdoi_wire::{Body, Class, Dissected, Esp, Fragment, L2, L3, Packet, ParseError};

use crate::count::{CpuCounters, site_of};
use crate::emit;
use crate::maps::{LINK, NETWORK, ports};
use crate::reader::{Frame, Hook};

/// Return value of [`link`] and [`network`] when they left a result for the next part.
const FOUND: u64 = 1;

/// Dissects a frame and counts or records the result.
///
/// Its subprograms share only maps, so the verifier adds up their paths. In one program it had followed 621,000
/// instructions when it found that the stack was too large.
#[inline(always)]
pub(crate) fn dissect<H: Hook>(ctx: &H) {
    let raw = ctx.as_ptr();
    if link::<H>(raw) == FOUND && network::<H>(raw) == FOUND {
        transport::<H>(raw);
    }
}

/// Reads the frame down to its IP header.
#[inline(never)]
fn link<H: Hook>(raw: *mut c_void) -> u64 {
    let ctx = &H::from_raw(raw);
    if !ctx.prepare() {
        return 0;
    }
    let (Some(mut counts), Some(found), Some(frame)) = (CpuCounters::new(), LINK.get_ptr_mut(0), ctx.frame())
    else {
        return 0;
    };
    match gdoi_wire::dissect_l2(&frame, frame.stripped_vlan_tci()) {
        L2::Other => counts.packet(Class::Other, wire_len(&frame)),
        L2::Error(error) => count_parse_error(&mut counts, &frame, error, ctx),
        L2::Ip(carried) => {
            // SAFETY: the lookup succeeded; the entry is this CPU's own, and neither hook nests on a CPU.
            unsafe { found.write(carried) };
            return FOUND;
        }
    }
    0
}

/// Reads the frame from the IP header found by [`link`] down to its transport header.
#[inline(never)]
fn network<H: Hook>(raw: *mut c_void) -> u64 {
    let ctx = &H::from_raw(raw);
    let (Some(mut counts), Some(carried)) = (CpuCounters::new(), LINK.get(0)) else {
        return 0;
    };
    let (Some(found), Some(frame)) = (NETWORK.get_ptr_mut(0), ctx.frame()) else {
        return 0;
    };
    match gdoi_wire::dissect_l3(&frame, carried) {
        L3::Other => counts.packet(Class::Other, wire_len(&frame)),
        L3::Error(error) => count_parse_error(&mut counts, &frame, error, ctx),
        L3::Ip(ip) => {
            // SAFETY: the lookup succeeded; the entry is this CPU's own, and neither hook nests on a CPU.
            unsafe { found.write(ip) };
            return FOUND;
        }
    }
    0
}

/// Reads the packet found by [`network`].
#[inline(never)]
fn transport<H: Hook>(raw: *mut c_void) -> u64 {
    let ctx = &H::from_raw(raw);
    let (Some(mut counts), Some(ip), Some(frame)) = (CpuCounters::new(), NETWORK.get(0), ctx.frame()) else {
        return 0;
    };
    match gdoi_wire::dissect_l4(&frame, &ports(), ip) {
        Dissected::Other => counts.packet(Class::Other, wire_len(&frame)),
        Dissected::Error(error) => count_parse_error(&mut counts, &frame, error, ctx),
        Dissected::Packet(packet) => {
            counts.packet(packet.class(), wire_len(&frame));
            handle_packet(&mut counts, &packet, &frame, ctx);
        }
    }
    0
}

#[inline(always)]
fn count_parse_error<H: Hook>(counts: &mut CpuCounters, frame: &impl Frame, error: ParseError, ctx: &H) {
    counts.packet(Class::Other, wire_len(frame));
    counts.parse_error(error);
    debug!(
        ctx,
        "a frame of {} octets could not be read: error {}",
        frame.wire_length(),
        error as u8
    );
}

#[inline(always)]
fn handle_packet<H: Hook>(counts: &mut CpuCounters, packet: &Packet, frame: &impl Frame, ctx: &H) {
    if packet.fragment == Fragment::First {
        counts.first_fragment();
    }
    match packet.body {
        Body::Isakmp { header, .. } => {
            debug!(
                ctx,
                "ISAKMP exchange {}, message {:x}",
                header.exchange_type(),
                header.message_id()
            );
            emit::message(counts, packet, frame, ctx.interface());
        }
        Body::Esp(esp) => {
            let site = site_of(|| packet.source);
            count_esp(esp.spi, esp.sequence, site, packet.ip_octets.into());
        }
        Body::Ah | Body::NatKeepalive => {}
    }
}

/// Counts an ESP packet, including the first one of its SPI.
///
/// A subprogram with scalar arguments: inside [`transport`] the compiler spills a register that is undefined on one
/// path ("invalid size of register spill").
#[inline(never)]
fn count_esp(spi: u32, sequence: u32, site: u32, octets: u64) -> u64 {
    if let Some(mut counts) = CpuCounters::new() {
        let esp = Esp {
            spi,
            sequence,
            in_udp: false,
        };
        counts.esp(esp, site, octets);
    }
    0
}

/// Length of the frame on the wire, in octets.
#[inline(always)]
fn wire_len(frame: &impl Frame) -> u64 {
    (frame.wire_length() + frame.stripped_vlan_len()) as u64
}
