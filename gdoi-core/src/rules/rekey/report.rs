//! Reports rekeys: their content once known, who did not acknowledge them, and lost members.

use alloc::vec::Vec;

use crate::rules::rekey::expectation;
use crate::rules::{Context, Subject};
use crate::state::counters::increment;
use crate::state::id::{GroupId, KekId};
use crate::state::kek::Kek;
use crate::state::rekey::{RekeyRound, RekeySa};
use crate::state::timers::Timer;
use crate::transition::{
    MemberLost, Rekey, RekeyEvidence, RekeyKind, RekeyRetransmitted, RekeyUnacknowledged, Transport, What,
};

/// Members that are named for one rekey; the rest are only counted.
const MAX_NAMED_MEMBERS: usize = 256;
/// Consecutive unacknowledged rekeys after which a member counts as lost.
const LOST_AFTER_UNACKNOWLEDGED: u16 = 3;
/// Consecutive rekeys of its group that were not sent to a member, after which it counts as lost.
const LOST_AFTER_REKEYS_WITHOUT: u16 = 2;
/// Consecutive rekeys of others after which a member counts as lost that was not seen to miss one: a tap that misses
/// one message in ten hardly ever misses all four.
const LOST_AFTER_REKEYS_MISSED: u16 = 4;

/// Sets the timer for when the next rekey of a KEK can be closed or reported.
pub(crate) fn arm_kek_timer(cx: &mut Context<'_>, id: KekId) {
    let window = cx.schedule(cx.state.keks[id].group).round_window();
    let kek = &mut cx.state.keks[id];
    let closes = kek.rounds.iter().filter(|round| !round.closed);
    let closes = closes.map(|round| round.last.after(window));
    // Rounds are reported in order, so only the first that is not classified yet can become due.
    let first = kek.rounds.iter().find(|round| round.reported.is_none());
    let classified = first.filter(|round| round.closed);
    let classified = classified.map(RekeyRound::reported_by);
    let due = closes.chain(classified);
    if let Some(due) = due.min() {
        cx.state.timers.arm(&mut kek.timer, Timer::Kek(id), due);
    }
}

/// Closes and reports the rekeys of a KEK that are due.
pub(crate) fn on_kek_timer(cx: &mut Context<'_>, id: KekId) {
    cx.state.keks[id].timer.clear();
    close_rounds(cx, id);
    report_ready(cx, id);
    arm_kek_timer(cx, id);
}

/// Closes rekeys whose window has passed: no more messages of them are expected.
pub(crate) fn close_rounds(cx: &mut Context<'_>, id: KekId) {
    let window = cx.schedule(cx.state.keks[id].group).round_window();
    let kek = &mut cx.state.keks[id];
    let sa = RekeySa::from(&*kek);
    let mut closed = Vec::new();
    for round in &mut kek.rounds {
        if !round.closed && round.last.after(window) <= cx.now {
            round.closed = true;
            closed.push(round.clone());
            round.was_closed = true;
            round.repeats_reported |= round.retransmissions > 0;
        }
    }
    for mut round in closed {
        expectation::settle_coverage(cx, id, &mut round);
        if round.is_of_group && !round.was_closed {
            let repeats = &mut cx.state.groups[sa.group].rekeys.repeats;
            repeats.close(round.retransmissions > 0);
        }
        report_unanswered(cx, sa, &round);
        if sa.transport == Transport::Unicast && round.is_of_group && !round.was_closed {
            report_lost_members(cx, sa.group, &round);
        }
    }
}

/// A rekey is closed, possibly again after a late repeat: counts and reports its retransmissions, and who did not
/// acknowledge it.
pub(crate) fn report_unanswered(cx: &mut Context<'_>, sa: RekeySa, round: &RekeyRound) {
    let RekeySa {
        group,
        cookies,
        transport,
    } = sa;
    let state = &mut cx.state.groups[group];
    if !round.was_closed {
        state.rekeys.duration.observe(round.last.since(round.started));
        state.rekeys.recipients = u64::from(round.recipients);
    }
    state.rekeys.unacknowledged = 0;
    let acknowledges = state.acknowledges();
    if round.retransmissions > 0 && !round.repeats_reported {
        let what = What::RekeyRetransmitted(RekeyRetransmitted {
            cookies,
            transport,
            retransmissions: round.retransmissions,
            recipients: round.recipients,
            identical: round.identical,
        });
        cx.emit(Subject::server(group, round.server), what);
    }
    if transport == Transport::Unicast && acknowledges {
        report_unacknowledged(cx, sa, round);
    }
}

/// Members that got a rekey again and did not answer. Without a repeat, the rekey was acknowledged, possibly on
/// another path.
fn report_unacknowledged(cx: &mut Context<'_>, sa: RekeySa, round: &RekeyRound) {
    let never_repeats = cx.schedule(sa.group).never_repeats();
    let certainty = cx.state.gaps.certainty(round.started, cx.now);
    let mut named = 0_usize;
    let awaited = if never_repeats {
        &round.members
    } else {
        &round.awaited
    };
    for &id in awaited {
        // The slot may have been reused, or the member may have been sent a later rekey.
        let Some((peer, member)) = cx.state.members.lookup_entry_mut(id) else {
            continue;
        };
        if member.rekey < round.number || member.acknowledged_rekey >= round.number {
            continue;
        }
        // Where nothing is repeated, only who acknowledged others shows that it acknowledges at all.
        if never_repeats && member.acknowledged.is_none() {
            continue;
        }
        named += 1;
        if member.unacknowledged_rekey >= round.number {
            continue;
        }
        member.unacknowledged_rekey = round.number;
        member.unacknowledged = member.unacknowledged.saturating_add(1);
        let what = What::RekeyUnacknowledged(RekeyUnacknowledged {
            cookies: sa.cookies,
            consecutive: member.unacknowledged.into(),
            grounds: certainty.into(),
        });
        if named <= MAX_NAMED_MEMBERS {
            cx.emit(Subject::member(sa.group, round.server, peer), what);
        }
    }
    cx.state.groups[sa.group].rekeys.unacknowledged = named as u64;
}

/// Members of the group that are no longer sent the rekeys that others get.
fn report_lost_members(cx: &mut Context<'_>, group: GroupId, round: &RekeyRound) {
    let certainty = cx.state.gaps.certainty(round.started, cx.now);
    for id in cx.state.members.ids() {
        let Some((peer, member)) = cx.state.members.lookup_entry_mut(id) else {
            continue;
        };
        if !member.is_in(group) || member.rekeyed.is_none() || member.rekey >= round.number {
            continue;
        }
        member.rekeys_without = member.rekeys_without.saturating_add(1);
        // A key server drops members that acknowledge nothing; otherwise the tap may have missed the rekeys.
        let without = if member.unacknowledged > 0 {
            LOST_AFTER_REKEYS_WITHOUT
        } else {
            LOST_AFTER_REKEYS_MISSED
        };
        let is_lost = member.unacknowledged >= LOST_AFTER_UNACKNOWLEDGED || member.rekeys_without >= without;
        if !is_lost || core::mem::replace(&mut member.lost, true) {
            continue;
        }
        let what = What::MemberLost(MemberLost {
            unacknowledged: member.unacknowledged.into(),
            rekeys_without: member.rekeys_without.into(),
            grounds: certainty.into(),
        });
        cx.emit(Subject::member(group, round.server, peer), what);
    }
}

/// Reports closed rekeys in order, once their content is known or the wait is over.
pub(crate) fn report_ready(cx: &mut Context<'_>, id: KekId) {
    loop {
        let kek = &mut cx.state.keks[id];
        kek.rounds.retain(|round| !(round.closed && round.is_done()));
        let Some(index) = kek.rounds.iter().position(|round| round.reported.is_none()) else {
            return;
        };
        if !kek.rounds.get(index).is_some_and(|round| round.is_ready(cx.now)) {
            return;
        }
        report_at(cx, id, index);
    }
}

/// Reports every rekey of a KEK that was not reported yet.
pub(crate) fn report_all(cx: &mut Context<'_>, id: KekId) {
    for index in 0..cx.state.keks[id].rounds.len() {
        report_at(cx, id, index);
    }
}

/// Reports the rekeys of an evicted KEK, so that every rekey that was seen is reported.
pub(crate) fn report_evicted(cx: &mut Context<'_>, kek: &Kek) {
    for round in kek.rounds.iter().filter(|round| round.reported.is_none()) {
        report_rekey(cx, RekeySa::from(kek), round);
    }
}

/// Reports one rekey of a KEK, unless that was done before.
fn report_at(cx: &mut Context<'_>, id: KekId, index: usize) {
    let kek = &cx.state.keks[id];
    let Some(round) = kek.rounds.get(index).filter(|round| round.reported.is_none()) else {
        return;
    };
    let (sa, round) = (RekeySa::from(kek), round.clone());
    let kind = report_rekey(cx, sa, &round);
    if let Some(round) = cx.state.keks[id].rounds.get_mut(index) {
        round.reported = Some(kind);
        // Later messages would reveal no more about it.
        if round.is_delete_by_length() && round.kind.is_none() {
            round.kind = Some((kind, RekeyEvidence::None));
        }
    }
}

/// Reports a rekey. Returns the reported content.
pub(crate) fn report_rekey(cx: &mut Context<'_>, sa: RekeySa, round: &RekeyRound) -> RekeyKind {
    let RekeySa {
        group,
        cookies,
        transport,
    } = sa;
    let state = &mut cx.state.groups[group];
    let (kind, evidence) = round
        .kind
        .or_else(|| state.rekeys.by_length(round))
        .unwrap_or((RekeyKind::Unknown, RekeyEvidence::None));
    if kind == RekeyKind::Delete && round.is_of_group && state.rekeys.last == Some(round.started) {
        state.rekeys.deleted = Some(round.started);
    }
    let what = What::Rekey(Rekey {
        kind,
        evidence,
        transport,
        recipients: round.recipients,
        retransmissions: round.retransmissions,
        acknowledged: state.acknowledges().then_some(round.acknowledged),
        duration: round.last.since(round.started),
        cookies,
        length: round.length,
        message_id: round.message_id,
        began: cx.now.since(round.started),
    });
    cx.emit(Subject::server(group, round.server), what);
    if let Some(counters) = cx.state.servers.counters(round.server, group)
        && let Some(by_transport) = counters.rekeys.get_mut(kind as usize)
    {
        increment(by_transport, transport as usize);
    }
    kind
}
