//! Events that alone prove nothing: they wait for others until their time is over.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::basis::{Basis, IncidentKey, Seen};
use crate::time::Timestamp;
use crate::transition::{Evidence, Grounds, Severity};

const MOST_PENDING: usize = 1_024;

/// The reason to wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Wait {
    /// Many members register, for an unknown reason yet.
    Burst,
    /// A peer no longer hears a key server.
    CoopSilent,
    /// A registration failed; several would make this incident.
    Failed(IncidentKey),
    /// A rekey may be overdue.
    Overdue,
    /// A member did not acknowledge this many consecutive rekeys.
    Unacknowledged(u32),
}

/// A waiting event.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct PendingEvent {
    pub(super) wait: Wait,
    pub(super) group: Option<String>,
    pub(super) key_server: Option<IpAddr>,
    pub(super) member: Option<SocketAddr>,
    /// The other key server.
    pub(super) peer: Option<IpAddr>,
    pub(super) evidence: Evidence,
    #[serde(
        serialize_with = "crate::transition::save_grounds",
        deserialize_with = "crate::transition::restore_grounds"
    )]
    pub(super) grounds: Grounds,
    /// Whether the member has tried to register since.
    pub(super) has_tried: bool,
    /// When it is decided without further events.
    pub(super) until: Timestamp,
}

impl PendingEvent {
    /// An event that starts to wait.
    pub(super) fn new(seen: &Seen<'_>, wait: Wait, until: Timestamp) -> Self {
        Self {
            wait,
            group: seen.transition.group.clone(),
            key_server: seen.transition.key_server,
            member: seen.transition.member,
            peer: None,
            evidence: seen.evidence(),
            grounds: seen.grounds(),
            has_tried: false,
            until,
        }
    }

    /// It becomes part of an incident.
    pub(super) fn into_basis(self, severity: Severity, quiet: Option<Duration>) -> Basis {
        Basis {
            evidence: self.evidence,
            grounds: self.grounds,
            severity,
            quiet,
        }
    }
}

/// All waiting events, in the order in which they happened.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct PendingEvents {
    events: Vec<PendingEvent>,
    overflow: u64,
}

impl PendingEvents {
    /// Adds an event. If there are too many, the oldest stays unexplained.
    pub(super) fn add(&mut self, event: PendingEvent) {
        if self.events.len() >= MOST_PENDING {
            self.events.remove(0);
            self.overflow = self.overflow.saturating_add(1);
        }
        self.events.push(event);
    }

    /// Takes the events that need not wait any longer because of another event.
    pub(super) fn take(&mut self, mut is_meant: impl FnMut(&PendingEvent) -> bool) -> Vec<PendingEvent> {
        // Usually nothing waits.
        if self.events.is_empty() {
            return Vec::new();
        }
        self.events.extract_if(.., |event| is_meant(event)).collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &PendingEvent> {
        self.events.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut PendingEvent> {
        self.events.iter_mut()
    }

    /// Takes an event whose time is over.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Option<PendingEvent> {
        let due = self.events.iter().position(|event| event.until <= now)?;
        Some(self.events.remove(due))
    }

    pub(super) fn take_first(&mut self) -> Option<PendingEvent> {
        (!self.events.is_empty()).then(|| self.events.remove(0))
    }

    pub(super) const fn overflow(&self) -> u64 {
        self.overflow
    }
}
