//! Rekeys: GROUPKEY-PUSH and `GSA_REKEY` messages gathered into events, and who acknowledged them.

mod acknowledgement;
mod closing;
mod event;
mod primary;

use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use gdoi_wire::Exchange;
use gdoi_wire::isakmp::LengthCheck;
use serde::{Deserialize, Serialize};

pub(crate) use event::Event;

use crate::deadlines::Armed;
use crate::group::GroupId;
use crate::kek::Kek;
use crate::observation::host;
use crate::peer::Peer;
use crate::snapshot::Histogram;
use crate::table::Id;
use crate::time::Timestamp;
use crate::tracker::{Booking, Seen, Tracker};
use crate::transition::{Anomaly, Cookies, Transition, Transport};

/// Rekeys of one group.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Rekeys {
    pub(crate) retransmissions: u64,
    pub(crate) acknowledgements: u64,
    /// Of the latest one.
    pub(crate) unacknowledged: u64,
    pub(crate) recipients: u64,
    pub(crate) duration: Histogram,
    pub(crate) last: Option<Timestamp>,
    /// The key server that sends them.
    pub(crate) server: Option<Id>,
    /// When each of the latest two key servers last sent one.
    pub(crate) pushers: [Option<(Id, Timestamp)>; 2],
    /// Two key servers send them by turns.
    pub(crate) contested: bool,
    /// Times between rekeys that delivered TEKs, the latest first.
    pub(crate) intervals: [Option<Duration>; 8],
    pub(crate) last_tek: Option<Timestamp>,
    pub(crate) overdue: bool,
    /// When keys were last deleted, and nothing followed.
    pub(crate) deleted: Option<Timestamp>,
    /// Events so far, and the shortest of those with a policy.
    pub(crate) events: u32,
    pub(crate) shortest: Option<u32>,
    /// Lengths that only rekeys with a KEK, or only those without, have had.
    pub(crate) kek_lengths: [u32; 4],
    pub(crate) tek_lengths: [u32; 4],
    #[serde(skip)]
    pub(crate) armed: Armed,
}

/// What one message of a rekey is to the rekeys before it.
#[derive(Clone, Copy)]
enum Place {
    /// Part of the event at this index.
    In(usize),
    /// A repeat of one that is long over.
    Late,
    /// The first of a new one.
    New,
}

impl Tracker {
    /// A rekey message. `None` when it is nobody's.
    pub(crate) fn pushed(&mut self, seen: Seen<'_>, out: &mut Vec<Transition>) -> Option<Booking> {
        let cookies = Cookies::from(seen.header());
        if self.is_forged(seen, cookies, out) {
            return None;
        }
        let id = match self.keks.find(&cookies) {
            Some(id) => id,
            None => self.open_kek(seen, cookies),
        };
        self.keks.touch(id);
        if !self.confirm(seen, id, out) {
            return None;
        }
        let server = self.servers.admit(host(seen.message.source));
        if let Some(server) = self.servers.get_mut(server) {
            server.proven = true;
        }
        self.heard(seen.now, server, true);
        let group = self.keks.get(id)?.group;
        self.pushed_by(seen.now, group, id, server, out);
        self.gather(seen, id, group, server, out);
        if let Some(pair) = self.servers.get_mut(server).and_then(|server| server.pair(group)) {
            pair.rekey_messages = pair.rekey_messages.saturating_add(1);
        }
        self.watch_kek(id);
        Some(Booking { group, server })
    }

    /// Whether a message cannot be a rekey, whatever it says.
    fn is_forged(&mut self, seen: Seen<'_>, cookies: Cookies, out: &mut Vec<Transition>) -> bool {
        let (header, message) = (seen.header(), seen.message);
        if cookies == Cookies::default() {
            self.anomaly(seen, Anomaly::CookiesZero, out);
            return true;
        }
        if header.length_check(message.datagram_octets) != LengthCheck::Equal {
            self.anomaly(seen, Anomaly::LengthMismatch, out);
            return true;
        }
        let (source, destination) = (host(message.source), host(message.destination));
        if self.members.find(&Peer::new(message.source)).is_some()
            && !self.is_proven(source)
            && self.is_proven(destination)
        {
            self.anomaly(seen, Anomaly::PushFromMember, out);
            return true;
        }
        // RFC 6407 §4: message identifier zero, encrypted.
        let conforming =
            seen.exchange == Exchange::GsaRekey || (header.message_id() == 0 && header.flags() == 1);
        if !conforming {
            self.anomaly(seen, Anomaly::PushNonconforming, out);
        }
        false
    }

    /// Adds a message to the rekey it belongs to.
    fn gather(&mut self, seen: Seen<'_>, id: Id, group: GroupId, server: Id, out: &mut Vec<Transition>) {
        let digest = digest(seen);
        let unicast = self
            .keks
            .get(id)
            .is_some_and(|kek| kek.transport == Transport::Unicast);
        let member = unicast.then(|| self.admit_member(seen.now, Peer::new(seen.message.destination)));
        let place = self.place(seen, id, digest, member);
        let at = match place {
            Place::In(at) => at,
            Place::Late => {
                self.repeated_rekey(group);
                return;
            }
            Place::New => {
                self.open_event(seen, id, group, server, out);
                self.keks
                    .get(id)
                    .map_or(0, |kek| kek.events.len().saturating_sub(1))
            }
        };
        let new = matches!(place, Place::New);
        let number = self
            .keks
            .get(id)
            .and_then(|kek| kek.events.get(at))
            .map_or(0, |event| event.number);
        let first_for_member = match member {
            Some(member) => self.sent_to(seen.now, id, group, server, member, number),
            None => new,
        };
        if !first_for_member {
            self.repeated_rekey(group);
        }
        let Some(event) = self.keks.get_mut(id).and_then(|kek| kek.events.get_mut(at)) else {
            return;
        };
        event.last = seen.now;
        if first_for_member {
            event.recipients = event.recipients.saturating_add(1);
            event.members.extend(member);
        } else {
            event.retransmissions = event.retransmissions.saturating_add(1);
            event.identical &= event.has(digest) || digest == 0;
        }
        event.learn(digest);
        if let Some(kek) = self.keks.get_mut(id) {
            kek.remember(digest);
        }
    }

    fn repeated_rekey(&mut self, group: GroupId) {
        if let Some(group) = self.groups.get_mut(group) {
            group.rekeys.retransmissions = group.rekeys.retransmissions.saturating_add(1);
            group.retransmissions.add(Exchange::GroupkeyPush);
        }
    }

    /// A member is sent a rekey. Whether this is the first message of it that goes there.
    fn sent_to(
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
    fn place(&self, seen: Seen<'_>, id: Id, digest: u64, member: Option<Id>) -> Place {
        let Some(kek) = self.keks.get(id) else {
            return Place::New;
        };
        if let Some(at) = kek.events.iter().rposition(|event| event.has(digest)) {
            return Place::In(at);
        }
        if kek.remembers(digest) {
            return Place::Late;
        }
        let Some((event, at)) = kek.events.last().zip(kek.events.len().checked_sub(1)) else {
            return Place::New;
        };
        let alike = event.length == seen.header().length() && !event.closed;
        let rekey = member
            .and_then(|id| self.members.get(id))
            .map(|member| member.rekey);
        let served = rekey.is_none_or(|number| number == event.number);
        let gap = seen.now.since(event.last);
        // To another member at the same time, with octets of its own.
        let another = alike && !served && gap <= self.window(kek.group);
        // Repeats may carry sequence numbers of their own; taken for repeats only when the user says when they come.
        let spaced = self
            .groups
            .config(kek.group, &self.config)
            .and_then(|known| known.retransmit)
            .is_some_and(|known| {
                gap.abs_diff(known.interval) * 5 <= known.interval && event.retransmissions < known.count
            });
        let blind = digest == 0 && gap <= self.window(kek.group);
        if another || (alike && served && (spaced || blind)) {
            Place::In(at)
        } else {
            Place::New
        }
    }

    /// How long after its last message a rekey may still be repeated.
    pub(crate) fn window(&self, group: GroupId) -> Duration {
        let known = self.groups.config(group, &self.config);
        let interval = known.map_or(DEFAULT_INTERVAL, |known| known.retransmit().interval);
        interval + interval / 4 + Duration::from_secs(2)
    }

    /// A new rekey begins: what came before under the same cookies delivered no KEK.
    fn open_event(&mut self, seen: Seen<'_>, id: Id, group: GroupId, server: Id, out: &mut Vec<Transition>) {
        self.rekeys = self.rekeys.wrapping_add(1).max(1);
        let mut event = Event::new(self.rekeys, seen.now, seen.header().length(), server);
        if seen.exchange == Exchange::GsaRekey {
            event.message_id = Some(seen.header().message_id());
        }
        self.used_again(seen.now, id, group, out);
        if let Some(known) = self.groups.get_mut(group) {
            known.rekeys.last = Some(seen.now);
            known.rekeys.overdue = false;
            known.rekeys.deleted = None;
            known.rekeys.events = known.rekeys.events.saturating_add(1);
            known.data.rekeyed(seen.now);
        }
        self.settle_kept(seen.now, id, server, out);
        self.guess(group, &mut event);
        if let Some(kek) = self.keks.get_mut(id) {
            kek.push(event);
        }
        self.expect_next(group);
    }
}

/// What tells the messages of one rekey from those of another; 0 when nothing does.
fn digest(seen: Seen<'_>) -> u64 {
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

/// Whether rekeys to this address reach many members at once.
pub(crate) const fn transport_of(destination: IpAddr) -> Transport {
    if destination.is_multicast() {
        Transport::Multicast
    } else {
        Transport::Unicast
    }
}

impl Kek {
    /// Keeps what tells late repeats of rekeys that are over.
    fn remember(&mut self, digest: u64) {
        if digest != 0 && !self.remembers(digest) {
            self.digests.rotate_right(1);
            if let Some(first) = self.digests.first_mut() {
                *first = digest;
            }
        }
    }

    fn remembers(&self, digest: u64) -> bool {
        digest != 0 && self.digests.contains(&digest)
    }

    fn push(&mut self, event: Event) {
        if self.events.len() >= EVENTS {
            self.events.remove(0);
        }
        self.events.push(event);
    }
}

/// Rekeys of one KEK that are followed at once.
const EVENTS: usize = 8;
/// Time between repeats when nothing is known of the group: Cisco's default.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(10);
