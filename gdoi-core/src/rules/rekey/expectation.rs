//! When the next rekey is due, learned from those of the group, and the consequences if none comes.
//!
//! A rekey of the group reaches its members, not just one: a message to a few of many neither fulfils nor resets the
//! expectation. One odd interval changes nothing but the start of the next one.

use alloc::format;
use core::time::Duration;

use crate::rules::kek::lead::Schedule;
use crate::rules::{Context, Subject};
use crate::state::estimate::Change;
use crate::state::group::Group;
use crate::state::id::{GroupId, KekId, Peer};
use crate::state::member::Member;
use crate::state::rekey::RekeyRound;
use crate::state::timers::Timer;
use crate::time::Timestamp;
use crate::transition::{
    Alternative, Certainty, ConfigurationContradicted, ExpectationUnknown, Grounds, RekeyExpectation,
    RekeyIntervalChanged, RekeyOverdue, What,
};

/// Rekeys that span two intervals.
const MIN_SAMPLES: usize = 2;
/// The shortest interval of a schedule: longer than the longest time between repeats, two minutes. The shortest lifetime
/// of a TEK is five minutes.
const MIN_INTERVAL: Duration = Duration::from_secs(130);
/// How long after the end of its TEKs it is clear that members still have keys.
const END_SLACK: Duration = Duration::from_mins(1);
/// How long after that end members have tried to register, if they try at all.
const SECOND_LOOK: Duration = Duration::from_mins(3);

/// The group is rekeyed.
pub(crate) fn on_group_rekey(cx: &mut Context<'_>, kek: KekId, round: &RekeyRound) {
    let group = cx.state.keks[kek].group;
    let (started, is_delete) = (round.started, round.is_delete());
    if !is_delete {
        learn_interval(cx, group, started, round.length);
    }
    let state = &mut cx.state.groups[group];
    state.on_rekey(started);
    state.rekeys.last_length = round.length;
    state.rekeys.deleted = is_delete.then_some(started);
    report_expectation(cx, group);
    arm_overdue_timer(cx, group);
}

/// A rekey is closed. One that reached only a few members still counts for the group if it was due and as long as
/// others. It also counts if the previous one did the same: members have left.
pub(crate) fn settle_coverage(cx: &mut Context<'_>, kek: KekId, round: &mut RekeyRound) {
    let group = cx.state.keks[kek].group;
    let rekeys = &cx.state.groups[group].rekeys;
    if round.is_delete_by_length() && !round.is_delete() {
        return;
    }
    if !round.is_of_group {
        let is_due = cx.schedule(group).is_rekey_due(round.started) != Some(false);
        if !is_due || !(rekeys.has_had_length(round.length) || rekeys.strayed) {
            cx.state.groups[group].rekeys.strayed = true;
            return;
        }
        round.is_of_group = true;
        let rounds = &mut cx.state.keks[kek].rounds;
        if let Some(same) = rounds.iter_mut().find(|same| same.number == round.number) {
            same.is_of_group = true;
        }
        on_group_rekey(cx, kek, round);
    }
    cx.state.groups[group].rekeys.audience = round.recipients;
}

/// The time since the latest rekey of a group is a sample of the interval between them.
fn learn_interval(cx: &mut Context<'_>, id: GroupId, started: Timestamp, length: u32) {
    let rekeys = &cx.state.groups[id].rekeys;
    let Some(last) = rekeys.last.filter(|last| *last < started && !rekeys.contested) else {
        return;
    };
    let seen = started.since(last);
    // Two rekeys in quick succession are no schedule.
    if seen < MIN_INTERVAL {
        return;
    }
    let is_sighted = cx.state.gaps.certainty(last, started) == Certainty::Certain;
    // A late rekey although no member had run out of keys: their lifetime is longer now.
    let lasted = is_sighted && is_late(cx.schedule(id), started) && !has_run_out(cx, id, last, started);
    let is_told = cx.schedule(id).tek_lifetime().is_some();
    let rekeys = &mut cx.state.groups[id].rekeys;
    let is_alike = rekeys.last_length == length;
    let change = rekeys.learn_interval(seen, is_alike, !is_sighted, lasted);
    if let Change::Switched { from, to } = change
        && !is_told
    {
        let what = What::RekeyIntervalChanged(RekeyIntervalChanged { from, to });
        cx.emit(Subject::group(id), what);
    }
    report_contradiction(cx, id);
}

/// Whether a rekey that began at `started` was overdue.
fn is_late(schedule: Schedule<'_>, started: Timestamp) -> bool {
    schedule.overdue_deadline().is_some_and(|due| due <= started)
}

/// Whether members have, or may have, run out of keys since a rekey. Only where their registrations are seen is it
/// clear that none did.
fn has_run_out(cx: &Context<'_>, id: GroupId, last: Timestamp, now: Timestamp) -> bool {
    let Some(due) = cx.schedule(id).next_rekey() else {
        return true;
    };
    let members = count_members(cx, id, due.max(last));
    let has_ended = cx
        .schedule(id)
        .probable_tek_end()
        .is_some_and(|end| end.after(END_SLACK) <= now);
    !has_ended || members.tried > 0 || !members.are_seen_registering()
}

/// The configuration is contradicted: reports it once; the observed interval applies.
fn report_contradiction(cx: &mut Context<'_>, id: GroupId) {
    let schedule = cx.schedule(id);
    let (Some(lifetime), Some(interval)) = (schedule.contradicted_tek_lifetime(), schedule.rekey_interval())
    else {
        return;
    };
    if core::mem::replace(&mut cx.state.groups[id].rekeys.contradicted, true) {
        return;
    }
    let what = What::ConfigurationContradicted(ConfigurationContradicted {
        key: "tek_lifetime",
        configured: format!("{} s", lifetime.as_secs()),
        seen: format!("a rekey every {} s", interval.as_secs()),
    });
    cx.emit(Subject::group(id), what);
}

/// Why the time of the next rekey of a group is unknown; `None` if it is known.
pub(crate) fn unknown(group: &Group, schedule: Schedule<'_>) -> Option<ExpectationUnknown> {
    let rekeys = &group.rekeys;
    if rekeys.deleted.is_some() {
        return Some(ExpectationUnknown::Suspended);
    }
    if rekeys.last.is_none() {
        return Some(ExpectationUnknown::TooFew);
    }
    match schedule.rekey_interval() {
        Some(_) => None,
        None if rekeys.samples() < MIN_SAMPLES => Some(ExpectationUnknown::TooFew),
        None => Some(ExpectationUnknown::Irregular),
    }
}

/// Reports that the time of the next rekey is no longer known, or known again.
fn report_expectation(cx: &mut Context<'_>, id: GroupId) {
    let group = &cx.state.groups[id];
    let schedule = cx.schedule(id);
    let reason = unknown(group, schedule);
    let what = What::RekeyExpectation(RekeyExpectation {
        known: reason.is_none(),
        reason,
        interval: schedule.rekey_interval(),
    });
    let was_known = core::mem::replace(&mut cx.state.groups[id].rekeys.expected, reason.is_none());
    // Becoming known is reported only after it was lost.
    let was_lost = cx.state.groups[id].rekeys.lost_expectation;
    if was_known && reason.is_some() || was_lost && reason.is_none() {
        cx.state.groups[id].rekeys.lost_expectation = reason.is_some();
        cx.emit(Subject::group(id), what);
    }
}

/// Sets the timer for when the next rekey of a group is overdue.
pub(crate) fn arm_overdue_timer(cx: &mut Context<'_>, id: GroupId) {
    if let Some(due) = cx.schedule(id).overdue_deadline() {
        let slot = &mut cx.state.groups[id].rekeys.timer;
        cx.state.timers.arm(slot, Timer::Overdue(id), due);
    }
}

/// A rekey may be overdue, or more certainly so.
pub(crate) fn on_overdue_timer(cx: &mut Context<'_>, id: GroupId) {
    let now = cx.now;
    cx.state.groups[id].rekeys.timer.clear();
    let schedule = cx.schedule(id);
    let (Some(expected), Some(interval)) = (schedule.next_rekey(), schedule.rekey_interval()) else {
        return;
    };
    if schedule.overdue_deadline().is_some_and(|due| due > now) {
        arm_overdue_timer(cx, id);
        return;
    }
    let second_look = schedule.probable_tek_end().map(|end| end.after(SECOND_LOOK));
    let grounds = judge_absence(cx, id, expected);
    let rekeys = &mut cx.state.groups[id].rekeys;
    let before = rekeys.overdue;
    if grounds.certainty != Certainty::Certain
        && let Some(later) = second_look.filter(|later| *later > now)
    {
        cx.state.timers.arm(&mut rekeys.timer, Timer::Overdue(id), later);
    }
    let is_clearer = before == Some(Certainty::Uncertain) && grounds.certainty == Certainty::Certain;
    if before.is_some() && !is_clearer {
        return;
    }
    rekeys.overdue = Some(grounds.certainty);
    let what = What::RekeyOverdue(RekeyOverdue {
        overdue: now.since(expected),
        interval,
        grounds,
    });
    let subject = rekeys
        .server
        .map_or(Subject::group(id), |server| Subject::server(id, server));
    cx.emit(subject, what);
}

/// How certain it is that no rekey came, by what members did since it was due.
fn judge_absence(cx: &Context<'_>, id: GroupId, expected: Timestamp) -> Grounds {
    let rekeys = &cx.state.groups[id].rekeys;
    let certainty = rekeys
        .last
        .map_or(Certainty::Uncertain, |last| cx.state.gaps.certainty(last, cx.now));
    let is_watched = cx.state.gaps.is_watched_since(expected, cx.now);
    let grounds = if certainty == Certainty::Certain && is_watched {
        Grounds::new(certainty).excluding(Alternative::CaptureGap)
    } else {
        Grounds::new(Certainty::Uncertain).doubted(Alternative::CaptureGap)
    };
    if rekeys.deleted.is_some() {
        return grounds.doubted(Alternative::Deleted);
    }
    if rekeys.contended > rekeys.last {
        return grounds.doubted(Alternative::Forged);
    }
    let members = count_members(cx, id, expected);
    if members.tried > 0 && members.tried * 3 >= members.all {
        // They were given keys: it answers, and has forgotten when it sent the last rekey.
        if members.answered * 2 >= members.tried {
            return grounds.doubted(Alternative::KeyServerRestarted);
        }
        return grounds
            .excluding(Alternative::LifetimeChanged)
            .excluding(Alternative::OtherPath);
    }
    let has_ended = cx
        .schedule(id)
        .probable_tek_end()
        .is_some_and(|end| end.after(END_SLACK) <= cx.now);
    if has_ended && members.tried == 0 && members.are_seen_registering() {
        return grounds.doubted(Alternative::LifetimeChanged);
    }
    grounds
        .open(Alternative::LifetimeChanged)
        .open(Alternative::OtherPath)
}

/// The members of a group, and their attempts since a time.
#[derive(Default)]
struct MemberCounts {
    all: u32,
    /// Were ever seen to register.
    registered: u32,
    /// Have tried to register since then.
    tried: u32,
    /// Have registered, or were answered by the key server.
    answered: u32,
}

impl MemberCounts {
    /// Whether registrations of its members pass here.
    const fn are_seen_registering(&self) -> bool {
        self.registered > 0 && self.registered * 2 >= self.all
    }
}

/// Whether members of a group have registered since a time.
pub(crate) fn have_registered_since(cx: &Context<'_>, id: GroupId, since: Timestamp) -> bool {
    count_members(cx, id, since).tried > 0
}

/// Whether members have registered, or tried to, since a time. `None` where their registrations are not seen.
pub(crate) fn did_members_try_since(cx: &Context<'_>, id: GroupId, since: Timestamp) -> Option<bool> {
    let members = count_members(cx, id, since);
    (members.tried > 0 || members.are_seen_registering()).then_some(members.tried > 0)
}

/// Whether most members of a group have registered since a time.
pub(crate) fn has_most_registered_since(cx: &Context<'_>, id: GroupId, since: Timestamp) -> bool {
    let members = count_members(cx, id, since);
    members.answered > 0 && members.answered * 2 >= members.all
}

/// Counts the members of a group. It visits all of them, but runs only for a missing rekey, a new KEK, and a KEK beyond
/// its lifetime.
fn count_members(cx: &Context<'_>, id: GroupId, since: Timestamp) -> MemberCounts {
    let mut counts = MemberCounts::default();
    for (_, &peer, member) in cx.state.members.iter() {
        if group_of(cx, peer, member) != id {
            continue;
        }
        counts.all += 1;
        // Where only the answers of the key server pass, that nobody asks shows nothing.
        counts.registered += u32::from(member.registrations > 0 && !member.was_answered);
        let has_registered = member.last_registered().is_some_and(|at| at >= since);
        let has_tried = member.has_tried_since(since);
        counts.tried += u32::from(has_registered || has_tried);
        counts.answered += u32::from(has_registered || (has_tried && member.was_answered));
    }
    counts
}

fn group_of(cx: &Context<'_>, peer: Peer, member: &Member) -> GroupId {
    match (member.group().known(), member.server) {
        (Some(group), _) => group,
        (None, Some(server)) => cx.attribution_of(server, peer).group,
        (None, None) => GroupId::NONE,
    }
}
