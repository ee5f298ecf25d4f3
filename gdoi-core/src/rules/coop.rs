//! Announcements between cooperating key servers.
//!
//! Cisco's primary announces itself to each of its peers every 20 s, in an exchange of no registered type under an IKE
//! SA between the two. Which type that is, and how often, is learned: any encrypted message of version 1 between two key
//! servers counts that is neither phase 1, nor a PULL, nor a rekey.

use gdoi_wire::Exchange;

use crate::observation::host;
use crate::rules::{Context, Received, Subject};
use crate::state::coop::{CoopLink, MAX_COOP_LINKS};
use crate::state::id::{GroupId, KeyServerId};
use crate::state::timers::Timer;
use crate::transition::{CoopSilent, What};

/// A message, which is an announcement when a proven key server sends it to another.
pub(crate) fn handle_coop(cx: &mut Context<'_>, received: Received<'_>) {
    let may_announce = matches!(
        received.exchange,
        Exchange::Informational | Exchange::Unregistered34 | Exchange::Unknown(_)
    );
    if !may_announce || received.header().version().0 != 1 || !received.header().is_encrypted() {
        return;
    }
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
        arm_coop_timer(cx, from, to);
    }
}

/// Wakes when announcements are missing.
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
    let Some(due) = link.due() else {
        return;
    };
    if due > cx.now {
        arm_coop_timer(cx, from, to);
        return;
    }
    link.silent = true;
    let last = link.last;
    // The other one announces now: they changed roles.
    if back.is_some_and(|back| back > last) {
        return;
    }
    let group = match state.servers[from].groups[..] {
        [only] => only,
        _ => GroupId::NONE,
    };
    let what = What::CoopSilent(CoopSilent {
        peer: state.servers[to].address,
        silence: cx.now.since(last),
        grounds: state.gaps.certainty(last, cx.now).into(),
    });
    cx.emit(Subject::server(group, from), what);
}
