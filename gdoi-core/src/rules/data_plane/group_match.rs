//! Which configured group a discovered one is, where members and key servers do not tell.
//!
//! Two groups with the same members on one key server have the same control plane. Their data planes differ: when a
//! site of a configured group rolls over right after a rekey of one discovered group, and of no other, and does so
//! again, the two are one.

use crate::rules::data_plane::ROLLOVER_WINDOW;
use crate::state::data_plane::SpiKey;
use crate::state::id::GroupId;
use crate::time::Timestamp;
use crate::tracker::Tracker;

/// Roll-overs that make two groups one.
const VOTES_TO_MERGE: u32 = 2;

impl Tracker {
    /// A site of a configured group uses a new SPI. The group it belongs to from now on.
    pub(crate) fn match_group_by_rollover(
        &mut self,
        placed: GroupId,
        key: SpiKey,
        first: Timestamp,
    ) -> GroupId {
        let Some(group) = self.groups.get(placed) else {
            return placed;
        };
        let known = group.kek.current.is_some() || group.data.hints.counted == Some(key.0);
        if placed == GroupId::NONE || known || !group.data.is_used(key.1) {
            return placed;
        }
        let Some((only, _)) = self.recently_rekeyed_group(placed, first) else {
            return placed;
        };
        let Some(hints) = self.groups.get_mut(placed).map(|group| &mut group.data.hints) else {
            return placed;
        };
        hints.counted = Some(key.0);
        match hints.groups.iter_mut().find(|(group, _)| *group == only) {
            Some((_, votes)) => *votes += 1,
            None => hints.groups.push((only, 1)),
        }
        match hints.groups[..] {
            [(group, votes)] if votes >= VOTES_TO_MERGE => {
                self.merge_groups(placed, group);
                group
            }
            _ => placed,
        }
    }

    /// The one discovered group on the same key servers that was rekeyed shortly before, and when.
    pub(crate) fn recently_rekeyed_group(
        &self,
        placed: GroupId,
        first: Timestamp,
    ) -> Option<(GroupId, Timestamp)> {
        let servers = &self.groups.get(placed)?.servers;
        let mut candidates = self.groups.iter().filter_map(|(id, group)| {
            let discovered = id.known().is_some() && group.config.is_none();
            let shares = group.servers.iter().any(|server| servers.contains(server));
            let lately = |at: &Timestamp| *at <= first && first.since(*at) <= ROLLOVER_WINDOW;
            let rekeyed = group.data.rekeyed_at().filter(lately)?;
            (discovered && shares).then_some((id, rekeyed))
        });
        candidates.next().filter(|_| candidates.next().is_none())
    }

    /// A discovered group is a configured one: it takes its name, its configuration and its data plane.
    fn merge_groups(&mut self, configured: GroupId, discovered: GroupId) {
        self.groups.unite(configured, discovered, &mut self.servers);
        for place in self.site_groups.iter_mut().filter(|place| **place == configured) {
            *place = discovered;
        }
        for id in self.spis.ids() {
            if let Some(sent) = self.spis.get_mut(id) {
                sent.regroup(configured, discovered);
            }
        }
    }
}
