//! Telling a rekey, once it is known what it delivered or too late to wait.

use alloc::vec::Vec;

use super::{Event, Under};
use crate::rules::kek::Kek;
use crate::state::counters::count;
use crate::state::table::Id;
use crate::time::Timestamp;
use crate::tracker::{Subject, Tracker};
use crate::transition::{Evidence, Rekey, RekeyKind, Transition, What};

impl Tracker {
    /// Tells the rekeys that are closed, in their order, once it is known what they delivered or too late to wait.
    pub(super) fn tell_ripe(&mut self, now: Timestamp, id: Id, out: &mut Vec<Transition>) {
        loop {
            let Some(kek) = self.keks.get_mut(id) else {
                return;
            };
            kek.events.retain(|event| !(event.closed && event.is_done()));
            let Some(event) = kek.events.iter_mut().find(|event| event.told.is_none()) else {
                return;
            };
            if !event.is_ripe(now) {
                return;
            }
            let (event, under) = (event.clone(), Under::from(&*kek));
            let kind = self.tell(now, under, &event, out);
            self.told(id, event.number, kind);
        }
    }

    fn told(&mut self, id: Id, number: u32, kind: RekeyKind) {
        if let Some(kek) = self.keks.get_mut(id)
            && let Some(event) = kek.events.iter_mut().find(|event| event.number == number)
        {
            event.told = Some(kind);
        }
    }

    /// Tells a rekey. What is said that it delivered.
    pub(super) fn tell(
        &mut self,
        now: Timestamp,
        under: Under,
        event: &Event,
        out: &mut Vec<Transition>,
    ) -> RekeyKind {
        let Under {
            group,
            cookies,
            transport,
        } = under;
        let state = self.groups.get(group).map(|state| &state.rekeys);
        let (kind, evidence) = event
            .kind
            .or_else(|| state.and_then(|rekeys| rekeys.by_length(event)))
            .unwrap_or((RekeyKind::Unknown, Evidence::None));
        let answers = state.is_some_and(|rekeys| rekeys.acknowledgements > 0);
        let what = What::Rekey(Rekey {
            kind,
            evidence,
            transport,
            recipients: event.recipients,
            retransmissions: event.retransmissions,
            acknowledged: answers.then_some(event.acknowledged),
            duration: event.last.since(event.begun),
            cookies,
            length: event.length,
            message_id: event.message_id,
            began: now.since(event.begun),
        });
        self.emit(now, Subject::server(group, event.server), what, out);
        if let Some(pair) = self
            .servers
            .get_mut(event.server)
            .and_then(|server| server.pair(group))
            && let Some(by_transport) = pair.rekeys.get_mut(kind as usize)
        {
            count(by_transport, transport as usize);
        }
        if kind == RekeyKind::Delete
            && let Some(state) = self.groups.get_mut(group)
        {
            state.rekeys.deleted = Some(event.begun);
        }
        kind
    }

    /// The end of watching: tells what is held back.
    pub(crate) fn finish_rekeys(&mut self, now: Timestamp, out: &mut Vec<Transition>) {
        for id in self.keks.ids() {
            self.end_chain(id);
            if let Some(kek) = self.keks.get_mut(id) {
                for event in &mut kek.events {
                    // A rekey that was cut off by the end is told, but nobody is said not to have answered it.
                    event.closed = true;
                    event.begun = event.begun.min(now);
                }
            }
            self.tell_all(now, id, out);
        }
        for id in self.groups.ids() {
            self.finish_inband(now, id, out);
        }
    }

    /// Tells the rekeys of a KEK that had to make room: a rekey that was seen is never silently absent.
    pub(crate) fn tell_evicted(&mut self, now: Timestamp, kek: &Kek, out: &mut Vec<Transition>) {
        for event in kek.events.iter().filter(|event| event.told.is_none()) {
            self.tell(now, Under::from(kek), event, out);
        }
    }

    fn tell_all(&mut self, now: Timestamp, id: Id, out: &mut Vec<Transition>) {
        let untold: Vec<Event> = self.keks.get(id).map_or_else(Vec::new, |kek| {
            kek.events
                .iter()
                .filter(|event| event.told.is_none())
                .cloned()
                .collect()
        });
        let Some(under) = self.keks.get(id).map(Under::from) else {
            return;
        };
        for event in untold {
            let kind = self.tell(now, under, &event, out);
            self.told(id, event.number, kind);
        }
    }
}
