//! Rekeys: GROUPKEY-PUSH and `GSA_REKEY` messages, and their acknowledgements.

pub(crate) mod classify;
pub(crate) mod expectation;
pub(crate) mod gather;
pub(crate) mod heartbeat;
pub(crate) mod inband;
pub(crate) mod report;

use alloc::vec::Vec;

use gdoi_wire::Exchange;
use gdoi_wire::isakmp::LengthCheck;

use crate::observation::host;
use crate::rules::attribution::Attribution;
use crate::rules::kek::{self, split};
use crate::rules::{Context, Received};
use crate::state::id::{KekId, Peer};
use crate::state::ike_sa::octets;
use crate::transition::{Anomaly, Cookies};

/// A rekey message. `None` if it belongs to no group.
pub(crate) fn handle_push(cx: &mut Context<'_>, received: Received<'_>) -> Option<Attribution> {
    let cookies = Cookies::from(received.header());
    // A member that was just sent a rekey answers in the same exchange.
    if !cx.state.servers.is_proven(host(received.message.source))
        && let Some(answered) = match_implicit_ack(cx, received)
    {
        return Some(answered);
    }
    if is_forged(cx, received, cookies) {
        return None;
    }
    let (id, others) = match cx.state.keks.find(&cookies) {
        Some(id) => (id, Vec::new()),
        None if is_nonconforming(received) => return None,
        None => kek::confirm_kek(cx, received, cookies)?,
    };
    cx.state.keks.touch(id);
    let server = cx.state.servers.prove(host(received.message.source));
    cx.mark_heard(server, true);
    let group = cx.state.keks[id].group;
    split::on_push_sender(cx, id, server);
    gather::gather(cx, received, id, server);
    gather::gather_others(cx, id, server, others);
    if let Some(counters) = cx.state.servers.counters(server, group) {
        counters.rekey_messages = counters.rekey_messages.saturating_add(1);
    }
    report::arm_kek_timer(cx, id);
    Some(Attribution { group, server })
}

/// Whether a message cannot be a rekey, whatever its header claims.
fn is_forged(cx: &mut Context<'_>, received: Received<'_>, cookies: Cookies) -> bool {
    let (header, message) = (received.header(), received.message);
    if cookies == Cookies::default() {
        cx.report_anomaly(received, Anomaly::CookiesZero);
        return true;
    }
    if header.length_check(message.datagram_octets) != LengthCheck::Equal {
        cx.report_anomaly(received, Anomaly::LengthMismatch);
        return true;
    }
    let servers = &cx.state.servers;
    if cx.state.members.find(&Peer::new(message.source)).is_some()
        && !servers.is_proven(host(message.source))
        && servers.is_proven(host(message.destination))
    {
        cx.report_anomaly(received, Anomaly::PushFromMember);
        return true;
    }
    if is_nonconforming(received) {
        cx.report_anomaly(received, Anomaly::PushNonconforming);
    }
    false
}

/// Whether no key server sends it in this form (RFC 6407 §4: message identifier zero, encrypted). Under known cookies
/// it still counts.
fn is_nonconforming(received: Received<'_>) -> bool {
    let header = received.header();
    received.exchange != Exchange::GsaRekey
        && (header.message_id() != 0 || header.flags() != 1 || header.responder_cookie().is_zero())
}

/// A GROUPKEY-PUSH-ACK in clear (RFC 8263). `None` if it acknowledges nothing that was seen.
pub(crate) fn handle_push_ack(cx: &mut Context<'_>, received: Received<'_>) -> Option<Attribution> {
    let cookies = Cookies::from(received.header());
    if cookies == Cookies::default() {
        cx.report_anomaly(received, Anomaly::CookiesZero);
        return None;
    }
    let kek = cx.state.keks.find(&cookies)?;
    acknowledge(cx, received, kek)
}

/// A message outside any IKE SA. It is an acknowledgement if a member sends it to a key server that has just sent it
/// a rekey, under the cookies of that rekey or of the KEK that it delivered.
pub(crate) fn match_implicit_ack(cx: &mut Context<'_>, received: Received<'_>) -> Option<Attribution> {
    if matches!(
        received.exchange,
        Exchange::MainMode | Exchange::Aggressive | Exchange::IkeSaInit
    ) {
        return None;
    }
    let state = &*cx.state;
    // Under the cookies of an IKE SA it is something else, whatever its addresses: they may be translated.
    if state
        .ike_sas
        .find(&octets(received.header().initiator_cookie()))
        .is_some()
    {
        return None;
    }
    let member = &state.members[state.members.find(&Peer::new(received.message.source))?];
    let (rekeyed, last) = (member.rekeyed?, member.kek?);
    let kek = state.keks.find(&Cookies::from(received.header())).unwrap_or(last);
    // The KEK of the member's last rekey may have been evicted.
    let group = state.keks.lookup(kek)?.group;
    if cx.now.since(rekeyed) > cx.schedule(group).round_window() {
        return None;
    }
    acknowledge(cx, received, kek)
}

fn acknowledge(cx: &mut Context<'_>, received: Received<'_>, id: KekId) -> Option<Attribution> {
    let kek = &cx.state.keks[id];
    let (group, server) = (kek.group.known()?, kek.server?);
    let number = kek.rounds.last()?.number;
    if cx.state.servers[server].address != host(received.message.destination) {
        return None;
    }
    let member = cx.admit_member(Peer::new(received.message.source));
    let state = &mut *cx.state;
    let member = &mut state.members[member];
    member.last_seen = cx.now;
    member.join(group);
    let is_first = member.acknowledged_rekey != number;
    member.acknowledge(number, cx.now);
    if let Some(round) = state.keks[id].rounds.last_mut()
        && is_first
    {
        round.acknowledged = round.acknowledged.saturating_add(1);
    }
    let rekeys = &mut state.groups[group].rekeys;
    rekeys.acknowledgements = rekeys.acknowledgements.saturating_add(1);
    rekeys.unacknowledged = rekeys.unacknowledged.saturating_sub(u64::from(is_first));
    Some(Attribution { group, server })
}

/// The end of observation: reports the rekeys that were held back. For a rekey that it cut off, no member counts as
/// not having acknowledged it.
pub(crate) fn finish_rekeys(cx: &mut Context<'_>) {
    for id in cx.state.keks.ids() {
        let state = &mut *cx.state;
        let kek = &mut state.keks[id];
        classify::classify_last_of_chain(kek, &state.groups[kek.group].rekeys);
        for round in &mut kek.rounds {
            round.closed = true;
            round.started = round.started.min(cx.now);
        }
        report::report_all(cx, id);
    }
    for group in cx.state.groups.ids() {
        inband::finish_inband(cx, group);
    }
}
