//! The CPU of a thread: tables and counters of the programs are per CPU.

use anyhow::{Context as _, Result};
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// The calling thread.
pub const THIS_THREAD: Pid = Pid::from_raw(0);

/// The CPUs that the calling thread may use.
pub fn cpus() -> Result<Vec<usize>> {
    let may = sched_getaffinity(THIS_THREAD).context("read the CPUs of a thread")?;
    let is_set = |cpu: &usize| may.is_set(*cpu).unwrap_or(false);
    Ok((0..CpuSet::count()).filter(is_set).collect())
}

/// Pins a thread to these CPUs.
pub fn stay_on(thread: Pid, cpus: &[usize]) -> Result<()> {
    let mut set = CpuSet::new();
    for cpu in cpus {
        set.set(*cpu).with_context(|| format!("CPU {cpu}"))?;
    }
    sched_setaffinity(thread, &set).context("keep a thread on its CPUs")
}
