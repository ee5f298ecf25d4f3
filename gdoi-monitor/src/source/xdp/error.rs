//! Why the live source fails, with the fix.

use std::{fs, io};

use aya::programs::ProgramError;
use aya::programs::links::LinkError;

use super::holder::Holder;
use super::interface::Interface;
use super::pins::PinError;

pub(super) const PERMISSION: [i32; 2] = [libc::EPERM, libc::EACCES];
/// Errors of drivers without native XDP, or without it for this frame size.
const NO_NATIVE: [i32; 3] = [libc::EOPNOTSUPP, libc::EINVAL, libc::ERANGE];
/// Bits of `include/uapi/linux/capability.h`.
const CAP_SYS_ADMIN: u64 = 1 << 21;
/// `CAP_NET_ADMIN`, `CAP_PERFMON` and `CAP_BPF`.
const CAPABILITIES: u64 = 1 << 12 | 1 << 38 | 1 << 39;

/// Why an interface cannot be monitored. Each text is one line that says the fix.
#[derive(Debug, thiserror::Error)]
pub enum XdpError {
    /// The kernel refuses BPF to this user.
    #[error("not permitted to load BPF: run as root, or grant CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON")]
    Permission(#[source] io::Error),
    /// The kernel lacks something that the object needs.
    #[error("the kernel cannot load the program: Linux 5.18 or newer is required, this is {release}")]
    Kernel {
        /// Release of the running kernel.
        release: String,
        /// The kernel's error.
        #[source]
        source: io::Error,
    },
    /// Another program is attached.
    #[error(
        "{interface} is busy: {holder} is attached at XDP; see `bpftool net show dev {interface}`, \
         or use --mode auto or tc, which leave it alone"
    )]
    Busy {
        /// Name of the interface.
        interface: String,
        /// The other program.
        holder: Holder,
    },
    /// The driver has no native XDP.
    #[error("{interface}: the driver has no native XDP; use --mode auto, tc or xdp-generic")]
    NoNative {
        /// Name of the interface.
        interface: String,
    },
    /// No interface of that name.
    #[error("no interface matches {pattern:?}; this host has: {have}")]
    UnknownInterface {
        /// The pattern.
        pattern: String,
        /// The existing interfaces.
        have: String,
    },
    /// The interface is gone.
    #[error("{interface} is gone")]
    Gone {
        /// Name of the interface.
        interface: String,
    },
    /// Attaching failed for another reason.
    #[error("cannot attach to {interface}")]
    Attach {
        /// Name of the interface.
        interface: String,
        /// The error of aya.
        #[source]
        source: ProgramError,
    },
    /// A link has an unexpected type.
    #[error("cannot replace the attached program")]
    Link(#[source] LinkError),
    /// The program cannot be pinned.
    #[error("cannot pin the attached program")]
    Pin(#[source] aya::pin::PinError),
    /// The folder of the pins cannot be used.
    #[error(transparent)]
    Pins(#[from] PinError),
    /// Loading the object failed for another reason.
    #[error("cannot load the eBPF object")]
    Load(#[from] aya::EbpfError),
    /// Loading a program into the kernel failed for another reason.
    #[error("cannot load the eBPF program")]
    Program(#[from] ProgramError),
    /// A map has an unexpected type or size.
    #[error("cannot use a map of the eBPF object")]
    Map(#[from] aya::maps::MapError),
    /// The object lacks something.
    #[error("the eBPF object has no {0}: rebuild it with `cargo xtask ebpf`")]
    Object(&'static str),
    /// The table cannot be mapped.
    #[error("cannot map the SPI table into memory")]
    Memory(#[source] io::Error),
    /// Interfaces cannot be listed.
    #[error("cannot list the interfaces of this host")]
    Interfaces(#[source] io::Error),
    /// The kernel's log cannot be read.
    #[error("cannot read the log of the program")]
    Log(#[from] aya_log::Error),
}

/// The errno of the kernel, wherever aya keeps it.
pub(super) fn errno(error: &(dyn std::error::Error + 'static)) -> Option<i32> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(number) = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::raw_os_error)
        {
            return Some(number);
        }
        next = error.source();
    }
    None
}

/// Why the kernel refused a program: aya's text has the verifier's whole log, but the user needs the cause.
pub(super) fn refused(error: ProgramError) -> XdpError {
    let number = errno(&error);
    let cause = || io::Error::from_raw_os_error(number.unwrap_or_default());
    match number {
        Some(libc::EPERM) => XdpError::Permission(cause()),
        // Without CAP_PERFMON the verifier prohibits arithmetic on packet pointers ("pointer -= pointer prohibited").
        Some(libc::EACCES) if is_short_of_capabilities() => XdpError::Permission(cause()),
        // Flags or helpers unknown to the kernel.
        Some(libc::EINVAL) => XdpError::Kernel {
            release: fs::read_to_string("/proc/sys/kernel/osrelease")
                .unwrap_or_default()
                .trim()
                .to_owned(),
            source: cause(),
        },
        _ => XdpError::Program(error),
    }
}

/// Whether one of the capabilities is missing that replaced `CAP_SYS_ADMIN` for BPF (since v5.8).
fn is_short_of_capabilities() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    // If they cannot be read, the error is not attributed to capabilities.
    effective.is_some_and(|have| have & CAP_SYS_ADMIN == 0 && have & CAPABILITIES != CAPABILITIES)
}

/// Why a program could not be attached at XDP.
pub(super) fn not_at_xdp(error: ProgramError, interface: &Interface) -> XdpError {
    let name = interface.name.clone();
    match errno(&error) {
        Some(number) if number == libc::EBUSY || number == libc::EEXIST => XdpError::Busy {
            interface: name,
            holder: Holder::unknown(),
        },
        Some(number) if NO_NATIVE.contains(&number) => XdpError::NoNative { interface: name },
        _ => unattached(error, interface),
    }
}

/// Why a program could not be attached anywhere.
pub(super) fn unattached(error: ProgramError, interface: &Interface) -> XdpError {
    let name = interface.name.clone();
    match errno(&error) {
        Some(number) if number == libc::ENODEV => XdpError::Gone { interface: name },
        Some(number) if PERMISSION.contains(&number) => {
            XdpError::Permission(io::Error::from_raw_os_error(number))
        }
        _ => XdpError::Attach {
            interface: name,
            source: error,
        },
    }
}
