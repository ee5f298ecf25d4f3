//! Which incident explains an event: the event is counted there and opens none of its own.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use super::basis::Seen;
use super::incidents::DiagnosisState;
use crate::transition::{Cause, Incident, ReRegistrationReason, Transition, What};

/// Causes that explain all concurrent problems of their group or key server, the strongest first.
const OF_ALL: [Cause; 4] = [
    Cause::KeyServerDown,
    Cause::KeyServerSplit,
    Cause::MembersCleared,
    Cause::PowerCut,
];
/// Causes that explain concurrent problems of their own members.
const OF_MEMBERS: [Cause; 9] = [
    Cause::KeyServerUnreachable,
    Cause::RekeyFragmentsDropped,
    Cause::AuthenticationRefused,
    Cause::NotAuthorised,
    Cause::PolicyRefused,
    Cause::MemberGone,
    Cause::MemberDropped,
    Cause::RecoveryLoop,
    Cause::RekeyLost,
];

/// Whether two names may mean the same group; an unknown one may mean any.
pub(super) fn may_be_same(one: Option<&str>, other: Option<&str>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    }
}

/// Whether an incident concerns this group, or this key server if the group is unknown.
pub(super) fn concerns(incident: &Incident, group: Option<&str>, server: Option<IpAddr>) -> bool {
    match (incident.group.as_deref(), group) {
        (Some(one), Some(other)) => one == other,
        _ => incident.key_server.is_some() && incident.key_server == server,
    }
}

impl DiagnosisState {
    /// Index of the incident that explains an event of this type.
    pub(super) fn explaining(&self, transition: &Transition) -> Option<usize> {
        let group = transition.group.as_deref();
        let server = transition.key_server;
        let member = transition.member;
        let of_all: &[Cause] = match &transition.what {
            What::RegistrationFailed(_) => &[Cause::KeyServerDown, Cause::PowerCut, Cause::MembersCleared],
            What::MemberLost(_)
            | What::RegistrationBurstEnded(_)
            | What::RegistrationBurstStarted(_)
            | What::RekeyUnacknowledged(_) => &OF_ALL,
            What::ReRegistration(registered) => match registered.reason {
                ReRegistrationReason::KekExpiry => &[Cause::LegacyKeyServer, Cause::KeyServerDown],
                _ => &OF_ALL,
            },
            What::KekExpired(_) | What::KekOverAge(_) => &[
                Cause::KeyServerDown,
                Cause::RekeyStopped,
                Cause::KeyServerSplit,
                Cause::LegacyKeyServer,
            ],
            What::KeyServerChanged(_) | What::SpiStale(_) => &[Cause::KeyServerSplit],
            What::CoopSilent(_) => &[
                Cause::KeyServerSplit,
                Cause::KeyServerFailover,
                Cause::KeyServerDown,
            ],
            _ => return None,
        };
        let found = of_all
            .iter()
            .find_map(|cause| self.find(|one| one.cause == *cause && concerns(one, group, server)));
        found.or_else(|| member.and_then(|member| self.of_member(group, member)))
    }

    /// The incident to which a member belongs.
    fn of_member(&self, group: Option<&str>, member: SocketAddr) -> Option<usize> {
        OF_MEMBERS.iter().find_map(|cause| {
            self.find(|one| {
                one.cause == *cause
                    && may_be_same(one.group.as_deref(), group)
                    && one.affected.contains(member)
            })
        })
    }

    /// An existing incident explains an event: counts it there.
    pub(super) fn explain(&mut self, out: &mut Vec<Transition>, seen: &Seen<'_>) -> bool {
        let Some(index) = self.explaining(seen.transition) else {
            return false;
        };
        self.explain_by(out, seen, index);
        true
    }

    pub(super) fn explain_by(&mut self, out: &mut Vec<Transition>, seen: &Seen<'_>, index: usize) {
        let at = seen.transition.at;
        let mut events = alloc::vec![seen.transition.what.name()];
        if matches!(seen.transition.what, What::RekeyUnacknowledged(_))
            && let Some(notes) = self.notes.group(seen.group())
            && notes
                .repeated
                .take_if(|repeated| at.since(*repeated) <= Duration::from_secs(5))
                .is_some()
        {
            events.push("rekey_retransmitted");
        }
        if let Some(tracked) = self.incidents.get_mut(index) {
            let incident = &mut tracked.incident;
            for event in events {
                incident.explain(Cow::Borrowed(event));
            }
            if incident.is_open() {
                incident.latest = incident.latest.max(at);
                if let Some(member) = seen.transition.member
                    && !incident.affected.contains(member)
                {
                    incident.affected.insert(member);
                }
            }
        }
        self.report(out, index);
    }
}
