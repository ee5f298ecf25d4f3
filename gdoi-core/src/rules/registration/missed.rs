//! Rekeys that do not reach the members: after each of them, most members register again.

use core::time::Duration;

use crate::rules::{Context, Subject};
use crate::state::group::Group;
use crate::state::id::GroupId;
use crate::state::timers::Timer;
use crate::time::Timestamp;
use crate::transition::{RekeyNotReceived, What};

/// Consecutive missed rekeys after which they are reported.
const MIN_MISSED_REKEYS: u32 = 2;
/// Members needed for a conclusion about the path of the rekeys; one alone proves nothing.
const MIN_MISSING_MEMBERS: u32 = 2;
/// How long members take to notice and to register.
const NOTICE_TIME: Duration = Duration::from_mins(1);

/// A member registered again: did an earlier rekey not reach it?
pub(crate) fn on_re_registration(cx: &mut Context<'_>, id: GroupId) {
    let Some(rekey) = cx.state.groups[id].rekeys.last else {
        return;
    };
    let due = rekey.after(window(cx, id));
    let missed = &mut cx.state.groups[id].missed;
    if id == GroupId::NONE || due < cx.now || missed.rekey == Some(rekey) {
        return;
    }
    missed.rekey = Some(rekey);
    arm_missed_timer(cx, id);
}

/// How long after a rekey the members that missed it register: until the replaced keys end.
fn window(cx: &Context<'_>, id: GroupId) -> Duration {
    let schedule = cx.schedule(id);
    let lead = schedule.rekey_interval().unwrap_or_default() / 16;
    lead.max(schedule.rollover_window()) + NOTICE_TIME
}

/// Sets the timer for when all members that missed a rekey have registered.
pub(crate) fn arm_missed_timer(cx: &mut Context<'_>, id: GroupId) {
    if let Some(rekey) = cx.state.groups[id].missed.rekey {
        let due = rekey.after(window(cx, id));
        if due >= cx.now {
            let slot = &mut cx.state.groups[id].missed.timer;
            cx.state.timers.arm(slot, Timer::MissedRekey(id), due);
        }
    }
}

/// All members that missed a rekey have registered.
pub(crate) fn on_missed_timer(cx: &mut Context<'_>, id: GroupId) {
    let group = &mut cx.state.groups[id];
    group.missed.timer.clear();
    let Some(rekey) = group.missed.rekey else {
        return;
    };
    if rekey.after(window(cx, id)) > cx.now {
        arm_missed_timer(cx, id);
        return;
    }
    let (registered, of) = count_missing(cx, id, rekey);
    let is_explained = is_explained(cx, id, rekey);
    let group = &mut cx.state.groups[id];
    let is_missed = registered >= MIN_MISSING_MEMBERS && registered * 2 >= of && !is_explained;
    let consecutive = group.missed.close(group.rekeys.rounds, is_missed);
    if consecutive < MIN_MISSED_REKEYS || !consecutive.is_power_of_two() {
        return;
    }
    let what = What::RekeyNotReceived(RekeyNotReceived {
        members: registered,
        of,
        consecutive,
        grounds: cx.state.gaps.certainty(rekey, cx.now).into(),
    });
    let server = cx.state.groups[id].rekeys.server;
    let subject = server.map_or(Subject::group(id), |server| Subject::server(id, server));
    cx.emit(subject, what);
}

/// Whether members register for another reason: their KEK ended, or the key server deleted their keys.
fn is_explained(cx: &Context<'_>, id: GroupId, rekey: Timestamp) -> bool {
    let Group { rekeys, .. } = &cx.state.groups[id];
    let is_deleted = rekeys.deleted.is_some_and(|at| at >= rekey);
    let kek_ends = cx.schedule(id).kek_end();
    is_deleted || kek_ends.is_some_and(|end| end.is_around(rekey) || end.is_around(cx.now))
}

/// Members that registered after a rekey without having acknowledged it, and all that had keys before.
fn count_missing(cx: &Context<'_>, id: GroupId, rekey: Timestamp) -> (u32, u32) {
    let mut counts = (0, 0);
    for (_, &peer, member) in cx.state.members.iter() {
        let group = match member.group() {
            GroupId::NONE => member
                .server
                .map_or(GroupId::NONE, |server| cx.attribution_of(server, peer).group),
            known => known,
        };
        if (group == id || member.is_in(id)) && member.first_seen < rekey {
            let is_acknowledged = member.acknowledged.is_some_and(|at| at >= rekey);
            let is_registered = member.registered_in(rekey, cx.now).is_some();
            counts.0 += u32::from(is_registered && !is_acknowledged);
            counts.1 += 1;
        }
    }
    counts
}
