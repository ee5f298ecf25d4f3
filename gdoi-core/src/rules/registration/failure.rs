//! How registrations end badly, and what of that may be said.

use alloc::vec::Vec;

use super::{Association, HOPELESS};
use crate::state::counters::count;
use crate::state::peer::Peer;
use crate::state::table::Id;
use crate::state::timers::{Armed, Timer};
use crate::time::Timestamp;
use crate::tracker::{Subject, Tracker};
use crate::transition::{Certainty, RegistrationEnd, Stage, Transition, What};

/// The domain of interpretation of `IPsec` (RFC 2407 §4.2).
const DOI_IPSEC: u32 = 1;

impl Tracker {
    /// Nothing came for too long.
    pub(crate) fn association_due(&mut self, now: Timestamp, id: Id, out: &mut Vec<Transition>) {
        let Some(association) = self.associations.get_mut(id) else {
            return;
        };
        association.armed.fired();
        if association.due() > now {
            self.watch(id);
        } else if association.ended {
            self.associations.remove(id);
        } else {
            self.give_up(now, id, out);
            self.watch(id);
        }
    }

    /// Ends a registration that was not completed, and says so where that is certain.
    pub(super) fn give_up(&mut self, now: Timestamp, id: Id, out: &mut Vec<Transition>) {
        let Some(association) = self.associations.get_mut(id) else {
            return;
        };
        if association.ended {
            return;
        }
        association.ended = true;
        // A Quick Mode is complete with three messages; of one direction alone nothing can be said.
        let quick_mode =
            association.doi == Some(DOI_IPSEC) && association.pulls.last().is_some_and(super::Pull::is_three);
        let after_success = association.completed > 0 && association.pulls.iter().all(|pull| pull.ended);
        if !association.announced || association.is_one_way() || quick_mode || after_success {
            return;
        }
        let (peer, server) = (association.member, association.server);
        let address = association.server_address;
        let mut end = RegistrationEnd {
            stage: association.stage(),
            duration: association.last.since(association.begun),
            attempts: 1,
            retransmissions: association.retransmissions,
            kind: association.kind,
            certainty: Certainty::Certain,
        };
        let begun = association.begun;
        let unheard = association.steps & !super::step::FIRST == 0;
        if end.stage == Stage::Complete {
            return;
        }
        end.certainty = self.losses.certainty(begun, now);
        end.attempts = self.failed_attempts(peer, address);
        self.failed(now, peer, server, end, unheard, out);
    }

    fn failed(
        &mut self,
        now: Timestamp,
        peer: Peer,
        server: Id,
        end: RegistrationEnd,
        unheard: bool,
        out: &mut Vec<Transition>,
    ) {
        let booking = self.book(server, peer);
        let subject = Subject::member(booking.group, server, peer);
        self.emit(now, subject, What::RegistrationFailed(end), out);
        if let Some(server) = self.servers.get_mut(server) {
            if unheard && end.certainty == Certainty::Certain {
                server.unanswered = server.unanswered.saturating_add(1);
            }
            if let Some(pair) = server.pair(booking.group) {
                count(&mut pair.failed, end.kind as usize);
                count(&mut pair.failed_at, end.stage as usize);
            }
        }
        if let Some(member) = self.members.find(&peer).and_then(|id| self.members.get_mut(id)) {
            member.failures = member.failures.saturating_add(1);
        }
        self.burst_ended_one(now, booking.group, false);
    }

    /// Counts one more failed attempt of a member in a row.
    fn failed_attempts(&mut self, peer: Peer, address: core::net::IpAddr) -> u32 {
        let known = self.attempts.find(&(peer, address));
        let Some(attempts) = known.and_then(|id| self.attempts.get_mut(id)) else {
            return 1;
        };
        attempts.failed = attempts.failed.saturating_add(1);
        attempts.failed
    }

    /// The end of watching: what was repeated in vain counts as failed, of the rest nothing is said.
    pub(crate) fn finish_associations(&mut self, now: Timestamp, out: &mut Vec<Transition>) {
        for id in self.associations.ids() {
            let hopeless = |association: &Association| association.unanswered >= HOPELESS;
            if self.associations.get(id).is_some_and(hopeless) {
                self.give_up(now, id, out);
            }
        }
    }

    /// Wakes an IKE SA when it has been silent for too long.
    pub(crate) fn watch(&mut self, id: Id) {
        let Self {
            associations,
            deadlines,
            ..
        } = self;
        if let Some(association) = associations.get_mut(id) {
            let due = association.due();
            deadlines.arm(&mut association.armed, Timer::Association(id), due);
        }
    }

    pub(super) fn unwatch(&mut self, id: Id, armed: &mut Armed) {
        self.deadlines.disarm(armed, Timer::Association(id));
    }
}
