//! Cookie pairs that are not a KEK yet: the word of their sender alone proves nothing.
//!
//! A pair is confirmed by a second party. It is in doubt if it would continue a group that is alive, and its sender
//! cannot do so or no rekey can have delivered it. A pair in doubt is reported as a forgery when its rekey is over.
//! It is accepted after all when several of its rekeys reach the group and the old KEK is silent.

use alloc::vec::Vec;

use crate::observation::host;
use crate::rules::{Context, Received, Subject};
use crate::state::id::{GroupId, Peer, UnconfirmedId};
use crate::state::kek::Unconfirmed;
use crate::state::timers::Timer;
use crate::time::Timestamp;
use crate::transition::{Alternative, Certainty, Cookies, Forgery, ForgeryKind, Grounds, Transport, What};

/// Rekeys after which a pair in doubt is accepted.
const BELIEVED_AFTER: u32 = 3;

/// A pair that is a KEK.
pub(crate) struct Confirmed {
    /// When its present rekey began.
    pub(crate) first: Timestamp,
    /// Its recipients before this message.
    pub(crate) others: Vec<Peer>,
}

/// A pair that nothing contradicts. One unicast message of an unknown sender does not make a group; a known key
/// server, a second destination or a repeat does. Unconfirmed pairs have a table of their own, so that a flood of
/// them evicts no KEK.
pub(crate) fn corroborate(
    cx: &mut Context<'_>,
    received: Received<'_>,
    cookies: Cookies,
    transport: Transport,
) -> Option<Confirmed> {
    let is_known =
        transport == Transport::Multicast || cx.state.servers.is_proven(host(received.message.source));
    let before = cx.state.unconfirmed.find(&cookies);
    let is_second = before.is_some_and(|id| {
        let trial = &cx.state.unconfirmed[id];
        trial.destinations.as_slice() != [Peer::new(received.message.destination)] || trial.first < cx.now
    });
    if !is_known && !is_second {
        note(cx, received, cookies, GroupId::NONE);
        return None;
    }
    Some(confirm(cx, cookies))
}

/// A pair that would continue a group but, as far as is known, cannot.
pub(crate) fn outlasts_doubt(
    cx: &mut Context<'_>,
    received: Received<'_>,
    cookies: Cookies,
    group: GroupId,
    kind: ForgeryKind,
) -> Option<Confirmed> {
    let id = note(cx, received, cookies, group);
    let window = cx.schedule(group).round_window();
    let trial = &mut cx.state.unconfirmed[id];
    trial.doubt = Some(kind);
    let recipients = trial.recipients;
    let is_persistent = trial.rekeys >= BELIEVED_AFTER;
    let began = trial.began;
    let due = cx.now.after(window);
    let state = &mut *cx.state;
    state
        .timers
        .arm(&mut state.unconfirmed[id].timer, Timer::Trial(id), due);
    let rekeys = &state.groups[group].rekeys;
    let was_rekeyed = rekeys.last.is_some_and(|last| last >= began);
    if kind == ForgeryKind::UndeliveredKek
        && is_persistent
        && rekeys.is_covered_by(recipients)
        && !was_rekeyed
    {
        return Some(confirm(cx, cookies));
    }
    None
}

/// Records a message under an unconfirmed pair.
fn note(cx: &mut Context<'_>, received: Received<'_>, cookies: Cookies, group: GroupId) -> UnconfirmedId {
    let window = cx.schedule(group).round_window();
    let state = &mut *cx.state;
    let unconfirmed = &mut state.unconfirmed;
    let known = unconfirmed.find(&cookies);
    let id = known.unwrap_or_else(|| {
        let trial = Unconfirmed::new(host(received.message.source), group, cx.now);
        let inserted = unconfirmed.insert(cookies, trial);
        if let Some((_, mut evicted)) = inserted.evicted {
            let timer = Timer::Trial(inserted.id);
            state.timers.disarm(&mut evicted.timer, timer);
        }
        inserted.id
    });
    state.unconfirmed[id].note(Peer::new(received.message.destination), cx.now, window);
    id
}

fn confirm(cx: &mut Context<'_>, cookies: Cookies) -> Confirmed {
    let known = cx.state.unconfirmed.find(&cookies);
    let trial = known.and_then(|id| {
        let (_, mut trial) = cx.state.unconfirmed.remove(id)?;
        cx.state.timers.disarm(&mut trial.timer, Timer::Trial(id));
        Some(trial)
    });
    trial.map_or_else(
        || Confirmed {
            first: cx.now,
            others: Vec::new(),
        },
        |trial| Confirmed {
            first: trial.began,
            others: trial.destinations.to_vec(),
        },
    )
}

/// The rekey under a pair in doubt is over: reports it as the forgery that it is.
pub(crate) fn on_trial_timer(cx: &mut Context<'_>, id: UnconfirmedId) {
    let Some((cookies, trial)) = cx.state.unconfirmed.lookup_entry_mut(id) else {
        return;
    };
    trial.timer.clear();
    let (Some(kind), group) = (trial.doubt, trial.group) else {
        return;
    };
    let window = cx.schedule(group).round_window();
    let state = &mut *cx.state;
    let trial = &mut state.unconfirmed[id];
    let due = trial.last.after(window);
    if due > cx.now {
        state.timers.arm(&mut trial.timer, Timer::Trial(id), due);
        return;
    }
    let (source, messages, began) = (trial.source, trial.messages, trial.began);
    let destination = match trial.destinations.as_slice() {
        [only] if trial.recipients == 1 => Some(only.ip()),
        _ => None,
    };
    let recipients = trial.recipients;
    let is_new = !core::mem::replace(&mut trial.reported, true);
    let rekeys = &mut state.groups[group].rekeys;
    if rekeys.is_covered_by(recipients) {
        rekeys.contended = Some(began);
    }
    if !is_new {
        return;
    }
    let what = What::Forgery(Forgery {
        kind,
        source,
        destination,
        cookies: Some(cookies),
        messages,
        grounds: Grounds::new(Certainty::Likely).open(Alternative::OtherPath),
    });
    cx.emit(Subject::group(group), what);
}
