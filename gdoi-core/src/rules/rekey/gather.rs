//! Messages gathered into the rekey they belong to.

use alloc::vec::Vec;
use core::time::Duration;

use gdoi_wire::Exchange;

use crate::state::id::{GroupId, Peer};
use crate::state::rekey::{RekeyRound, RekeySa};
use crate::state::table::Id;
use crate::time::Timestamp;
use crate::tracker::{Received, Tracker};
use crate::transition::{Transition, Transport};

/// What one message of a rekey is to the rekeys before it.
#[derive(Clone, Copy)]
enum RoundLookup {
    /// Part of the event at this index.
    In(usize),
    /// A repeat of one that is long over.
    Late,
    /// The first of a new one.
    New,
}

impl Tracker {
    /// Adds a message to the rekey it belongs to.
    pub(super) fn gather(
        &mut self,
        seen: Received<'_>,
        id: Id,
        group: GroupId,
        server: Id,
        out: &mut Vec<Transition>,
    ) {
        let digest = digest(seen);
        let unicast = self
            .keks
            .get(id)
            .is_some_and(|kek| kek.transport == Transport::Unicast);
        let member = if unicast {
            let recipient = self.admit_recipient(seen.now, Peer::new(seen.message.destination), group);
            if recipient.is_none() {
                return;
            }
            recipient
        } else {
            None
        };
        let place = self.match_round(seen, id, digest, member);
        let at = match place {
            RoundLookup::In(at) => at,
            RoundLookup::Late => {
                self.count_rekey_retransmission(group, seen.exchange);
                return;
            }
            RoundLookup::New => {
                self.open_round(seen, id, group, server, out);
                self.keks
                    .get(id)
                    .map_or(0, |kek| kek.events.len().saturating_sub(1))
            }
        };
        let new = matches!(place, RoundLookup::New);
        let number = self
            .keks
            .get(id)
            .and_then(|kek| kek.events.get(at))
            .map_or(0, |event| event.number);
        let before = self.last_sent(id, at, member);
        let first_for_member = match member {
            Some(member) => self.mark_sent(seen.now, id, group, server, member, number),
            None => new,
        };
        let known = self
            .keks
            .get(id)
            .and_then(|kek| kek.events.get(at))
            .is_some_and(|event| event.has(digest));
        // The network doubled it: no key server repeats so fast.
        if !first_for_member && known && seen.now.since(before) < DUPLICATE_WINDOW {
            // What comes next is compared with the message, not with its copy.
            if let Some(member) = member.and_then(|id| self.members.get_mut(id)) {
                member.rekeyed = Some(before);
            }
            return;
        }
        if !first_for_member {
            self.count_rekey_retransmission(group, seen.exchange);
        }
        let Some(event) = self.keks.get_mut(id).and_then(|kek| kek.events.get_mut(at)) else {
            return;
        };
        event.last = seen.now;
        if first_for_member {
            let forgotten = event.add(member, self.limits.members);
            self.groups.unlisted += u64::from(forgotten);
        } else {
            event.retransmissions = event.retransmissions.saturating_add(1);
            event.identical &= event.has(digest) || digest == 0;
        }
        event.learn(digest);
        if let Some(kek) = self.keks.get_mut(id) {
            kek.remember(digest);
        }
    }

    /// The member that a rekey is sent to, known or new. `None` when there is no room for it, and it is only counted:
    /// whoever sends what nobody configured to everywhere must not push out the members of groups.
    fn admit_recipient(&mut self, now: Timestamp, peer: Peer, group: GroupId) -> Option<Id> {
        let has_room = !self.members.is_full()
            || self.members.find(&peer).is_some()
            || self.groups.config(group, &self.config).is_some();
        if !has_room {
            self.groups.unlisted += 1;
            return None;
        }
        Some(self.admit_member(now, peer))
    }

    /// When a rekey was last sent to a member, or at all when it is multicast.
    fn last_sent(&self, kek: Id, event: usize, member: Option<Id>) -> Timestamp {
        let sent = match member {
            Some(member) => self.members.get(member).and_then(|member| member.rekeyed),
            None => self
                .keks
                .get(kek)
                .and_then(|kek| kek.events.get(event))
                .map(|event| event.last),
        };
        sent.unwrap_or_default()
    }

    pub(super) fn count_rekey_retransmission(&mut self, group: GroupId, exchange: Exchange) {
        if let Some(group) = self.groups.get_mut(group) {
            group.rekeys.retransmissions = group.rekeys.retransmissions.saturating_add(1);
            group.retransmissions.add(exchange);
        }
    }

    /// A member is sent a rekey. Whether this is the first message of it that goes there.
    pub(super) fn mark_sent(
        &mut self,
        now: Timestamp,
        kek: Id,
        group: GroupId,
        server: Id,
        member: Id,
        number: u32,
    ) -> bool {
        let several = self
            .members
            .get(member)
            .is_some_and(|member| member.is_in_another(group));
        let events = self.keks.get(kek).map_or(&[][..], |kek| kek.events.as_slice());
        let event = events.iter().find(|event| event.number == number);
        // A member of several groups may get two rekeys by turns.
        let already = several && event.is_some_and(|event| event.members.contains(&member));
        let Some(member) = self.members.get_mut(member) else {
            return false;
        };
        let first = member.rekey != number && !already;
        member.rekey = number;
        member.rekeyed = Some(now);
        member.rekeys_without = 0;
        member.kek = Some(kek);
        member.server = Some(server);
        member.join(group);
        first
    }

    /// Which rekey a message belongs to.
    fn match_round(&self, seen: Received<'_>, id: Id, digest: u64, member: Option<Id>) -> RoundLookup {
        let Some(kek) = self.keks.get(id) else {
            return RoundLookup::New;
        };
        if let Some(at) = kek.events.iter().rposition(|event| event.has(digest)) {
            return RoundLookup::In(at);
        }
        if kek.remembers(digest) {
            return RoundLookup::Late;
        }
        let Some((event, at)) = kek.events.last().zip(kek.events.len().checked_sub(1)) else {
            return RoundLookup::New;
        };
        let alike = event.length == seen.header().length() && !event.closed;
        let rekey = member
            .and_then(|id| self.members.get(id))
            .map(|member| member.rekey);
        let served = rekey.is_none_or(|number| number == event.number);
        let gap = seen.now.since(event.last);
        // To another member at the same time, with octets of its own.
        let another = alike && !served && gap <= self.round_window(kek.group);
        // Repeats may carry sequence numbers of their own; taken for repeats only when the user says when they come.
        let spaced = self
            .groups
            .config(kek.group, &self.config)
            .and_then(|known| known.retransmit)
            .is_some_and(|known| {
                gap.abs_diff(known.interval) * 5 <= known.interval && event.retransmissions < known.count
            });
        let blind = digest == 0 && gap <= self.round_window(kek.group);
        if another || (alike && served && (spaced || blind)) {
            RoundLookup::In(at)
        } else {
            RoundLookup::New
        }
    }

    /// More rekeys at once than are followed: of the oldest is told what is known.
    fn evict_oldest_round(&mut self, now: Timestamp, id: Id, out: &mut Vec<Transition>) {
        let Some(kek) = self
            .keks
            .get_mut(id)
            .filter(|kek| kek.events.len() >= MAX_OPEN_ROUNDS)
        else {
            return;
        };
        let (oldest, under) = (kek.events.remove(0), RekeySa::from(&*kek));
        if oldest.told.is_none() {
            self.report_rekey(now, under, &oldest, out);
        }
    }

    /// A new rekey begins: what came before under the same cookies delivered no KEK.
    fn open_round(
        &mut self,
        seen: Received<'_>,
        id: Id,
        group: GroupId,
        server: Id,
        out: &mut Vec<Transition>,
    ) {
        self.last_rekey_number = self.last_rekey_number.wrapping_add(1).max(1);
        let mut event = RekeyRound::new(self.last_rekey_number, seen.now, seen.header().length(), server);
        if seen.exchange == Exchange::GsaRekey {
            event.message_id = Some(seen.header().message_id());
        }
        self.check_kek_split(seen.now, id, group, out);
        if let Some(known) = self.groups.get_mut(group) {
            known.rekeys.last_but_one = known.rekeys.last.replace(seen.now);
            known.rekeys.overdue = false;
            known.rekeys.deleted = None;
            known.rekeys.events = known.rekeys.events.saturating_add(1);
            known.data.rekeyed(seen.now);
        }
        self.settle_kept(seen.now, id, server, out);
        self.guess_delete(group, &mut event);
        self.evict_oldest_round(seen.now, id, out);
        if let Some(kek) = self.keks.get_mut(id) {
            kek.events.push(event);
        }
        self.arm_overdue_timer(group);
    }
}

/// What tells the messages of one rekey from those of another; 0 when nothing does.
fn digest(seen: Received<'_>) -> u64 {
    if seen.exchange == Exchange::GsaRekey {
        return u64::from(seen.header().message_id()) | 1 << 63;
    }
    let Some(fingerprint) = seen.message.fingerprint else {
        return 0;
    };
    let mut digest = 0xcbf2_9ce4_8422_2325_u64 ^ u64::from(seen.header().length());
    for octet in fingerprint {
        digest = (digest ^ u64::from(octet)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    digest.max(1)
}

/// Time between two copies of one message that the network made.
const DUPLICATE_WINDOW: Duration = Duration::from_millis(500);

/// Rekeys of one KEK that are followed at once.
const MAX_OPEN_ROUNDS: usize = 8;
