//! Rekeys inside the IKE SAs of the members: `GSA_INBAND_REKEY`, a request to each and its answer (RFC 9838 §2.4).
//!
//! They have no KEK: nothing but the time tells that requests to several members deliver the same keys. What they
//! deliver is not visible, and a member that gets none is not left out: it may be sent its keys another way.

use alloc::vec::Vec;

use crate::observation::host;
use crate::state::id::{GroupId, Peer};
use crate::state::rekey::{Inband, RekeyRound, RekeySa};
use crate::state::table::Id;
use crate::state::timers::Timer;
use crate::time::Timestamp;
use crate::tracker::{Attribution, Received, Tracker};
use crate::transition::{Cookies, RekeyEvidence, RekeyKind, Transition, Transport};

impl Tracker {
    /// A request of a key server, or the answer of a member. `None` when neither is known as one.
    pub(crate) fn handle_inband_rekey(
        &mut self,
        seen: Received<'_>,
        out: &mut Vec<Transition>,
    ) -> Option<Attribution> {
        let (source, destination) = (seen.message.source, seen.message.destination);
        let answer = seen.header().is_response();
        let (server, peer) = if answer {
            (host(destination), Peer::new(source))
        } else {
            (host(source), Peer::new(destination))
        };
        let server = self
            .servers
            .find(server)
            .filter(|_| self.is_proven_key_server(server))?;
        self.mark_heard(seen.now, server, !answer);
        let booking = self.attribution_of(server, peer);
        if answer {
            self.handle_inband_answer(seen, booking.group, peer);
        } else {
            self.handle_inband_request(seen, booking, peer, out);
        }
        Some(booking)
    }

    fn handle_inband_request(
        &mut self,
        seen: Received<'_>,
        booking: Attribution,
        peer: Peer,
        out: &mut Vec<Transition>,
    ) {
        let Attribution { group, server } = booking;
        let capacity = self.limits.members;
        let member = self.admit_member(seen.now, peer);
        let open = self.inband(group).is_some_and(|event| event.server == server);
        let before = self.members.get(member).map(|member| member.inband);
        let served = open && self.is_served(group, member);
        // Message identifiers count within an IKE SA (RFC 7296 §2.2): another one to the same member is another rekey.
        let repeated = served && before == Some(seen.header().message_id());
        if !open || (served && !repeated) {
            self.close_inband(seen.now, group, out);
            self.open_inband(seen, booking);
        }
        self.mark_sent_inband(seen, booking, member);
        let Some(event) = self.inband_mut(group) else {
            return;
        };
        event.last = seen.now;
        if repeated {
            event.retransmissions = event.retransmissions.saturating_add(1);
            self.count_rekey_retransmission(group, seen.exchange);
        } else {
            let forgotten = event.add(Some(member), capacity);
            self.groups.unlisted += u64::from(forgotten);
        }
        if let Some(pair) = self.servers.get_mut(server).and_then(|server| server.pair(group)) {
            pair.rekey_messages = pair.rekey_messages.saturating_add(1);
        }
        self.arm_inband_timer(group);
    }

    fn open_inband(&mut self, seen: Received<'_>, booking: Attribution) {
        self.last_rekey_number = self.last_rekey_number.wrapping_add(1).max(1);
        let mut event = RekeyRound::new(
            self.last_rekey_number,
            seen.now,
            seen.header().length(),
            booking.server,
        );
        event.kind = Some((RekeyKind::Unknown, RekeyEvidence::None));
        let Some(group) = self.groups.get_mut(booking.group) else {
            return;
        };
        group.rekeys.last_but_one = group.rekeys.last.replace(seen.now);
        group.rekeys.overdue = false;
        group.data.rekeyed(seen.now);
        group.rekeys.inband = Some(Inband {
            event,
            cookies: Cookies::from(seen.header()),
        });
    }

    /// A member is sent a request.
    fn mark_sent_inband(&mut self, seen: Received<'_>, booking: Attribution, member: Id) {
        let number = self.inband(booking.group).map_or(0, |event| event.number);
        if let Some(member) = self.members.get_mut(member) {
            member.rekey = number;
            member.rekeyed = Some(seen.now);
            member.inband = seen.header().message_id();
            member.server = Some(booking.server);
            member.join(booking.group);
        }
    }

    fn handle_inband_answer(&mut self, seen: Received<'_>, group: GroupId, peer: Peer) {
        let Some(number) = self.inband(group).map(|event| event.number) else {
            return;
        };
        let Some(member) = self.members.find(&peer).and_then(|id| self.members.get_mut(id)) else {
            return;
        };
        member.last_seen = seen.now;
        if member.rekey != number || member.acknowledged_rekey == number {
            return;
        }
        member.acknowledged_rekey = number;
        member.acknowledged = Some(seen.now);
        member.unacknowledged = 0;
        member.lost = false;
        if let Some(event) = self.inband_mut(group) {
            event.acknowledged = event.acknowledged.saturating_add(1);
        }
        if let Some(group) = self.groups.get_mut(group) {
            group.rekeys.acknowledgements = group.rekeys.acknowledgements.saturating_add(1);
        }
    }

    /// Closes, and tells, the rekey of a group that is due.
    pub(crate) fn on_inband_timer(&mut self, now: Timestamp, group: GroupId, out: &mut Vec<Transition>) {
        if let Some(state) = self.groups.get_mut(group) {
            state.rekeys.inband_timer.clear();
        }
        let window = self.round_window(group);
        if self
            .inband(group)
            .is_some_and(|event| event.last.after(window) <= now)
        {
            self.close_inband(now, group, out);
        }
        self.arm_inband_timer(group);
    }

    /// Wakes a group when its rekey can be closed.
    pub(crate) fn arm_inband_timer(&mut self, group: GroupId) {
        let Some(due) = self
            .inband(group)
            .map(|event| event.last.after(self.round_window(group)))
        else {
            return;
        };
        let Self { groups, timers, .. } = self;
        if let Some(state) = groups.get_mut(group) {
            timers.arm(&mut state.rekeys.inband_timer, Timer::Inband(group), due);
        }
    }

    fn close_inband(&mut self, now: Timestamp, group: GroupId, out: &mut Vec<Transition>) {
        if let Some((event, under)) = self.take_inband(group) {
            self.report_unanswered(now, under, &event, out);
            self.report_rekey(now, under, &event, out);
        }
    }

    /// The end of watching: a rekey that it cut off is told, but nobody is said not to have answered.
    pub(super) fn finish_inband(&mut self, now: Timestamp, group: GroupId, out: &mut Vec<Transition>) {
        if let Some((event, under)) = self.take_inband(group) {
            self.report_rekey(now, under, &event, out);
        }
    }

    fn take_inband(&mut self, group: GroupId) -> Option<(RekeyRound, RekeySa)> {
        let Inband { event, cookies } = self.groups.get_mut(group)?.rekeys.inband.take()?;
        let under = RekeySa {
            group,
            cookies,
            transport: Transport::Unicast,
        };
        Some((event, under))
    }

    fn inband(&self, group: GroupId) -> Option<&RekeyRound> {
        let open = self.groups.get(group)?.rekeys.inband.as_ref()?;
        Some(&open.event)
    }

    fn inband_mut(&mut self, group: GroupId) -> Option<&mut RekeyRound> {
        let open = self.groups.get_mut(group)?.rekeys.inband.as_mut()?;
        Some(&mut open.event)
    }

    /// Whether the rekey that is going on has been sent to a member.
    fn is_served(&self, group: GroupId, member: Id) -> bool {
        let number = self.inband(group).map(|event| event.number);
        self.members.get(member).map(|member| member.rekey) == number
    }
}
