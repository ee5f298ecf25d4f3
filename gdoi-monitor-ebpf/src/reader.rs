//! Reads frames for the dissector: from the first buffer at XDP, from a copy at traffic control.

use core::ffi::c_void;
use core::hint::black_box;

use aya_ebpf::EbpfContext;
use aya_ebpf::bindings::__sk_buff;
use aya_ebpf::helpers::generated::{bpf_skb_load_bytes, bpf_xdp_get_buff_len, bpf_xdp_load_bytes};
use aya_ebpf::programs::{TcContext, XdpContext};
use gdoi_wire::Octets;

use crate::maps::FRAME;

/// Maximum number of octets that the dissector may read, and a power of two: no header begins after [`MAX_OFFSET`] or
/// reaches past the end of the copy.
pub(crate) const COPY_LEN: usize = 4096;
/// The verifier requires a bound for an offset that it has not seen computed. No header begins later: at most 22
/// octets of Ethernet and tags, then 1,024 of IP headers and 1,028 of AH.
const MAX_OFFSET: usize = 0xfff;
/// A VLAN tag (IEEE 802.1Q §9.3).
const TAG_OCTETS: usize = 4;

/// The context of a program: one frame, in the form of its hook.
pub(crate) trait Hook: EbpfContext {
    /// The frame as the dissector reads it.
    type Frame<'a>: Frame
    where
        Self: 'a;

    /// From the kernel's context pointer, in a subprogram.
    fn from_raw(raw: *mut c_void) -> Self;

    /// Start and end of the first buffer.
    fn first_buffer(&self) -> (usize, usize);

    /// Length of the frame in octets, as far as the fast path knows: if the IP packet has another length, the
    /// dissector decides.
    fn octets(&self) -> usize;

    /// Octets that were on the wire and are no longer in the frame.
    fn stripped_vlan_len(&self) -> usize;

    /// Index of the interface.
    fn interface(&self) -> u32;

    /// Makes the frame readable; `false` if that fails.
    fn prepare(&self) -> bool;

    /// The frame, after `prepare`.
    fn frame(&self) -> Option<Self::Frame<'_>>;
}

/// A frame in the kernel.
pub(crate) trait Frame: Octets {
    /// The tag control information of a VLAN tag that the kernel stripped from the frame.
    fn stripped_vlan_tci(&self) -> Option<u16>;

    /// Octets that were on the wire and are no longer in the frame.
    fn stripped_vlan_len(&self) -> usize;

    /// Copies `length` octets from offset `at` to `to`; `false` if they are not there.
    ///
    /// # Safety
    ///
    /// `to` must have room for `length` octets, and the verifier must see that `length` is not zero.
    unsafe fn copy(&self, at: usize, to: *mut u8, length: u64) -> bool;
}

impl Hook for XdpContext {
    type Frame<'a> = XdpFrame<'a>;

    #[inline(always)]
    fn from_raw(raw: *mut c_void) -> Self {
        // Hidden from the compiler, which would pass on what the subprogram reads from it, cut to 32 bits ("R9
        // invalid mem access 'scalar'").
        Self::new(black_box(raw).cast())
    }

    #[inline(always)]
    fn first_buffer(&self) -> (usize, usize) {
        (self.data(), self.data_end())
    }

    #[inline(always)]
    fn octets(&self) -> usize {
        self.data_end() - self.data()
    }

    #[inline(always)]
    fn stripped_vlan_len(&self) -> usize {
        0
    }

    #[inline(always)]
    fn interface(&self) -> u32 {
        self.ingress_ifindex() as u32
    }

    #[inline(always)]
    fn prepare(&self) -> bool {
        true
    }

    #[inline(always)]
    fn frame(&self) -> Option<Self::Frame<'_>> {
        Some(XdpFrame::new(self))
    }
}

/// A frame at XDP. Headers are read directly from its first buffer, which drivers make larger than the headers that
/// the dissector follows; a helper copies payloads only.
#[derive(Clone, Copy)]
pub(crate) struct XdpFrame<'a> {
    ctx: &'a XdpContext,
    start: usize,
    end: usize,
    wire_length: usize,
}

impl<'a> XdpFrame<'a> {
    /// Length of the frame over all its buffers (since v5.18).
    #[inline(always)]
    fn new(ctx: &'a XdpContext) -> Self {
        // SAFETY: the context is the one the kernel called us with.
        let wire_length = unsafe { bpf_xdp_get_buff_len(ctx.ctx) } as usize;
        Self {
            ctx,
            start: ctx.data(),
            end: ctx.data_end(),
            wire_length,
        }
    }
}

impl Frame for XdpFrame<'_> {
    /// A network card may strip the tag too, and XDP cannot see that.
    #[inline(always)]
    fn stripped_vlan_tci(&self) -> Option<u16> {
        None
    }

    #[inline(always)]
    fn stripped_vlan_len(&self) -> usize {
        0
    }

    #[inline(always)]
    unsafe fn copy(&self, at: usize, to: *mut u8, length: u64) -> bool {
        // SAFETY: the caller guarantees the room; the helper checks the range in the frame itself.
        let status =
            unsafe { bpf_xdp_load_bytes(self.ctx.ctx, at as u32, to.cast::<c_void>(), length as u32) };
        status == 0
    }
}

impl Octets for XdpFrame<'_> {
    #[inline(always)]
    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        if at > MAX_OFFSET {
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

impl Hook for TcContext {
    type Frame<'a> = TcFrame<'a>;

    #[inline(always)]
    fn from_raw(raw: *mut c_void) -> Self {
        // Hidden from the compiler, which would pass on what the subprogram reads from it, cut to 32 bits ("R9
        // invalid mem access 'scalar'").
        Self::new(black_box(raw).cast())
    }

    #[inline(always)]
    fn first_buffer(&self) -> (usize, usize) {
        (self.data(), self.data_end())
    }

    #[inline(always)]
    fn octets(&self) -> usize {
        self.len() as usize
    }

    #[inline(always)]
    fn stripped_vlan_len(&self) -> usize {
        stripped_vlan_len(buffer(self))
    }

    #[inline(always)]
    fn interface(&self) -> u32 {
        buffer(self).ifindex
    }

    /// Copies what the dissector may read.
    ///
    /// The frame itself stays as it is: pulling all of it into the first buffer (`bpf_skb_pull_data`) would move it,
    /// and separate it from other holders of the same buffer.
    #[inline(always)]
    fn prepare(&self) -> bool {
        let Some(room) = FRAME.get_ptr_mut(0) else {
            return false;
        };
        let octets = u64::from(self.len()).min(COPY_LEN as u64);
        // A mask that the verifier follows: from one octet to the size of the copy.
        let length = ((octets - 1) & (COPY_LEN as u64 - 1)) + 1;
        // SAFETY: the map's entry has room for COPY_LEN octets; the helper checks the range in the frame.
        let status =
            unsafe { bpf_skb_load_bytes(self.as_ptr(), 0, room.cast::<c_void>(), black_box(length) as u32) };
        status == 0
    }

    #[inline(always)]
    fn frame(&self) -> Option<Self::Frame<'_>> {
        let kept = FRAME.get_ptr(0)?;
        Some(TcFrame {
            ctx: self,
            kept,
            wire_length: self.len() as usize,
        })
    }
}

/// A frame at traffic control, as far as it was copied. Its first buffer may hold less than its headers.
#[derive(Clone, Copy)]
pub(crate) struct TcFrame<'a> {
    ctx: &'a TcContext,
    kept: *const [u8; COPY_LEN],
    wire_length: usize,
}

impl Frame for TcFrame<'_> {
    #[inline(always)]
    fn stripped_vlan_tci(&self) -> Option<u16> {
        let buffer = buffer(self.ctx);
        (buffer.vlan_present != 0).then_some(buffer.vlan_tci as u16)
    }

    #[inline(always)]
    fn stripped_vlan_len(&self) -> usize {
        stripped_vlan_len(buffer(self.ctx))
    }

    #[inline(always)]
    unsafe fn copy(&self, at: usize, to: *mut u8, length: u64) -> bool {
        // SAFETY: the caller guarantees the room; the helper checks the range in the frame itself.
        let status =
            unsafe { bpf_skb_load_bytes(self.ctx.as_ptr(), at as u32, to.cast::<c_void>(), length as u32) };
        status == 0
    }
}

impl Octets for TcFrame<'_> {
    #[inline(always)]
    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        if at + N > self.wire_length {
            return None;
        }
        // Hidden from the compiler, which would conclude from the line above that this cannot happen.
        let at = black_box(at);
        if at > COPY_LEN - N {
            return None;
        }
        // SAFETY: the line above keeps all N octets inside the map's entry.
        let from = unsafe { self.kept.cast::<u8>().add(at) };
        // SAFETY: as above.
        Some(unsafe { from.cast::<[u8; N]>().read_unaligned() })
    }

    #[inline(always)]
    fn wire_length(&self) -> usize {
        self.wire_length
    }
}

#[inline(always)]
fn buffer(ctx: &TcContext) -> &__sk_buff {
    // SAFETY: the context is the one the kernel called us with.
    unsafe { &*ctx.skb.skb }
}

#[inline(always)]
fn stripped_vlan_len(buffer: &__sk_buff) -> usize {
    if buffer.vlan_present != 0 { TAG_OCTETS } else { 0 }
}
