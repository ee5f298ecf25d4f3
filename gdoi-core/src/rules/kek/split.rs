//! Which key server sends the rekeys of a group: failover, split brain, and its end.

use alloc::format;
use core::time::Duration;

use crate::rules::kek::lead::Schedule;
use crate::rules::kek::lifetime;
use crate::rules::{Context, Subject};
use crate::state::id::{GroupId, KekId, KeyServerId};
use crate::state::rekey::RekeyRound;
use crate::transition::{
    Cookies, GroupDiscovered, KekChangeRevoked, KekSplit, KeyServerChanged, Transport, What,
};

/// Interval between rekeys where it is unknown.
const DEFAULT_REKEY_INTERVAL: Duration = Duration::from_hours(1);

/// A key server sent a rekey. It may have taken over, or two alternate because of a split brain.
pub(crate) fn on_push_sender(cx: &mut Context<'_>, kek: KekId, server: KeyServerId) {
    let now = cx.now;
    let id = cx.state.keks[kek].group;
    let interval = cx.schedule(id).rekey_interval().unwrap_or(DEFAULT_REKEY_INTERVAL);
    let state = &mut *cx.state;
    state.groups.join(id, server, &mut state.servers);
    let used_by = state.keks[kek].server.replace(server);
    let rekeys = &mut state.groups[id].rekeys;
    let returned = rekeys.note_sender(server, now);
    let Some(before) = rekeys.server else {
        rekeys.server = Some(server);
        return;
    };
    let rival = rekeys
        .senders
        .iter()
        .flatten()
        .find(|(other, _)| *other != server);
    let is_rival_silent = rival.is_none_or(|(_, at)| now.since(*at) > interval + interval / 2);
    let has_returned = returned.is_some_and(|at| now.since(at) <= interval * 3);
    let is_merged = rekeys.contested && is_rival_silent;
    if is_merged {
        rekeys.contested = false;
    } else if before != server && !is_rival_silent && has_returned {
        rekeys.contested = true;
    }
    let has_changed = before != server && !rekeys.contested;
    if has_changed {
        rekeys.server = Some(server);
    }
    if is_merged {
        report_merged(cx, id);
    }
    if has_changed {
        let what = What::KeyServerChanged(KeyServerChanged {
            from: cx.state.servers[before].address,
            to: cx.state.servers[server].address,
            cookies_kept: used_by.is_some_and(|used_by| used_by != server),
        });
        cx.emit(Subject::server(id, server), what);
    }
}

/// The end of a split brain: one of the two key servers went silent, and the other serves the whole group.
fn report_merged(cx: &mut Context<'_>, id: GroupId) {
    let history = &mut cx.state.groups[id].kek;
    let (Some(first), Some(second)) = (history.split.take(), history.current) else {
        return;
    };
    report_split(cx, id, first, second, true);
}

/// A rekey under a KEK that another one had replaced: both are in use.
pub(crate) fn check_kek_split(cx: &mut Context<'_>, id: KekId) {
    lifetime::check_kek_age(cx, id);
    let state = &mut *cx.state;
    let kek = &state.keks[id];
    let (cookies, group_id) = (kek.cookies, kek.group);
    let history = &state.groups[group_id].kek;
    let Some(other) = history.current else {
        return;
    };
    if !kek.replaced || other == cookies || history.split == Some(cookies) {
        return;
    }
    let other_kek = state.keks.find(&other).map(|id| &state.keks[id]);
    // The rekey that delivered the other one is still being repeated.
    let repeats = Schedule::new(&state.groups[group_id], cx.config).repeat_window();
    if other_kek.is_some_and(|kek| cx.now.since(kek.first) <= repeats) {
        return;
    }
    let history = &mut state.groups[group_id].kek;
    let other_server = other_kek.and_then(|kek| kek.server);
    if other_server == kek.server {
        split_off(cx, id, other);
        return;
    }
    history.split = Some(cookies);
    report_split(cx, group_id, cookies, other, false);
}

/// The first rekey under a KEK is over. If neither its recipients nor its length are those of the group that it seemed to
/// continue, it belongs to another one.
pub(crate) fn check_audience(cx: &mut Context<'_>, id: KekId) {
    let state = &*cx.state;
    let kek = &state.keks[id];
    let window = cx.schedule(kek.group).round_window();
    let is_first_and_over = |round: &&RekeyRound| {
        round.started.since(kek.first) <= window
            && !round.closed
            && !round.was_closed
            && round.last.after(window) <= cx.now
    };
    let parent = kek.parent.and_then(|parent| state.keks.find(&parent));
    let (Some(round), Some(parent)) = (kek.rounds.first().filter(is_first_and_over), parent) else {
        return;
    };
    let rekeys = &state.groups[kek.group].rekeys;
    let (before, now) = (rekeys.audience, round.recipients);
    let are_others = before > 0 && (now > before.saturating_mul(2) || now.saturating_mul(2) < before);
    let is_alike = rekeys.has_had_length(round.length);
    let is_current = state.groups[kek.group].kek.current == Some(kek.cookies);
    // Where the key server has only one group, fewer recipients mean that others have not registered yet.
    let is_shared = kek
        .server
        .is_some_and(|server| state.servers[server].groups.len() > 1);
    let may_be_others = is_shared && kek.transport == Transport::Unicast;
    if may_be_others && is_current && are_others && !is_alike && state.keks[parent].group == kek.group {
        split_off(cx, parent, kek.cookies);
    }
}

/// Reports two KEKs of one group if the key servers that use them are known.
fn report_split(cx: &mut Context<'_>, group: GroupId, first: Cookies, second: Cookies, merged: bool) {
    let state = &*cx.state;
    let address_of = |cookies: Cookies| {
        let kek = &state.keks[state.keks.find(&cookies)?];
        Some(state.servers[kek.server?].address)
    };
    let (Some(first_key_server), Some(second_key_server)) = (address_of(first), address_of(second)) else {
        return;
    };
    let what = What::KekSplit(KekSplit {
        first,
        first_key_server,
        second,
        second_key_server,
        merged,
    });
    cx.emit(Subject::group(group), what);
}

/// The same key server still uses a KEK that seemed replaced: the other KEK belongs to another group.
fn split_off(cx: &mut Context<'_>, id: KekId, other: Cookies) {
    let state = &mut *cx.state;
    let Some(other_id) = state.keks.find(&other) else {
        return;
    };
    let kek = &mut state.keks[id];
    kek.replaced = false;
    let (cookies, group) = (kek.cookies, kek.group);
    let Some(server) = kek.server else {
        return;
    };
    let name = format!("{}/{}", state.servers[server].address, other.short());
    let Some(found) = state.groups.discover(&name) else {
        return;
    };
    state.groups.join(found, server, &mut state.servers);
    let other_kek = &mut state.keks[other_id];
    other_kek.group = found;
    other_kek.parent = None;
    let transport = other_kek.transport;
    // Its recipients belong to the other group, as far as they get no more rekeys of this one.
    for id in state.members.ids() {
        let member = &mut state.members[id];
        if member.kek == Some(other_id) {
            member.leave(group);
            member.join(found);
        }
    }
    let began = state.keks[other_id].first;
    let resumed = &mut state.groups[group];
    resumed.kek.resume(cookies);
    let last = resumed.rekeys.last.filter(|last| *last >= began);
    if last.is_some() {
        resumed.rekeys.last = resumed.rekeys.last_but_one.take();
    }
    let discovered = &mut state.groups[found];
    discovered.rekeys.last = last;
    discovered.transport = Some(transport);
    discovered.kek.begin(other);
    let what = What::GroupDiscovered(GroupDiscovered {
        transport,
        rekey_address: None,
        cookies: other,
    });
    let revoked = What::KekChangeRevoked(KekChangeRevoked {
        from: cookies,
        to: other,
    });
    cx.emit(Subject::server(group, server), revoked);
    cx.emit(Subject::server(found, server), what);
}
