//! Capabilities: what is not needed is not only out of use, it cannot be had back.

use caps::errors::CapsError;
use caps::{CapSet, Capability, CapsHashSet};

use crate::source::xdp::kernel;

/// Before v5.19 (commit c8644cd0efe7) a process without `CAP_BPF` could not use maps that it has open, unless
/// `kernel.unprivileged_bpf_disabled` is off.
const READS_WITHOUT_RIGHTS: (u32, u32) = (5, 19);

/// The rights that are needed from here on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights(CapsHashSet);

impl Rights {
    /// Those to load programs and to attach them, for interfaces that come later.
    pub fn to_attach() -> Self {
        Self(CapsHashSet::from([
            Capability::CAP_BPF,
            Capability::CAP_NET_ADMIN,
            Capability::CAP_PERFMON,
        ]))
    }

    /// Those to read what attached programs count: none. `has_filter`: one of them is at the classic hook of traffic
    /// control, and stays there when nobody may remove it.
    pub fn to_read(has_filter: bool) -> Self {
        let mut kept = CapsHashSet::new();
        if has_filter {
            kept.insert(Capability::CAP_NET_ADMIN);
        }
        if kernel::version(&kernel::release()) < READS_WITHOUT_RIGHTS {
            kept.insert(Capability::CAP_BPF);
        }
        Self(kept)
    }
}

/// Keeps these, of those that are there, and no others.
pub(super) fn keep(rights: &Rights) -> Result<(), CapsError> {
    let Rights(kept) = rights;
    // First, while CAP_SETPCAP is there: what is out of the bounding set cannot come from a file that is executed.
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP)? {
        for capability in caps::read(None, CapSet::Bounding)?.difference(kept) {
            caps::drop(None, CapSet::Bounding, *capability)?;
        }
    }
    caps::clear(None, CapSet::Ambient)?;
    let left = caps::read(None, CapSet::Permitted)?
        .intersection(kept)
        .copied()
        .collect();
    caps::set(None, CapSet::Effective, &left)?;
    caps::set(None, CapSet::Permitted, &left)?;
    caps::clear(None, CapSet::Inheritable)
}
