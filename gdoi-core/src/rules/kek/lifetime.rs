//! The life of a group's KEK: its delivery, its expiry, and its replacement.

use alloc::format;

use crate::rules::kek::{attribution, behavior};
use crate::rules::rekey::{classify, expectation};
use crate::rules::{Context, Subject};
use crate::state::id::{GroupId, KekId, KeyServerId};
use crate::state::timers::Timer;
use crate::transition::{
    Alternative, Certainty, ConfigurationContradicted, Cookies, Grounds, KekChanged, KekExpired, KekOverAge,
    LifetimeSource, What,
};

/// A KEK replaces another: the last rekey under the old one delivered it.
pub(crate) fn replace_kek(cx: &mut Context<'_>, id: KekId, before: Cookies, server: KeyServerId) {
    let now = cx.now;
    let (to, group) = (cx.state.keks[id].cookies, cx.state.keks[id].group);
    let old = cx.state.keks.find(&before);
    let delivered = old
        .and_then(|old| classify::delivery(&cx.state.keks[old], server))
        // One that is as long as those without a KEK delivered none: the delivery was not seen.
        .filter(|round| !cx.state.groups[group].rekeys.is_as_long_as_teks(round))
        .map(|round| (round.started, attribution::is_delivery(cx, group, round)));
    // During a gap another rekey may have delivered it, or one that is missing from the schedule.
    let schedule = cx.schedule(group);
    let missed_after = schedule.overdue_deadline();
    let also_missed_after = missed_after
        .zip(schedule.rekey_interval())
        .map(|(at, more)| at.after(more));
    let was_watched = |at| cx.state.gaps.certainty(at, now) == Certainty::Certain;
    let began = cx.state.keks[id].first;
    let is_next = missed_after.is_none_or(|missed| began <= missed);
    let is_next_but_one = also_missed_after.is_none_or(|missed| began <= missed);
    // A key server that restarted made it, and members were given it when they registered again.
    let is_enrolled = |at| expectation::has_most_registered_since(cx, group, at);
    let seen = delivered.filter(|&(at, _)| was_watched(at));
    let delivered = seen.filter(|&(at, is_sure)| is_next || (is_sure && is_next_but_one && !is_enrolled(at)));
    let is_sure = delivered.is_some_and(|(_, is_sure)| is_sure);
    let delivered = delivered.map(|(at, _)| at);
    if let Some(old) = old {
        cx.state.keks[old].replaced = true;
        classify::settle_replaced(cx, old, server, seen.is_some());
    }
    let is_current = cx.state.groups[group].kek.current == Some(before);
    let certain = delivered.filter(|_| is_current);
    let lead_seconds = behavior::on_kek_cycle(cx, group, certain, server);
    report_contradiction(cx, group);
    let history = &mut cx.state.groups[group].kek;
    history.replace(before, to, certain);
    // Another rekey, which was not seen, may have delivered it later, but not later than its first use.
    history.start_at_latest = certain.map(|at| if is_sure { at } else { began });
    history.lead_seconds = lead_seconds.or(history.lead_seconds);
    let what = What::KekChanged(KekChanged {
        from: before,
        to,
        lead_seconds,
        delivered: certain.map(|at| now.since(at)),
    });
    cx.emit(Subject::server(group, server), what);
    arm_kek_expiry(cx, group);
}

/// The configured lifetime of KEKs is contradicted: reports it once; the observed lifetime applies.
fn report_contradiction(cx: &mut Context<'_>, id: GroupId) {
    let schedule = cx.schedule(id);
    let Some((configured, seen)) = schedule.contradicted_kek_lifetime() else {
        return;
    };
    if core::mem::replace(&mut cx.state.groups[id].kek.contradicted, true) {
        return;
    }
    let what = What::ConfigurationContradicted(ConfigurationContradicted {
        key: "kek_lifetime",
        configured: format!("{} s", configured.as_secs()),
        seen: format!("a new KEK every {} s", seen.as_secs()),
    });
    cx.emit(Subject::group(id), what);
}

/// Sets the timer for the expiry of a group's KEK.
pub(crate) fn arm_kek_expiry(cx: &mut Context<'_>, group: GroupId) {
    if let Some(due) = cx.schedule(group).kek_expiry_deadline() {
        let slot = &mut cx.state.groups[group].kek.timer;
        cx.state.timers.arm(slot, Timer::Expiry(group), due);
    }
}

/// Sets the timer of a restored group.
pub(crate) fn rearm_kek_expiry(cx: &mut Context<'_>, group: GroupId) {
    let history = &cx.state.groups[group].kek;
    if !history.expired && !history.over_age {
        arm_kek_expiry(cx, group);
    }
}

/// The lifetime of a group's KEK may have ended.
pub(crate) fn on_kek_expiry(cx: &mut Context<'_>, id: GroupId) {
    cx.state.groups[id].kek.timer.clear();
    let schedule = cx.schedule(id);
    let (Some(expiry), Some((lifetime, source))) = (schedule.kek_expiry(), schedule.kek_lifetime()) else {
        return;
    };
    if schedule.kek_expiry_deadline().is_some_and(|due| due > cx.now) {
        arm_kek_expiry(cx, id);
        return;
    }
    let group = &cx.state.groups[id];
    // Any rekey in the last third, or one that is due before the KEK, may have delivered the next KEK, whose cookies first
    // appear in the rekey after.
    let interval = schedule.rekey_interval().unwrap_or_default();
    let renewal = schedule.kek_lead(lifetime) + interval + schedule.kek_slack();
    let begin = expiry.before(renewal.max(lifetime / 3));
    let is_late = group.rekeys.last.is_some_and(|last| last > begin);
    let server = group.rekeys.server;
    let latest = server.and_then(|server| attribution::delivery(cx, id, server));
    let was_early = latest.is_some_and(|round| attribution::is_delivery(cx, id, round));
    let may_be_renewed = is_late || was_early;
    let group = &mut cx.state.groups[id];
    let (Some(cookies), false) = (group.kek.current, may_be_renewed || group.kek.expired) else {
        return;
    };
    group.kek.expired = true;
    let last = group.rekeys.last;
    let from = last.unwrap_or_default();
    // Members that registered were given a KEK, this one or another.
    let is_replaced = last.is_some_and(|last| expectation::has_most_registered_since(cx, id, last));
    let grounds = match (cx.state.gaps.certainty(from, cx.now), source) {
        (Certainty::Certain, _) if is_replaced => {
            Grounds::new(Certainty::Uncertain).doubted(Alternative::KeyServerRestarted)
        }
        (Certainty::Certain, _) => grounds_of_lifetime(source, has_run_out(cx, id)),
        (certainty, _) => certainty.into(),
    };
    let what = What::KekExpired(KekExpired {
        cookies,
        lifetime,
        grounds,
    });
    cx.emit(Subject::group(id), what);
}

/// A lifetime is certain if it is configured and members act by it. Otherwise it may be longer by now.
fn grounds_of_lifetime(source: LifetimeSource, have_run_out: Option<bool>) -> Grounds {
    match (source, have_run_out) {
        (LifetimeSource::Configured, Some(true)) => {
            Grounds::new(Certainty::Certain).excluding(Alternative::LifetimeChanged)
        }
        _ => Grounds::new(Certainty::Likely).open(Alternative::LifetimeChanged),
    }
}

/// Whether members act as if their KEK had ended: they register, or try to. `None` where that is not seen.
fn has_run_out(cx: &Context<'_>, id: GroupId) -> Option<bool> {
    let window = cx.schedule(id).re_registration_window();
    window.and_then(|(begin, _)| expectation::did_members_try_since(cx, id, begin))
}

/// Reports a KEK that is used past its lifetime.
///
/// If no rekey was missed and the KEK is renewed too late, the lifetime differs from the known one.
pub(crate) fn check_kek_age(cx: &mut Context<'_>, id: KekId) {
    let (cookies, group) = (cx.state.keks[id].cookies, cx.state.keks[id].group);
    let schedule = cx.schedule(group);
    let Some((lifetime, source)) = schedule.kek_lifetime() else {
        return;
    };
    let limit = lifetime + schedule.kek_slack();
    let history = &cx.state.groups[group].kek;
    let (Some(start), false) = (history.start_at_latest, history.over_age) else {
        return;
    };
    let age = cx.now.since(start);
    if history.current != Some(cookies) || age <= limit {
        return;
    }
    // Only now: the members are counted.
    let latest = cx.state.keks[id].rounds.last();
    let is_renewed = latest.is_some_and(|round| attribution::is_delivery(cx, group, round));
    let rekeys = &cx.state.groups[group].rekeys;
    let was_on_time = !matches!(rekeys.overdue, Some(Certainty::Certain | Certainty::Likely));
    let are_changed = rekeys.contradicted;
    let (is_noticed, is_told) = (has_run_out(cx, group), source == LifetimeSource::Configured);
    let is_other_lifetime = is_noticed != Some(true) && was_on_time && (is_renewed || !is_told);
    let history = &mut cx.state.groups[group].kek;
    if history.behavior.outlives(limit) || are_changed || is_other_lifetime {
        return;
    }
    history.over_age = true;
    let what = What::KekOverAge(KekOverAge {
        cookies,
        age,
        lifetime,
        grounds: grounds_of_lifetime(source, is_noticed),
    });
    cx.emit(Subject::group(group), what);
}
