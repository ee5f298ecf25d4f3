//! Why the live source cannot watch, with the way out.

use std::io;

/// Why an interface cannot be watched. Each text is one line that says the fix.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refuses BPF to this user.
    #[error("not permitted to load BPF: run as root, or grant CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON")]
    Permission(#[source] io::Error),
    /// The kernel does not know something the object needs.
    #[error("the kernel cannot load the program: it takes Linux 5.18 or newer; this is {release}")]
    Kernel {
        /// Release of the running kernel.
        release: String,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// Another program is attached.
    #[error("{interface} is busy: another XDP program is attached; see `bpftool net show dev {interface}`")]
    Busy {
        /// Name of the interface.
        interface: String,
    },
    /// The driver has no native XDP.
    #[error("{interface}: its driver has no native XDP; use --mode xdp-generic or --mode auto")]
    NoNative {
        /// Name of the interface.
        interface: String,
    },
    /// No interface of that name.
    #[error("no interface matches {pattern:?}; this host has: {have}")]
    UnknownInterface {
        /// What was asked for.
        pattern: String,
        /// What there is.
        have: String,
    },
    /// The interface is gone.
    #[error("{interface} is gone")]
    Gone {
        /// Name of the interface.
        interface: String,
    },
    /// Attaching failed otherwise.
    #[error("cannot attach to {interface}")]
    Attach {
        /// Name of the interface.
        interface: String,
        /// What aya said.
        #[source]
        source: aya::programs::ProgramError,
    },
    /// Loading the object failed otherwise.
    #[error("cannot load the eBPF object")]
    Load(#[from] aya::EbpfError),
    /// Loading a program into the kernel failed otherwise.
    #[error("cannot load the XDP program")]
    Program(#[from] aya::programs::ProgramError),
    /// A map is not what it should be.
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

/// The number that the kernel gave, wherever aya keeps it.
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
