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
use crate::state::recent::Recent;
use crate::state::rekey::{RekeyRound, Rekeys};
use crate::transition::{Certainty, ForgeryKind, Transport};

/// Interval between rekeys where it is unknown.
const DEFAULT_REKEY_INTERVAL: Duration = Duration::from_hours(1);

/// Weight beyond that of the member alone.
const MORE_THAN_MEMBER: i32 = 3;

/// Between the rekeys of several groups that a key server sends in turn.
const SAME_TURN: Duration = Duration::from_secs(10);

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
        Transport::Unicast => match_by_member(cx, received, server),
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

/// Unicast: the group of the member, by the configuration, or by what is known of the groups of the key server.
fn match_by_member(cx: &Context<'_>, received: Received<'_>, server: Option<KeyServerId>) -> Continuation {
    let state = &*cx.state;
    let peer = Peer::new(received.message.destination);
    let configured = server.map_or_else(Vec::new, |server| configured_groups(cx, peer, server));
    if let ([only], Some(server)) = (&configured[..], server) {
        return doubt_delivery(cx, *only, server);
    }
    let member = state.members.find(&peer).map(|id| &state.members[id]);
    let before: Vec<GroupId> = member.map_or_else(Vec::new, |member| {
        member.groups.into_iter().filter_map(GroupId::known).collect()
    });
    if let Some(server) = server {
        let may_be_continued = |id: &GroupId| {
            let group = &state.groups[*id];
            group.transport == Some(Transport::Unicast)
                && group.kek.current.is_some()
                // Configured members exclude others.
                && (group.is_open() || group.names_member(peer.ip()))
                && (continues(cx, *id, server) || takes_over(cx, *id, server))
        };
        let of_others = before
            .iter()
            .filter(|id| !state.servers[server].groups.contains(id));
        let all = state.servers[server].groups.iter().chain(of_others).copied();
        let own: Vec<GroupId> = all.filter(may_be_continued).collect();
        // If a configured group has no KEK yet, more than the member must speak for another one.
        let is_free = |id: &GroupId| state.groups[*id].kek.current.is_none();
        let least = if configured.iter().any(is_free) {
            MORE_THAN_MEMBER
        } else {
            1
        };
        match weigh_all(cx, &own, received, least) {
            Weighed::One(only) => return doubt_delivery(cx, only, server),
            Weighed::Several => return Continuation::Ambiguous,
            Weighed::Nothing if !own.is_empty() => return match_new(cx, &configured),
            Weighed::Nothing => {}
        }
    }
    // From another key server, while the member's own is alive: a known one serves other groups, an unknown one none.
    if let Some(alive) = before.iter().copied().find(|id| is_alive(cx, *id)) {
        let is_proven = server.is_some_and(|server| state.servers[server].proven);
        return if is_proven {
            match_new(cx, &configured)
        } else {
            Continuation::Doubtful(alive, ForgeryKind::StrangerPush)
        };
    }
    match (before.as_slice(), configured.is_empty()) {
        (&[only], true) => Continuation::Of(only),
        _ => match_new(cx, &configured),
    }
}

/// A KEK that continues no group: the only configured group that has none yet, or an unknown one.
fn match_new(cx: &Context<'_>, configured: &[GroupId]) -> Continuation {
    let is_free = |id: &GroupId| cx.state.groups[*id].kek.current.is_none();
    let free: Vec<GroupId> = configured.iter().copied().filter(is_free).collect();
    match free[..] {
        [] => Continuation::New,
        [only] => Continuation::Of(only),
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

/// What a weighing of several groups says.
enum Weighed {
    /// The evidence is for this one.
    One(GroupId),
    /// It is for several, and equally strong.
    Several,
    /// It is for none.
    Nothing,
}

/// Weighs which of these groups a new KEK continues.
fn weigh_all(cx: &Context<'_>, groups: &[GroupId], received: Received<'_>, least: i32) -> Weighed {
    let weighed = groups.iter().map(|&id| (weigh(cx, id, received), id));
    let mut weighed: Vec<(i32, GroupId)> = weighed.filter(|(weight, _)| *weight >= least).collect();
    weighed.sort_by_key(|(weight, _)| core::cmp::Reverse(*weight));
    match weighed[..] {
        [] => Weighed::Nothing,
        [(_, only)] => Weighed::One(only),
        [(most, first), (next, _), ..] if most > next => Weighed::One(first),
        [(most, _), ..] => {
            weighed.retain(|(weight, _)| *weight == most);
            let equal: Vec<GroupId> = weighed.into_iter().map(|(_, id)| id).collect();
            first_in_turn(cx, &equal).map_or(Weighed::Several, Weighed::One)
        }
    }
}

/// How much speaks for a group as the one that a new KEK continues; less than zero speaks against it.
fn weigh(cx: &Context<'_>, id: GroupId, received: Received<'_>) -> i32 {
    let group = &cx.state.groups[id];
    let rekeys = &group.rekeys;
    let schedule = cx.schedule(id);
    let length = received.header().length();
    let latest = current_rounds(cx, id).last();
    let mut weight = 0;
    // The policy of a group gives its rekeys their lengths.
    let knows_lengths = [rekeys.tek_lengths, rekeys.kek_lengths] != [Recent::default(); 2];
    let has_had = rekeys.has_had_length(length) || latest.is_some_and(|round| round.length == length);
    weight += match (has_had, knows_lengths) {
        (true, _) => 2,
        (false, true) => -2,
        (false, false) => 0,
    };
    // The rekey before must have delivered the KEK.
    if let Some(latest) = latest.filter(|latest| !latest.is_delete()) {
        if is_delivery_by_length(rekeys, latest) {
            weight += 3;
        } else if rekeys.is_as_long_as_teks(latest) {
            weight -= 1;
        }
        // A group that was rekeyed just now is not rekeyed again.
        if cx.now.since(latest.started) < schedule.round_window() {
            weight -= 3;
        }
    }
    weight += match (schedule.is_on_beat(cx.now), schedule.is_rekey_due(cx.now)) {
        (true, _) => 2,
        (false, Some(true)) => 1,
        (false, Some(false)) => -1,
        (false, None) => 0,
    };
    // While a key server of the group is alive, another one does not rekey it.
    let sender = cx.state.servers.find(host(received.message.source));
    if rekeys.server != sender && sender.is_some_and(|sender| !takes_over(cx, id, sender)) {
        weight -= 2;
    }
    let known = cx.state.members.find(&Peer::new(received.message.destination));
    let member = known.map(|id| &cx.state.members[id]);
    weight
        + match member {
            Some(member) if member.is_in(id) => 2,
            _ => -2,
        }
}

/// Groups whose latest rekeys came together: a key server visits them in the same order.
fn first_in_turn(cx: &Context<'_>, equal: &[GroupId]) -> Option<GroupId> {
    let latest = |id: &GroupId| {
        let round = current_rounds(cx, *id).last()?;
        Some((round.number, round.started, *id))
    };
    let mut turns: Vec<_> = equal.iter().map(latest).collect::<Option<_>>()?;
    turns.sort_unstable_by_key(|(number, _, _)| *number);
    let (&(_, from, first), &(_, until, _)) = (turns.first()?, turns.last()?);
    (until.since(from) <= SAME_TURN).then_some(first)
}

/// The rekeys under the present KEK of a group that are still kept, the latest last.
fn current_rounds<'a>(cx: &'a Context<'_>, id: GroupId) -> impl DoubleEndedIterator<Item = &'a RekeyRound> {
    let current = cx.state.groups[id].kek.current;
    let kek = current.and_then(|current| cx.state.keks.find(&current));
    let rounds = kek.map_or(&[][..], |kek| &cx.state.keks[kek].rounds);
    rounds.iter()
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
