//! Announcements between cooperating key servers.
//!
//! Cisco's primary announces itself to each of its peers every 20 s, in an exchange of no registered type under an
//! IKE SA between the two. The type and the interval are learned: every encrypted message of version 1 between two
//! key servers counts, except phase 1, PULLs and rekeys.

use gdoi_wire::Exchange;

use crate::observation::host;
use crate::rules::{Context, Received, Subject};
use crate::state::coop::{CoopLink, MAX_COOP_LINKS};
use crate::state::id::KeyServerId;
use crate::state::ike_sa::octets;
use crate::state::timers::Timer;
use crate::transition::{Alternative, CoopSilent, Grounds, What};

/// An Informational exchange of at most this many octets may be a mere notification, deletion or dead-peer detection
/// (RFC 3706).
const MAX_NOTIFICATION_LENGTH: u32 = 160;

/// A message that is an announcement if a proven key server sends it to another one.
pub(crate) fn handle_coop(cx: &mut Context<'_>, received: Received<'_>) {
    let may_announce = matches!(
        received.exchange,
        Exchange::Informational | Exchange::Unregistered34 | Exchange::Unknown(_)
    );
    if !may_announce || received.header().version().0 != 1 || !received.header().is_encrypted() {
        return;
    }
    prove_peer(cx, received);
    let state = &mut *cx.state;
    let proven = |address| {
        let id = state.servers.find(address)?;
        state.servers[id].proven.then_some(id)
    };
    let from = proven(host(received.message.source));
    let Some((from, to)) = from.zip(proven(host(received.message.destination))) else {
        return;
    };
    if state.coop_links.len() < MAX_COOP_LINKS || state.coop_links.contains_key(&(from, to)) {
        let link = state
            .coop_links
            .entry((from, to))
            .or_insert_with(|| CoopLink::new(cx.now));
        link.note_announcement(cx.now);
        join_groups(cx, from);
        join_groups(cx, to);
        arm_coop_timer(cx, from, to);
    }
}

/// A message that only cooperating key servers exchange, under an IKE SA that both authenticated. It is no
/// registration, so if one end is a key server, the other is one too.
fn prove_peer(cx: &mut Context<'_>, received: Received<'_>) {
    let header = received.header();
    if received.exchange == Exchange::Informational && header.length() <= MAX_NOTIFICATION_LENGTH {
        return;
    }
    let state = &mut *cx.state;
    let Some(id) = state.ike_sas.find(&octets(header.initiator_cookie())) else {
        return;
    };
    let ike_sa = &mut state.ike_sas[id];
    let ends = [ike_sa.member.ip(), ike_sa.server_address];
    let message = received.message;
    let is_between = [message.source, message.destination]
        .map(host)
        .iter()
        .all(|end| ends.contains(end));
    let is_registered = !ike_sa.pulls.is_empty() || state.members.find(&ike_sa.member).is_some();
    if !is_between || !ike_sa.is_authenticated() || is_registered {
        return;
    }
    ike_sa.ended = true;
    let [initiator, responder] = ends.map(|end| state.servers.is_proven(end));
    if initiator == responder {
        return;
    }
    let [first, second] = ends.map(|end| state.servers.prove(end));
    let (known, new) = if initiator {
        (first, second)
    } else {
        (second, first)
    };
    state.servers[new].peer = Some(known);
    join_groups(cx, new);
}

/// A key server without a group serves that of its peer, if that has only one.
fn join_groups(cx: &mut Context<'_>, new: KeyServerId) {
    let state = &mut *cx.state;
    let known = state.servers[new].peer;
    if let Some(known) = known
        && state.servers[new].groups.is_empty()
        && let [only] = state.servers[known].groups[..]
    {
        state.groups.join(only, new, &mut state.servers);
    }
}

/// Sets the timer for missing announcements.
pub(crate) fn arm_coop_timer(cx: &mut Context<'_>, from: KeyServerId, to: KeyServerId) {
    if let Some(link) = cx.state.coop_links.get_mut(&(from, to))
        && let Some(due) = link.due()
    {
        cx.state.timers.arm(&mut link.timer, Timer::Coop(from, to), due);
    }
}

/// Announcements may be missing.
pub(crate) fn on_coop_timer(cx: &mut Context<'_>, from: KeyServerId, to: KeyServerId) {
    let state = &mut *cx.state;
    let back = state.coop_links.get(&(to, from)).map(|link| link.last);
    let Some(link) = state.coop_links.get_mut(&(from, to)) else {
        return;
    };
    link.timer.clear();
    let (Some(due), Some(period)) = (link.due(), link.period()) else {
        return;
    };
    if due > cx.now {
        arm_coop_timer(cx, from, to);
        return;
    }
    link.silent = true;
    let last = link.last;
    // The other key server announces now: they changed roles.
    if back.is_some_and(|back| back > last) {
        return;
    }
    let group = state.servers[from].only_group();
    let grounds = Grounds::from(state.gaps.certainty(last, cx.now));
    // If nothing else was seen either, the tap may be down.
    let grounds = if state.last_message.since(last) < period {
        grounds.doubted(Alternative::CaptureGap)
    } else {
        grounds.excluding(Alternative::CaptureGap)
    };
    let what = What::CoopSilent(CoopSilent {
        peer: state.servers[to].address,
        silence: cx.now.since(last),
        grounds,
    });
    cx.emit(Subject::server(group, from), what);
}
