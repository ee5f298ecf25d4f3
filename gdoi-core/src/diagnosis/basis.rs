//! An event as the diagnosis sees it: what it proves, how certainly, and to which incident it belongs.

use alloc::borrow::Cow;
use alloc::string::String;
use core::net::IpAddr;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::transition::{
    Cause, Certainty, Evidence, FrameId, Grounds, RegistrationStage, Severity, Transition,
};

/// Distinguishes incidents.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct IncidentKey {
    pub(super) cause: Cause,
    pub(super) group: Option<String>,
    pub(super) key_server: Option<IpAddr>,
    pub(super) stage: Option<RegistrationStage>,
}

impl IncidentKey {
    pub(super) const fn new(cause: Cause, group: Option<String>, key_server: Option<IpAddr>) -> Self {
        Self {
            cause,
            group,
            key_server,
            stage: None,
        }
    }
}

/// The basis of an incident.
#[derive(Clone, Debug)]
pub(super) struct Basis {
    pub(super) evidence: Evidence,
    /// How certain it makes the cause.
    pub(super) grounds: Grounds,
    pub(super) severity: Severity,
    /// Quiet time after which the incident closes; `None` if only an event can end it.
    pub(super) quiet: Option<Duration>,
}

/// An event with everything that its meaning needs.
pub(super) struct Seen<'a> {
    pub(super) transition: &'a Transition,
    pub(super) frames: &'a [FrameId],
}

impl Seen<'_> {
    pub(super) fn group(&self) -> Option<&str> {
        self.transition.group.as_deref()
    }

    pub(super) fn evidence(&self) -> Evidence {
        evidence_of(self.transition, self.frames)
    }

    pub(super) fn grounds(&self) -> Grounds {
        let said = self.transition.what.grounds();
        said.unwrap_or(Grounds::new(Certainty::Certain))
    }

    pub(super) fn basis(&self, quiet: Option<Duration>) -> Basis {
        Basis {
            evidence: self.evidence(),
            grounds: self.grounds(),
            severity: self.transition.what.severity(),
            quiet,
        }
    }

    /// The incident of this cause in the group of the event, at its key server.
    pub(super) fn key(&self, cause: Cause) -> IncidentKey {
        IncidentKey::new(cause, self.transition.group.clone(), self.transition.key_server)
    }

    /// The same for the whole group.
    pub(super) fn group_key(&self, cause: Cause) -> IncidentKey {
        IncidentKey::new(cause, self.transition.group.clone(), None)
    }
}

/// An event as evidence.
fn evidence_of(transition: &Transition, frames: &[FrameId]) -> Evidence {
    Evidence {
        at: transition.at,
        event: Cow::Borrowed(transition.what.name()),
        key_server: transition.key_server,
        member: transition.member,
        frames: frames.to_vec(),
    }
}
