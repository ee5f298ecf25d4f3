//! Which group a new KEK belongs to.

use alloc::vec::Vec;
use core::net::IpAddr;

use crate::observation::host;
use crate::rules::{Context, Received};
use crate::state::group::GroupMatch;
use crate::state::id::{GroupId, KeyServerId, Peer};
use crate::transition::Transport;

/// The group whose rekeys a new KEK continues.
pub(crate) fn attribute_kek(
    cx: &Context<'_>,
    received: Received<'_>,
    transport: Transport,
    server: KeyServerId,
) -> GroupMatch {
    match transport {
        Transport::Multicast => match_by_rekey_address(cx, host(received.message.destination), server),
        Transport::Unicast => match_by_member(cx, Peer::new(received.message.destination), server),
    }
}

/// Multicast: the group of that address, when this key server serves it, or when its own has gone silent.
fn match_by_rekey_address(cx: &Context<'_>, address: IpAddr, server: KeyServerId) -> GroupMatch {
    let mut found = GroupMatch::Nothing;
    for (id, group) in cx.state.groups.iter() {
        if group.rekey_address != Some(address) {
            continue;
        }
        let known = group.known_config(cx.config);
        // Where its key servers are configured, nobody else is one while they send.
        let is_open = known.is_some_and(|known| known.key_servers.is_empty());
        if group.servers.contains(&server) || is_open {
            return GroupMatch::One(id);
        }
        let schedule = cx.schedule(id);
        let is_silent = group.rekeys.last.is_none_or(|last| {
            let silence = cx.now.since(last);
            let interval = schedule.rekey_interval();
            silence > schedule.round_window() * 3 && interval.is_none_or(|interval| silence > interval)
        });
        if is_silent {
            found = GroupMatch::One(id);
        }
    }
    found
}

/// Unicast: the group of the member, by the configuration, or by the rekeys it got before and their schedule.
fn match_by_member(cx: &Context<'_>, peer: Peer, server: KeyServerId) -> GroupMatch {
    let state = &*cx.state;
    let is_unicast = |id: &GroupId| {
        let known = state.groups.config(*id, cx.config);
        known.is_some_and(|known| known.rekey_address.is_none())
    };
    let groups = &state.servers[server].groups;
    let fitting = state.groups.fitting(groups, peer.ip(), cx.config);
    let configured: Vec<GroupId> = fitting.filter(is_unicast).collect();
    if let [only] = configured[..] {
        return GroupMatch::One(only);
    }
    let member = state.members.find(&peer).map(|id| &state.members[id]);
    let before: Vec<GroupId> = member.map_or_else(Vec::new, |member| {
        member.groups.into_iter().filter_map(GroupId::known).collect()
    });
    let is_due = |id: GroupId| cx.schedule(id).is_rekey_due(cx.now);
    let due: Vec<GroupId> = before
        .iter()
        .copied()
        .filter(|&id| is_due(id) == Some(true))
        .collect();
    let possible = before.iter().filter(|&&id| is_due(id) != Some(false)).count();
    match (due.as_slice(), before.as_slice(), possible) {
        (&[only], _, _) => GroupMatch::One(only),
        // The member is known in one group only, and the schedule of that does not contradict.
        ([], &[only], 1) if configured.is_empty() => GroupMatch::One(only),
        ([], _, 0) if configured.is_empty() => GroupMatch::Nothing,
        _ => GroupMatch::Several,
    }
}
