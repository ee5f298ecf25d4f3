//! Key servers that answer nobody, by what their members witness.

use crate::rules::{Context, Subject};
use crate::state::id::{KeyServerId, Peer};
use crate::transition::{Alternative, Certainty, Grounds, KeyServerSilent, What};

/// A peer gave up a registration without a word of the key server to anybody since it asked.
///
/// Anybody can ask once: a member is a witness, and where the key server never spoke, two peers that asked again.
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
