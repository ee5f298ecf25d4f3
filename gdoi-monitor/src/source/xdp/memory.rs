//! The memory of the SPI table: the only `unsafe` of the agent.
//!
//! The kernel's array map is mapped into our memory while its programs write to it. So nothing here makes a reference
//! to it: every access is one atomic load or store of an aligned word inside the mapping.
#![expect(unsafe_code, reason = "a memory shared with the kernel has no safe interface")]

use std::io;
use std::os::fd::{AsFd, AsRawFd as _};
use std::sync::atomic::{AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};

/// A map with `BPF_F_MMAPABLE`, as 64-bit words.
#[derive(Debug)]
pub(super) struct Memory {
    map: MmapRaw,
    words: usize,
}

impl Memory {
    /// Maps the first `words` words of the map of `fd`.
    pub(super) fn new(fd: &impl AsFd, words: usize) -> io::Result<Self> {
        let map = MmapOptions::new()
            .len(words * size_of::<u64>())
            .map_raw(fd.as_fd().as_raw_fd())?;
        Ok(Self { map, words })
    }

    /// The word at `index`; zero past the end.
    #[inline]
    pub(super) fn load(&self, index: usize) -> u64 {
        self.word(index).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    /// Writes the word at `index`; does nothing past the end.
    #[inline]
    pub(super) fn store(&self, index: usize, value: u64) {
        if let Some(word) = self.word(index) {
            word.store(value, Ordering::Relaxed);
        }
    }

    #[inline]
    fn word(&self, index: usize) -> Option<&AtomicU64> {
        if index >= self.words {
            return None;
        }
        #[expect(clippy::cast_ptr_alignment, reason = "a mapping begins on a page")]
        let at = self.map.as_mut_ptr().cast::<u64>();
        // SAFETY: the line above keeps `index` inside the mapping, whose length is `words` words.
        let at = unsafe { at.add(index) };
        // SAFETY: the mapping begins on a page, so the word is aligned; it lives as long as `self`; on our side it is
        // only ever used through atomics.
        Some(unsafe { AtomicU64::from_ptr(at) })
    }
}

/// The low and the high half of a word.
#[expect(clippy::cast_possible_truncation, reason = "a half is meant")]
pub(super) const fn halves(word: u64) -> (u32, u32) {
    (word as u32, (word >> 32) as u32)
}
