//! The end of a rekey: who did not answer.

use alloc::vec::Vec;

use super::event::HOLD;
use super::{Event, Under};
use crate::state::group::GroupId;
use crate::state::table::Id;
use crate::state::timers::Timer;
use crate::time::Timestamp;
use crate::tracker::{Subject, Tracker};
use crate::transition::{
    Cookies, MemberLost, RekeyRetransmitted, RekeyUnacknowledged, Transition, Transport, What,
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

    pub(super) fn close_due(&mut self, now: Timestamp, id: Id, out: &mut Vec<Transition>) {
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
        let Some(under) = self.keks.get(id).map(Under::from) else {
            return;
        };
        for event in closed {
            self.closed(now, under, &event, out);
            if under.transport == Transport::Unicast {
                self.left_out(now, group, &event, out);
            }
        }
    }

    /// Nothing more of a rekey will come: who did not answer?
    pub(super) fn closed(&mut self, now: Timestamp, under: Under, event: &Event, out: &mut Vec<Transition>) {
        let Under {
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
            self.unacknowledged(now, group, event, cookies, out);
        }
    }

    fn unacknowledged(
        &mut self,
        now: Timestamp,
        group: GroupId,
        event: &Event,
        cookies: Cookies,
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
}
