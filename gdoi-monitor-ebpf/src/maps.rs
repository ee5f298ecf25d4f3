//! Maps and globals shared with the agent. Names are those of [`gdoi_wire::record`].

use aya_ebpf::Global;
use aya_ebpf::bindings::BPF_F_MMAPABLE;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, LpmTrie, PerCpuArray, RingBuf};
use gdoi_wire::record::{Clocks, CpuState, DEFAULT_BUCKETS};
use gdoi_wire::{Ip, L3Offset, Ports};

use crate::reader::COPY_LEN;

/// An LPM trie cannot be allocated in advance (`kernel/bpf/lpm_trie.c`).
const NO_PREALLOC: u32 = aya_ebpf::bindings::BPF_F_NO_PREALLOC;

/// Records to the agent.
#[map]
pub(crate) static RING: RingBuf = RingBuf::with_byte_size(1 << 20, 0);

/// The counters of each CPU. The agent sets the number of parts, and maps them into its memory.
///
/// Not a per-CPU map: the kernel gives the address of this one without a call, and the agent reads it without one.
#[map]
pub(crate) static CPU_STATE: Array<CpuState> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// Site of a source address.
#[map]
pub(crate) static SITES: LpmTrie<[u8; 16], u32> = LpmTrie::with_max_entries(65_536, NO_PREALLOC);

/// Result of the dissector's first part for the second.
#[map]
pub(crate) static LINK: PerCpuArray<L3Offset> = PerCpuArray::with_max_entries(1, 0);

/// Result of the dissector's second part for the third.
#[map]
pub(crate) static NETWORK: PerCpuArray<Ip> = PerCpuArray::with_max_entries(1, 0);

/// A copy of a frame at traffic control, as far as the dissector may read.
#[map]
pub(crate) static FRAME: PerCpuArray<[u8; COPY_LEN]> = PerCpuArray::with_max_entries(1, 0);

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

/// Number of possible CPUs: that many first parts precede the second ones.
#[unsafe(no_mangle)]
pub(crate) static CPUS: Global<u32> = Global::new(1);

/// Whether [`SITES`] has entries.
#[unsafe(no_mangle)]
pub(crate) static SITES_ON: Global<u8> = Global::new(0);

/// Whether the program sees egress frames: frames that came in by an interface were counted there.
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

/// Whether one of the ports is of either kind. Checked one entry at a time: all at once, each would be read for every
/// datagram.
#[inline(always)]
pub(crate) fn is_gdoi_port(source: u16, destination: u16) -> bool {
    is_listed(&ISAKMP_PORTS, source, destination) || is_nat_t_port(source, destination)
}

/// Whether one of the ports has the framing of RFC 3948.
#[inline(always)]
pub(crate) fn is_nat_t_port(source: u16, destination: u16) -> bool {
    is_listed(&NAT_T_PORTS, source, destination)
}

#[inline(always)]
fn is_listed(ports: &Global<[u16; Ports::SLOTS]>, source: u16, destination: u16) -> bool {
    for slot in 0..Ports::SLOTS {
        let at = (&raw const *ports).cast::<u16>().wrapping_add(slot);
        // SAFETY: a global is initialised memory, and the slot is part of it.
        let port = unsafe { at.read_volatile() };
        // Entries after an unused one are unused too.
        if port == 0 {
            break;
        }
        if port == source || port == destination {
            return true;
        }
    }
    false
}
