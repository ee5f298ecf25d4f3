//! Which group a new KEK belongs to.

use alloc::vec::Vec;
use core::net::IpAddr;

use crate::observation::host;
use crate::state::group::GroupMatch;
use crate::state::id::{GroupId, Peer};
use crate::state::table::Id;
use crate::time::Timestamp;
use crate::tracker::{Received, Tracker};
use crate::transition::Transport;

impl Tracker {
    /// The group whose rekeys a new KEK continues.
    pub(super) fn attribute_kek(&self, seen: Received<'_>, transport: Transport, server: Id) -> GroupMatch {
        match transport {
            Transport::Multicast => {
                self.match_by_rekey_address(seen.now, host(seen.message.destination), server)
            }
            Transport::Unicast => self.match_by_member(seen.now, Peer::new(seen.message.destination), server),
        }
    }

    /// Multicast: the group of that address, when this key server serves it, or its own has gone silent.
    fn match_by_rekey_address(&self, now: Timestamp, address: IpAddr, server: Id) -> GroupMatch {
        let mut found = GroupMatch::Nothing;
        for (id, group) in self.groups.iter() {
            if group.rekey_address != Some(address) {
                continue;
            }
            let known = self.groups.config(id, &self.config);
            // Where its key servers are configured, nobody else is one while they speak.
            let is_open = known.is_some_and(|known| known.key_servers.is_empty());
            let ours = group.servers.contains(&server) || is_open;
            let silent = group
                .rekeys
                .last
                .is_none_or(|last| now.since(last) > self.round_window(id) * 3);
            if ours {
                return GroupMatch::One(id);
            }
            if silent
                && self
                    .rekey_interval(id)
                    .is_none_or(|interval| group_is_late(group, now, interval))
            {
                found = GroupMatch::One(id);
            }
        }
        found
    }

    /// Unicast: the group of the member, told by the configuration, or by the rekeys it got before and their schedule.
    fn match_by_member(&self, now: Timestamp, peer: Peer, server: Id) -> GroupMatch {
        let groups = self.servers.get(server).map_or(&[][..], |server| &server.groups);
        let is_unicast = |id: &GroupId| {
            let known = self.groups.config(*id, &self.config);
            known.is_some_and(|known| known.rekey_address.is_none())
        };
        let fitting = self.groups.fitting(groups, peer.ip(), &self.config);
        let configured: Vec<GroupId> = fitting.filter(is_unicast).collect();
        if let [only] = configured[..] {
            return GroupMatch::One(only);
        }
        let member = self.members.find(&peer).and_then(|id| self.members.get(id));
        let before: Vec<GroupId> = member.map_or_else(Vec::new, |member| {
            member.groups.into_iter().filter_map(GroupId::known).collect()
        });
        let due: Vec<GroupId> = before
            .iter()
            .copied()
            .filter(|&id| self.is_rekey_due(now, id) == Some(true))
            .collect();
        let possible = |id: &&GroupId| self.is_rekey_due(now, **id) != Some(false);
        match (due.as_slice(), before.iter().filter(possible).count()) {
            ([only], _) => GroupMatch::One(*only),
            // Nothing but one group is known of the member, and its schedule does not speak against it.
            ([], 1) if configured.is_empty() && before.len() == 1 => before
                .first()
                .map_or(GroupMatch::Nothing, |&only| GroupMatch::One(only)),
            ([], 0) if configured.is_empty() => GroupMatch::Nothing,
            _ => GroupMatch::Several,
        }
    }

    /// Whether a rekey of this group is due now. `None` when its schedule is not known.
    fn is_rekey_due(&self, now: Timestamp, id: GroupId) -> Option<bool> {
        let expected = self.next_rekey_expected(id)?;
        let slack = self.round_window(id) + self.rekey_interval(id)? / 50;
        Some(expected.before(slack) <= now)
    }
}

fn group_is_late(group: &crate::state::group::Group, now: Timestamp, interval: core::time::Duration) -> bool {
    group.rekeys.last.is_none_or(|last| now.since(last) > interval)
}
