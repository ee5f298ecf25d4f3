//! Which group and key server a message is counted for.

use crate::config::Config;
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

/// Where a message between a member and a key server is counted.
pub(crate) fn attribution_of(
    state: &State,
    config: &Config,
    server: KeyServerId,
    member: Peer,
) -> Attribution {
    let group = match state.servers[server].groups.as_slice() {
        [] => GroupId::NONE,
        candidates => match_group(state, config, candidates, member).group(),
    };
    Attribution { group, server }
}

/// Where a message is counted of which only the addresses are known.
pub(crate) fn attribute_by_address(state: &mut State, config: &Config, message: &Message<'_>) -> Attribution {
    if let Some(server) = state.servers.find(host(message.source)) {
        return attribution_of(state, config, server, Peer::new(message.destination));
    }
    let server = match state.servers.find(host(message.destination)) {
        Some(server) => server,
        None => state.servers.other(),
    };
    attribution_of(state, config, server, Peer::new(message.source))
}

/// Which of these groups a member belongs to.
fn match_group(state: &State, config: &Config, candidates: &[GroupId], member: Peer) -> GroupMatch {
    if let Some(only) = state.groups.only(candidates, config) {
        return GroupMatch::One(only);
    }
    let known = state.members.find(&member).map(|id| &state.members[id]);
    state.groups.match_group(candidates, member.ip(), known, config)
}
