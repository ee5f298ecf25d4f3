//! Requirements of tests on the kernel, and how tests are skipped without them.

use std::sync::{Mutex, MutexGuard};
use std::thread;

use gdoi_lab::{Network, cpu};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::geteuid;
use tempfile::TempDir;

use crate::program;

/// Whether the kernel can be used; otherwise prints a SKIP line, which is counted.
pub(crate) fn is_usable(test: &str) -> bool {
    if geteuid().is_root() {
        return true;
    }
    eprintln!("SKIP {test}: loading BPF needs root");
    false
}

/// Runs `test` on a thread of its own, because it cannot leave its namespace.
pub(crate) fn in_network(name: &str, test: impl FnOnce(&Network) + Send + 'static) {
    if !is_usable(name) || program::path(name).is_none() {
        return;
    }
    let run = thread::spawn(|| test(&Network::enter().unwrap()));
    if let Err(panic) = run.join() {
        std::panic::resume_unwind(panic);
    }
}

/// The hook of traffic control that this kernel has: TCX since v6.6.
pub(crate) fn traffic_control() -> &'static str {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let numbers: Vec<u32> = release
        .splitn(3, '.')
        .map_while(|part| part.parse().ok())
        .collect();
    if numbers[..2] >= [6, 6][..] {
        "tcx"
    } else {
        "clsact"
    }
}

/// Keeps the thread on one CPU, and other pinned threads off it.
pub(crate) struct Pinned {
    before: Vec<usize>,
    _alone: MutexGuard<'static, ()>,
}

static ALONE: Mutex<()> = Mutex::new(());

impl Pinned {
    /// Pins the calling thread to the first CPU it may use.
    pub(crate) fn new() -> Self {
        let alone = ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let pinned = Self {
            before: cpu::cpus().unwrap(),
            _alone: alone,
        };
        pinned.to(pinned.before[0]);
        pinned
    }

    /// The CPUs that the thread may use.
    pub(crate) fn cpus(&self) -> impl Iterator<Item = usize> {
        self.before.iter().copied()
    }

    /// Moves to another one.
    #[expect(clippy::unused_self, reason = "a thread that is pinned, and no other")]
    pub(crate) fn to(&self, number: usize) {
        cpu::stay_on(cpu::THIS_THREAD, &[number]).unwrap();
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        cpu::stay_on(cpu::THIS_THREAD, &self.before).unwrap();
    }
}

/// A folder in a new BPF file system, for the calling thread and its children: the thread enters a mount namespace
/// that it cannot leave.
pub(crate) fn bpf_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    unshare(CloneFlags::CLONE_NEWNS).unwrap();
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
    mount(Some("bpf"), folder.path(), Some("bpf"), MsFlags::empty(), none).unwrap();
    folder
}
