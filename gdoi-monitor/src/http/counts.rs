//! Who was not served, by why.

use std::sync::atomic::{AtomicU64, Ordering};

/// Why somebody was not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// More was asked for than can be answered at a time.
    Busy,
    /// Name or password were wrong, or not there.
    Credentials,
    /// No TLS, no agreement on it, or not with a certificate that is wanted.
    Handshake,
    /// Too many connections from one address.
    Peer,
    /// More requests than the configured rate.
    Rate,
    /// A request that was too long, too slow, or none.
    Request,
    /// An answer was not read.
    Unread,
}

impl Refusal {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Busy,
        Self::Credentials,
        Self::Handshake,
        Self::Peer,
        Self::Rate,
        Self::Request,
        Self::Unread,
    ];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Credentials => "credentials",
            Self::Handshake => "handshake",
            Self::Peer => "peer",
            Self::Rate => "rate",
            Self::Request => "request",
            Self::Unread => "unread",
        }
    }
}

/// A counter for each reason.
#[derive(Debug, Default)]
pub(super) struct RefusalCounters([AtomicU64; Refusal::ALL.len()]);

impl RefusalCounters {
    pub(super) fn add(&self, refusal: Refusal) {
        if let Some(count) = self.0.get(refusal as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn all(&self) -> Vec<(Refusal, u64)> {
        let counts = self.0.iter().map(|count| count.load(Ordering::Relaxed));
        Refusal::ALL.into_iter().zip(counts).collect()
    }
}
