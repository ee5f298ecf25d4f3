//! Resources of a process: memory, descriptors, kernel objects.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

/// The resources of a process at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resources {
    /// Resident memory: `VmRSS` of `proc_pid_status(5)`.
    pub resident_octets: u64,
    /// Open descriptors.
    pub descriptors: usize,
    /// Descriptors of BPF maps, programs and links.
    pub bpf_objects: usize,
}

impl Resources {
    /// Its memory in MiB.
    pub fn resident_mib(&self) -> f64 {
        mib(self.resident_octets)
    }

    /// The resources of the process with this id.
    pub fn of(process: u32) -> Result<Self> {
        let folder = format!("/proc/{process}");
        let status =
            fs::read_to_string(format!("{folder}/status")).context("read the status of the process")?;
        let open = fs::read_dir(format!("{folder}/fd")).context("list the descriptors of the process")?;
        // A descriptor may be closed while they are listed.
        let targets = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
        let mut found = Self {
            resident_octets: octets(&status, "VmRSS:").context("no VmRSS in the status of the process")?,
            ..Self::default()
        };
        for target in targets {
            found.descriptors += 1;
            found.bpf_objects += usize::from(is_bpf(&target));
        }
        Ok(found)
    }
}

/// Octets in MiB.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
pub(crate) fn mib(octets: u64) -> f64 {
    octets as f64 / f64::from(1 << 20)
}

fn is_bpf(target: &Path) -> bool {
    target.to_string_lossy().contains("bpf")
}

/// The line `VmRSS:     1234 kB` of a status, in octets.
pub(crate) fn octets(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kibibytes: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kibibytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_in_octets() {
        assert_eq!(
            octets("Name:\tx\nVmHWM:\t    1234 kB\nVmRSS: 1 kB\n", "VmHWM:"),
            Some(1234 << 10)
        );
        assert_eq!(octets("Name:\tx\n", "VmHWM:"), None);
    }

    #[test]
    fn a_file_that_is_opened_is_one_more() {
        let ours = std::process::id();
        let before = Resources::of(ours).unwrap();
        let files: Vec<_> = (0..100).map(|_| tempfile::tempfile().unwrap()).collect();
        assert!(Resources::of(ours).unwrap().descriptors >= before.descriptors + 90);
        drop(files);
        assert!(before.resident_octets > 1 << 20);
    }
}
