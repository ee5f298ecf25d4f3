//! Status of the HTTP server, for its own metrics and pages.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::lockdown::Measure;

/// Status of the HTTP server.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Result of the last reload of the web configuration; `None` if there is none.
    pub reload: Option<Reload>,
    /// Result of the last reload of the configuration; `None` without a file.
    pub config_reload: Option<Reload>,
    /// Results of the lock-down; empty if it was not tried.
    pub measures: Vec<Measure>,
    /// Number of open connections.
    pub connections: u64,
    /// Refused connections and requests, by reason.
    pub refused: Vec<(Refusal, u64)>,
}

/// Result of the last reload of a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reload {
    /// Whether the latest file is in force.
    pub is_good: bool,
    /// When the configuration in force was read, since the epoch.
    pub good_at: Duration,
}

impl Reload {
    /// Read just now and in force.
    pub(crate) fn good_now() -> Self {
        Self {
            is_good: true,
            // A clock before the epoch has no valid date.
            good_at: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
        }
    }
}

/// Why a connection or a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Too many answers are in the making.
    Busy,
    /// Name or password are wrong or missing.
    Credentials,
    /// A browser's request on behalf of another site.
    CrossSite,
    /// All slots were taken: the connection that had waited longest for a complete header, or was idle longest, was
    /// closed.
    Full,
    /// No TLS, no agreement on it, or no accepted client certificate.
    Handshake,
    /// The request names another host: DNS rebinding, or a name that `--web.external-url` lacks.
    Host,
    /// A reload or another change, without `--web.enable-lifecycle`.
    Lifecycle,
    /// Too many connections from one address.
    Peer,
    /// More requests or reloads than the rate allows.
    Rate,
    /// The request was too long, too slow, or not HTTP.
    Request,
    /// The client did not read an answer.
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
