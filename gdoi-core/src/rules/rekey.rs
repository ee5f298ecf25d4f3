//! Rekeys: GROUPKEY-PUSH and `GSA_REKEY` messages gathered into events, and who acknowledged them.

mod classify;
mod gather;
mod inband;
mod report;

use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use gdoi_wire::Exchange;
use gdoi_wire::isakmp::LengthCheck;

use crate::observation::host;
use crate::state::id::{GroupId, Peer};
use crate::state::table::Id;
use crate::state::timers::Timer;
use crate::time::Timestamp;
use crate::tracker::{Attribution, Received, Subject, Tracker};
use crate::transition::{Anomaly, Certainty, Cookies, RekeyOverdue, Transition, Transport, What};

impl Tracker {
    /// A rekey message. `None` when it is nobody's.
    pub(crate) fn handle_push(
        &mut self,
        seen: Received<'_>,
        out: &mut Vec<Transition>,
    ) -> Option<Attribution> {
        let cookies = Cookies::from(seen.header());
        if self.is_forged(seen, cookies, out) {
            return None;
        }
        let id = match self.keks.find(&cookies) {
            Some(id) => id,
            None => self.confirm_kek(seen, cookies, out)?,
        };
        self.keks.touch(id);
        let server = self.servers.admit(host(seen.message.source));
        if let Some(server) = self.servers.get_mut(server) {
            server.proven = true;
        }
        self.mark_heard(seen.now, server, true);
        let group = self.keks.get(id)?.group;
        self.on_push_sender(seen.now, group, id, server, out);
        self.gather(seen, id, group, server, out);
        if let Some(pair) = self.servers.get_mut(server).and_then(|server| server.pair(group)) {
            pair.rekey_messages = pair.rekey_messages.saturating_add(1);
        }
        self.arm_kek_timer(id);
        Some(Attribution { group, server })
    }

    /// Whether a message cannot be a rekey, whatever it says.
    fn is_forged(&mut self, seen: Received<'_>, cookies: Cookies, out: &mut Vec<Transition>) -> bool {
        let (header, message) = (seen.header(), seen.message);
        if cookies == Cookies::default() {
            self.report_anomaly(seen, Anomaly::CookiesZero, out);
            return true;
        }
        if header.length_check(message.datagram_octets) != LengthCheck::Equal {
            self.report_anomaly(seen, Anomaly::LengthMismatch, out);
            return true;
        }
        let (source, destination) = (host(message.source), host(message.destination));
        if self.members.find(&Peer::new(message.source)).is_some()
            && !self.is_proven_key_server(source)
            && self.is_proven_key_server(destination)
        {
            self.report_anomaly(seen, Anomaly::PushFromMember, out);
            return true;
        }
        // RFC 6407 §4: message identifier zero, encrypted.
        let conforming =
            seen.exchange == Exchange::GsaRekey || (header.message_id() == 0 && header.flags() == 1);
        if !conforming {
            self.report_anomaly(seen, Anomaly::PushNonconforming, out);
        }
        false
    }

    /// How long after its last message a rekey may still be repeated.
    pub(crate) fn round_window(&self, group: GroupId) -> Duration {
        let known = self.groups.config(group, &self.config);
        let interval = known.map_or(DEFAULT_RETRANSMIT_INTERVAL, |known| known.retransmit().interval);
        interval + interval / 4 + Duration::from_secs(2)
    }
}

/// Whether rekeys to this address reach many members at once.
pub(crate) const fn transport_of(destination: IpAddr) -> Transport {
    if destination.is_multicast() {
        Transport::Multicast
    } else {
        Transport::Unicast
    }
}

/// Time between repeats when nothing is known of the group: Cisco's default.
const DEFAULT_RETRANSMIT_INTERVAL: Duration = Duration::from_secs(10);

impl Tracker {
    /// An acknowledgement by its type. `None` when it acknowledges nothing that was seen.
    pub(crate) fn handle_push_ack(
        &mut self,
        seen: Received<'_>,
        out: &mut Vec<Transition>,
    ) -> Option<Attribution> {
        let cookies = Cookies::from(seen.header());
        if cookies == Cookies::default() {
            self.report_anomaly(seen, Anomaly::CookiesZero, out);
            return None;
        }
        let kek = self.keks.find(&cookies)?;
        self.acknowledge(seen, kek)
    }

    /// A message that belongs to no IKE SA: an acknowledgement when a member that was just sent a rekey sends it to that
    /// key server, under the cookies of the rekey or under new ones: those of the KEK it has just received.
    pub(crate) fn match_implicit_ack(
        &mut self,
        seen: Received<'_>,
        _out: &mut Vec<Transition>,
    ) -> Option<Attribution> {
        if matches!(
            seen.exchange,
            Exchange::MainMode | Exchange::Aggressive | Exchange::IkeSaInit
        ) {
            return None;
        }
        let member = self.members.find(&Peer::new(seen.message.source))?;
        let state = self.members.get(member)?;
        let (rekeyed, last) = (state.rekeyed?, state.kek?);
        let kek = self.keks.find(&Cookies::from(seen.header())).unwrap_or(last);
        let group = self.keks.get(kek)?.group;
        if seen.now.since(rekeyed) > self.round_window(group) {
            return None;
        }
        self.acknowledge(seen, kek)
    }

    fn acknowledge(&mut self, seen: Received<'_>, id: Id) -> Option<Attribution> {
        let kek = self.keks.get_mut(id)?;
        let group = kek.group.known()?;
        let server = kek.server?;
        let event = kek.events.last_mut()?;
        if self.servers.address(server) != Some(host(seen.message.destination)) {
            return None;
        }
        let number = event.number;
        let kek_group = group;
        let member = self.admit_member(seen.now, Peer::new(seen.message.source));
        let state = self.members.get_mut(member)?;
        state.last_seen = seen.now;
        state.join(kek_group);
        let again = state.acknowledged_rekey == number;
        state.acknowledged_rekey = number;
        state.acknowledged = Some(seen.now);
        state.unacknowledged = 0;
        state.lost = false;
        if let Some(event) = self.keks.get_mut(id).and_then(|kek| kek.events.last_mut())
            && !again
        {
            event.acknowledged = event.acknowledged.saturating_add(1);
        }
        if let Some(group) = self.groups.get_mut(group) {
            group.rekeys.acknowledgements = group.rekeys.acknowledgements.saturating_add(1);
            group.rekeys.unacknowledged = group.rekeys.unacknowledged.saturating_sub(u64::from(!again));
        }
        Some(Attribution { group, server })
    }
}

impl Tracker {
    /// No rekey came when one was due.
    pub(crate) fn on_overdue_timer(&mut self, now: Timestamp, id: GroupId, out: &mut Vec<Transition>) {
        if let Some(group) = self.groups.get_mut(id) {
            group.rekeys.timer.clear();
        }
        let (Some(expected), Some(interval)) = (self.next_rekey_expected(id), self.rekey_interval(id)) else {
            return;
        };
        let due = expected.after(self.overdue_tolerance(id, interval));
        if due > now {
            self.arm_overdue_timer(id);
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
            grounds: group
                .rekeys
                .last
                .map_or(Certainty::Uncertain, |last| self.gaps.certainty(last, now))
                .into(),
        });
        let subject = server.map_or(Subject::group(id), |server| Subject::server(id, server));
        self.emit(now, subject, what, out);
    }

    /// Waits for the next rekey of a group.
    pub(crate) fn arm_overdue_timer(&mut self, id: GroupId) {
        let (Some(expected), Some(interval)) = (self.next_rekey_expected(id), self.rekey_interval(id)) else {
            return;
        };
        let due = expected.after(self.overdue_tolerance(id, interval));
        let Self { groups, timers, .. } = self;
        if let Some(group) = groups.get_mut(id) {
            timers.arm(&mut group.rekeys.timer, Timer::Overdue(id), due);
        }
    }

    /// When the next rekey of a group should begin, where that can be told.
    pub(crate) fn next_rekey_expected(&self, id: GroupId) -> Option<Timestamp> {
        let rekeys = &self.groups.get(id.known()?)?.rekeys;
        // After a deletion nothing is due before the key server begins anew.
        let last = rekeys.last.filter(|_| rekeys.deleted.is_none())?;
        Some(last.after(self.rekey_interval(id)?))
    }

    fn overdue_tolerance(&self, id: GroupId, interval: Duration) -> Duration {
        self.round_window(id) * 2 + interval / 10
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
