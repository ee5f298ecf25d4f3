//! The group and key server for which a message is counted.

use crate::observation::{Message, host};
use crate::state::State;
use crate::state::group::GroupMatch;
use crate::state::id::{GroupId, KeyServerId, Peer};

/// Where a message is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Attribution {
    pub(crate) group: GroupId,
    pub(crate) server: KeyServerId,
}

/// Group and key server for which a message of this member is counted.
pub(crate) fn attribution_of(state: &State, server: KeyServerId, member: Peer) -> Attribution {
    let group = match state.servers[server].groups.as_slice() {
        [] => GroupId::NONE,
        candidates => match_group(state, candidates, member).group(),
    };
    Attribution { group, server }
}

/// Where a message is counted if only its addresses are known.
pub(crate) fn attribute_by_address(state: &mut State, message: &Message<'_>) -> Attribution {
    if let Some(server) = state.servers.find(host(message.source)) {
        return attribution_of(state, server, Peer::new(message.destination));
    }
    let server = match state.servers.find(host(message.destination)) {
        Some(server) => server,
        None => state.servers.other(),
    };
    attribution_of(state, server, Peer::new(message.source))
}

/// The group of these to which a member belongs.
fn match_group(state: &State, candidates: &[GroupId], member: Peer) -> GroupMatch {
    if let Some(only) = state.groups.only(candidates) {
        return GroupMatch::One(only);
    }
    let known = state.members.find(&member).map(|id| &state.members[id]);
    state.groups.match_group(candidates, member.ip(), known)
}
