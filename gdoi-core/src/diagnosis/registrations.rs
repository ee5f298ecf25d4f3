//! Registrations that fail, that recur, and that come all at once.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use gdoi_wire::Exchange;

use super::basis::{Basis, IncidentKey, Seen};
use super::effects::may_be_same;
use super::incidents::DiagnosisState;
use super::pending::{PendingEvent, Wait};
use crate::transition::{
    BurstCharacter, Cause, Certainty, Grounds, ReRegistrationReason, RegistrationBurst, RegistrationEnd,
    RegistrationLoop, RegistrationStage, RegistrationStarted, Severity, Transition, Transport,
};

/// How long a failed registration waits for others of the same kind.
const FAILURE_PATIENCE: Duration = Duration::from_mins(10);
/// Consecutive failures of one member, or failing members, that make an incident.
const MIN_FAILURES: usize = 3;
/// How long a burst of registrations waits for its reason.
const BURST_PATIENCE: Duration = Duration::from_mins(3);
/// Quiet time after which an incident closes that no event ends.
const QUIET: Duration = Duration::from_hours(1);
/// How long after a missed multicast rekey members register.
const AFTER_LOST_REKEY: Duration = Duration::from_mins(5);
/// Around the expiry of a KEK: from the first registration of its members to the last repeat of its rekey.
const AROUND_EXPIRY: Duration = Duration::from_mins(10);

/// The cause that a failed registration indicates by its stage; `None` if it indicates none.
const fn cause_of(end: &RegistrationEnd) -> Option<(Cause, Option<RegistrationStage>)> {
    Some(match end.stage {
        RegistrationStage::Mm1 | RegistrationStage::Am1 | RegistrationStage::SaInit => {
            (Cause::KeyServerUnreachable, Some(RegistrationStage::Mm1))
        }
        RegistrationStage::Mm3 => (Cause::KeyServerUnreachable, Some(RegistrationStage::Mm3)),
        RegistrationStage::Auth => (Cause::AuthenticationRefused, None),
        RegistrationStage::Pull2 | RegistrationStage::Registration => (Cause::NotAuthorised, None),
        // A key server repeats its offer if it gets no answer; a member that refuses the offer answers at once.
        RegistrationStage::Policy if end.retransmissions > 0 => (Cause::RekeyFragmentsDropped, None),
        RegistrationStage::Policy => (Cause::PolicyRefused, None),
        RegistrationStage::Pull1 | RegistrationStage::Pull4 | RegistrationStage::Complete => return None,
    })
}

impl DiagnosisState {
    pub(super) fn on_registration_started(&mut self, seen: &Seen<'_>, started: RegistrationStarted) {
        if started.exchange == Exchange::IkeSaInit
            && let Some(server) = seen.transition.key_server
        {
            self.notes.add_version_2(server);
        }
        if let Some(notes) = self.notes.group(seen.group()) {
            notes.burst.start(started.kind);
        }
        for pending in self.pending.iter_mut() {
            pending.has_tried |= pending.member == seen.transition.member;
        }
    }

    pub(super) fn on_registration_loop(
        &mut self,
        out: &mut Vec<Transition>,
        seen: &Seen<'_>,
        again: &RegistrationLoop,
    ) {
        let quiet = again.period.saturating_mul(3).max(QUIET);
        let index = self.open(out, seen.key(Cause::RecoveryLoop), seen.basis(Some(quiet)));
        self.affect(index, seen.transition.member);
        if let Some(tracked) = self.incidents.get_mut(index) {
            let incident = &mut tracked.incident;
            incident.measures.period = Some(again.period);
            incident.began = incident.began.min(seen.transition.at.before(again.since));
            if again.acknowledges {
                let why = "the member acknowledges its rekeys";
                incident.considered.insert(Cause::RekeyLost, Cow::Borrowed(why));
            }
        }
        self.report(out, index);
    }

    /// A member that moved did not miss its rekey: the rekey went to its old address.
    pub(super) fn on_readdressed(&mut self, out: &mut Vec<Transition>, seen: &Seen<'_>, from: SocketAddr) {
        let missed = self
            .pending
            .take(|pending| matches!(pending.wait, Wait::Unacknowledged(_)) && pending.member == Some(from));
        if missed.is_empty() {
            return;
        }
        let index = self.open(out, seen.group_key(Cause::NatRebound), seen.basis(Some(QUIET)));
        if let Some(tracked) = self.incidents.get_mut(index) {
            for one in missed {
                tracked.incident.began = tracked.incident.began.min(one.evidence.at);
                tracked.incident.explain(one.evidence.event.clone());
                tracked.incident.prove(one.evidence);
            }
        }
        self.affect(index, seen.transition.member);
        self.report(out, index);
    }

    pub(super) fn on_re_registration(
        &mut self,
        out: &mut Vec<Transition>,
        seen: &Seen<'_>,
        reason: ReRegistrationReason,
    ) {
        let at = seen.transition.at;
        let member = seen.transition.member;
        let mut is_burst = false;
        if let Some(notes) = self.notes.group(seen.group()) {
            notes.burst.add(reason, at);
            if reason == ReRegistrationReason::KekExpiry
                && let Some(member) = member
            {
                notes.add_expiry_registration(member, at);
            }
            if let Some(member) = member
                && notes.transport == Some(Transport::Multicast)
                && notes
                    .rekeys
                    .back()
                    .is_some_and(|last| at.since(*last) <= AFTER_LOST_REKEY)
            {
                notes.add_after_rekey(member);
            }
            is_burst = notes.burst.since.is_some();
        }
        if let Some(legacy) = self.legacy_explains(seen) {
            return self.explain_by(out, seen, legacy);
        }
        if self.explain(out, seen) || is_burst {
            return;
        }
        match reason {
            ReRegistrationReason::MissedRekey => {
                let missed = self.pending.take(|pending| {
                    matches!(pending.wait, Wait::Unacknowledged(_)) && pending.member == member
                });
                self.open_lost_rekey(out, seen, missed);
            }
            ReRegistrationReason::Reload => {
                let key = seen.group_key(Cause::MemberReloaded);
                let index = self.open(out, key, seen.basis(Some(Duration::from_mins(1))));
                self.affect(index, member);
                self.report(out, index);
            }
            ReRegistrationReason::Forced
            | ReRegistrationReason::KekExpiry
            | ReRegistrationReason::TekExpiry
            | ReRegistrationReason::TekOrKekExpiry
            | ReRegistrationReason::Unknown => {}
        }
    }

    pub(super) fn on_registration_completed(&mut self, out: &mut Vec<Transition>, seen: &Seen<'_>) {
        let at = seen.transition.at;
        let Some(member) = seen.transition.member else {
            return;
        };
        let server = seen.transition.key_server;
        if let Some(server) = server {
            self.notes.add_completed(server, at);
        }
        for pending in self.pending.iter_mut() {
            pending.has_tried |= pending.member == Some(member);
        }
        drop(
            self.pending
                .take(|pending| matches!(pending.wait, Wait::Failed(_)) && pending.member == Some(member)),
        );
        for index in 0..self.incidents.len() {
            let Some(tracked) = self.incidents.get_mut(index) else {
                return;
            };
            let incident = &mut tracked.incident;
            let is_of_members = matches!(
                incident.cause,
                Cause::AuthenticationRefused
                    | Cause::KeyServerUnreachable
                    | Cause::MemberDropped
                    | Cause::MemberGone
                    | Cause::NotAuthorised
                    | Cause::PolicyRefused
                    | Cause::RekeyFragmentsDropped
            );
            if is_of_members && incident.is_open() && incident.affected.contains(member) {
                if incident.affected.recover(member) {
                    self.close_at(out, index, at);
                }
            } else if incident.cause == Cause::RekeyLost
                && incident.measures.transport != Some(Transport::Multicast)
                && incident.affected.contains(member)
            {
                let _all = incident.affected.recover(member);
            }
        }
        // A key server that completes registrations is not down: it only does not rekey.
        let silent = self.find(|one| {
            one.is_open()
                && one.cause == Cause::KeyServerDown
                && one.key_server == server
                && one.measures.silence.is_none()
                && one.certainty != Certainty::Uncertain
        });
        if let Some(silent) = silent
            && let Some(tracked) = self.incidents.get(silent)
        {
            let incident = &tracked.incident;
            let measures = incident.measures.clone();
            let grounds = seen.grounds();
            let basis = Basis {
                evidence: seen.evidence(),
                grounds: Grounds {
                    certainty: incident.certainty.max(grounds.certainty),
                    ..grounds
                },
                severity: incident.severity,
                quiet: None,
            };
            let key = IncidentKey::new(Cause::RekeyStopped, incident.group.clone(), incident.key_server);
            let id = incident.id;
            let index = self.open(out, key, basis);
            self.measure(index, |own| {
                *own = measures;
            });
            let whole = self.absorb(out, index, |one| one.id == id);
            self.report_id(out, whole);
        }
    }

    pub(super) fn on_registration_failed(
        &mut self,
        out: &mut Vec<Transition>,
        seen: &Seen<'_>,
        end: &RegistrationEnd,
    ) {
        let at = seen.transition.at;
        let server = seen.transition.key_server;
        let Some((cause, stage)) = cause_of(end) else {
            return;
        };
        let mut key = seen.key(cause);
        key.stage = stage;
        let explained = self.explaining(seen.transition);
        let of_all = explained
            .and_then(|index| Some((index, self.incidents.get(index)?.incident.cause)))
            .filter(|(_, known)| {
                matches!(
                    known,
                    Cause::KeyServerDown | Cause::PowerCut | Cause::MembersCleared
                )
            });
        if let Some((index, _)) = of_all {
            return self.explain_by(out, seen, index);
        }
        if end.grounds.certainty == Certainty::Uncertain || !self.notes.is_seen_whole(server) {
            return;
        }
        // A key server overloaded by a burst answers some members and not others.
        let burst = self.notes.known(seen.group()).and_then(|notes| notes.burst.since);
        let completed = self.notes.completed(server);
        let is_served = burst.is_some() && completed >= burst;
        let is_burst = self.pending.iter().any(|pending| {
            pending.wait == Wait::Burst && may_be_same(pending.group.as_deref(), seen.group())
        });
        if is_burst && is_served {
            return;
        }
        if self.position(&key).is_none() {
            let wait = Wait::Failed(key.clone());
            self.pending
                .add(PendingEvent::new(seen, wait, at.after(FAILURE_PATIENCE)));
            let alike: Vec<&PendingEvent> = self
                .pending
                .iter()
                .filter(|pending| pending.wait == Wait::Failed(key.clone()))
                .collect();
            let of_member = alike
                .iter()
                .filter(|pending| pending.member == seen.transition.member)
                .count();
            let mut members: Vec<_> = alike.iter().map(|pending| pending.member).collect();
            members.sort_unstable();
            members.dedup();
            if of_member.max(members.len()) < MIN_FAILURES {
                return;
            }
        }
        let wait = Wait::Failed(key.clone());
        let mut failed = self.pending.take(|pending| pending.wait == wait);
        if failed
            .last()
            .is_some_and(|last| last.evidence.at == at && last.member == seen.transition.member)
        {
            failed.pop();
        }
        let index = self.open(out, key, seen.basis(Some(QUIET)));
        self.rest_on_all(index, failed, Some(QUIET));
        self.affect(index, seen.transition.member);
        if let Some(tracked) = self.incidents.get_mut(index) {
            let incident = &mut tracked.incident;
            incident.measures.stage = stage.or(Some(end.stage));
            if completed.is_some_and(|completed| completed >= incident.began) {
                incident.considered.insert(
                    Cause::KeyServerDown,
                    Cow::Borrowed("the key server completes other registrations"),
                );
            }
            // Missed rekeys and simultaneous retries of these members are consequences.
            let affected = incident.affected.clone();
            let group = incident.group.clone();
            let missed = self.pending.take(|pending| {
                let is_member = pending.member.is_some_and(|member| affected.contains(member));
                matches!(pending.wait, Wait::Unacknowledged(_)) && is_member
                    || pending.wait == Wait::Burst && pending.group == group
            });
            for one in missed {
                incident.began = incident.began.min(one.evidence.at);
                incident.explain(one.evidence.event);
            }
        }
        self.report(out, index);
    }

    pub(super) fn on_burst_started(
        &mut self,
        out: &mut Vec<Transition>,
        seen: &Seen<'_>,
        burst: &RegistrationBurst,
    ) {
        if burst.character == BurstCharacter::Wave || self.explain(out, seen) {
            return;
        }
        let at = seen.transition.at;
        if let Some(notes) = self.notes.group(seen.group()) {
            notes.burst.begin(at);
        }
        self.pending
            .add(PendingEvent::new(seen, Wait::Burst, at.after(BURST_PATIENCE)));
    }

    pub(super) fn on_burst_ended(
        &mut self,
        out: &mut Vec<Transition>,
        seen: &Seen<'_>,
        burst: &RegistrationBurst,
    ) {
        let at = seen.transition.at;
        let group = seen.transition.group.clone();
        let waiting = self
            .pending
            .take(|pending| pending.wait == Wait::Burst && pending.group == group);
        for pending in waiting {
            self.decide_burst(out, pending, Some(burst));
        }
        if let Some(notes) = self.notes.group(seen.group()) {
            notes.burst.since = None;
        }
        let cut = self.find(|one| one.cause == Cause::PowerCut && one.group == group && one.is_open());
        match cut {
            Some(cut) => {
                self.measure_burst(cut, burst);
                self.close_at(out, cut, at);
            }
            None => {
                let _explained = self.explain(out, seen);
            }
        }
    }

    pub(super) fn measure_burst(&mut self, index: usize, burst: &RegistrationBurst) {
        if let Some(tracked) = self.incidents.get_mut(index) {
            tracked.incident.affected.at_least(burst.members);
            let measures = &mut tracked.incident.measures;
            measures.peak_rate = burst.peak_rate.max(measures.peak_rate);
            measures.completed = burst.completed;
            measures.failed = burst.failed;
            measures.silence = Some(burst.duration).filter(|_| burst.completed > 0);
        }
    }

    /// Why many members registered at once, by the evidence so far.
    pub(super) fn decide_burst(
        &mut self,
        out: &mut Vec<Transition>,
        pending: PendingEvent,
        ended: Option<&RegistrationBurst>,
    ) {
        let group = pending.group.clone();
        let at = pending.evidence.at;
        let Some(notes) = self.notes.known(group.as_deref()) else {
            return;
        };
        let burst = notes.burst.clone();
        let was_deleted = notes
            .deleted
            .is_some_and(|deleted| at.since(deleted) <= AROUND_EXPIRY);
        let follows_rekey = notes.transport == Some(Transport::Multicast)
            && notes
                .schedule
                .last
                .is_some_and(|last| at.since(last) <= AFTER_LOST_REKEY && last <= at);
        let (recipients, transport) = (notes.recipients, notes.transport);
        let half = burst.reasons() / 2;
        // If lifetimes are unknown, an expiry may explain a burst, but not one of all members that had just
        // acknowledged new keys.
        let nearly_all = recipients.map(|recipients| recipients - recipients / 10);
        let is_nearly_all = transport == Some(Transport::Unicast)
            && nearly_all.is_some_and(|nearly| burst.reasons() >= nearly);
        let had_keys = nearly_all.is_some() && notes.acknowledged >= nearly_all;
        let cause = if was_deleted || burst.forced > half {
            Cause::MembersCleared
        } else if burst.missed > half || follows_rekey {
            Cause::RekeyLost
        } else if burst.expired > half || burst.known_before.max(burst.reasons()) < burst.new {
            return;
        } else if burst.reloaded > half || is_nearly_all && had_keys {
            Cause::PowerCut
        } else {
            return;
        };
        let mut grounds = pending.grounds;
        grounds.certainty = Certainty::Likely;
        let key = IncidentKey::new(cause, group, None);
        let basis = Basis {
            grounds,
            ..pending.into_basis(Severity::Warning, Some(QUIET))
        };
        let index = self.open(out, key, basis);
        if let Some(burst) = ended {
            self.measure_burst(index, burst);
        }
        if let Some(tracked) = self.incidents.get_mut(index) {
            let incident = &mut tracked.incident;
            incident
                .affected
                .at_least(burst.known_before.max(burst.reasons()));
            incident.latest = burst
                .latest
                .map_or(incident.latest, |latest| latest.max(incident.latest));
            let registered = incident
                .effects
                .entry(Cow::Borrowed("re_registration"))
                .or_default();
            *registered = registered.saturating_add(u64::from(burst.reasons()));
            incident.measures.transport = transport;
            if transport == Some(Transport::Unicast) {
                incident.measures.of = recipients;
            }
            if cause == Cause::PowerCut {
                for (other, why) in [
                    (Cause::MembersCleared, "the key server sent no deletion"),
                    (Cause::KeyServerDown, "the key server answered all along"),
                    (Cause::RekeyLost, "no rekey was sent just before"),
                ] {
                    incident.considered.insert(other, Cow::Borrowed(why));
                }
            }
            if cause == Cause::RekeyLost {
                incident.measures.rekeys = incident.measures.rekeys.max(1);
            }
        }
        self.report(out, index);
    }
}
