//! Why members register again, and which ones do so twice for one expiry.

use core::time::Duration;

use crate::rules::kek::lead::{EXPIRY_AFTERMATH, expiry_window};
use crate::rules::{Context, Subject};
use crate::state::group::Group;
use crate::state::id::{GroupId, MemberId};
use crate::state::member::Member;
use crate::time::Timestamp;
use crate::transition::{DoubleReregistration, ReRegistrationReason, Verdict, What};

/// How long after a deletion, or a rekey off schedule, members register because of it.
const FORCED_WINDOW: Duration = Duration::from_mins(5);

/// A member registered: reports an earlier registration for the same expiry of a KEK.
pub(crate) fn check_double_registration(cx: &mut Context<'_>, id: GroupId, member_id: MemberId) {
    let now = cx.now;
    let Some((lifetime, _)) = cx.schedule(id).kek_lifetime() else {
        return;
    };
    let state = &mut *cx.state;
    let group = &mut state.groups[id];
    let Some((peer, member)) = state.members.lookup_entry_mut(member_id) else {
        return;
    };
    let starts = [group.kek.start, group.kek.start_before].into_iter().flatten();
    let double = starts.map(|start| start.after(lifetime)).find_map(|expiry| {
        let is_after = expiry <= now && now <= expiry.after(EXPIRY_AFTERMATH);
        let window = expiry.before(expiry_window(lifetime));
        let before = member.registered_in(window, expiry.before(Duration::from_nanos(1)));
        before
            .filter(|_| is_after && member.double_expiry != Some(expiry))
            .map(|before| (expiry, before))
    });
    let Some((expiry, before)) = double else {
        return;
    };
    member.double_expiry = Some(expiry);
    group.double_registrations = group.double_registrations.saturating_add(1);
    if let Some(server) = member.server {
        let what = What::DoubleReregistration(DoubleReregistration {
            before: expiry.since(before),
            after: now.since(expiry),
        });
        cx.emit(Subject::member(id, server, peer), what);
    }
}

/// Why a member registers again that started at `now`.
pub(crate) fn reason(
    cx: &Context<'_>,
    now: Timestamp,
    id: GroupId,
    member: Option<&Member>,
) -> ReRegistrationReason {
    if member.is_some_and(|member| member.unacknowledged > 0 || member.lost) {
        return ReRegistrationReason::MissedRekey;
    }
    let group = &cx.state.groups[id];
    let schedule = cx.schedule(id);
    let (kek, tek) = (schedule.kek_end(), schedule.tek_end());
    let kek_expires = kek.is_some_and(|end| end.is_around(now));
    let tek_expires = tek.is_some_and(|end| end.is_around(now));
    // A key server that renews the KEK at its end makes members register although they got every rekey.
    let missed_rekey = |member: &Member| {
        if kek_expires {
            renews_early(group) && (schedule.missed_kek(now, member) || schedule.missed_tek(now, member))
        } else {
            schedule.missed_tek(now, member)
        }
    };
    if member.is_some_and(missed_rekey) {
        return ReRegistrationReason::MissedRekey;
    }
    match (kek_expires, tek_expires) {
        (true, true) => return ReRegistrationReason::TekOrKekExpiry,
        (true, false) => return ReRegistrationReason::KekExpiry,
        (false, true) => return ReRegistrationReason::TekExpiry,
        (false, false) => {}
    }
    let deleted = group.rekeys.deleted;
    if deleted.is_some_and(|at| now.since(at) <= FORCED_WINDOW) {
        return ReRegistrationReason::Forced;
    }
    // Only if both lifetimes are known is it certain that nothing was due.
    if kek.is_some() && tek.is_some() {
        ReRegistrationReason::Reload
    } else {
        ReRegistrationReason::Unknown
    }
}

/// Whether the key server of a group seems to renew the KEK early.
fn renews_early(group: &Group) -> bool {
    let verdict = group
        .rekeys
        .server
        .and_then(|server| group.kek.behavior.verdict_on(server));
    verdict.is_some_and(|(verdict, _)| verdict == Verdict::New)
}
