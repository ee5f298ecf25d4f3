//! Another process, which replaces the agent's program.

use std::path::Path;

use anyhow::{Context as _, Result};
use aya::Ebpf;
use aya::programs::Xdp;
use aya::programs::links::{FdLink, PinnedLink};
use gdoi_wire::record::PROGRAM_XDP;

/// Another process's XDP program at an interface; it is detached when this is dropped and nobody else holds its link.
pub struct ForeignProgram {
    _ebpf: Ebpf,
}

impl ForeignProgram {
    /// Replaces the program whose link is pinned at `link` by another one.
    pub fn take(link: &Path) -> Result<Self> {
        let object = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../gdoi-monitor/ebpf/gdoi-monitor.bpf.o"
        );
        let mut ebpf = Ebpf::load_file(object).context("load the object")?;
        let program: &mut Xdp = ebpf.program_mut(PROGRAM_XDP).context("a program")?.try_into()?;
        program.load().context("load the program")?;
        let link = FdLink::from(PinnedLink::from_pin(link).context("take the link")?);
        program
            .attach_to_link(link.try_into().context("a link of XDP")?)
            .context("replace the program")?;
        Ok(Self { _ebpf: ebpf })
    }
}
