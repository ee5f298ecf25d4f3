//! Drops privileges after startup: the agent parses untrusted input, and holds no privilege longer than it needs.
//!
//! All measures apply to the calling thread and the threads that it starts: it has to be the only one.

mod capabilities;
mod files;
mod syscalls;

use std::{fmt, fs};

pub use capabilities::Rights;
pub use files::Needs;
pub use syscalls::{ALLOWED, BPF_TO_ATTACH, BPF_TO_READ, BpfCommand, DEADLY, GUARDED, Guard, UNKNOWN};

/// The lock-down policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Policy {
    /// As far as the kernel supports it.
    #[default]
    Auto,
    /// No lock-down.
    Off,
    /// Completely, or the agent does not start.
    Require,
}

/// A kind of lock-down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restriction {
    /// Drops capabilities for good.
    Capabilities,
    /// Denies other files.
    Files,
    /// Denies ports, and outgoing connections.
    Network,
    /// Executed programs gain no privileges.
    Privileges,
    /// Denies other system calls.
    SystemCalls,
}

impl Restriction {
    /// All kinds.
    pub const ALL: [Self; 5] = [
        Self::Capabilities,
        Self::Files,
        Self::Network,
        Self::Privileges,
        Self::SystemCalls,
    ];

    /// Its name in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Capabilities => "capabilities",
            Self::Files => "files",
            Self::Network => "network",
            Self::Privileges => "privileges",
            Self::SystemCalls => "system_calls",
        }
    }
}

/// The result of one kind of lock-down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measure {
    /// What.
    pub kind: Restriction,
    /// Why it is not, or not completely, in force, and how to change that; `None` if it is.
    pub lacks: Option<String>,
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, lacks } = self;
        write!(f, "{}: {}", kind.name(), lacks.as_deref().unwrap_or("dropped"))
    }
}

/// The result of the lock-down. It has to be kept as long as files are needed.
#[derive(Debug)]
pub struct Locked {
    /// One for each [`Restriction`].
    pub measures: Vec<Measure>,
    /// The file rules refer to open files: those of `/proc` are recreated when nobody holds them.
    _held: Vec<landlock::PathFd>,
}

/// Drops everything not among `needs` and `rights`, for good. The result says what could not be dropped.
pub fn lock_down(needs: &Needs, rights: &Rights) -> Locked {
    let mut measures = vec![Measure {
        kind: Restriction::Capabilities,
        lacks: only_thread().or_else(|| failed(capabilities::keep(rights))),
    }];
    for path in needs.unreachable() {
        let path = path.display();
        tracing::warn!(%path, "is owned by another user, and is no longer accessible; chown it to the agent's user");
    }
    measures.push(Measure {
        kind: Restriction::Privileges,
        lacks: failed(nix::sys::prctl::set_no_new_privs()),
    });
    let files::FilesOutcome { files, network, held } = files::restrict(needs);
    let (kind, lacks) = (Restriction::Files, files);
    measures.push(Measure { kind, lacks });
    let (kind, lacks) = (Restriction::Network, network);
    measures.push(Measure { kind, lacks });
    // Last: the others need system calls that nothing needs later.
    measures.push(Measure {
        kind: Restriction::SystemCalls,
        lacks: failed(syscalls::restrict(rights.can_attach())),
    });
    Locked {
        measures,
        _held: held,
    }
}

/// Drops nothing, by configuration.
pub fn nothing() -> Locked {
    let measure = |kind| Measure {
        kind,
        lacks: Some("--lock-down=off".to_owned()),
    };
    Locked {
        measures: Restriction::ALL.map(measure).to_vec(),
        _held: Vec::new(),
    }
}

/// Threads that already run keep their privileges.
fn only_thread() -> Option<String> {
    match fs::read_dir("/proc/self/task").map(Iterator::count) {
        Ok(1) => None,
        Ok(threads) => Some(format!(
            "{} other threads are already running",
            threads.saturating_sub(1)
        )),
        Err(error) => Some(format!("cannot count the threads: {error}")),
    }
}

/// An error with its causes, in one line.
fn failed<E: Into<anyhow::Error>>(outcome: Result<(), E>) -> Option<String> {
    outcome.err().map(|error| format!("{:#}", error.into()))
}
