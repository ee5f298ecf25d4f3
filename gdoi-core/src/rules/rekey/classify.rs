//! What a rekey delivered: told by what follows it, or by its length.

use alloc::vec::Vec;

use crate::state::id::GroupId;
use crate::state::rekey::RekeyRound;
use crate::state::table::Id;
use crate::time::Timestamp;
use crate::tracker::{Subject, Tracker};
use crate::transition::{RekeyClassified, RekeyEvidence, RekeyKind, Transition, What};

impl Tracker {
    /// Another rekey of the same key server came under the same cookies: those before it delivered no KEK.
    pub(crate) fn settle_kept(&mut self, now: Timestamp, id: Id, server: Id, out: &mut Vec<Transition>) {
        let mut settled = Vec::new();
        if let Some(kek) = self.keks.get_mut(id) {
            for event in kek.events.iter_mut().filter(|event| event.server == server) {
                settled.extend(event.settle(RekeyKind::Tek, RekeyEvidence::CookiesKept));
            }
        }
        self.report_settled(now, id, &settled, out);
    }

    /// A key server uses another KEK: its last rekey under the old one delivered it.
    pub(crate) fn settle_replaced(&mut self, now: Timestamp, id: Id, server: Id, out: &mut Vec<Transition>) {
        let Some(delivery) = self.delivery(id, server).map(|event| event.number) else {
            return;
        };
        let mut settled = Vec::new();
        if let Some(kek) = self.keks.get_mut(id) {
            for event in &mut kek.events {
                if event.number == delivery {
                    settled.extend(event.settle(RekeyKind::Kek, RekeyEvidence::CookiesChanged));
                } else if event.number < delivery {
                    settled.extend(event.settle(RekeyKind::Tek, RekeyEvidence::CookiesKept));
                }
            }
        }
        self.report_settled(now, id, &settled, out);
    }

    /// The last rekey of a key server under a KEK that can have delivered the next; of any, when it sent none.
    pub(crate) fn delivery(&self, id: Id, server: Id) -> Option<&RekeyRound> {
        let events = &self.keks.get(id)?.events;
        let own = events.iter().rfind(|event| event.server == server);
        // A deletion before the change: members got the new KEK by registering again.
        own.or(events.last()).filter(|event| !event.is_delete())
    }

    fn report_settled(&mut self, now: Timestamp, id: Id, settled: &[RekeyRound], out: &mut Vec<Transition>) {
        for event in settled {
            if let Some((kind, evidence)) = event.kind {
                self.report_reclassified(now, id, event, kind, evidence, out);
            }
        }
        self.close_rounds(now, id, out);
        self.report_ready(now, id, out);
        self.arm_kek_timer(id);
    }

    fn report_reclassified(
        &mut self,
        now: Timestamp,
        id: Id,
        event: &RekeyRound,
        kind: RekeyKind,
        evidence: RekeyEvidence,
        out: &mut Vec<Transition>,
    ) {
        let Some(kek) = self.keks.get(id) else {
            return;
        };
        let (group, cookies) = (kek.group, kek.cookies);
        if let Some(state) = self.groups.get_mut(group) {
            state.rekeys.learn(event, kind);
        }
        if let Some(from) = event.told
            && from != kind
        {
            let what = What::RekeyClassified(RekeyClassified {
                from,
                kind,
                evidence,
                cookies,
                began: now.since(event.begun),
            });
            self.emit(now, Subject::server(group, event.server), what, out);
        }
    }

    /// What a new rekey delivers, where its length alone tells.
    pub(crate) fn guess_delete(&self, group: GroupId, event: &mut RekeyRound) {
        let Some(rekeys) = self.groups.get(group).map(|group| &group.rekeys) else {
            return;
        };
        let far_shorter = rekeys
            .shortest
            .is_some_and(|shortest| event.length * 10 <= shortest * 7);
        if event.is_delete_by_length() && far_shorter {
            event.kind = Some((RekeyKind::Delete, RekeyEvidence::Length));
        }
    }

    /// The end of watching: the last, far shorter rekey of a chain deleted the keys.
    pub(super) fn classify_last_of_chain(&mut self, id: Id) {
        let Some(kek) = self.keks.get(id) else {
            return;
        };
        let Some(rekeys) = self.groups.get(kek.group).map(|group| &group.rekeys) else {
            return;
        };
        let (shortest, events) = (rekeys.shortest, rekeys.events);
        if let Some(last) = self.keks.get_mut(id).and_then(|kek| kek.events.last_mut())
            && last.kind.is_none()
            && events > 3
            && shortest.is_some_and(|shortest| last.length * 10 <= shortest * 6)
        {
            last.kind = Some((RekeyKind::Delete, RekeyEvidence::LastOfChain));
        }
    }
}
