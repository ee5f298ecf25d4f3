//! Capabilities: drops them for good, not only for the time being.

use caps::errors::CapsError;
use caps::{CapSet, Capability, CapsHashSet};

use crate::source::xdp::kernel;

/// Before v5.19 (commit c8644cd0efe7) a process without `CAP_BPF` could not use maps that it has open, unless
/// `kernel.unprivileged_bpf_disabled` is off.
const READS_WITHOUT_RIGHTS: (u32, u32) = (5, 19);

/// The capabilities needed after startup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rights(CapsHashSet);

impl Rights {
    /// For loading and attaching programs to later interfaces.
    pub fn to_attach() -> Self {
        Self(CapsHashSet::from([
            Capability::CAP_BPF,
            Capability::CAP_NET_ADMIN,
            Capability::CAP_PERFMON,
        ]))
    }

    /// For reading the counters of attached programs: none. `has_filter`: one of them is at the classic hook of
    /// traffic control, and would stay there if nobody may remove it.
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

    /// Whether they are enough to load and attach a program.
    pub(super) fn can_attach(&self) -> bool {
        *self == Self::to_attach()
    }
}

/// Keeps these, as far as the process has them, and no others.
pub(super) fn keep(rights: &Rights) -> Result<(), CapsError> {
    let Rights(kept) = rights;
    // First, while CAP_SETPCAP is there: executing a file cannot gain what is not in the bounding set.
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
