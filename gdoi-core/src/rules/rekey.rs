//! Rekeys: GROUPKEY-PUSH and `GSA_REKEY` messages gathered into events, and who acknowledged them.

mod acknowledgement;
mod closing;
mod event;
mod gather;
mod inband;
mod kind;
mod overdue;
mod primary;
mod report;

use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use gdoi_wire::Exchange;
use gdoi_wire::isakmp::LengthCheck;
use serde::{Deserialize, Serialize};

pub(crate) use event::Event;
use inband::Inband;

use crate::observation::host;
use crate::rules::kek::Kek;
use crate::snapshot::Histogram;
use crate::state::group::GroupId;
use crate::state::peer::Peer;
use crate::state::table::Id;
use crate::state::timers::Armed;
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
    /// The one before the latest.
    pub(crate) last_but_one: Option<Timestamp>,
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
    /// The rekey that is going on inside the members' IKE SAs.
    inband: Option<Inband>,
    #[serde(skip)]
    pub(crate) armed: Armed,
    #[serde(skip)]
    armed_inband: Armed,
}

/// What a rekey is sent under.
#[derive(Clone, Copy)]
struct Under {
    group: GroupId,
    cookies: Cookies,
    transport: Transport,
}

impl From<&Kek> for Under {
    fn from(kek: &Kek) -> Self {
        Self {
            group: kek.group,
            cookies: kek.cookies,
            transport: kek.transport,
        }
    }
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
            None => self.confirm(seen, cookies, out)?,
        };
        self.keks.touch(id);
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

    /// How long after its last message a rekey may still be repeated.
    pub(crate) fn window(&self, group: GroupId) -> Duration {
        let known = self.groups.config(group, &self.config);
        let interval = known.map_or(DEFAULT_INTERVAL, |known| known.retransmit().interval);
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
const DEFAULT_INTERVAL: Duration = Duration::from_secs(10);
