//! ESP with configured sites: the sender is looked up first.

use core::ffi::c_void;

use gdoi_wire::record::site_address_v4;

use super::{FirstBuffer, IPV4_READ, IPV6_READ, Next};
use crate::count::{CpuCounters, site_of};
use crate::reader::Hook;

/// Counts the whole ESP packet after a header of IP version `V` at `AT`, or leaves it.
///
/// Out of line: otherwise the registers kept across the lookup are saved for every frame.
#[inline(never)]
pub(super) fn decide<H: Hook, const AT: usize, const V: u8>(raw: *mut c_void) -> Next {
    let ctx = &H::from_raw(raw);
    let frame = FirstBuffer::of(ctx);
    let read = if V == 4 { IPV4_READ } else { IPV6_READ };
    if frame.start + AT + read > frame.end {
        return Next::SlowPath;
    }
    let (source, spi, octets) = if V == 4 {
        let source = site_address_v4(frame.word(AT + 12));
        (source, frame.be32(AT + 20), frame.be16(AT + 2).into())
    } else {
        let octets = 40 + usize::from(frame.be16(AT + 4));
        (frame.word(AT + 8), frame.be32(AT + 40), octets)
    };
    let site = site_of(|| source);
    match CpuCounters::new() {
        Some(counts) => frame.count_esp(counts, spi, site, octets),
        None => Next::SlowPath,
    }
}
