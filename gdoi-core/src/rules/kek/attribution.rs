//! Which group a new KEK belongs to.
//!
//! While the key server of a group is alive, no other sender continues the group; and no KEK is used before it has
//! been delivered.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use crate::observation::host;
use crate::rules::rekey::{classify, expectation};
use crate::rules::{Context, Received};
use crate::state::id::{GroupId, KeyServerId, Peer};
use crate::state::rekey::{RekeyRound, Rekeys};
use crate::transition::{Certainty, ForgeryKind, Transport};

/// Interval between rekeys where it is unknown.
const DEFAULT_REKEY_INTERVAL: Duration = Duration::from_hours(1);

/// The group of a new cookie pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Continuation {
    /// This group.
    Of(GroupId),
    /// An unknown group.
    New,
    /// One of several groups.
    Ambiguous,
    /// This group or none: something contradicts it.
    Doubtful(GroupId, ForgeryKind),
}

/// The group that a new KEK continues.
pub(crate) fn attribute_kek(cx: &Context<'_>, received: Received<'_>, transport: Transport) -> Continuation {
    let server = cx.state.servers.find(host(received.message.source));
    match transport {
        Transport::Multicast => match_by_rekey_address(cx, host(received.message.destination), server),
        Transport::Unicast => match_by_member(cx, Peer::new(received.message.destination), server),
    }
}

/// Multicast: the group of that address, if this key server serves it or its own has fallen silent.
fn match_by_rekey_address(cx: &Context<'_>, address: IpAddr, server: Option<KeyServerId>) -> Continuation {
    let mut found = Continuation::New;
    for (id, group) in cx.state.groups.iter() {
        if group.rekey_address != Some(address) {
            continue;
        }
        let known = group.known_config(cx.config);
        // If its key servers are configured, no other sender is one while they send.
        let is_open = known.is_some_and(|known| known.key_servers.is_empty());
        let continues = |server: &KeyServerId| continues(cx, id, *server) || takes_over(cx, id, *server);
        if let Some(server) = server.filter(continues) {
            return doubt_delivery(cx, id, server);
        }
        if is_open {
            return Continuation::Of(id);
        }
        found = if !is_alive(cx, id) {
            Continuation::Of(id)
        } else if server.is_some_and(|server| cx.state.servers[server].proven) {
            found
        } else {
            Continuation::Doubtful(id, ForgeryKind::StrangerPush)
        };
    }
    found
}

/// Unicast: the group of the member, by the configuration, or by its earlier rekeys and their schedule.
fn match_by_member(cx: &Context<'_>, peer: Peer, server: Option<KeyServerId>) -> Continuation {
    let state = &*cx.state;
    let configured = server.map_or_else(Vec::new, |server| configured_groups(cx, peer, server));
    if let ([only], Some(server)) = (&configured[..], server) {
        return doubt_delivery(cx, *only, server);
    }
    let member = state.members.find(&peer).map(|id| &state.members[id]);
    let before: Vec<GroupId> = member.map_or_else(Vec::new, |member| {
        member.groups.into_iter().filter_map(GroupId::known).collect()
    });
    let is_its_own =
        |id: &GroupId| server.is_some_and(|server| continues(cx, *id, server) || takes_over(cx, *id, server));
    let own: Vec<GroupId> = before.iter().copied().filter(is_its_own).collect();
    if let (Some(server), false) = (server, own.is_empty()) {
        return match_own(cx, &own, server, configured.is_empty());
    }
    // From another key server, while the member's own is alive: a known one serves other groups, an unknown one none.
    if let Some(alive) = before.iter().copied().find(|id| is_alive(cx, *id)) {
        let is_proven = server.is_some_and(|server| state.servers[server].proven);
        return match (is_proven, configured.as_slice()) {
            (true, []) => Continuation::New,
            (true, _) => Continuation::Ambiguous,
            (false, _) => Continuation::Doubtful(alive, ForgeryKind::StrangerPush),
        };
    }
    match (before.as_slice(), configured.is_empty()) {
        (&[only], true) => Continuation::Of(only),
        ([], true) => Continuation::New,
        _ => Continuation::Ambiguous,
    }
}

/// The groups of a key server in which the configuration places a member.
fn configured_groups(cx: &Context<'_>, peer: Peer, server: KeyServerId) -> Vec<GroupId> {
    let state = &*cx.state;
    let is_unicast = |id: &GroupId| {
        let known = state.groups.config(*id, cx.config);
        known.is_some_and(|known| known.rekey_address.is_none())
    };
    let groups = &state.servers[server].groups;
    let fitting = state.groups.fitting(groups, peer.ip());
    fitting.filter(is_unicast).collect()
}

/// One of the groups that a member has on this key server: the one whose latest rekey evidently delivered a KEK, or
/// the only one that is due.
fn match_own(cx: &Context<'_>, own: &[GroupId], server: KeyServerId, is_untold: bool) -> Continuation {
    let only_one = |has_delivered: &dyn Fn(GroupId, &RekeyRound) -> bool| {
        let delivered =
            |id: &GroupId| delivery(cx, *id, server).is_some_and(|round| has_delivered(*id, round));
        let mut found = own.iter().copied().filter(delivered);
        found.next().filter(|_| found.next().is_none())
    };
    let by_length = only_one(&|id, round| is_delivery_by_length(&cx.state.groups[id].rekeys, round));
    if let Some(only) = by_length.or_else(|| only_one(&|id, round| is_delivery(cx, id, round))) {
        return Continuation::Of(only);
    }
    let is_due = |id: GroupId| cx.schedule(id).is_rekey_due(cx.now);
    let due: Vec<GroupId> = own
        .iter()
        .copied()
        .filter(|&id| is_due(id) == Some(true))
        .collect();
    let possible = own.iter().filter(|&&id| is_due(id) != Some(false)).count();
    match (due.as_slice(), own, possible) {
        (&[only], _, _) => doubt_delivery(cx, only, server),
        // The member is known in one group only, whose schedule does not contradict.
        ([], &[only], 1) if is_untold => doubt_delivery(cx, only, server),
        ([], _, 0) if is_untold => Continuation::New,
        _ => Continuation::Ambiguous,
    }
}

/// A new KEK does not continue a group whose latest rekey cannot have delivered one, unless members got it in another
/// way or a rekey was missed.
fn doubt_delivery(cx: &Context<'_>, id: GroupId, server: KeyServerId) -> Continuation {
    let rekeys = &cx.state.groups[id].rekeys;
    let Some(round) = delivery(cx, id, server) else {
        return Continuation::Of(id);
    };
    let is_excused = !rekeys.is_as_long_as_teks(round)
        || !round.is_regular
        || cx.state.gaps.certainty(round.started, cx.now) != Certainty::Certain
        || may_have_missed_one(cx, id)
        || expectation::have_registered_since(cx, id, round.started);
    if is_excused {
        Continuation::Of(id)
    } else {
        Continuation::Doubtful(id, ForgeryKind::UndeliveredKek)
    }
}

/// Whether a rekey of a group may have been missed: none came when one was due, not even a doubtful one.
fn may_have_missed_one(cx: &Context<'_>, id: GroupId) -> bool {
    let rekeys = &cx.state.groups[id].rekeys;
    let overdue = cx.schedule(id).overdue_deadline();
    overdue.is_none_or(|overdue| overdue <= cx.now) && rekeys.contended <= rekeys.last
}

/// Whether a rekey evidently delivered a KEK: it is longer than those that do not, as long as those that did, or it
/// came out of turn.
pub(crate) fn is_delivery(cx: &Context<'_>, id: GroupId, round: &RekeyRound) -> bool {
    let rekeys = &cx.state.groups[id].rekeys;
    is_delivery_by_length(rekeys, round) || (!round.is_regular && !rekeys.is_as_long_as_teks(round))
}

/// Whether the length of a rekey shows that it delivered a KEK.
fn is_delivery_by_length(rekeys: &Rekeys, round: &RekeyRound) -> bool {
    rekeys.is_longer_than_teks(round) || rekeys.is_as_long_as_keks(round) || rekeys.is_unlike_teks(round)
}

/// The latest rekey of a group with which this key server can have delivered a KEK.
pub(crate) fn delivery<'a>(cx: &'a Context<'_>, id: GroupId, server: KeyServerId) -> Option<&'a RekeyRound> {
    let current = cx.state.groups[id].kek.current?;
    let kek = &cx.state.keks[cx.state.keks.find(&current)?];
    classify::delivery(kek, server)
}

/// Whether a key server can continue a group with another KEK: it is configured for the group, or it sent the latest
/// rekeys and so knows the KEK that is replaced.
fn continues(cx: &Context<'_>, id: GroupId, server: KeyServerId) -> bool {
    let group = &cx.state.groups[id];
    let address = cx.state.servers[server].address;
    let is_configured = group
        .known_config(cx.config)
        .is_some_and(|known| known.key_servers.contains(&address));
    let mut senders = group.rekeys.senders.iter().flatten();
    is_configured || senders.any(|(sender, _)| *sender == server)
}

/// Whether a key server sends the next rekey of a group when it is due, or after one that delivered a KEK, while the one
/// that sent the latest no longer announces itself to it.
fn takes_over(cx: &Context<'_>, id: GroupId, server: KeyServerId) -> bool {
    let Some(before) = cx.state.groups[id].rekeys.server else {
        return false;
    };
    let link = cx.state.coop_links.get(&(before, server));
    let is_silent = link.is_some_and(|link| {
        let missing = |period| cx.now.since(link.last) > period + period / 4;
        link.period().is_some_and(missing)
    });
    let has_delivered = || delivery(cx, id, before).is_some_and(|round| is_delivery(cx, id, round));
    before != server && is_silent && (cx.schedule(id).is_rekey_due(cx.now) == Some(true) || has_delivered())
}

/// Whether the rekeys of a group continue, as far as can be known before the next one is overdue.
fn is_alive(cx: &Context<'_>, id: GroupId) -> bool {
    let Some(last) = cx.state.groups[id].rekeys.last else {
        return false;
    };
    let until = cx.schedule(id).overdue_deadline();
    let until = until.unwrap_or_else(|| last.after(DEFAULT_REKEY_INTERVAL * 5 / 4));
    cx.now <= until
}
