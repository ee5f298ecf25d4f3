//! The system calls of a running agent, by seccomp: those to write, to speak to the kernel and to those who ask.
//!
//! What is not on a list fails with `EPERM`: a newer C library may try a call that it can do without, and a monitor
//! that ends for it sees nothing. What only an intruder calls ends the process.

use std::collections::BTreeMap;
use std::env::consts::ARCH;

use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[(&str, c_long)] = &[];
/// Said to be unknown (`ENOSYS`): C libraries then call `clone`, whose flags can be looked at.
pub const UNKNOWN: &[(&str, c_long)] = &[("clone3", libc::SYS_clone3)];
/// Of `include/uapi/asm-generic/ioctls.h`: whether to wait at a socket.
const FIONBIO: u64 = 0x5421;
/// Of `include/uapi/linux/sockios.h`: the number of an interface of this name. Attaching at traffic control asks for it.
const SIOCGIFINDEX: u64 = 0x8933;

/// What an argument has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// Has all of these bits.
    Has(u64),
    /// Has none of these bits.
    HasNot(u64),
    /// Is one of these.
    Is(&'static [u64]),
}

/// Refuses everything else, for this thread and those that it starts.
pub(super) fn restrict() -> Result<(), SyscallFilterError> {
    // Of what they say the strictest holds. The last of them refuses what installs a filter.
    for filter in [killing()?, hiding()?, allowing()?] {
        seccompiler::apply_filter(&filter)?;
    }
    Ok(())
}

/// Why there is no filter.
#[derive(Debug, thiserror::Error)]
pub(super) enum SyscallFilterError {
    /// It cannot be written for this machine.
    #[error("cannot compile the seccomp filter")]
    Write(#[from] BackendError),
    /// The kernel does not take it.
    #[error("cannot install the seccomp filter")]
    Apply(#[from] seccompiler::Error),
}

fn allowing() -> Result<BpfProgram, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for (_, number) in ALLOWED.iter().chain(OLDER).chain(UNKNOWN) {
        rules.insert(*number, Vec::new());
    }
    for (_, number, argument, guard) in GUARDED {
        rules.insert(*number, guarded(*argument, *guard)?);
    }
    let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    program(rules, refused, SeccompAction::Allow)
}

/// As if the kernel did not know them.
fn hiding() -> Result<BpfProgram, BackendError> {
    let unknown = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    program(all(UNKNOWN), SeccompAction::Allow, unknown)
}

fn killing() -> Result<BpfProgram, BackendError> {
    program(all(DEADLY), SeccompAction::Allow, SeccompAction::KillProcess)
}

fn all(calls: &[(&str, c_long)]) -> BTreeMap<i64, Vec<SeccompRule>> {
    calls.iter().map(|(_, number)| (*number, Vec::new())).collect()
}

fn program(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    others: SeccompAction,
    these: SeccompAction,
) -> Result<BpfProgram, BackendError> {
    SeccompFilter::new(rules, others, these, TargetArch::try_from(ARCH)?)?.try_into()
}

/// Rules of which one has to hold.
fn guarded(argument: u8, guard: Guard) -> Result<Vec<SeccompRule>, BackendError> {
    let rule = |operator, value| {
        let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Qword, operator, value)?;
        SeccompRule::new(vec![condition])
    };
    match guard {
        Guard::Has(bits) => Ok(vec![rule(SeccompCmpOp::MaskedEq(bits), bits)?]),
        Guard::HasNot(bits) => Ok(vec![rule(SeccompCmpOp::MaskedEq(bits), 0)?]),
        Guard::Is(values) => values
            .iter()
            .map(|value| rule(SeccompCmpOp::Eq, *value))
            .collect(),
    }
}

/// Allowed, whatever their arguments.
pub const ALLOWED: &[(&str, c_long)] = &[
    // Files. Which ones is said by Landlock.
    ("close", libc::SYS_close),
    ("dup", libc::SYS_dup),
    ("fcntl", libc::SYS_fcntl),
    ("fdatasync", libc::SYS_fdatasync),
    ("flock", libc::SYS_flock),
    ("fstat", libc::SYS_fstat),
    ("fsync", libc::SYS_fsync),
    ("ftruncate", libc::SYS_ftruncate),
    ("getdents64", libc::SYS_getdents64),
    ("lseek", libc::SYS_lseek),
    ("mkdirat", libc::SYS_mkdirat),
    ("newfstatat", libc::SYS_newfstatat),
    ("openat", libc::SYS_openat),
    ("pread64", libc::SYS_pread64),
    ("read", libc::SYS_read),
    ("readlinkat", libc::SYS_readlinkat),
    ("readv", libc::SYS_readv),
    ("renameat", libc::SYS_renameat),
    ("renameat2", libc::SYS_renameat2),
    ("statx", libc::SYS_statx),
    ("unlinkat", libc::SYS_unlinkat),
    ("write", libc::SYS_write),
    ("writev", libc::SYS_writev),
    // Sockets that are open, and those that the guard below lets through.
    ("accept4", libc::SYS_accept4),
    ("bind", libc::SYS_bind),
    ("connect", libc::SYS_connect),
    ("getpeername", libc::SYS_getpeername),
    ("getsockname", libc::SYS_getsockname),
    ("getsockopt", libc::SYS_getsockopt),
    ("recvfrom", libc::SYS_recvfrom),
    ("recvmsg", libc::SYS_recvmsg),
    ("sendmsg", libc::SYS_sendmsg),
    ("sendto", libc::SYS_sendto),
    ("setsockopt", libc::SYS_setsockopt),
    ("shutdown", libc::SYS_shutdown),
    // Programs and maps in the kernel: what of it is allowed is said by capabilities.
    ("bpf", libc::SYS_bpf),
    // Waiting.
    ("clock_nanosleep", libc::SYS_clock_nanosleep),
    ("epoll_create1", libc::SYS_epoll_create1),
    ("epoll_ctl", libc::SYS_epoll_ctl),
    ("epoll_pwait", libc::SYS_epoll_pwait),
    ("epoll_pwait2", libc::SYS_epoll_pwait2),
    ("eventfd2", libc::SYS_eventfd2),
    ("futex", libc::SYS_futex),
    ("nanosleep", libc::SYS_nanosleep),
    ("ppoll", libc::SYS_ppoll),
    ("restart_syscall", libc::SYS_restart_syscall),
    ("sched_yield", libc::SYS_sched_yield),
    // Memory.
    ("brk", libc::SYS_brk),
    ("madvise", libc::SYS_madvise),
    ("mremap", libc::SYS_mremap),
    ("munmap", libc::SYS_munmap),
    // Threads, signals and this process itself.
    ("clock_gettime", libc::SYS_clock_gettime),
    ("exit", libc::SYS_exit),
    ("exit_group", libc::SYS_exit_group),
    ("geteuid", libc::SYS_geteuid),
    ("getpid", libc::SYS_getpid),
    ("getrandom", libc::SYS_getrandom),
    ("gettid", libc::SYS_gettid),
    ("membarrier", libc::SYS_membarrier),
    ("rseq", libc::SYS_rseq),
    ("rt_sigaction", libc::SYS_rt_sigaction),
    ("rt_sigprocmask", libc::SYS_rt_sigprocmask),
    ("rt_sigreturn", libc::SYS_rt_sigreturn),
    ("sched_getaffinity", libc::SYS_sched_getaffinity),
    ("set_robust_list", libc::SYS_set_robust_list),
    ("set_tid_address", libc::SYS_set_tid_address),
    ("sigaltstack", libc::SYS_sigaltstack),
    ("tgkill", libc::SYS_tgkill),
    ("tkill", libc::SYS_tkill),
    ("uname", libc::SYS_uname),
];

/// The same by the names that only older machines have, and their C libraries call.
#[cfg(target_arch = "x86_64")]
const OLDER: &[(&str, c_long)] = &[
    ("epoll_wait", libc::SYS_epoll_wait),
    ("lstat", libc::SYS_lstat),
    ("mkdir", libc::SYS_mkdir),
    ("open", libc::SYS_open),
    ("poll", libc::SYS_poll),
    ("readlink", libc::SYS_readlink),
    ("rename", libc::SYS_rename),
    ("rmdir", libc::SYS_rmdir),
    ("stat", libc::SYS_stat),
    ("unlink", libc::SYS_unlink),
];

/// Allowed when the argument of this number, from 0, is as it is said here.
pub const GUARDED: &[(&str, c_long, u8, Guard)] = &[
    // Threads, and no processes.
    ("clone", libc::SYS_clone, 0, Guard::Has(libc::CLONE_THREAD as u64)),
    ("ioctl", libc::SYS_ioctl, 1, Guard::Is(&[FIONBIO, SIOCGIFINDEX])),
    // What is written cannot be executed.
    ("mmap", libc::SYS_mmap, 2, Guard::HasNot(libc::PROT_EXEC as u64)),
    (
        "mprotect",
        libc::SYS_mprotect,
        2,
        Guard::HasNot(libc::PROT_EXEC as u64),
    ),
    (
        "prctl",
        libc::SYS_prctl,
        0,
        Guard::Is(&[libc::PR_SET_NAME as u64]),
    ),
    // Limits are read, and not set.
    ("prlimit64", libc::SYS_prlimit64, 2, Guard::Is(&[0])),
    // No way to another machine.
    (
        "socket",
        libc::SYS_socket,
        0,
        Guard::Is(&[libc::AF_NETLINK as u64, libc::AF_UNIX as u64]),
    ),
    (
        "socketpair",
        libc::SYS_socketpair,
        0,
        Guard::Is(&[libc::AF_UNIX as u64]),
    ),
];

/// They end the process.
pub const DEADLY: &[(&str, c_long)] = &[
    ("execve", libc::SYS_execve),
    ("execveat", libc::SYS_execveat),
    ("finit_module", libc::SYS_finit_module),
    ("init_module", libc::SYS_init_module),
    ("kexec_load", libc::SYS_kexec_load),
    ("mount", libc::SYS_mount),
    ("pivot_root", libc::SYS_pivot_root),
    ("process_vm_readv", libc::SYS_process_vm_readv),
    ("process_vm_writev", libc::SYS_process_vm_writev),
    ("ptrace", libc::SYS_ptrace),
    ("setns", libc::SYS_setns),
    ("unshare", libc::SYS_unshare),
];
