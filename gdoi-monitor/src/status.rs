//! What the server of the pages says of itself.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::lockdown::Measure;

/// What the server says of itself.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// How the last attempt to take up the web configuration went; `None` where there is none.
    pub reload: Option<Reload>,
    /// How the last reading of the configuration went; `None` without a file.
    pub config_reload: Option<Reload>,
    /// What the agent has given up; empty where nobody tried.
    pub measures: Vec<Measure>,
    /// Connections that are open.
    pub connections: u64,
    /// Who was not served, by why.
    pub refused: Vec<(Refusal, u64)>,
}

/// How the last reading of a configuration went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reload {
    /// Whether it is in force.
    pub is_good: bool,
    /// When the one in force was read, since the epoch.
    pub good_at: Duration,
}

impl Reload {
    /// It was read just now and is in force.
    pub(crate) fn good_now() -> Self {
        Self {
            is_good: true,
            // A clock before the epoch has no date that could be shown.
            good_at: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
        }
    }
}

/// Why a connection or a request was not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// More was asked for than can be answered at a time.
    Busy,
    /// Name or password were wrong, or missing.
    Credentials,
    /// A browser asked on behalf of a page of another site.
    CrossSite,
    /// All connections were taken: the one that had waited longest for a whole header, or for nothing, was closed.
    Full,
    /// No TLS, no agreement on it, or no accepted client certificate.
    Handshake,
    /// The request named a host that is not this agent: DNS rebinding, or a name that `--web.external-url` lacks.
    Host,
    /// A reload or another change, without `--web.enable-lifecycle`.
    Lifecycle,
    /// Too many connections from one address.
    Peer,
    /// More requests, or reloads, than the rate allows.
    Rate,
    /// The request was too long, too slow, or no HTTP.
    Request,
    /// An answer was not read.
    Unread,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Busy,
        Self::Credentials,
        Self::CrossSite,
        Self::Full,
        Self::Handshake,
        Self::Host,
        Self::Lifecycle,
        Self::Peer,
        Self::Rate,
        Self::Request,
        Self::Unread,
    ];

    /// The value of the label `reason`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Credentials => "credentials",
            Self::CrossSite => "cross_site",
            Self::Full => "full",
            Self::Handshake => "handshake",
            Self::Host => "host",
            Self::Lifecycle => "lifecycle",
            Self::Peer => "peer",
            Self::Rate => "rate",
            Self::Request => "request",
            Self::Unread => "unread",
        }
    }
}
