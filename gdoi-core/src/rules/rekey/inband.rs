//! Rekeys inside the IKE SAs of the members: `GSA_INBAND_REKEY`, a request to each and its answer (RFC 9838 §2.4).
//!
//! They have no KEK: only time shows that requests to several members deliver the same keys. Their content is not
//! visible. A member that gets none is not lost, because its keys may be sent in another way.

use crate::observation::host;
use crate::rules::attribution::Attribution;
use crate::rules::rekey::{gather, report};
use crate::rules::{Context, Received};
use crate::state::id::{GroupId, Peer};
use crate::state::rekey::{InbandRekey, RekeyRound, RekeySa};
use crate::state::timers::Timer;
use crate::transition::{Cookies, RekeyEvidence, RekeyKind, Transport};

/// A request of a key server, or the answer of a member. `None` if the key server is not known to be one.
pub(crate) fn handle_inband_rekey(cx: &mut Context<'_>, received: Received<'_>) -> Option<Attribution> {
    let (source, destination) = (received.message.source, received.message.destination);
    let is_answer = received.header().is_response();
    let (server, member) = if is_answer {
        (destination, source)
    } else {
        (source, destination)
    };
    let (address, peer) = (host(server), Peer::new(member));
    let servers = &cx.state.servers;
    let server = servers.find(address).filter(|_| servers.is_proven(address))?;
    cx.mark_heard(server, !is_answer);
    let attribution = cx.attribution_of(server, peer);
    if is_answer {
        handle_answer(cx, attribution.group, peer);
    } else {
        handle_request(cx, received, attribution, peer);
    }
    Some(attribution)
}

fn handle_request(cx: &mut Context<'_>, received: Received<'_>, attribution: Attribution, peer: Peer) {
    let Attribution { group, server } = attribution;
    let message_id = received.header().message_id();
    let member_id = cx.admit_member(peer);
    let member = &cx.state.members[member_id];
    let open = cx.state.groups[group].rekeys.inband.as_ref();
    let open = open.filter(|open| open.round.server == server);
    // Message identifiers count within an IKE SA (RFC 7296 §2.2): a different one to the same member means another
    // rekey.
    let is_served = open.is_some_and(|open| member.rekey == open.round.number);
    let is_repeated = is_served && member.inband == message_id;
    if open.is_none() || (is_served && !is_repeated) {
        close_inband(cx, group);
        open_inband(cx, received, attribution);
    }
    let state = &mut *cx.state;
    let group_state = &mut state.groups[group];
    let Some(InbandRekey { round, .. }) = &mut group_state.rekeys.inband else {
        return;
    };
    state.members[member_id].on_inband_request(round.number, cx.now, message_id, server);
    state.members[member_id].join(group);
    round.last = cx.now;
    if is_repeated {
        round.note_repeat(Some(member_id));
        gather::count_retransmission(group_state, received.exchange);
    } else {
        let is_forgotten = round.add(Some(member_id), cx.limits.members);
        state.groups.unlisted += u64::from(is_forgotten);
    }
    if let Some(counters) = state.servers.counters(server, group) {
        counters.rekey_messages = counters.rekey_messages.saturating_add(1);
    }
    arm_inband_timer(cx, group);
}

fn open_inband(cx: &mut Context<'_>, received: Received<'_>, attribution: Attribution) {
    let Attribution { group, server } = attribution;
    let number = cx.state.next_rekey_number();
    let mut round = RekeyRound::new(number, cx.now, received.header().length(), server);
    round.kind = Some((RekeyKind::Unknown, RekeyEvidence::None));
    let group = &mut cx.state.groups[group];
    group.on_rekey(cx.now);
    group.data.on_rekey(cx.now);
    group.rekeys.inband = Some(InbandRekey {
        round,
        cookies: Cookies::from(received.header()),
    });
}

fn handle_answer(cx: &mut Context<'_>, group: GroupId, peer: Peer) {
    let state = &mut *cx.state;
    let rekeys = &mut state.groups[group].rekeys;
    let Some(InbandRekey { round, .. }) = &mut rekeys.inband else {
        return;
    };
    let Some(id) = state.members.find(&peer) else {
        return;
    };
    let member = &mut state.members[id];
    member.last_seen = cx.now;
    if member.rekey != round.number || member.acknowledged_rekey == round.number {
        return;
    }
    member.acknowledge(round.number, cx.now);
    round.acknowledged = round.acknowledged.saturating_add(1);
    rekeys.acknowledgements = rekeys.acknowledgements.saturating_add(1);
}

/// Closes and reports the rekey of a group when it is due.
pub(crate) fn on_inband_timer(cx: &mut Context<'_>, group: GroupId) {
    cx.state.groups[group].rekeys.inband_timer.clear();
    let window = cx.schedule(group).round_window();
    let open = cx.state.groups[group].rekeys.inband.as_ref();
    if open.is_some_and(|open| open.round.last.after(window) <= cx.now) {
        close_inband(cx, group);
    }
    arm_inband_timer(cx, group);
}

/// Sets the timer for closing the rekey of a group.
pub(crate) fn arm_inband_timer(cx: &mut Context<'_>, group: GroupId) {
    let window = cx.schedule(group).round_window();
    let rekeys = &mut cx.state.groups[group].rekeys;
    if let Some(open) = &rekeys.inband {
        let due = open.round.last.after(window);
        cx.state
            .timers
            .arm(&mut rekeys.inband_timer, Timer::Inband(group), due);
    }
}

fn close_inband(cx: &mut Context<'_>, group: GroupId) {
    if let Some((sa, round)) = take_inband(cx, group) {
        report::report_unanswered(cx, sa, &round);
        report::report_rekey(cx, sa, &round);
    }
}

/// The end of observation. For a rekey that it cut off, no member counts as not having answered.
pub(crate) fn finish_inband(cx: &mut Context<'_>, group: GroupId) {
    if let Some((sa, round)) = take_inband(cx, group) {
        report::report_rekey(cx, sa, &round);
    }
}

fn take_inband(cx: &mut Context<'_>, group: GroupId) -> Option<(RekeySa, RekeyRound)> {
    let InbandRekey { round, cookies } = cx.state.groups[group].rekeys.inband.take()?;
    let sa = RekeySa {
        group,
        cookies,
        transport: Transport::Unicast,
    };
    Some((sa, round))
}
