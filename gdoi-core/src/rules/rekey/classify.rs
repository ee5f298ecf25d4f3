//! What a rekey delivered, as shown by later rekeys or by its length.

use alloc::vec::Vec;
use core::cmp::Ordering;

use crate::rules::rekey::report;
use crate::rules::{Context, Subject};
use crate::state::id::{KekId, KeyServerId};
use crate::state::kek::Kek;
use crate::state::rekey::{RekeyRound, Rekeys};
use crate::transition::{RekeyClassified, RekeyEvidence, RekeyKind, What};

/// Length of a group's chain of rekeys from which a far shorter last one means a deletion.
const MIN_ROUNDS_OF_CHAIN: u32 = 4;

/// Another rekey of the same key server came under the same cookies: the earlier ones delivered no KEK.
pub(crate) fn settle_kept(cx: &mut Context<'_>, id: KekId, server: KeyServerId) {
    let rounds = cx.state.keks[id].rounds.iter_mut();
    let settled = rounds
        .filter(|round| round.server == server)
        .filter_map(|round| round.settle(RekeyKind::Tek, RekeyEvidence::CookiesKept))
        .collect();
    report_settled(cx, id, settled);
}

/// A key server uses another KEK: its last rekey under the old one delivered it, unless one was missed in between.
pub(crate) fn settle_replaced(cx: &mut Context<'_>, id: KekId, server: KeyServerId, was_watched: bool) {
    let kek = &mut cx.state.keks[id];
    let Some(delivery) = delivery(kek, server).map(|round| round.number) else {
        return;
    };
    let settle = |round: &mut RekeyRound| match round.number.cmp(&delivery) {
        Ordering::Less => round.settle(RekeyKind::Tek, RekeyEvidence::CookiesKept),
        Ordering::Equal if was_watched => round.settle(RekeyKind::Kek, RekeyEvidence::CookiesChanged),
        Ordering::Equal | Ordering::Greater => None,
    };
    let settled = kek.rounds.iter_mut().filter_map(settle).collect();
    report_settled(cx, id, settled);
}

/// The last rekey of a key server under a KEK that can have delivered the next one; of any key server, if it sent
/// none.
pub(crate) fn delivery(kek: &Kek, server: KeyServerId) -> Option<&RekeyRound> {
    let own = kek.rounds.iter().rfind(|round| round.server == server);
    // A deletion before the change: members got the new KEK by registering again.
    own.or(kek.rounds.last()).filter(|round| !round.is_delete())
}

fn report_settled(cx: &mut Context<'_>, id: KekId, settled: Vec<RekeyRound>) {
    for round in settled {
        if let Some((kind, evidence)) = round.kind {
            report_reclassified(cx, id, &round, kind, evidence);
        }
    }
    report::close_rounds(cx, id);
    report::report_ready(cx, id);
    report::arm_kek_timer(cx, id);
}

/// The content of a rekey is now known: updates the group and corrects the earlier report.
fn report_reclassified(
    cx: &mut Context<'_>,
    id: KekId,
    round: &RekeyRound,
    kind: RekeyKind,
    evidence: RekeyEvidence,
) {
    let kek = &cx.state.keks[id];
    let (group, cookies) = (kek.group, kek.cookies);
    cx.state.groups[group].rekeys.learn(round, kind);
    if let Some(from) = round.reported
        && from != kind
    {
        let what = What::RekeyClassified(RekeyClassified {
            from,
            kind,
            evidence,
            cookies,
            began: cx.now.since(round.started),
        });
        cx.emit(Subject::server(group, round.server), what);
    }
}

/// A new rekey is a deletion if it is too short for a policy and far shorter than those with one.
pub(crate) fn guess_delete(rekeys: &Rekeys, round: &mut RekeyRound) {
    let is_far_shorter = rekeys
        .shortest
        .is_some_and(|shortest| round.length * 10 <= shortest * 7);
    if round.is_delete_by_length() && is_far_shorter {
        round.kind = Some((RekeyKind::Delete, RekeyEvidence::Length));
    }
}

/// The end of observation: the last, far shorter rekey of a chain deleted the keys.
pub(crate) fn classify_last_of_chain(kek: &mut Kek, rekeys: &Rekeys) {
    if let Some(last) = kek.rounds.last_mut()
        && last.kind.is_none()
        && rekeys.rounds >= MIN_ROUNDS_OF_CHAIN
        && rekeys
            .shortest
            .is_some_and(|shortest| last.length * 10 <= shortest * 6)
    {
        last.kind = Some((RekeyKind::Delete, RekeyEvidence::LastOfChain));
    }
}
