//! The slow way: the dissector of [`gdoi_wire`], for everything the fast way leaves.

use aya_ebpf::programs::XdpContext;
use aya_log_ebpf::debug;
use gdoi_wire::{Body, Class, Fragment, Miss, Network, Octets as _, Packet, Seen};

use crate::count::{Counts, site_of};
use crate::emit;
use crate::maps::{NETWORK, ports};
use crate::reader::Frame;

/// Dissects a frame and counts or records what it finds.
///
/// In two subprograms that share nothing but a map: the verifier then adds their ways up. In one it had followed
/// 621,000 instructions when it found that its stack was too large.
#[inline(always)]
pub(crate) fn dissect(ctx: &XdpContext) {
    if network(ctx) == FOUND_IP {
        transport(ctx);
    }
}

/// Reads the frame down to its transport header.
#[inline(never)]
fn network(ctx: &XdpContext) -> u64 {
    let (Some(mut counts), Some(found)) = (Counts::new(), NETWORK.get_ptr_mut(0)) else {
        return 0;
    };
    let frame = Frame::new(ctx);
    match gdoi_wire::network(&frame) {
        Network::Other => counts.packet(Class::Other, frame.wire_length() as u64),
        Network::Miss(miss) => missed(&mut counts, &frame, miss, ctx),
        Network::Ip(ip) => {
            // SAFETY: the lookup succeeded; the entry is this CPU's own and XDP does not nest on a CPU.
            unsafe { found.write(ip) };
            return FOUND_IP;
        }
    }
    0
}

/// Reads the packet that [`network`] found.
#[inline(never)]
fn transport(ctx: &XdpContext) -> u64 {
    let (Some(mut counts), Some(ip)) = (Counts::new(), NETWORK.get(0)) else {
        return 0;
    };
    let frame = Frame::new(ctx);
    match gdoi_wire::transport(&frame, &ports(), ip) {
        Seen::Other => counts.packet(Class::Other, frame.wire_length() as u64),
        Seen::Miss(miss) => missed(&mut counts, &frame, miss, ctx),
        Seen::Packet(packet) => {
            counts.packet(packet.class(), frame.wire_length() as u64);
            ours(&mut counts, &packet, &frame, ctx);
        }
    }
    0
}

#[inline(always)]
fn missed(counts: &mut Counts, frame: &Frame<'_>, miss: Miss, ctx: &XdpContext) {
    counts.packet(Class::Other, frame.wire_length() as u64);
    counts.miss(miss);
    debug!(
        ctx,
        "a frame of {} octets could not be read: miss {}",
        frame.wire_length(),
        miss as u8
    );
}

#[inline(always)]
fn ours(counts: &mut Counts, packet: &Packet, frame: &Frame<'_>, ctx: &XdpContext) {
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
            emit::message(counts, packet, frame, ctx.ingress_ifindex() as u32);
        }
        Body::Esp(esp) => {
            let site = site_of(|| packet.source);
            counts.esp(esp, site, u64::from(packet.ip_octets));
        }
        Body::Ah | Body::NatKeepalive => {}
    }
}

/// What [`network`] returns when it left a packet for [`transport`].
const FOUND_IP: u64 = 1;
