//! What the program shares with the agent. Names are those of [`gdoi_wire::record`].

use aya_ebpf::Global;
use aya_ebpf::bindings::BPF_F_MMAPABLE;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, LpmTrie, PerCpuArray, RingBuf};
use gdoi_wire::record::{Bucket, Clocks, Counters, DEFAULT_BUCKETS};
use gdoi_wire::{Ip, Ports};

use crate::reader::KEPT;

/// Records on their way to the agent.
#[map]
pub(crate) static RING: RingBuf = RingBuf::with_byte_size(1 << 20, 0);

/// What each CPU counted.
#[map]
pub(crate) static COUNTERS: PerCpuArray<Counters> = PerCpuArray::with_max_entries(1, 0);

/// One SPI table per possible CPU, one after the other; the agent sets the size and maps it into its memory.
#[map]
pub(crate) static SPIS: Array<Bucket> = Array::with_max_entries(DEFAULT_BUCKETS, BPF_F_MMAPABLE);

/// Site of a source address.
#[map]
pub(crate) static SITES: LpmTrie<[u8; 16], u32> = LpmTrie::with_max_entries(65_536, NO_PREALLOC);

/// Where the first half of the dissector leaves its result for the second.
#[map]
pub(crate) static NETWORK: PerCpuArray<Ip> = PerCpuArray::with_max_entries(1, 0);

/// A frame at traffic control, as far as the dissector may look.
#[map]
pub(crate) static FRAME: PerCpuArray<[u8; KEPT]> = PerCpuArray::with_max_entries(1, 0);

/// The kernel's clocks at one moment.
#[map]
pub(crate) static CLOCKS: Array<Clocks> = Array::with_max_entries(1, 0);

/// UDP ports that carry ISAKMP.
#[unsafe(no_mangle)]
pub(crate) static ISAKMP_PORTS: Global<[u16; Ports::SLOTS]> = Global::new(Ports::DEFAULT.isakmp);

/// UDP ports with the framing of RFC 3948.
#[unsafe(no_mangle)]
pub(crate) static NAT_T_PORTS: Global<[u16; Ports::SLOTS]> = Global::new(Ports::DEFAULT.nat_t);

/// Buckets of one CPU's table, minus one.
#[unsafe(no_mangle)]
pub(crate) static SPI_MASK: Global<u32> = Global::new(DEFAULT_BUCKETS - 1);

/// Whether [`SITES`] holds anything.
#[unsafe(no_mangle)]
pub(crate) static SITES_ON: Global<u8> = Global::new(0);

/// Whether frames are seen on their way out: those that came in are then counted where they came in.
#[unsafe(no_mangle)]
pub(crate) static EGRESS: Global<u8> = Global::new(0);

/// The ports to look for. The loader freezes them, so that the verifier deletes the comparisons with unused entries.
#[inline(always)]
pub(crate) fn ports() -> Ports {
    Ports {
        isakmp: ISAKMP_PORTS.load(),
        nat_t: NAT_T_PORTS.load(),
    }
}

/// An LPM trie cannot be allocated in advance (`kernel/bpf/lpm_trie.c`).
const NO_PREALLOC: u32 = aya_ebpf::bindings::BPF_F_NO_PREALLOC;
