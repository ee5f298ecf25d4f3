//! How key servers renew their KEK, and two key servers with a KEK each.

use alloc::string::ToString as _;
use alloc::vec::Vec;
use core::time::Duration;

use super::basis::Seen;
use super::incidents::DiagnosisState;
use super::pending::Wait;
use crate::time::Timestamp;
use crate::transition::{
    Cause, Certainty, Incident, KekBehavior, KekExpired, KekOverAge, KekSplit, Transition, Verdict,
};

/// Around the expiry of a KEK: from the first registration of its members to the last repeat of its rekey.
const AROUND_EXPIRY: Duration = Duration::from_mins(10);

impl DiagnosisState {
    pub(super) fn on_double_registration(&mut self, out: &mut Vec<Transition>, seen: &Seen<'_>) {
        let (at, member) = (seen.transition.at, seen.transition.member);
        if let (Some(notes), Some(member)) = (self.notes.group(seen.group()), member) {
            notes.add_expiry_registration(member, at);
        }
        let index = self.open(out, seen.key(Cause::LegacyKeyServer), seen.basis(None));
        self.affect(index, member);
        let id = self.absorb_lost_kek_rekeys(out, seen.group(), index);
        self.report_id(out, id);
    }

    pub(super) fn on_kek_changed(
        &mut self,
        out: &mut Vec<Transition>,
        seen: &Seen<'_>,
        delivered: Option<Duration>,
    ) {
        let at = seen.transition.at;
        if let Some(notes) = self.notes.group(seen.group())
            && let Some(delivered) = delivered
        {
            notes.add_delivery(at.before(delivered));
        }
        self.close_where(out, at, |one| {
            one.cause == Cause::KekOverAge && one.group.as_deref() == seen.group()
        });
        if let Some(legacy) = self.open_legacy(seen.group()) {
            let id = self.absorb_lost_kek_rekeys(out, seen.group(), legacy);
            self.report_id(out, id);
        }
    }

    pub(super) fn on_kek_expired(
        &mut self,
        out: &mut Vec<Transition>,
        seen: &Seen<'_>,
        expired: &KekExpired,
    ) {
        if self.explain(out, seen) || expired.grounds.certainty == Certainty::Uncertain {
            return;
        }
        let index = self.open(out, seen.key(Cause::KekOverAge), seen.basis(None));
        self.measure(index, |measures| measures.expected = Some(expired.lifetime));
        self.report(out, index);
    }

    pub(super) fn on_kek_over_age(&mut self, out: &mut Vec<Transition>, seen: &Seen<'_>, over: &KekOverAge) {
        if self.explain(out, seen) {
            return;
        }
        let index = self.open(out, seen.key(Cause::KekOverAge), seen.basis(None));
        self.measure(index, |measures| {
            measures.expected = Some(over.lifetime);
            measures.period = Some(over.age);
        });
        self.report(out, index);
    }

    pub(super) fn on_behavior(&mut self, out: &mut Vec<Transition>, seen: &Seen<'_>, behavior: &KekBehavior) {
        let at = seen.transition.at;
        let cause = match behavior.verdict {
            Verdict::Legacy => Cause::LegacyKeyServer,
            Verdict::Overdue => Cause::KekOverAge,
            Verdict::New => {
                let (group, server) = (seen.group(), seen.transition.key_server);
                return self.close_where(out, at, |one| {
                    matches!(one.cause, Cause::LegacyKeyServer | Cause::KekOverAge)
                        && one.group.as_deref() == group
                        && one.key_server == server
                });
            }
            Verdict::Indeterminate => return,
        };
        // A key server that was down renews its KEK late, once.
        let was_down = |one: &Incident| {
            one.cause == Cause::KeyServerDown
                && one.group.as_deref() == seen.group()
                && at.since(one.latest) <= Duration::from_hours(24)
        };
        if cause == Cause::KekOverAge && (self.find(was_down).is_some() || self.closed.iter().any(was_down)) {
            return;
        }
        let mut basis = seen.basis(None);
        if behavior.provisional {
            basis.grounds.certainty = Certainty::Likely;
        }
        let index = self.open(out, seen.key(cause), basis);
        self.measure(index, |measures| {
            measures.cycles = behavior.votes;
            measures.lead_seconds = behavior.lead_seconds;
            measures.expected = behavior.expected_lead;
        });
        let id = match cause {
            Cause::LegacyKeyServer => self.absorb_lost_kek_rekeys(out, seen.group(), index),
            _ => self.id_of(index),
        };
        self.report_id(out, id);
    }

    pub(super) fn open_legacy(&self, group: Option<&str>) -> Option<usize> {
        self.find(|one| one.cause == Cause::LegacyKeyServer && one.group.as_deref() == group && one.is_open())
    }

    /// Rekeys that a late KEK made useless were not lost: members had deleted the KEK under which they were sent.
    pub(super) fn absorb_lost_kek_rekeys(
        &mut self,
        out: &mut Vec<Transition>,
        group: Option<&str>,
        legacy: usize,
    ) -> Option<u64> {
        let Some(notes) = self.notes.known(group) else {
            return self.id_of(legacy);
        };
        let deliveries = notes.deliveries.clone();
        let is_of_kek = |at: Timestamp| {
            deliveries.iter().any(|delivered| {
                *delivered <= at.after(AROUND_EXPIRY) && at <= delivered.after(AROUND_EXPIRY)
            })
        };
        let is_part = |one: &Incident| {
            one.cause == Cause::RekeyLost
                && one.group.as_deref() == group
                && one.evidence.iter().all(|evidence| is_of_kek(evidence.at))
        };
        self.absorb(out, legacy, is_part)
    }

    /// Whether a late renewal of the KEK explains what happens in a group now.
    pub(super) fn legacy_explains(&self, seen: &Seen<'_>) -> Option<usize> {
        let at = seen.transition.at;
        let legacy = self.open_legacy(seen.group())?;
        let notes = self.notes.known(seen.group())?;
        let mut registered = notes.expiry_registrations.values();
        let is_around = registered.any(|registered| at.since(*registered) <= AROUND_EXPIRY)
            || notes.follows_delivery(at, AROUND_EXPIRY);
        is_around.then_some(legacy)
    }

    pub(super) fn on_split(&mut self, out: &mut Vec<Transition>, seen: &Seen<'_>, split: &KekSplit) {
        let at = seen.transition.at;
        let group = seen.group();
        if split.merged {
            return self.close_where(out, at, |one| {
                one.cause == Cause::KeyServerSplit && one.group.as_deref() == group
            });
        }
        let index = self.open(out, seen.group_key(Cause::KeyServerSplit), seen.basis(None));
        for server in [split.first_key_server, split.second_key_server] {
            self.name_subject(index, server.to_string());
        }
        let servers = [split.first_key_server, split.second_key_server];
        let silent = self.pending.take(|pending| {
            pending.wait == Wait::CoopSilent && pending.key_server.is_some_and(|one| servers.contains(&one))
        });
        self.rest_on_all(index, silent, None);
        // The takeover was its first sign.
        let id = self.absorb(out, index, |one| {
            matches!(one.cause, Cause::KeyServerFailover | Cause::KeyServerUnreachable)
                && one.group.as_deref() == group
                && one.measures.stage.is_none()
        });
        self.report_id(out, id);
    }
}
