//! Key servers that answer nobody, on the evidence of their members.

use crate::rules::{Context, Subject};
use crate::state::id::{KeyServerId, Peer};
use crate::transition::{Alternative, Certainty, Grounds, KeyServerSilent, What};

/// A peer gave up a registration, and the key server sent nothing to anyone since it was asked.
///
/// Anyone can ask once, so a single stranger proves nothing. A member is a witness; for a key server that never
/// spoke, two peers that asked again are.
pub(crate) fn on_unanswered(cx: &mut Context<'_>, id: KeyServerId, peer: Peer, retransmissions: u32) {
    let state = &mut *cx.state;
    let server = &mut state.servers[id];
    let is_member = state.members.find(&peer).is_some();
    if server.silent || !(is_member || (server.sent.is_none() && retransmissions > 0)) {
        return;
    }
    let other = server.unanswered.replace(peer).filter(|other| *other != peer);
    let has_others = || {
        let mut members = state.members.iter();
        members.any(|(_, other, member)| *other != peer && member.server == Some(id))
    };
    let witnesses = 1 + u32::from(other.is_some());
    if witnesses == 1 && (!is_member || has_others()) {
        return;
    }
    server.silent = true;
    let grounds = match (server.sent, witnesses) {
        (None, _) => Grounds::new(Certainty::Uncertain)
            .doubted(Alternative::NotWatchedYet)
            .doubted(Alternative::OtherPath),
        (Some(_), 1) => Grounds::new(Certainty::Likely).open(Alternative::OtherPath),
        (Some(_), _) => Grounds::new(Certainty::Certain).excluding(Alternative::CaptureGap),
    };
    let what = What::KeyServerSilent(KeyServerSilent {
        members: witnesses,
        silence: server.asked.map_or_else(Default::default, |at| cx.now.since(at)),
        grounds,
    });
    let group = cx.state.servers[id].only_group();
    cx.emit(Subject::server(group, id), what);
}
