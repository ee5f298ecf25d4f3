//! What the program shares with the agent. Names are those of [`gdoi_wire::record`].

use aya_ebpf::Global;
use aya_ebpf::bindings::BPF_F_MMAPABLE;
use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, LpmTrie, PerCpuArray, RingBuf};
use gdoi_wire::record::{Clocks, CpuState, DEFAULT_BUCKETS};
use gdoi_wire::{Ip, L3Offset, Ports};

use crate::reader::COPY_LEN;

/// An LPM trie cannot be allocated in advance (`kernel/bpf/lpm_trie.c`).
const NO_PREALLOC: u32 = aya_ebpf::bindings::BPF_F_NO_PREALLOC;

/// Records on their way to the agent.
#[map]
pub(crate) static RING: RingBuf = RingBuf::with_byte_size(1 << 20, 0);

/// What each CPU counts. The agent sets how many parts there are, and maps them into its memory.
///
/// No map per CPU: of this one the kernel gives the address without a call, and the agent reads it without one.
#[map]
pub(crate) static CPU_STATE: Array<CpuState> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// Site of a source address.
#[map]
pub(crate) static SITES: LpmTrie<[u8; 16], u32> = LpmTrie::with_max_entries(65_536, NO_PREALLOC);

/// Where the first part of the dissector leaves its result for the second.
#[map]
pub(crate) static LINK: PerCpuArray<L3Offset> = PerCpuArray::with_max_entries(1, 0);

/// Where the second part of the dissector leaves its result for the third.
#[map]
pub(crate) static NETWORK: PerCpuArray<Ip> = PerCpuArray::with_max_entries(1, 0);

/// A frame at traffic control, as far as the dissector may look.
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

/// CPUs that there may be: so many first parts stand before the second ones.
#[unsafe(no_mangle)]
pub(crate) static CPUS: Global<u32> = Global::new(1);

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

/// Whether one of the ports is of either kind. One entry after the other: all at once, and each is read for every
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
        // SAFETY: a global is its value, and the slot is one of it.
        let port = unsafe { at.read_volatile() };
        // Those behind an entry that is not used are not used either.
        if port == 0 {
            break;
        }
        if port == source || port == destination {
            return true;
        }
    }
    false
}
