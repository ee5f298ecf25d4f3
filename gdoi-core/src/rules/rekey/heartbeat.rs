//! Heartbeats: messages that look like rekeys and deliver nothing (Juniper's key servers send them every 300 s).
//!
//! A heartbeat is too short for a policy, is not acknowledged, and comes at equal intervals. Until that is known,
//! such a message is held back, because a single one looks like a deletion.

use crate::rules::{Context, Subject};
use crate::state::id::KekId;
use crate::state::rekey::Beat;
use crate::transition::{Heartbeats, What};

/// A message that begins no known rekey and may deliver nothing. Returns whether it is a heartbeat.
pub(crate) fn note_heartbeat(cx: &mut Context<'_>, id: KekId, length: u32) -> bool {
    let window = cx.schedule(cx.state.keks[id].group).round_window();
    let kek = &mut cx.state.keks[id];
    let is_first = kek.rounds.is_empty() && kek.first.after(window) >= cx.now;
    let group = kek.group;
    let rekeys = &mut cx.state.groups[group].rekeys;
    match rekeys.heartbeats.note(length, cx.now, window, is_first) {
        Beat::No => false,
        Beat::Known => true,
        Beat::Learned(period) => {
            // The earlier ones were heartbeats too.
            kek.rounds
                .retain(|round| round.length != length || round.reported.is_some());
            rekeys.unlearn_heartbeats(length);
            let what = What::Heartbeats(Heartbeats { period, length });
            cx.emit(Subject::group(group), what);
            true
        }
    }
}
