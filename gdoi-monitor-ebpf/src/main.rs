//! The programs at XDP and at traffic control: they pick ISAKMP, ESP and AH out of traffic, count all, and pass every
//! frame on.
//!
//! A frame takes one of two paths to the same answer. The fast path ([`fast_path`]) knows what nearly all frames look like
//! and decides them in a few instructions; everything else goes to the slow path ([`slow_path`]), which runs the dissector
//! that user space runs. A test holds the two and user space against each other.
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

/// Looks at a frame and passes it on, whatever it is.
#[xdp(frags)]
pub fn gdoi_xdp(ctx: XdpContext) -> u32 {
    if fast_path::decide(&ctx) == Next::SlowPath {
        slow_path::dissect(&ctx);
    }
    XDP_PASS
}

/// Looks at a frame and leaves it to whoever comes next, whatever it is: `TCX_NEXT` is the same number.
#[classifier]
pub fn gdoi_tc(ctx: TcContext) -> i32 {
    // A frame that is forwarded was seen where it came in; one of this host came in nowhere.
    // SAFETY: the context is the one the kernel called us with.
    let is_forwarded = EGRESS.load() != 0 && unsafe { (*ctx.skb.skb).ingress_ifindex } != 0;
    if !is_forwarded && fast_path::decide(&ctx) == Next::SlowPath {
        slow_path::dissect(&ctx);
    }
    TC_ACT_UNSPEC
}

/// Writes the kernel's clocks, and how full the ring is, to the map of clocks.
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
        // SAFETY: the lookup succeeded, and nobody else writes while the agent test-runs this program.
        unsafe { clocks.write(reading) };
    }
    XDP_PASS
}

/// Cannot be reached: the verifier refuses a program that does not end, so a reachable panic cannot be loaded.
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

/// The kernel allows some helpers to programs under the GPL only; the source is MIT or Apache-2.0 as well.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
