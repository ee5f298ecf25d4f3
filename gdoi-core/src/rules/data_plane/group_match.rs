//! Matches a discovered group to a configured one where members and key servers do not identify it.
//!
//! Two groups with the same members on one key server have the same control plane. Their data planes differ: if a
//! site of a configured group twice rolls over right after a rekey of one discovered group, and of no other, the two
//! are the same.

use crate::rules::kek::lead::ROLLOVER_WINDOW;
use crate::state::State;
use crate::state::data_plane::SpiKey;
use crate::state::id::GroupId;
use crate::time::Timestamp;

/// Rollovers after which two groups are merged.
const VOTES_TO_MERGE: u32 = 2;

/// A site of a configured group uses a new SPI. Returns the group to which the SPI belongs from now on.
pub(crate) fn match_group_by_rollover(
    state: &mut State,
    placed: GroupId,
    key: SpiKey,
    first: Timestamp,
) -> GroupId {
    let (spi, site) = key;
    let group = &state.groups[placed];
    let is_known = group.kek.current.is_some() || group.data.votes.counted == Some(spi);
    if placed == GroupId::NONE || is_known || !group.data.is_used(site) {
        return placed;
    }
    let Some((only, _)) = recently_rekeyed_group(state, placed, first) else {
        return placed;
    };
    let votes = &mut state.groups[placed].data.votes;
    votes.counted = Some(spi);
    match votes.groups.iter_mut().find(|(group, _)| *group == only) {
        Some((_, count)) => *count += 1,
        None => votes.groups.push((only, 1)),
    }
    match votes.groups[..] {
        [(group, count)] if count >= VOTES_TO_MERGE => {
            merge_groups(state, placed, group);
            group
        }
        _ => placed,
    }
}

/// The one discovered group on the same key servers that was rekeyed shortly before, and when.
pub(crate) fn recently_rekeyed_group(
    state: &State,
    placed: GroupId,
    first: Timestamp,
) -> Option<(GroupId, Timestamp)> {
    let servers = &state.groups[placed].servers;
    let mut candidates = state.groups.iter().filter_map(|(id, group)| {
        let is_discovered = id.known().is_some() && group.config.is_none();
        let shares_server = group.servers.iter().any(|server| servers.contains(server));
        let is_recent = |at: &Timestamp| *at <= first && first.since(*at) <= ROLLOVER_WINDOW;
        let rekeyed = group.data.rekeyed_at().filter(is_recent)?;
        (is_discovered && shares_server).then_some((id, rekeyed))
    });
    candidates.next().filter(|_| candidates.next().is_none())
}

/// A discovered group turns out to be a configured one, whose name, configuration and data plane it takes.
fn merge_groups(state: &mut State, configured: GroupId, discovered: GroupId) {
    state.groups.merge(configured, discovered, &mut state.servers);
    let sites = state.site_groups.iter_mut();
    for group in sites.filter(|group| **group == configured) {
        *group = discovered;
    }
    for id in state.spis.ids() {
        state.spis[id].regroup(configured, discovered);
    }
}
