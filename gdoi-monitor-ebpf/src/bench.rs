//! Baselines for measurements of the program: an empty program, a changing frame, and maps that others would use.
//!
//! The kernel test-runs one frame repeatedly. To have many SPIs in turn, the frame changes in place between two runs;
//! `bench_turn` does only that and measures its cost.
#![no_std]
#![no_main]

mod count;
mod emit;
mod fast_path;
mod maps;
mod reader;
mod slow_path;

use aya_ebpf::Global;
use aya_ebpf::bindings::BPF_RB_FORCE_WAKEUP;
use aya_ebpf::bindings::xdp_action::XDP_PASS;
use aya_ebpf::macros::{map, xdp};
use aya_ebpf::maps::{LruPerCpuHashMap, PerfEventByteArray};
use aya_ebpf::programs::XdpContext;
use gdoi_wire::record::{KIND_MESSAGE, Record};

use crate::emit::zeroed_record;
use crate::fast_path::Next;
use crate::maps::RING;

/// After 14 octets of Ethernet and 20 of IPv4.
const SPI: usize = 34;
/// Keeps an SPI above the reserved ones.
const FIRST: u32 = 0x5a00_0000;

/// Number of SPIs in turn, minus one; a power of two, minus one.
#[unsafe(no_mangle)]
static TURN_MASK: Global<u32> = Global::new(0);

/// Packets and octets by SPI, in the map that is the obvious choice.
#[map]
static LRU: LruPerCpuHashMap<u32, [u64; 2]> = LruPerCpuHashMap::with_max_entries(1 << 17, 0);

/// Records to one reader for each CPU: the usual way before ring buffers.
#[map]
static EVENTS: PerfEventByteArray = PerfEventByteArray::new(0);

/// Passes the frame.
#[xdp]
pub(crate) fn bench_pass(_ctx: XdpContext) -> u32 {
    XDP_PASS
}

/// The program itself.
#[xdp(frags)]
pub(crate) fn bench_xdp(ctx: XdpContext) -> u32 {
    watch(&ctx)
}

/// The fast path only: frames that it leaves are passed.
#[xdp]
pub(crate) fn bench_fast(ctx: XdpContext) -> u32 {
    let _next = fast_path::decide(&ctx);
    XDP_PASS
}

/// A record of zeros through a perf buffer.
#[xdp]
pub(crate) fn bench_perf(ctx: XdpContext) -> u32 {
    EVENTS.output(&ctx, &[0_u8; size_of::<Record>()], 0);
    XDP_PASS
}

/// A record of zeros through the ring, waking the reader for each.
#[xdp]
pub(crate) fn bench_wake(_ctx: XdpContext) -> u32 {
    record_of_zeros(BPF_RB_FORCE_WAKEUP)
}

/// A record of zeros through the ring, waking a reader that has already read everything: the kernel's default.
#[xdp]
pub(crate) fn bench_wake_idle(_ctx: XdpContext) -> u32 {
    record_of_zeros(0)
}

/// Changes the SPI of an ESP packet and passes.
#[xdp]
pub(crate) fn bench_turn(ctx: XdpContext) -> u32 {
    turn(&ctx);
    XDP_PASS
}

/// Changes the SPI of an ESP packet, then runs the program.
#[xdp(frags)]
pub(crate) fn bench_turn_xdp(ctx: XdpContext) -> u32 {
    turn(&ctx);
    watch(&ctx)
}

/// Changes the SPI of an ESP packet, then counts it in the map.
#[xdp]
pub(crate) fn bench_turn_lru(ctx: XdpContext) -> u32 {
    if let Some(spi) = turn(&ctx) {
        match LRU.get_ptr_mut(spi) {
            Some(counts) => {
                // SAFETY: the lookup succeeded; the entry is this CPU's own.
                let counts = unsafe { &mut *counts };
                counts[0] += 1;
                counts[1] += (ctx.data_end() - ctx.data()) as u64;
            }
            None => drop(LRU.insert(spi, [1, 0], 0)),
        }
    }
    XDP_PASS
}

#[inline(always)]
fn record_of_zeros(flags: u32) -> u32 {
    if let Some(mut entry) = RING.reserve_bytes(size_of::<Record>(), 0) {
        // SAFETY: the entry has room for a record.
        unsafe { zeroed_record(entry.as_mut_ptr(), KIND_MESSAGE) };
        entry.submit(u64::from(flags));
    }
    XDP_PASS
}

#[inline(always)]
fn watch(ctx: &XdpContext) -> u32 {
    if fast_path::decide(ctx) == Next::SlowPath {
        slow_path::dissect(ctx);
    }
    XDP_PASS
}

/// Gives the next SPI to an ESP packet in IPv4 without options.
#[inline(always)]
fn turn(ctx: &XdpContext) -> Option<u32> {
    let at = ctx.data() + SPI;
    if at + size_of::<u32>() > ctx.data_end() {
        return None;
    }
    let at = at as *mut u32;
    // SAFETY: the lines above keep the four octets inside the frame.
    let turn = u32::from_be(unsafe { at.read_unaligned() }).wrapping_add(1) & TURN_MASK.load();
    let spi = turn | FIRST;
    // SAFETY: as above.
    unsafe { at.write_unaligned(spi.to_be()) };
    Some(spi)
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}

#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
