//! System calls of a running agent, by seccomp: for writing, the kernel, and clients.
//!
//! A call that is not listed fails with `EPERM`: a newer C library may try a call that it can do without, and a
//! monitor that ends because of it sees nothing. A call that only an intruder makes ends the process.

use std::collections::BTreeMap;
use std::env::consts::ARCH;

use libc::c_long;
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[(&str, c_long)] = &[];
/// Fails as unknown (`ENOSYS`): C libraries then use `clone`, whose flags a filter can check.
pub const UNKNOWN: &[(&str, c_long)] = &[("clone3", libc::SYS_clone3)];
/// From `include/uapi/asm-generic/ioctls.h`: makes a socket blocking or not.
const FIONBIO: u64 = 0x5421;
/// From `include/uapi/linux/sockios.h`: the index of an interface. Attaching at traffic control uses it.
const SIOCGIFINDEX: u64 = 0x8933;

/// A condition on an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// All of these bits are set.
    Has(u64),
    /// None of these bits is set.
    HasNot(u64),
    /// The pointer is null.
    IsNull,
    /// The 32-bit integer equals one of these.
    IsOneOf(&'static [u64]),
}

/// A command of `bpf(2)`: its name in `enum bpf_cmd` (`include/uapi/linux/bpf.h`) without `BPF_`, and its number.
pub type BpfCommand = (&'static str, u64);

/// What reading the maps of attached programs takes.
pub const BPF_TO_READ: &[BpfCommand] = &[
    ("MAP_LOOKUP_ELEM", 1),
    ("MAP_UPDATE_ELEM", 2),
    ("MAP_DELETE_ELEM", 3),
    ("MAP_GET_NEXT_KEY", 4),
    // Reads the kernel's clocks together.
    ("PROG_TEST_RUN", 10),
    ("OBJ_GET_INFO_BY_FD", 15),
    ("PROG_QUERY", 16),
];

/// What loading programs and attaching them to interfaces takes besides. Commands that only tracing needs are not here,
/// such as `RAW_TRACEPOINT_OPEN` and `ITER_CREATE`.
pub const BPF_TO_ATTACH: &[BpfCommand] = &[
    ("MAP_CREATE", 0),
    ("PROG_LOAD", 5),
    ("OBJ_PIN", 6),
    ("OBJ_GET", 7),
    ("PROG_GET_NEXT_ID", 11),
    ("PROG_GET_FD_BY_ID", 13),
    ("BTF_LOAD", 18),
    ("MAP_FREEZE", 22),
    ("LINK_CREATE", 28),
    ("LINK_UPDATE", 29),
    ("LINK_GET_FD_BY_ID", 30),
    ("LINK_GET_NEXT_ID", 31),
];

/// Denies all other calls, for this thread and those that it starts. `can_attach`: programs are loaded later too.
pub(super) fn restrict(can_attach: bool) -> Result<(), SyscallFilterError> {
    let to_attach = if can_attach { BPF_TO_ATTACH } else { &[] };
    let bpf: Vec<u64> = BPF_TO_READ
        .iter()
        .chain(to_attach)
        .map(|(_, number)| *number)
        .collect();
    // The strictest filter wins. The last one denies the call that installs filters.
    for filter in [killing()?, hiding()?, allowing(&bpf)?] {
        seccompiler::apply_filter(&filter)?;
    }
    Ok(())
}

/// Why there is no filter.
#[derive(Debug, thiserror::Error)]
pub(super) enum SyscallFilterError {
    /// It cannot be compiled for this machine.
    #[error("cannot compile the seccomp filter")]
    Write(#[from] BackendError),
    /// The kernel refuses it.
    #[error("cannot install the seccomp filter")]
    Apply(#[from] seccompiler::Error),
}

fn allowing(bpf: &[u64]) -> Result<BpfProgram, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for (_, number) in ALLOWED.iter().chain(OLDER).chain(UNKNOWN) {
        rules.insert(*number, Vec::new());
    }
    for (_, number, argument, guard) in GUARDED {
        rules.insert(*number, guarded(*argument, *guard)?);
    }
    rules.insert(libc::SYS_bpf, is_one_of(0, bpf)?);
    let refused = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    program(rules, refused, SeccompAction::Allow)
}

/// Fails these calls as if the kernel did not know them.
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

/// Alternative rules for a condition.
fn guarded(argument: u8, guard: Guard) -> Result<Vec<SeccompRule>, BackendError> {
    let rule = |operator, value| rule(argument, SeccompCmpArgLen::Qword, operator, value);
    match guard {
        Guard::Has(bits) => Ok(vec![rule(SeccompCmpOp::MaskedEq(bits), bits)?]),
        Guard::HasNot(bits) => Ok(vec![rule(SeccompCmpOp::MaskedEq(bits), 0)?]),
        Guard::IsNull => Ok(vec![rule(SeccompCmpOp::Eq, 0)?]),
        Guard::IsOneOf(values) => is_one_of(argument, values),
    }
}

/// For an argument that is an `int`: the kernel ignores the upper half of the register.
fn is_one_of(argument: u8, values: &[u64]) -> Result<Vec<SeccompRule>, BackendError> {
    values
        .iter()
        .map(|value| rule(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, *value))
        .collect()
}

fn rule(
    argument: u8,
    length: SeccompCmpArgLen,
    operator: SeccompCmpOp,
    value: u64,
) -> Result<SeccompRule, BackendError> {
    SeccompRule::new(vec![SeccompCondition::new(argument, length, operator, value)?])
}

/// Allowed with any arguments.
pub const ALLOWED: &[(&str, c_long)] = &[
    // Files. Landlock restricts which ones.
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
    // Open sockets, and those that the conditions below allow.
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

/// The same under older names, which C libraries on x86-64 use.
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

/// Allowed if the argument of this index, from 0, meets the condition. `bpf` is besides: its commands depend on what the
/// agent has still to do.
pub const GUARDED: &[(&str, c_long, u8, Guard)] = &[
    // Threads, but no processes.
    ("clone", libc::SYS_clone, 0, Guard::Has(libc::CLONE_THREAD as u64)),
    (
        "ioctl",
        libc::SYS_ioctl,
        1,
        Guard::IsOneOf(&[FIONBIO, SIOCGIFINDEX]),
    ),
    // Written memory cannot be executed.
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
        Guard::IsOneOf(&[libc::PR_SET_NAME as u64]),
    ),
    // Limits can be read, not set.
    ("prlimit64", libc::SYS_prlimit64, 2, Guard::IsNull),
    // No connection to another machine.
    (
        "socket",
        libc::SYS_socket,
        0,
        Guard::IsOneOf(&[libc::AF_NETLINK as u64, libc::AF_UNIX as u64]),
    ),
    (
        "socketpair",
        libc::SYS_socketpair,
        0,
        Guard::IsOneOf(&[libc::AF_UNIX as u64]),
    ),
];

/// Calls that end the process.
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
