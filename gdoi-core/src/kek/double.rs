//! Why members register again, and those that do it twice for one expiry.

use alloc::vec::Vec;
use core::time::Duration;

use crate::group::GroupId;
use crate::member::Member;
use crate::table::Id;
use crate::time::Timestamp;
use crate::tracker::{Subject, Tracker};
use crate::transition::{DoubleReregistration, Reason, Transition, What};

/// Slack around the windows in which members register again.
const SLACK: Duration = Duration::from_mins(1);
/// How long after the expiry of its KEK a member registers at the latest.
const AFTER: Duration = Duration::from_mins(3);
/// How long after a deletion, or a rekey out of schedule, members register because of it.
const FORCED: Duration = Duration::from_mins(5);

impl Tracker {
    /// A member registered: had it, for the same expiry of a KEK, registered before?
    pub(crate) fn double_re_registration(
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
            let after = expiry <= now && now <= expiry.after(AFTER) && state.doubled != Some(expiry);
            let window = expiry.before(lifetime / 20 + SLACK);
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

    /// Why a member registers again.
    pub(crate) fn reason(&self, now: Timestamp, id: GroupId, member: Option<&Member>) -> Reason {
        if member.is_some_and(|member| member.unacknowledged > 0 || member.lost) {
            return Reason::MissedRekey;
        }
        let (kek, tek) = (self.kek_ends(id), self.tek_ends(id));
        match (expires_around(now, kek), expires_around(now, tek)) {
            (true, true) => return Reason::TekOrKekExpiry,
            (true, false) => return Reason::KekExpiry,
            (false, true) => return Reason::TekExpiry,
            (false, false) => {}
        }
        let deleted = self.groups.get(id).and_then(|group| group.rekeys.deleted);
        if deleted.is_some_and(|at| now.since(at) <= FORCED) {
            return Reason::Forced;
        }
        // Only where both lifetimes are known can it be said that nothing was due.
        if kek.is_some() && tek.is_some() {
            Reason::Reload
        } else {
            Reason::Unknown
        }
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
    ends.is_some_and(|(end, lifetime)| end.before(lifetime / 20 + SLACK) <= now && now <= end.after(AFTER))
}
