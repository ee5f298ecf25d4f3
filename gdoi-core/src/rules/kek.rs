//! KEKs: the cookie pairs of rekeys, the group that each serves, and which replaces which.
//!
//! A rekey that delivers a new KEK still carries the old cookies (RFC 6407 §4.3). So the new pair is first seen one
//! rekey later, and the delivery was the last rekey under the old pair.

pub(crate) mod attribution;
pub(crate) mod behavior;
pub(crate) mod lead;
pub(crate) mod lifetime;
pub(crate) mod split;
pub(crate) mod trial;

use alloc::format;
use alloc::vec::Vec;

use crate::observation::host;
use crate::rules::kek::attribution::Continuation;
use crate::rules::kek::trial::Confirmed;
use crate::rules::rekey::report;
use crate::rules::{Context, Received, Subject};
use crate::state::id::{GroupId, KekId, KeyServerId, Peer};
use crate::state::kek::Kek;
use crate::state::timers::Timer;
use crate::transition::{Anomaly, Cookies, GroupAmbiguous, GroupDiscovered, Transport, What};

/// A rekey under an unknown cookie pair. Once anything but this message confirms the pair, it becomes a KEK and is
/// attributed to a group. Also returns the earlier recipients of the same rekey.
pub(crate) fn confirm_kek(
    cx: &mut Context<'_>,
    received: Received<'_>,
    cookies: Cookies,
) -> Option<(KekId, Vec<Peer>)> {
    let (source, destination) = (host(received.message.source), host(received.message.destination));
    let transport = Transport::to(destination);
    let found = attribution::attribute_kek(cx, received, transport);
    let confirmed = match found {
        Continuation::Doubtful(group, kind) => trial::outlasts_doubt(cx, received, cookies, group, kind),
        Continuation::Of(_) | Continuation::New | Continuation::Ambiguous => {
            trial::corroborate(cx, received, cookies, transport)
        }
    };
    let Some(Confirmed { first, others }) = confirmed else {
        cx.report_anomaly(received, Anomaly::PushUnconfirmed);
        return None;
    };
    let server = cx.state.servers.admit(source);
    let (group, is_new) = match found {
        Continuation::Of(group) | Continuation::Doubtful(group, _) => (group, false),
        Continuation::New => (discover_group(cx, received, cookies, transport)?, true),
        Continuation::Ambiguous => {
            // It gets a group of its own rather than one to which it may not belong.
            report_ambiguous(cx, cookies, server);
            (discover_group(cx, received, cookies, transport)?, true)
        }
    };
    let id = insert_kek(cx, Kek::new(cookies, group, transport, first));
    adopt_kek(cx, received, id, server);
    if is_new {
        let what = What::GroupDiscovered(GroupDiscovered {
            transport,
            rekey_address: (transport == Transport::Multicast).then_some(destination),
            cookies,
        });
        cx.emit(Subject::server(group, server), what);
        report_shared_key_server(cx, server);
    }
    Some((id, others))
}

/// Inserts a KEK. Rekeys of the KEK that it evicts are reported first.
fn insert_kek(cx: &mut Context<'_>, kek: Kek) -> KekId {
    let inserted = cx.state.keks.insert(kek.cookies, kek);
    if let Some((_, mut evicted)) = inserted.evicted {
        cx.state
            .timers
            .disarm(&mut evicted.timer, Timer::Kek(inserted.id));
        report::report_evicted(cx, &evicted);
    }
    inserted.id
}

/// Attributes a new KEK to a group, in which it may replace another one.
fn adopt_kek(cx: &mut Context<'_>, received: Received<'_>, id: KekId, server: KeyServerId) {
    let state = &mut *cx.state;
    let kek = &state.keks[id];
    let (cookies, group_id) = (kek.cookies, kek.group);
    state.groups.join(group_id, server, &mut state.servers);
    let group = &mut state.groups[group_id];
    group.transport = Some(kek.transport);
    if kek.transport == Transport::Multicast {
        group.rekey_address = Some(host(received.message.destination));
    }
    // After a split, each key server continues with its own KEK.
    let own = group.kek.split.filter(|split| {
        let split = state.keks.find(split).map(|id| &state.keks[id]);
        split.is_some_and(|kek| kek.server == Some(server))
    });
    let before = own.or(group.kek.current);
    state.keks[id].parent = before;
    match before {
        Some(before) if before != cookies => lifetime::replace_kek(cx, id, before, server),
        _ => group.kek.begin(cookies),
    }
}

/// A group for a KEK that belongs to no known one. `None` if there are too many groups.
fn discover_group(
    cx: &mut Context<'_>,
    received: Received<'_>,
    cookies: Cookies,
    transport: Transport,
) -> Option<GroupId> {
    let source = host(received.message.source);
    let name = match transport {
        Transport::Multicast => format!("{source}/{}", host(received.message.destination)),
        Transport::Unicast => format!("{source}/{}", cookies.short()),
    };
    cx.state.groups.discover(&name)
}

/// A key server turned out to serve several groups that its members' addresses do not distinguish.
fn report_shared_key_server(cx: &mut Context<'_>, server: KeyServerId) {
    let state = &mut *cx.state;
    let is_unclear = |id: &GroupId| {
        let known = state.groups.config(*id, cx.config);
        known.is_none_or(|known| known.members.is_empty())
    };
    let groups = state.servers[server].groups.iter().copied();
    let unclear: Vec<GroupId> = groups.filter(is_unclear).collect();
    let [first, _, ..] = unclear[..] else {
        return;
    };
    if core::mem::replace(&mut state.groups[first].ambiguity_reported, true) {
        return;
    }
    let candidates = unclear.iter().filter_map(|&id| state.groups.name(id)).collect();
    let what = What::GroupAmbiguous(GroupAmbiguous {
        candidates,
        cookies: None,
    });
    cx.emit(Subject::server(GroupId::NONE, server), what);
}

fn report_ambiguous(cx: &mut Context<'_>, cookies: Cookies, server: KeyServerId) {
    let groups = cx.state.servers[server].groups.iter();
    let candidates = groups.filter_map(|&id| cx.state.groups.name(id)).collect();
    let what = What::GroupAmbiguous(GroupAmbiguous {
        candidates,
        cookies: Some(cookies),
    });
    cx.emit(Subject::server(GroupId::NONE, server), what);
}
