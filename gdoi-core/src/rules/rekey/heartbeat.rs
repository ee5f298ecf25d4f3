//! Heartbeats: messages that look like rekeys and deliver nothing (Juniper's key servers send them every 300 s).
//!
//! No policy fits into one, it is not acknowledged, and it comes at equal times. Before that is known, such a message is
//! held back: alone it deletes keys.

use crate::rules::{Context, Subject};
use crate::state::id::KekId;
use crate::state::rekey::Beat;
use crate::transition::{Heartbeats, What};

/// A message came that begins no known rekey and into which no policy fits. Whether it is a heartbeat.
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
            // Those before were heartbeats too.
            kek.rounds
                .retain(|round| round.length != length || round.reported.is_some());
            rekeys.deleted = None;
            let what = What::Heartbeats(Heartbeats { period, length });
            cx.emit(Subject::group(group), what);
            true
        }
    }
}
