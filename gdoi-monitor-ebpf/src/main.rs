//! The programs at XDP and at traffic control: they find ISAKMP, ESP and AH in traffic, count all frames, and pass
//! every one on.
//!
//! A frame takes one of two paths to the same answer. The fast path ([`fast_path`]) decides nearly all frames in a
//! few instructions; all others go to the slow path ([`slow_path`]), which runs the same dissector as user space. A
//! test compares the two paths and user space.
//!
//! `gdoi_clock` never sees a frame: the agent test-runs it to read the kernel's clocks at one moment.
#![no_std]
#![no_main]
#![expect(
    missing_docs,
    unreachable_pub,
    reason = "the macro of aya makes such functions"
)]

mod count;
mod emit;
mod fast_path;
mod maps;
mod reader;
mod slow_path;

use aya_ebpf::bindings::xdp_action::XDP_PASS;
use aya_ebpf::bindings::{BPF_RB_AVAIL_DATA, TC_ACT_UNSPEC};
use aya_ebpf::helpers::generated::{bpf_jiffies64, bpf_ktime_get_boot_ns};
use aya_ebpf::macros::{classifier, xdp};
use aya_ebpf::programs::{TcContext, XdpContext};
use gdoi_wire::record::Clocks;

use crate::fast_path::Next;
use crate::maps::EGRESS;

/// Inspects a frame and passes it on unconditionally.
#[xdp(frags)]
pub fn gdoi_xdp(ctx: XdpContext) -> u32 {
    if fast_path::decide(&ctx) == Next::SlowPath {
        slow_path::dissect(&ctx);
    }
    XDP_PASS
}

/// Inspects a frame and leaves it to the next program unconditionally: `TCX_NEXT` is the same number.
#[classifier]
pub fn gdoi_tc(ctx: TcContext) -> i32 {
    // A forwarded frame was counted at ingress; a frame of this host has no ingress interface.
    // SAFETY: the context is the one the kernel called us with.
    let is_forwarded = EGRESS.load() != 0 && unsafe { (*ctx.skb.skb).ingress_ifindex } != 0;
    if !is_forwarded && fast_path::decide(&ctx) == Next::SlowPath {
        slow_path::dissect(&ctx);
    }
    TC_ACT_UNSPEC
}

/// Writes the kernel's clocks, and the fill level of the ring, to the map of clocks.
#[xdp]
pub fn gdoi_clock(_ctx: XdpContext) -> u32 {
    if let Some(clocks) = maps::CLOCKS.get_ptr_mut(0) {
        // SAFETY: both helpers only read a clock.
        let boot_ns = unsafe { bpf_ktime_get_boot_ns() };
        // SAFETY: as above.
        let jiffies = unsafe { bpf_jiffies64() };
        let reading = Clocks {
            boot_ns,
            jiffies,
            ring_octets: maps::RING.query(u64::from(BPF_RB_AVAIL_DATA)),
        };
        // SAFETY: the lookup succeeded, and the agent test-runs this program without concurrent writers.
        unsafe { clocks.write(reading) };
    }
    XDP_PASS
}

/// Cannot be reached: the verifier refuses a program that does not end, so a reachable panic cannot be loaded.
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// The kernel allows some helpers to GPL programs only; the source is MIT or Apache-2.0 as well.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
