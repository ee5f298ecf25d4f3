//! The end of a rekey: what it delivered, who did not answer, and when the next one is due.

use alloc::vec::Vec;
use core::time::Duration;

use super::Event;
use super::event::HOLD;
use crate::counts::count;
use crate::deadlines::Timer;
use crate::group::GroupId;
use crate::table::Id;
use crate::time::Timestamp;
use crate::tracker::{Subject, Tracker};
use crate::transition::{
    Certainty, Evidence, MemberLost, Rekey, RekeyClassified, RekeyKind, RekeyOverdue, RekeyRetransmitted,
    RekeyUnacknowledged, Transition, Transport, What,
};

/// Members that are named for one rekey; more are only counted.
const NAMED: usize = 256;

impl Tracker {
    /// Closes, and tells, what is due under a KEK.
    pub(crate) fn kek_due(&mut self, now: Timestamp, id: Id, out: &mut Vec<Transition>) {
        if let Some(kek) = self.keks.get_mut(id) {
            kek.armed.fired();
        }
        self.close_due(now, id, out);
        self.tell_ripe(now, id, out);
        self.watch_kek(id);
    }

    /// Wakes a KEK when its next rekey can be closed or told.
    pub(crate) fn watch_kek(&mut self, id: Id) {
        let Some(kek) = self.keks.get(id) else {
            return;
        };
        let window = self.window(kek.group);
        let due = kek
            .events
            .iter()
            .filter_map(|event| match (event.closed, event.told) {
                (false, _) => Some(event.last.after(window)),
                (true, None) => Some(event.begun.after(HOLD)),
                (true, Some(_)) => None,
            });
        let Some(due) = due.min() else {
            return;
        };
        let Self { keks, deadlines, .. } = self;
        if let Some(kek) = keks.get_mut(id) {
            deadlines.arm(&mut kek.armed, Timer::Kek(id), due);
        }
    }

    fn close_due(&mut self, now: Timestamp, id: Id, out: &mut Vec<Transition>) {
        let Some(group) = self.keks.get(id).map(|kek| kek.group) else {
            return;
        };
        let window = self.window(group);
        let mut closed = Vec::new();
        if let Some(kek) = self.keks.get_mut(id) {
            for event in &mut kek.events {
                if !event.closed && event.last.after(window) <= now {
                    event.closed = true;
                    closed.push(event.clone());
                }
            }
        }
        for event in closed {
            self.closed(now, id, group, &event, out);
        }
    }

    /// Nothing more of a rekey will come: who did not answer?
    fn closed(&mut self, now: Timestamp, id: Id, group: GroupId, event: &Event, out: &mut Vec<Transition>) {
        let Some(kek) = self.keks.get(id) else {
            return;
        };
        let (cookies, transport) = (kek.cookies, kek.transport);
        if let Some(state) = self.groups.get_mut(group) {
            state.rekeys.duration.observe(event.last.since(event.begun));
            state.rekeys.recipients = u64::from(event.recipients);
            state.rekeys.unacknowledged = u64::from(event.recipients.saturating_sub(event.acknowledged));
        }
        if event.retransmissions > 0 {
            let what = RekeyRetransmitted {
                cookies,
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
        if transport == Transport::Unicast {
            if answers {
                self.unacknowledged(now, group, event, cookies, out);
            }
            self.left_out(now, group, event, out);
        }
    }

    fn unacknowledged(
        &mut self,
        now: Timestamp,
        group: GroupId,
        event: &Event,
        cookies: crate::transition::Cookies,
        out: &mut Vec<Transition>,
    ) {
        let certainty = self.losses.certainty(event.begun, now);
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
                certainty,
            });
            named += 1;
            if let Some(peer) = key
                && named <= NAMED
            {
                self.emit(now, Subject::member(group, event.server, peer), what, out);
            }
        }
    }

    /// Members of the group that others' rekeys no longer go to.
    fn left_out(&mut self, now: Timestamp, group: GroupId, event: &Event, out: &mut Vec<Transition>) {
        let certainty = self.losses.certainty(event.begun, now);
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
                certainty,
            });
            if let Some(peer) = key {
                self.emit(now, Subject::member(group, event.server, peer), what, out);
            }
        }
    }

    /// Another rekey of the same key server came under the same cookies: those before it delivered no KEK.
    pub(crate) fn settle_kept(&mut self, now: Timestamp, id: Id, server: Id, out: &mut Vec<Transition>) {
        let mut settled = Vec::new();
        if let Some(kek) = self.keks.get_mut(id) {
            for event in kek.events.iter_mut().filter(|event| event.server == server) {
                settled.extend(event.settle(RekeyKind::Tek, Evidence::CookiesKept));
            }
        }
        self.tell_settled(now, id, &settled, out);
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
                    settled.extend(event.settle(RekeyKind::Kek, Evidence::CookiesChanged));
                } else if event.number < delivery {
                    settled.extend(event.settle(RekeyKind::Tek, Evidence::CookiesKept));
                }
            }
        }
        self.tell_settled(now, id, &settled, out);
    }

    /// The last rekey of a key server under a KEK that can have delivered the next; of any, when it sent none.
    pub(crate) fn delivery(&self, id: Id, server: Id) -> Option<&Event> {
        let events = &self.keks.get(id)?.events;
        let own = events.iter().rfind(|event| event.server == server);
        // A deletion before the change: members got the new KEK by registering again.
        own.or(events.last()).filter(|event| !event.is_delete())
    }

    fn tell_settled(&mut self, now: Timestamp, id: Id, settled: &[Event], out: &mut Vec<Transition>) {
        for event in settled {
            if let Some((kind, evidence)) = event.kind {
                self.settled(now, id, event, kind, evidence, out);
            }
        }
        self.close_due(now, id, out);
        self.tell_ripe(now, id, out);
        self.watch_kek(id);
    }

    fn settled(
        &mut self,
        now: Timestamp,
        id: Id,
        event: &Event,
        kind: RekeyKind,
        evidence: Evidence,
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
    pub(crate) fn guess(&self, group: GroupId, event: &mut Event) {
        let Some(rekeys) = self.groups.get(group).map(|group| &group.rekeys) else {
            return;
        };
        let far_shorter = rekeys
            .shortest
            .is_some_and(|shortest| event.length * 10 <= shortest * 7);
        if event.is_delete_by_length() && far_shorter {
            event.kind = Some((RekeyKind::Delete, Evidence::Length));
        }
    }

    /// Tells the rekeys that are closed, in their order, once it is known what they delivered or too late to wait.
    fn tell_ripe(&mut self, now: Timestamp, id: Id, out: &mut Vec<Transition>) {
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
            let event = event.clone();
            self.tell(now, id, &event, out);
        }
    }

    fn tell(&mut self, now: Timestamp, id: Id, event: &Event, out: &mut Vec<Transition>) {
        let Some(kek) = self.keks.get(id) else {
            return;
        };
        let (group, cookies, transport) = (kek.group, kek.cookies, kek.transport);
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
        let number = event.number;
        if let Some(kek) = self.keks.get_mut(id)
            && let Some(event) = kek.events.iter_mut().find(|event| event.number == number)
        {
            event.told = Some(kind);
        }
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
    }

    fn end_chain(&mut self, id: Id) {
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
            last.kind = Some((RekeyKind::Delete, Evidence::LastOfChain));
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
        for event in untold {
            self.tell(now, id, &event, out);
        }
    }

    /// No rekey came when one was due.
    pub(crate) fn rekey_overdue(&mut self, now: Timestamp, id: GroupId, out: &mut Vec<Transition>) {
        if let Some(group) = self.groups.get_mut(id) {
            group.rekeys.armed.fired();
        }
        let (Some(expected), Some(interval)) = (self.next_expected(id), self.rekey_interval(id)) else {
            return;
        };
        let due = expected.after(self.tolerance(id, interval));
        if due > now {
            self.expect_next(id);
            return;
        }
        let Some(group) = self.groups.get_mut(id) else {
            return;
        };
        if group.rekeys.overdue {
            return;
        }
        group.rekeys.overdue = true;
        let server = group.rekeys.server;
        let what = What::RekeyOverdue(RekeyOverdue {
            overdue: now.since(expected),
            interval,
            certainty: group
                .rekeys
                .last
                .map_or(Certainty::Uncertain, |last| self.losses.certainty(last, now)),
        });
        let subject = server.map_or(Subject::group(id), |server| Subject::server(id, server));
        self.emit(now, subject, what, out);
    }

    /// Waits for the next rekey of a group.
    pub(crate) fn expect_next(&mut self, id: GroupId) {
        let (Some(expected), Some(interval)) = (self.next_expected(id), self.rekey_interval(id)) else {
            return;
        };
        let due = expected.after(self.tolerance(id, interval));
        let Self {
            groups, deadlines, ..
        } = self;
        if let Some(group) = groups.get_mut(id) {
            deadlines.arm(&mut group.rekeys.armed, Timer::Overdue(id), due);
        }
    }

    /// When the next rekey of a group should begin, where that can be told.
    pub(crate) fn next_expected(&self, id: GroupId) -> Option<Timestamp> {
        let rekeys = &self.groups.get(id.known()?)?.rekeys;
        // After a deletion nothing is due before the key server begins anew.
        let last = rekeys.last.filter(|_| rekeys.deleted.is_none())?;
        Some(last.after(self.rekey_interval(id)?))
    }

    fn tolerance(&self, id: GroupId, interval: Duration) -> Duration {
        self.window(id) * 2 + interval / 10
    }

    /// Time between rekeys: from the configured TEK lifetime, or as it has been lately.
    pub(crate) fn rekey_interval(&self, id: GroupId) -> Option<Duration> {
        let configured = self
            .groups
            .config(id, &self.config)
            .and_then(|known| known.tek_lifetime)
            .map(|lifetime| lifetime.saturating_sub(self.tek_lead(id, lifetime)));
        configured.or_else(|| self.groups.get(id)?.rekeys.interval())
    }
}

impl super::Rekeys {
    /// What rekeys of this length have been so far.
    fn by_length(&self, event: &Event) -> Option<(RekeyKind, Evidence)> {
        // One kind alone proves nothing: the other may be as long.
        if self.kek_lengths == [0; 4] || self.tek_lengths == [0; 4] {
            return None;
        }
        let kek = self.kek_lengths.contains(&event.length);
        let tek = self.tek_lengths.contains(&event.length);
        match (kek, tek) {
            (true, false) => Some((RekeyKind::Kek, Evidence::Length)),
            (false, true) => Some((RekeyKind::Tek, Evidence::Length)),
            _ => None,
        }
    }

    fn learn(&mut self, event: &Event, kind: RekeyKind) {
        let lengths = match kind {
            RekeyKind::Kek => &mut self.kek_lengths,
            RekeyKind::Tek => &mut self.tek_lengths,
            RekeyKind::Delete | RekeyKind::Unknown => return,
        };
        if !lengths.contains(&event.length) {
            lengths.rotate_right(1);
            if let Some(first) = lengths.first_mut() {
                *first = event.length;
            }
        }
        self.shortest = Some(
            self.shortest
                .map_or(event.length, |shortest| shortest.min(event.length)),
        );
        // A rekey that delivers a KEK often delivers TEKs as well, but not always: it tells nothing of the interval.
        if kind == RekeyKind::Tek {
            if let Some(last) = self.last_tek
                && last < event.begun
            {
                self.intervals.rotate_right(1);
                if let Some(first) = self.intervals.first_mut() {
                    *first = Some(event.begun.since(last));
                }
            }
            self.last_tek = Some(event.begun);
        } else {
            self.last_tek = None;
        }
    }

    /// The time between rekeys, when the latest ones agree on it.
    fn interval(&self) -> Option<Duration> {
        let known = || self.intervals.iter().flatten().copied();
        let (shortest, longest) = (known().min()?, known().max()?);
        let agree = known().count() >= 2 && longest <= shortest + shortest / 4;
        agree.then_some(longest)
    }
}
