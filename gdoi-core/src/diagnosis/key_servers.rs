//! Key servers that are silent, late, or replaced.

use alloc::borrow::Cow;
use alloc::vec::Vec;
use core::time::Duration;

use super::basis::{IncidentKey, Seen};
use super::effects::{concerns, may_be_same};
use super::incidents::DiagnosisState;
use super::pending::{PendingEvent, Wait};
use crate::transition::{
    Alternative, Cause, Certainty, CoopSilent, KeyServerChanged, RegistrationStage, RekeyOverdue, Transition,
};

/// How long silence between two key servers waits for its consequences.
const COOP_PATIENCE: Duration = Duration::from_mins(10);
/// How long an event waits that may be due to something unseen.
const UNSEEN_PATIENCE: Duration = Duration::from_hours(24);
/// Quiet time after which an incident closes that no event ends.
const QUIET: Duration = Duration::from_hours(1);

impl DiagnosisState {
    pub(super) fn on_coop_silent(&mut self, out: &mut Vec<Transition>, seen: &Seen<'_>, silent: &CoopSilent) {
        if self.explain(out, seen) {
            return;
        }
        let hole = self.hole_since(seen.transition.at.before(silent.silence));
        if let Some(hole) = hole.filter(|_| silent.grounds.open.contains(Alternative::CaptureGap)) {
            return self.explain_by(out, seen, hole);
        }
        let patience = match silent.grounds.certainty {
            Certainty::Certain | Certainty::Likely => COOP_PATIENCE,
            Certainty::Uncertain => UNSEEN_PATIENCE,
        };
        let mut pending = PendingEvent::new(seen, Wait::CoopSilent, seen.transition.at.after(patience));
        pending.peer = Some(silent.peer);
        self.pending.add(pending);
    }

    pub(super) fn on_server_changed(
        &mut self,
        out: &mut Vec<Transition>,
        seen: &Seen<'_>,
        changed: &KeyServerChanged,
    ) {
        if self.explain(out, seen) {
            return;
        }
        let at = seen.transition.at;
        let mut key = seen.group_key(Cause::KeyServerFailover);
        key.key_server = Some(changed.to);
        let index = self.open(out, key, seen.basis(Some(QUIET)));
        let silent = self
            .pending
            .take(|pending| pending.wait == Wait::CoopSilent && pending.key_server == Some(changed.from));
        let since = silent.first().map(|first| at.since(first.evidence.at));
        self.rest_on_all(index, silent, Some(QUIET));
        let down = self.find(|one| one.cause == Cause::KeyServerDown && one.key_server == Some(changed.from));
        let parent = down.and_then(|down| self.id_of(down));
        if let Some(tracked) = self.incidents.get_mut(index) {
            tracked.incident.parent = parent;
            tracked.incident.measures.other_server = Some(changed.from);
            tracked.incident.measures.silence = since;
        }
        self.report(out, index);
    }

    pub(super) fn on_server_silent(
        &mut self,
        out: &mut Vec<Transition>,
        seen: &Seen<'_>,
        members: u32,
        silence: Duration,
    ) {
        let at = seen.transition.at;
        let server = seen.transition.key_server;
        // An overdue rekey of the same key server belongs to this incident.
        let index = self.open(out, seen.key(Cause::KeyServerDown), seen.basis(None));
        let failed = self
            .pending
            .take(|pending| matches!(pending.wait, Wait::Failed(_)) && pending.key_server == server);
        if let Some(tracked) = self.incidents.get_mut(index) {
            let incident = &mut tracked.incident;
            incident.began = incident.began.min(at.before(silence));
            incident.affected.at_least(members);
            incident.measures.silence = Some(silence);
            incident.considered.insert(
                Cause::KeyServerUnreachable,
                Cow::Borrowed("it answers nobody, not only some"),
            );
            for one in failed {
                incident.explain(one.evidence.event);
                if let Some(member) = one.member {
                    incident.affected.insert(member);
                }
            }
        }
        let id = self.absorb(out, index, |one| {
            one.cause == Cause::KeyServerUnreachable
                && one.key_server == server
                && one.measures.stage == Some(RegistrationStage::Mm1)
                && one.is_open()
        });
        self.report_id(out, id);
    }

    pub(super) fn on_overdue(&mut self, out: &mut Vec<Transition>, seen: &Seen<'_>, overdue: &RekeyOverdue) {
        let RekeyOverdue {
            overdue: late,
            interval,
            grounds,
        } = *overdue;
        let at = seen.transition.at;
        let due = at.before(late);
        let group = seen.group();
        let server = seen.transition.key_server;
        let split = self
            .find(|one| one.is_open() && one.cause == Cause::KeyServerSplit && one.group.as_deref() == group);
        let forgery = self
            .find(|one| one.cause == Cause::Forgery && may_be_same(one.group.as_deref(), group))
            .filter(|_| grounds.open.contains(Alternative::Forged));
        if let Some(index) = split.or(forgery) {
            return self.explain_by(out, seen, index);
        }
        // A loss may be reported before its consequences.
        let hole = self.hole_since(due);
        if let Some(hole) = hole.filter(|_| grounds.open.contains(Alternative::CaptureGap)) {
            return self.explain_by(out, seen, hole);
        }
        let known = self.find(|one| {
            one.is_open()
                && matches!(one.cause, Cause::KeyServerDown | Cause::RekeyStopped)
                && concerns(one, group, server)
        });
        if known.is_none() && grounds.certainty == Certainty::Uncertain {
            // If a gap may be the reason, waits until that is over.
            let patience = if grounds.open.contains(Alternative::CaptureGap) {
                UNSEEN_PATIENCE
            } else {
                interval.saturating_mul(2)
            };
            let pending = PendingEvent::new(seen, Wait::Overdue, at.after(patience));
            return self.pending.add(pending);
        }
        let works = self
            .notes
            .completed(server)
            .is_some_and(|completed| completed > due);
        let key = known.and_then(|known| self.incidents.get(known)).map_or_else(
            || {
                seen.key(if works {
                    Cause::RekeyStopped
                } else {
                    Cause::KeyServerDown
                })
            },
            |tracked| {
                let incident = &tracked.incident;
                IncidentKey::new(incident.cause, incident.group.clone(), incident.key_server)
            },
        );
        let index = self.open(out, key, seen.basis(None));
        if let Some(tracked) = self.incidents.get_mut(index) {
            let incident = &mut tracked.incident;
            incident.began = incident.began.min(due);
            incident.measures.period = Some(late);
            incident.measures.expected = Some(interval);
            for (alternative, cause, why) in [
                (
                    Alternative::CaptureGap,
                    Cause::CaptureIncomplete,
                    "nothing was lost in that time",
                ),
                (
                    Alternative::LifetimeChanged,
                    Cause::LifetimeChanged,
                    "members run out of keys: these do not live longer now",
                ),
            ] {
                if grounds.excluded.contains(alternative) {
                    incident.considered.insert(cause, Cow::Borrowed(why));
                }
            }
        }
        self.report(out, index);
    }

    pub(super) fn take_overdue(&mut self, group: Option<&str>) -> Vec<PendingEvent> {
        self.pending
            .take(|pending| pending.wait == Wait::Overdue && pending.group.as_deref() == group)
    }
}
