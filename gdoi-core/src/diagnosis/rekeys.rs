//! Rekeys that do not reach members, and rekeys off schedule.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::time::Duration;

use super::basis::{Basis, Seen};
use super::incidents::DiagnosisState;
use super::pending::{PendingEvent, Wait};
use crate::transition::{
    Alternative, Cause, Certainty, Grounds, Rekey, RekeyIntervalChanged, RekeyKind, RekeyNotReceived,
    Severity, Transition, Transport, What,
};

/// Members that miss the same rekey and make an incident at once.
const MIN_UNACKNOWLEDGED: usize = 3;
/// How long an event waits if no schedule determines it.
const LONG_PATIENCE: Duration = Duration::from_hours(2);
/// Around the expiry of a KEK: from the first registration of its members to the last repeat of its rekey.
const AROUND_EXPIRY: Duration = Duration::from_mins(10);
/// Quiet time after which an incident closes that no event ends.
const QUIET: Duration = Duration::from_hours(1);

impl DiagnosisState {
    pub(super) fn on_retransmitted(&mut self, seen: &Seen<'_>, transport: Transport) {
        if transport == Transport::Unicast
            && let Some(notes) = self.notes.group(seen.group())
        {
            notes.repeated = Some(seen.transition.at);
        }
    }

    pub(super) fn on_interval_changed(
        &mut self,
        out: &mut Vec<Transition>,
        seen: &Seen<'_>,
        changed: &RekeyIntervalChanged,
    ) {
        if let Some(hole) = self.hole_since(seen.transition.at.before(changed.to.saturating_mul(3))) {
            return self.explain_by(out, seen, hole);
        }
        let overdue = self.take_overdue(seen.group());
        let index = self.open(
            out,
            seen.group_key(Cause::LifetimeChanged),
            seen.basis(Some(QUIET)),
        );
        self.rest_on_all(index, overdue, Some(QUIET));
        self.measure(index, |measures| {
            measures.expected = Some(changed.from);
            measures.period = Some(changed.to);
        });
        // A rekey that only came late was no silence.
        let id = self.absorb(out, index, |one| {
            one.cause == Cause::KeyServerDown
                && one.group.as_deref() == seen.group()
                && one.measures.silence.is_none()
        });
        if let Some(notes) = self.notes.group(seen.group()) {
            notes.schedule.forget();
        }
        self.report_id(out, id);
    }

    pub(super) fn on_not_received(
        &mut self,
        out: &mut Vec<Transition>,
        seen: &Seen<'_>,
        missed: &RekeyNotReceived,
    ) {
        let index = self.open(out, seen.key(Cause::RekeyLost), seen.basis(Some(LONG_PATIENCE)));
        let notes = self.notes.known(seen.group());
        let transport = notes.and_then(|notes| notes.transport);
        let members = notes.map(|notes| notes.after_rekey.clone()).unwrap_or_default();
        let first = notes.and_then(|notes| notes.rekeys.iter().rev().nth(missed.consecutive as usize - 1));
        let first = first.copied();
        if let Some(tracked) = self.incidents.get_mut(index) {
            let incident = &mut tracked.incident;
            for member in members {
                incident.affected.insert(member);
            }
            incident.affected.at_least(missed.members);
            incident.began = first.map_or(incident.began, |first| first.min(incident.began));
            incident.measures.of = Some(missed.of);
            incident.measures.rekeys = incident.measures.rekeys.max(missed.consecutive);
            incident.measures.transport = transport;
            incident.considered.insert(
                Cause::KeyServerDown,
                Cow::Borrowed("the key server sent every one of these rekeys"),
            );
        }
        self.report(out, index);
    }

    /// Rekeys do not reach members, as this event and the waiting ones show.
    pub(super) fn open_lost_rekey(
        &mut self,
        out: &mut Vec<Transition>,
        seen: &Seen<'_>,
        missed: Vec<PendingEvent>,
    ) {
        let group = seen.group();
        let notes = self.notes.known(group);
        let transport = notes.and_then(|notes| notes.transport);
        let recipients = notes
            .filter(|_| transport == Some(Transport::Unicast))
            .and_then(|notes| notes.recipients);
        // Waits for members that miss the same rekey and register a little later. Nobody acknowledges a multicast rekey:
        // only the next one shows whether rekeys arrive again.
        let quiet = match (transport, notes.and_then(|notes| notes.schedule.regular())) {
            (Some(Transport::Unicast), _) => Duration::from_mins(1),
            (_, Some(regular)) => regular.saturating_add(AROUND_EXPIRY),
            (_, None) => LONG_PATIENCE,
        };
        let index = self.open(out, seen.key(Cause::RekeyLost), seen.basis(Some(LONG_PATIENCE)));
        let mut first = seen.transition.at;
        for one in &missed {
            first = first.min(one.evidence.at);
        }
        self.rest_on_all(index, missed, Some(LONG_PATIENCE));
        self.affect(index, seen.transition.member);
        let at = seen.transition.at;
        self.measure(index, |measures| {
            measures.transport = transport;
            measures.of = measures.of.max(recipients);
            // Events of one rekey are minutes apart, rekeys are further apart.
            let is_other = measures
                .latest_rekey
                .is_none_or(|latest| first.since(latest) > AROUND_EXPIRY);
            if is_other {
                measures.rekeys = measures.rekeys.saturating_add(1);
                measures.latest_rekey = Some(at);
            }
        });
        if let Some(tracked) = self.incidents.get_mut(index)
            && matches!(seen.transition.what, What::ReRegistration(_))
            && let Some(member) = seen.transition.member
        {
            let incident = &mut tracked.incident;
            if incident.affected.recover(member) {
                tracked.quiet_at = Some(at.after(quiet));
            }
        }
        self.report(out, index);
    }

    pub(super) fn on_unacknowledged(
        &mut self,
        out: &mut Vec<Transition>,
        seen: &Seen<'_>,
        consecutive: u32,
        grounds: Grounds,
    ) {
        let at = seen.transition.at;
        let member = seen.transition.member;
        if let Some(legacy) = self.legacy_explains(seen) {
            return self.explain_by(out, seen, legacy);
        }
        let known = self
            .explaining(seen.transition)
            .and_then(|index| Some((index, self.incidents.get(index)?.incident.cause)));
        match known {
            Some((_, Cause::RekeyLost)) => return self.open_lost_rekey(out, seen, Vec::new()),
            Some((index, cause)) => {
                if cause == Cause::MemberGone {
                    self.measure(index, |measures| {
                        measures.rekeys = measures.rekeys.max(consecutive);
                    });
                }
                return self.explain_by(out, seen, index);
            }
            None => {}
        }
        if grounds.certainty == Certainty::Uncertain {
            return;
        }
        let of_member = |pending: &PendingEvent| {
            matches!(pending.wait, Wait::Unacknowledged(_)) && pending.member == member
        };
        if consecutive >= 2 {
            let missed = self.pending.take(of_member);
            if !missed.iter().any(|one| one.has_tried) {
                let index = self.open(out, seen.key(Cause::MemberGone), seen.basis(None));
                self.rest_on_all(index, missed, None);
                self.affect(index, member);
                self.measure(index, |measures| {
                    measures.rekeys = measures.rekeys.max(consecutive);
                });
                return self.report(out, index);
            }
            return self.open_lost_rekey(out, seen, missed);
        }
        let regular = self
            .notes
            .known(seen.group())
            .and_then(|notes| notes.schedule.regular());
        let patience = regular.map_or(LONG_PATIENCE, |regular| regular.saturating_mul(2));
        self.pending.add(PendingEvent::new(
            seen,
            Wait::Unacknowledged(consecutive),
            at.after(patience),
        ));
        let group = seen.transition.group.clone();
        let of_rekey = |pending: &PendingEvent| {
            matches!(pending.wait, Wait::Unacknowledged(_))
                && pending.group == group
                && at.since(pending.evidence.at) <= Duration::from_mins(1)
        };
        if self.pending.iter().filter(|pending| of_rekey(pending)).count() >= MIN_UNACKNOWLEDGED {
            let mut missed = self.pending.take(of_rekey);
            // The event itself is the last of them.
            missed.pop();
            self.open_lost_rekey(out, seen, missed);
        }
    }

    pub(super) fn on_member_lost(
        &mut self,
        out: &mut Vec<Transition>,
        seen: &Seen<'_>,
        unacknowledged: u32,
        grounds: Grounds,
    ) {
        let member = seen.transition.member;
        if grounds.certainty == Certainty::Uncertain || self.explain(out, seen) {
            return;
        }
        let missed = self
            .pending
            .take(|pending| matches!(pending.wait, Wait::Unacknowledged(_)) && pending.member == member);
        let has_tried = missed.is_empty() || missed.iter().any(|one| one.has_tried);
        let cause = if has_tried {
            Cause::MemberDropped
        } else {
            Cause::MemberGone
        };
        let index = self.open(out, seen.key(cause), seen.basis(None));
        self.rest_on_all(index, missed, None);
        self.affect(index, member);
        self.measure(index, |measures| {
            measures.rekeys = measures.rekeys.max(unacknowledged);
        });
        self.report(out, index);
    }

    pub(super) fn on_rekey(&mut self, out: &mut Vec<Transition>, seen: &Seen<'_>, rekey: &Rekey) {
        let at = seen.transition.at;
        let began = at.before(rekey.began);
        let group = seen.group();
        let server = seen.transition.key_server;
        if rekey.kind == RekeyKind::Delete {
            return self.on_deleted(out, seen, Some(rekey.recipients));
        }
        // The key server rekeys, so it is up.
        drop(self.take_overdue(group));
        self.close_where(out, began, |one| {
            one.group.as_deref() == group
                && one.began < began
                && match one.cause {
                    Cause::KeyServerDown => one.measures.silence.is_none() || one.key_server == server,
                    Cause::RekeyStopped => true,
                    Cause::KeyServerFailover => one.key_server == server && one.latest < began,
                    _ => false,
                }
        });
        if rekey
            .acknowledged
            .is_some_and(|acknowledged| acknowledged == rekey.recipients)
        {
            self.close_where(out, at, |one| {
                one.cause == Cause::RekeyLost && one.group.as_deref() == group && one.latest < began
            });
        }
        let Some(notes) = self.notes.group(group) else {
            return;
        };
        notes.transport = Some(rekey.transport);
        notes.recipients = Some(rekey.recipients);
        notes.acknowledged = rekey.acknowledged;
        let mut evidence = seen.evidence();
        evidence.at = began;
        notes.add_rekey(began);
        let forced = notes.schedule.add(began, rekey.cookies, evidence);
        if rekey.transport == Transport::Unicast {
            let lost = self.find(|one| one.cause == Cause::RekeyLost && one.group.as_deref() == group);
            if let Some(lost) = lost {
                self.measure(lost, |measures| {
                    measures.of = measures.of.max(Some(rekey.recipients));
                });
            }
        }
        let Some(forced) = forced else {
            return;
        };
        let is_explained = self.find(|one| {
            one.group.as_deref() == group
                && matches!(
                    one.cause,
                    Cause::KeyServerDown
                        | Cause::KeyServerFailover
                        | Cause::KeyServerSplit
                        | Cause::MembersCleared
                        | Cause::LifetimeChanged
                )
        });
        if is_explained.is_some() {
            return;
        }
        for evidence in forced.rekeys {
            let basis = Basis {
                evidence,
                grounds: Grounds::new(Certainty::Likely),
                severity: Severity::Info,
                quiet: Some(Duration::from_mins(1)),
            };
            let index = self.open(out, seen.key(Cause::ForcedRekey), basis);
            self.measure(index, |measures| {
                measures.rekeys = measures.rekeys.saturating_add(1);
                measures.expected = Some(forced.regular);
            });
            self.report(out, index);
        }
    }

    /// Keys were deleted: those of the group if all members get the deletion, otherwise only those of some.
    pub(super) fn on_deleted(&mut self, out: &mut Vec<Transition>, seen: &Seen<'_>, recipients: Option<u32>) {
        let at = seen.transition.at;
        let mut basis = seen.basis(Some(QUIET));
        let known = self.notes.known(seen.group());
        let known = known.filter(|notes| notes.transport == Some(Transport::Unicast));
        let of = known.and_then(|notes| notes.recipients);
        if let (Some(recipients), Some(of)) = (recipients, of)
            && recipients < of
        {
            basis.grounds = basis.grounds.doubted(Alternative::Forged);
        }
        if let Some(notes) = self.notes.group(seen.group()) {
            notes.deleted = Some(at);
            notes.schedule.forget();
        }
        let index = self.open(out, seen.key(Cause::MembersCleared), basis);
        if let Some(tracked) = self.incidents.get_mut(index) {
            tracked.incident.measures.of = of;
            tracked
                .incident
                .affected
                .at_least(recipients.filter(|_| of.is_some()).unwrap_or_default());
        }
        self.report(out, index);
    }
}
