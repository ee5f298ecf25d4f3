//! What the agent gives up once it has started: it parses what strangers send, and holds what it does not need no
//! longer than it must.
//!
//! Everything here is given up by the calling thread and those that it starts: it has to be the only one.

mod capabilities;
mod files;
mod syscalls;

use std::{fmt, fs};

pub use capabilities::Rights;
pub use files::Needs;
pub use syscalls::{ALLOWED, DEADLY, GUARDED, Guard, UNKNOWN};

/// Whether the agent locks itself down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Policy {
    /// As far as the kernel can.
    #[default]
    Auto,
    /// Not at all.
    Off,
    /// Entirely, or it does not start.
    Require,
}

/// What is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restriction {
    /// Capabilities that are not needed, for good.
    Capabilities,
    /// Files that are not needed.
    Files,
    /// Ports, and connections to others.
    Network,
    /// More rights than it has, by whatever it executes.
    Privileges,
    /// System calls that are not needed.
    SystemCalls,
}

impl Restriction {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Capabilities,
        Self::Files,
        Self::Network,
        Self::Privileges,
        Self::SystemCalls,
    ];

    /// The word for it in metrics.
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

/// Whether something is given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Measure {
    /// What.
    pub kind: Restriction,
    /// Why it is not, or not all of it, and what would change that; `None` when it is.
    pub lacks: Option<String>,
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, lacks } = self;
        write!(f, "{}: {}", kind.name(), lacks.as_deref().unwrap_or("given up"))
    }
}

/// What was given up. It has to be kept as long as files are needed.
#[derive(Debug)]
pub struct Locked {
    /// One for each [`Restriction`].
    pub measures: Vec<Measure>,
    /// What the rules about files are tied to: the files of `/proc` are new ones whenever nobody holds them.
    _held: Vec<landlock::PathFd>,
}

/// Gives up what is not among `needs` and `rights`, for good. What cannot be given up is said in the answer.
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
    // Last: what came before takes calls that nothing takes later.
    measures.push(Measure {
        kind: Restriction::SystemCalls,
        lacks: failed(syscalls::restrict()),
    });
    Locked {
        measures,
        _held: held,
    }
}

/// Nothing is given up, since somebody wants it so.
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

/// Threads that run already keep what they have.
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
