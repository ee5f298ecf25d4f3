//! Many registrations at once.
//!
//! A burst starts when, within a minute, ten different members start to register, and four times as many as usual in
//! the group. It ends after a minute in which no minute had half as many; so members that fail and retry after a
//! pause belong to the same burst.
//!
//! At first the usual number is unknown, because members that are not rekeyed register all the time. Members that are
//! rekeyed need not register, and failures are never usual: these make a burst at once.

use core::time::Duration;

use crate::rules::{Context, Subject};
use crate::state::burst::{ONE_COMPLETED, ONE_FAILED, ONE_STARTED, next_bucket};
use crate::state::group::Group;
use crate::state::id::{GroupId, Peer};
use crate::state::member::Member;
use crate::state::timers::Timer;
use crate::time::Timestamp;
use crate::transition::{BurstCharacter, Transport, What};

/// How long registrations are watched before the usual number is known.
const LEARNING_TIME: Duration = Duration::from_mins(15);

/// A registration started.
pub(crate) fn on_registration_started(cx: &mut Context<'_>, id: GroupId, member: Peer) {
    let is_expected = cx.schedule(id).is_expiry_window(cx.now);
    let watched = cx.now.since(cx.state.watched_since.unwrap_or(cx.now));
    let known = cx.state.members.find(&member).map(|id| &cx.state.members[id]);
    let since = known.and_then(|known| Some((known, known.since_registered(cx.now)?)));
    let is_periodic = since.is_some_and(|(known, since)| known.rhythm.is_due(since));
    let is_rekeyed = known.is_some_and(|known| is_rekeyed(&cx.state.groups[id], known));
    let burst = &mut cx.state.groups[id].burst;
    burst.roll(cx.now);
    burst.count(ONE_STARTED);
    if burst.active {
        burst.join(member);
        return;
    }
    let is_usual = watched < LEARNING_TIME && !is_rekeyed && !burst.window().is_failing();
    if is_usual || is_periodic || !burst.is_reached(cx.now, member) {
        return;
    }
    let character = if is_expected {
        BurstCharacter::Wave
    } else {
        BurstCharacter::Storm
    };
    burst.begin(cx.now, character);
    let report = burst.report(cx.now, character);
    arm_burst_timer(cx, id, cx.now);
    cx.emit(Subject::group(id), What::RegistrationBurstStarted(report));
}

/// Whether a member gets its keys by rekey and so need not register.
fn is_rekeyed(group: &Group, member: &Member) -> bool {
    let last_rekey = match group.transport {
        Some(Transport::Multicast) => group.rekeys.last.filter(|at| *at >= member.first_seen),
        Some(Transport::Unicast) | None => member.rekeyed,
    };
    member.had_keys() && last_rekey.is_some()
}

/// A registration ended.
pub(crate) fn on_registration_ended(cx: &mut Context<'_>, id: GroupId, is_completed: bool) {
    let burst = &mut cx.state.groups[id].burst;
    burst.roll(cx.now);
    burst.count(if is_completed { ONE_COMPLETED } else { ONE_FAILED });
}

/// A burst may be over.
pub(crate) fn on_burst_timer(cx: &mut Context<'_>, id: GroupId) {
    let burst = &mut cx.state.groups[id].burst;
    burst.timer.clear();
    if !burst.is_over(cx.now) {
        arm_burst_timer(cx, id, cx.now);
        return;
    }
    let is_failing = burst.sum.is_failing();
    let character = match burst.character {
        Some(BurstCharacter::Wave) if !is_failing => BurstCharacter::Wave,
        Some(BurstCharacter::Wave | BurstCharacter::Storm) | None => BurstCharacter::Storm,
    };
    let report = burst.report(cx.now, character);
    burst.end();
    cx.emit(Subject::group(id), What::RegistrationBurstEnded(report));
}

/// Sets the timer of a restored burst.
pub(crate) fn rearm_burst(cx: &mut Context<'_>, id: GroupId) {
    if cx.state.groups[id].burst.active {
        arm_burst_timer(cx, id, cx.state.now);
    }
}

fn arm_burst_timer(cx: &mut Context<'_>, id: GroupId, now: Timestamp) {
    let state = &mut *cx.state;
    let slot = &mut state.groups[id].burst.timer;
    state.timers.arm(slot, Timer::Burst(id), next_bucket(now));
}
