//! How the dissector reads a frame that the kernel holds.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::{bpf_xdp_get_buff_len, bpf_xdp_load_bytes};
use aya_ebpf::programs::XdpContext;
use gdoi_wire::Octets;

/// A frame in the kernel. Headers are read directly from its first buffer, which drivers make larger than the headers
/// that the dissector follows; only payloads are copied by a helper.
#[derive(Clone, Copy)]
pub(crate) struct Frame<'a> {
    ctx: &'a XdpContext,
    start: usize,
    end: usize,
    wire_length: usize,
}

impl<'a> Frame<'a> {
    /// The whole frame, all its buffers counted (since v5.18).
    #[inline(always)]
    pub(crate) fn new(ctx: &'a XdpContext) -> Self {
        // SAFETY: the context is the one the kernel called us with.
        let wire_length = unsafe { bpf_xdp_get_buff_len(ctx.ctx) } as usize;
        Self {
            ctx,
            start: ctx.data(),
            end: ctx.data_end(),
            wire_length,
        }
    }

    /// Copies `length` octets from offset `at` to `to`: whether they were there.
    ///
    /// # Safety
    ///
    /// `to` must have room for `length` octets, and the verifier must see that `length` is not zero.
    #[inline(always)]
    pub(crate) unsafe fn copy(&self, at: usize, to: *mut u8, length: u64) -> bool {
        // SAFETY: the caller gives the room; the helper checks the range in the frame itself.
        let status =
            unsafe { bpf_xdp_load_bytes(self.ctx.ctx, at as u32, to.cast::<c_void>(), length as u32) };
        status == 0
    }
}

impl Octets for Frame<'_> {
    #[inline(always)]
    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        if at > MAX_AT {
            return None;
        }
        let from = self.start + at;
        if from + N > self.end {
            return None;
        }
        // SAFETY: the lines above keep all N octets inside the first buffer.
        Some(unsafe { (from as *const [u8; N]).read_unaligned() })
    }

    #[inline(always)]
    fn wire_length(&self) -> usize {
        self.wire_length
    }
}

/// The verifier wants a bound for an offset that it has not seen computed. No header begins later: at most 22 octets of
/// Ethernet and tags, then 1,024 of IP headers and 1,028 of AH.
const MAX_AT: usize = 0xfff;
