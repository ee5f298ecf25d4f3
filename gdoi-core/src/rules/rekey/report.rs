//! Telling a rekey, once it is known what it delivered or too late to wait.

use alloc::vec::Vec;

use crate::state::counters::count;
use crate::state::id::GroupId;
use crate::state::kek::Kek;
use crate::state::rekey::{CLASSIFY_TIMEOUT, RekeyRound, RekeySa};
use crate::state::table::Id;
use crate::state::timers::Timer;
use crate::time::Timestamp;
use crate::tracker::{Subject, Tracker};
use crate::transition::{
    Cookies, MemberLost, Rekey, RekeyEvidence, RekeyKind, RekeyRetransmitted, RekeyUnacknowledged,
    Transition, Transport, What,
};

impl Tracker {
    /// Tells the rekeys that are closed, in their order, once it is known what they delivered or too late to wait.
    pub(super) fn report_ready(&mut self, now: Timestamp, id: Id, out: &mut Vec<Transition>) {
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
            let (event, under) = (event.clone(), RekeySa::from(&*kek));
            let kind = self.report_rekey(now, under, &event, out);
            self.mark_reported(id, event.number, kind);
        }
    }

    fn mark_reported(&mut self, id: Id, number: u32, kind: RekeyKind) {
        if let Some(kek) = self.keks.get_mut(id)
            && let Some(event) = kek.events.iter_mut().find(|event| event.number == number)
        {
            event.told = Some(kind);
        }
    }

    /// Tells a rekey. What is said that it delivered.
    pub(super) fn report_rekey(
        &mut self,
        now: Timestamp,
        under: RekeySa,
        event: &RekeyRound,
        out: &mut Vec<Transition>,
    ) -> RekeyKind {
        let RekeySa {
            group,
            cookies,
            transport,
        } = under;
        let state = self.groups.get(group).map(|state| &state.rekeys);
        let (kind, evidence) = event
            .kind
            .or_else(|| state.and_then(|rekeys| rekeys.by_length(event)))
            .unwrap_or((RekeyKind::Unknown, RekeyEvidence::None));
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
            self.classify_last_of_chain(id);
            if let Some(kek) = self.keks.get_mut(id) {
                for event in &mut kek.events {
                    // A rekey that was cut off by the end is told, but nobody is said not to have answered it.
                    event.closed = true;
                    event.begun = event.begun.min(now);
                }
            }
            self.report_all(now, id, out);
        }
        for id in self.groups.ids() {
            self.finish_inband(now, id, out);
        }
    }

    /// Tells the rekeys of a KEK that had to make room: a rekey that was seen is never silently absent.
    pub(crate) fn report_evicted(&mut self, now: Timestamp, kek: &Kek, out: &mut Vec<Transition>) {
        for event in kek.events.iter().filter(|event| event.told.is_none()) {
            self.report_rekey(now, RekeySa::from(kek), event, out);
        }
    }

    fn report_all(&mut self, now: Timestamp, id: Id, out: &mut Vec<Transition>) {
        let untold: Vec<RekeyRound> = self.keks.get(id).map_or_else(Vec::new, |kek| {
            kek.events
                .iter()
                .filter(|event| event.told.is_none())
                .cloned()
                .collect()
        });
        let Some(under) = self.keks.get(id).map(RekeySa::from) else {
            return;
        };
        for event in untold {
            let kind = self.report_rekey(now, under, &event, out);
            self.mark_reported(id, event.number, kind);
        }
    }
}

/// Members that are named for one rekey; more are only counted.
const MAX_NAMED_MEMBERS: usize = 256;

impl Tracker {
    /// Closes, and tells, what is due under a KEK.
    pub(crate) fn on_kek_timer(&mut self, now: Timestamp, id: Id, out: &mut Vec<Transition>) {
        if let Some(kek) = self.keks.get_mut(id) {
            kek.timer.clear();
        }
        self.close_rounds(now, id, out);
        self.report_ready(now, id, out);
        self.arm_kek_timer(id);
    }

    /// Wakes a KEK when its next rekey can be closed or told.
    pub(crate) fn arm_kek_timer(&mut self, id: Id) {
        let Some(kek) = self.keks.get(id) else {
            return;
        };
        let window = self.round_window(kek.group);
        let due = kek
            .events
            .iter()
            .filter_map(|event| match (event.closed, event.told) {
                (false, _) => Some(event.last.after(window)),
                (true, None) => Some(event.begun.after(CLASSIFY_TIMEOUT)),
                (true, Some(_)) => None,
            });
        let Some(due) = due.min() else {
            return;
        };
        let Self { keks, timers, .. } = self;
        if let Some(kek) = keks.get_mut(id) {
            timers.arm(&mut kek.timer, Timer::Kek(id), due);
        }
    }

    pub(super) fn close_rounds(&mut self, now: Timestamp, id: Id, out: &mut Vec<Transition>) {
        let Some(group) = self.keks.get(id).map(|kek| kek.group) else {
            return;
        };
        let window = self.round_window(group);
        let mut closed = Vec::new();
        if let Some(kek) = self.keks.get_mut(id) {
            for event in &mut kek.events {
                if !event.closed && event.last.after(window) <= now {
                    event.closed = true;
                    closed.push(event.clone());
                }
            }
        }
        let Some(under) = self.keks.get(id).map(RekeySa::from) else {
            return;
        };
        for event in closed {
            self.report_unanswered(now, under, &event, out);
            if under.transport == Transport::Unicast {
                self.report_lost_members(now, group, &event, out);
            }
        }
    }

    /// Nothing more of a rekey will come: who did not answer?
    pub(super) fn report_unanswered(
        &mut self,
        now: Timestamp,
        under: RekeySa,
        event: &RekeyRound,
        out: &mut Vec<Transition>,
    ) {
        let RekeySa {
            group,
            cookies,
            transport,
        } = under;
        if let Some(state) = self.groups.get_mut(group) {
            state.rekeys.duration.observe(event.last.since(event.begun));
            state.rekeys.recipients = u64::from(event.recipients);
            state.rekeys.unacknowledged = u64::from(event.recipients.saturating_sub(event.acknowledged));
        }
        if event.retransmissions > 0 {
            let what = RekeyRetransmitted {
                cookies,
                transport,
                retransmissions: event.retransmissions,
                recipients: event.recipients,
                identical: event.identical,
            };
            let subject = Subject::server(group, event.server);
            self.emit(now, subject, What::RekeyRetransmitted(what), out);
        }
        let answers = self
            .groups
            .get(group)
            .is_some_and(|state| state.rekeys.acknowledgements > 0);
        if transport == Transport::Unicast && answers {
            self.report_unacknowledged(now, group, event, cookies, out);
        }
    }

    fn report_unacknowledged(
        &mut self,
        now: Timestamp,
        group: GroupId,
        event: &RekeyRound,
        cookies: Cookies,
        out: &mut Vec<Transition>,
    ) {
        let certainty = self.gaps.certainty(event.begun, now);
        let mut named = 0;
        for &id in &event.members {
            let key = self.members.key(id);
            let Some(member) = self.members.get_mut(id) else {
                continue;
            };
            // The slot may be another member's by now, or the member may have been sent a later rekey.
            if member.rekey < event.number || member.acknowledged_rekey >= event.number {
                continue;
            }
            member.unacknowledged = member.unacknowledged.saturating_add(1);
            let what = What::RekeyUnacknowledged(RekeyUnacknowledged {
                cookies,
                consecutive: member.unacknowledged,
                grounds: certainty.into(),
            });
            named += 1;
            if let Some(peer) = key
                && named <= MAX_NAMED_MEMBERS
            {
                self.emit(now, Subject::member(group, event.server, peer), what, out);
            }
        }
    }

    /// Members of the group that others' rekeys no longer go to.
    fn report_lost_members(
        &mut self,
        now: Timestamp,
        group: GroupId,
        event: &RekeyRound,
        out: &mut Vec<Transition>,
    ) {
        let certainty = self.gaps.certainty(event.begun, now);
        for id in self.members.ids() {
            let key = self.members.key(id);
            let Some(member) = self.members.get_mut(id) else {
                continue;
            };
            if !member.is_in(group) || member.rekeyed.is_none() || member.rekey >= event.number {
                continue;
            }
            member.rekeys_without = member.rekeys_without.saturating_add(1);
            let lost = member.unacknowledged >= 3 || member.rekeys_without >= 2;
            if !lost || member.lost {
                continue;
            }
            member.lost = true;
            let what = What::MemberLost(MemberLost {
                unacknowledged: member.unacknowledged,
                rekeys_without: member.rekeys_without,
                grounds: certainty.into(),
            });
            if let Some(peer) = key {
                self.emit(now, Subject::member(group, event.server, peer), what, out);
            }
        }
    }
}
