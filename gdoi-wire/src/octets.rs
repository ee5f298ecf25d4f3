//! How the dissector reads octets: from a slice here, from packet memory in the kernel.

/// A frame whose octets can be read at an offset.
///
/// Implemented by [`Capture`] for user space and by the packet reader of the XDP program.
pub trait Octets {
    /// The `N` octets from offset `offset`, or `None` if they were not kept.
    fn array<const N: usize>(&self, offset: usize) -> Option<[u8; N]>;

    /// Octets the frame had on the wire, which may be more than were kept.
    fn wire_length(&self) -> usize;
}

/// A frame as a capture stores it: perhaps fewer octets than were on the wire.
#[derive(Clone, Copy, Debug)]
pub struct Capture<'a> {
    kept: &'a [u8],
    wire_length: usize,
}

impl<'a> Capture<'a> {
    /// A complete frame.
    pub fn whole(frame: &'a [u8]) -> Self {
        Self {
            kept: frame,
            wire_length: frame.len(),
        }
    }

    /// A frame cut to `kept`, which had `wire_length` octets; a smaller `wire_length` is replaced by the kept length.
    pub fn cut(kept: &'a [u8], wire_length: usize) -> Self {
        Self {
            kept,
            wire_length: wire_length.max(kept.len()),
        }
    }

    /// At most `wanted` of the octets from `offset`, as many as were kept.
    pub fn up_to(&self, offset: usize, wanted: usize) -> &'a [u8] {
        let rest = self.kept.get(offset..).unwrap_or_default();
        rest.get(..wanted).unwrap_or(rest)
    }
}

impl Octets for Capture<'_> {
    #[inline(always)]
    fn array<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.kept.get(offset..)?.first_chunk().copied()
    }

    #[inline(always)]
    fn wire_length(&self) -> usize {
        self.wire_length
    }
}
