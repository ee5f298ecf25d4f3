//! Why members register again, and those that do it twice for one expiry.

use alloc::vec::Vec;
use core::time::Duration;

use crate::state::id::GroupId;
use crate::state::member::Member;
use crate::state::table::Id;
use crate::time::Timestamp;
use crate::tracker::{Subject, Tracker};
use crate::transition::{DoubleReregistration, ReRegistrationReason, Transition, Verdict, What};

/// Slack around the windows in which members register again.
const REGISTRATION_WINDOW_SLACK: Duration = Duration::from_mins(1);
/// How long after the expiry of its KEK a member registers at the latest.
const EXPIRY_AFTERMATH: Duration = Duration::from_mins(3);
/// Time that a registration takes, and clocks differ.
const REGISTRATION_TIME: Duration = Duration::from_secs(15);
/// How long after a deletion, or a rekey out of schedule, members register because of it.
const FORCED_WINDOW: Duration = Duration::from_mins(5);

impl Tracker {
    /// A member registered: had it, for the same expiry of a KEK, registered before?
    pub(crate) fn check_double_registration(
        &mut self,
        now: Timestamp,
        id: GroupId,
        member: Id,
        out: &mut Vec<Transition>,
    ) {
        let Some((lifetime, _)) = self.kek_lifetime(id) else {
            return;
        };
        let Some(line) = self.groups.get(id).map(|group| &group.kek) else {
            return;
        };
        let expiries = [line.start, line.start_before]
            .into_iter()
            .flatten()
            .map(|start| start.after(lifetime));
        let Some(state) = self.members.get(member) else {
            return;
        };
        let doubled = expiries.into_iter().find_map(|expiry| {
            let after =
                expiry <= now && now <= expiry.after(EXPIRY_AFTERMATH) && state.doubled != Some(expiry);
            let window = expiry.before(lifetime / 20 + REGISTRATION_WINDOW_SLACK);
            let before =
                state.registered_in(window, Timestamp::from_nanos(expiry.as_nanos().saturating_sub(1)));
            before.filter(|_| after).map(|before| (expiry, before))
        });
        let Some((expiry, before)) = doubled else {
            return;
        };
        let what = What::DoubleReregistration(DoubleReregistration {
            before: expiry.since(before),
            after: now.since(expiry),
        });
        let (server, peer) = (state.server, self.members.key(member));
        if let Some(state) = self.members.get_mut(member) {
            state.doubled = Some(expiry);
        }
        if let Some(group) = self.groups.get_mut(id) {
            group.doubles = group.doubles.saturating_add(1);
        }
        if let (Some(server), Some(peer)) = (server, peer) {
            self.emit(now, Subject::member(id, server, peer), what, out);
        }
    }

    /// Whether members are expected to register again around now, because a key expires.
    pub(crate) fn is_expiry_window(&self, now: Timestamp, id: GroupId) -> bool {
        expires_around(now, self.kek_ends(id)) || expires_around(now, self.tek_ends(id))
    }

    /// Why a member registers again, as it began to do at `now`.
    pub(crate) fn reason(
        &self,
        now: Timestamp,
        id: GroupId,
        member: Option<&Member>,
    ) -> ReRegistrationReason {
        if member.is_some_and(|member| member.unacknowledged > 0 || member.lost) {
            return ReRegistrationReason::MissedRekey;
        }
        let (kek, tek) = (self.kek_ends(id), self.tek_ends(id));
        let (kek_ends, tek_ends) = (expires_around(now, kek), expires_around(now, tek));
        // A key server that renews the KEK at its end makes members register although they got every rekey.
        let missed = if kek_ends {
            self.renews_early(id) && (self.missed_kek(now, id, member) || self.missed_tek(now, id, member))
        } else {
            self.missed_tek(now, id, member)
        };
        if missed {
            return ReRegistrationReason::MissedRekey;
        }
        match (kek_ends, tek_ends) {
            (true, true) => return ReRegistrationReason::TekOrKekExpiry,
            (true, false) => return ReRegistrationReason::KekExpiry,
            (false, true) => return ReRegistrationReason::TekExpiry,
            (false, false) => {}
        }
        let deleted = self.groups.get(id).and_then(|group| group.rekeys.deleted);
        if deleted.is_some_and(|at| now.since(at) <= FORCED_WINDOW) {
            return ReRegistrationReason::Forced;
        }
        // Only where both lifetimes are known can it be said that nothing was due.
        if kek.is_some() && tek.is_some() {
            ReRegistrationReason::Reload
        } else {
            ReRegistrationReason::Unknown
        }
    }

    /// Whether a member registers when the TEK that the latest rekey replaced is about to end, as only members do that
    /// did not take that rekey.
    fn missed_tek(&self, now: Timestamp, id: GroupId, member: Option<&Member>) -> bool {
        let group = self.groups.get(id);
        let known = self.groups.config(id, &self.config);
        let (Some(rekeys), Some(lifetime), Some(member)) = (
            group.map(|group| &group.rekeys),
            known.and_then(|known| known.tek_lifetime),
            member,
        ) else {
            return false;
        };
        let Some(last) = rekeys.last.filter(|last| *last <= now) else {
            return false;
        };
        let end = match rekeys.last_but_one {
            Some(before) => before.after(lifetime),
            None => last.after(self.tek_lead(id, lifetime)),
        };
        let latest = (lifetime * 3 / 100).max(Duration::from_mins(1));
        let earliest = end.before(latest + lifetime / 50 + REGISTRATION_TIME);
        // Who registered in vain, before this rekey was sent, does so again soon after the end.
        let until = match member.registered_in(earliest, last) {
            Some(_) => end.after(REGISTRATION_WINDOW_SLACK),
            None => end.before(latest).after(REGISTRATION_TIME),
        };
        !member.has_taken(last, now) && earliest <= now && now <= until
    }

    /// Whether a member registers because its KEK is about to end although a rekey was sent that renewed it.
    fn missed_kek(&self, now: Timestamp, id: GroupId, member: Option<&Member>) -> bool {
        let (Some((end, lifetime)), Some(member)) = (self.kek_ends(id), member) else {
            return false;
        };
        let renewed = end.before(self.kek_lead(id, lifetime) + REGISTRATION_WINDOW_SLACK + REGISTRATION_TIME);
        let last = self.groups.get(id).and_then(|group| group.rekeys.last);
        last.is_some_and(|last| renewed <= last && last <= now && !member.has_taken(last, now))
    }

    /// Whether the key server of a group is believed to renew the KEK early.
    fn renews_early(&self, id: GroupId) -> bool {
        let Some(group) = self.groups.get(id) else {
            return false;
        };
        let said = group.kek.votes.said.iter();
        let verdict = said
            .filter(|(server, ..)| Some(*server) == group.rekeys.server)
            .map(|&(_, verdict, _)| verdict)
            .next();
        verdict == Some(Verdict::New)
    }

    fn kek_ends(&self, id: GroupId) -> Option<(Timestamp, Duration)> {
        Some((self.kek_expiry(id)?, self.kek_lifetime(id)?.0))
    }

    /// When the TEKs of the latest rekey expire.
    fn tek_ends(&self, id: GroupId) -> Option<(Timestamp, Duration)> {
        let lifetime = self.groups.config(id, &self.config)?.tek_lifetime?;
        let last = self.groups.get(id)?.rekeys.last?;
        Some((last.after(lifetime), lifetime))
    }
}

fn expires_around(now: Timestamp, ends: Option<(Timestamp, Duration)>) -> bool {
    ends.is_some_and(|(end, lifetime)| {
        end.before(lifetime / 20 + REGISTRATION_WINDOW_SLACK) <= now && now <= end.after(EXPIRY_AFTERMATH)
    })
}
