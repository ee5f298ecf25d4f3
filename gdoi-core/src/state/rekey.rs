//! Rekeys of one group, and one rekey: all the messages that deliver the same keys.

use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::snapshot::Histogram;
use crate::state::id::GroupId;
use crate::state::kek::Kek;
use crate::state::table::Id;
use crate::state::timers::TimerSlot;
use crate::time::Timestamp;
use crate::transition::{Cookies, RekeyEvidence, RekeyKind, Transport};

/// How long a rekey that nothing has classified yet is held back: what follows it tells what it delivered.
pub(crate) const CLASSIFY_TIMEOUT: Duration = Duration::from_mins(1);

/// Octets up to which a GROUPKEY-PUSH cannot hold a policy: header 28, sequence number 8, signature of RSA-1024 132,
/// deletions 16 to 44 each, against more than 100 for the shortest SA and KD payloads (RFC 6407 §4.2, §5.9).
const MAX_DELETE_OCTETS: u32 = 260;

/// Digests that one rekey is recognised by.
const MAX_ROUND_DIGESTS: usize = 64;

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
    pub(crate) inband: Option<Inband>,
    #[serde(skip)]
    pub(crate) timer: TimerSlot,
    #[serde(skip)]
    pub(crate) inband_timer: TimerSlot,
}

/// What a rekey is sent under.
#[derive(Clone, Copy)]
pub(crate) struct RekeySa {
    pub(crate) group: GroupId,
    pub(crate) cookies: Cookies,
    pub(crate) transport: Transport,
}

impl From<&Kek> for RekeySa {
    fn from(kek: &Kek) -> Self {
        Self {
            group: kek.group,
            cookies: kek.cookies,
            transport: kek.transport,
        }
    }
}

impl Rekeys {
    /// What rekeys of this length have been so far.
    pub(crate) fn by_length(&self, event: &RekeyRound) -> Option<(RekeyKind, RekeyEvidence)> {
        // One kind alone proves nothing: the other may be as long.
        if self.kek_lengths == [0; 4] || self.tek_lengths == [0; 4] {
            return None;
        }
        let kek = self.kek_lengths.contains(&event.length);
        let tek = self.tek_lengths.contains(&event.length);
        match (kek, tek) {
            (true, false) => Some((RekeyKind::Kek, RekeyEvidence::Length)),
            (false, true) => Some((RekeyKind::Tek, RekeyEvidence::Length)),
            _ => None,
        }
    }

    pub(crate) fn learn(&mut self, event: &RekeyRound, kind: RekeyKind) {
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
}

impl Rekeys {
    /// The time between rekeys, when the latest ones agree on it.
    pub(crate) fn interval(&self) -> Option<Duration> {
        let known = || self.intervals.iter().flatten().copied();
        let (shortest, longest) = (known().min()?, known().max()?);
        let agree = known().count() >= 2 && longest <= shortest + shortest / 4;
        agree.then_some(longest)
    }
}

impl Rekeys {
    /// Notes who sent a rekey. When it had sent the one before, unless it is new.
    pub(crate) fn pushed(&mut self, server: Id, now: Timestamp) -> Option<Timestamp> {
        let [first, second] = &mut self.pushers;
        if let Some((at, last)) = first
            && *at == server
        {
            return Some(core::mem::replace(last, now));
        }
        core::mem::swap(first, second);
        if let Some((at, last)) = first
            && *at == server
        {
            return Some(core::mem::replace(last, now));
        }
        *first = Some((server, now));
        None
    }
}

/// A rekey.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct RekeyRound {
    /// Its number among the rekeys of all groups, from 1.
    pub(crate) number: u32,
    pub(crate) begun: Timestamp,
    pub(crate) last: Timestamp,
    pub(crate) length: u32,
    /// What tells its messages from those of other rekeys. Several where each member got its own.
    pub(crate) digests: Vec<u64>,
    /// The members it was sent to, when unicast.
    pub(crate) members: Vec<Id>,
    pub(crate) recipients: u32,
    pub(crate) retransmissions: u32,
    pub(crate) acknowledged: u32,
    /// Every repeat had the same octets.
    pub(crate) identical: bool,
    pub(crate) server: Id,
    pub(crate) message_id: Option<u32>,
    pub(crate) closed: bool,
    /// What it delivered, once something told.
    pub(crate) kind: Option<(RekeyKind, RekeyEvidence)>,
    /// What was said that it delivered.
    pub(crate) told: Option<RekeyKind>,
}

impl RekeyRound {
    pub(crate) const fn new(number: u32, now: Timestamp, length: u32, server: Id) -> Self {
        Self {
            number,
            begun: now,
            last: now,
            length,
            digests: Vec::new(),
            members: Vec::new(),
            recipients: 0,
            retransmissions: 0,
            acknowledged: 0,
            identical: true,
            server,
            message_id: None,
            closed: false,
            kind: None,
            told: None,
        }
    }

    pub(crate) fn has(&self, digest: u64) -> bool {
        digest != 0 && self.digests.contains(&digest)
    }

    pub(crate) fn learn(&mut self, digest: u64) {
        if digest != 0 && !self.has(digest) && self.digests.len() < MAX_ROUND_DIGESTS {
            self.digests.push(digest);
        }
    }

    /// One more recipient. Whether there was no room to remember which.
    pub(crate) fn add(&mut self, member: Option<Id>, capacity: usize) -> bool {
        self.recipients = self.recipients.saturating_add(1);
        let full = self.members.len() >= capacity;
        if !full {
            self.members.extend(member);
        }
        full && member.is_some()
    }

    pub(crate) const fn is_delete(&self) -> bool {
        matches!(self.kind, Some((RekeyKind::Delete, _)))
    }

    /// What it delivered, now that something tells. The event, when nothing better had told before.
    pub(crate) fn settle(&mut self, kind: RekeyKind, evidence: RekeyEvidence) -> Option<Self> {
        let guessed = matches!(self.kind, None | Some((_, RekeyEvidence::Length)));
        if !guessed || self.is_delete() {
            return None;
        }
        self.kind = Some((kind, evidence));
        Some(self.clone())
    }

    /// Whether no policy fits into it.
    pub(crate) const fn is_delete_by_length(&self) -> bool {
        self.length <= MAX_DELETE_OCTETS && self.message_id.is_none()
    }

    /// Whether it may be said now what it was.
    pub(crate) fn is_ripe(&self, now: Timestamp) -> bool {
        self.closed
            && self.told.is_none()
            && (self.kind.is_some() || self.begun.after(CLASSIFY_TIMEOUT) <= now)
    }

    /// Whether nothing more can happen to it.
    pub(crate) const fn is_done(&self) -> bool {
        self.told.is_some() && self.kind.is_some()
    }
}

/// A rekey that is going on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Inband {
    pub(crate) event: RekeyRound,
    /// The SPIs of the IKE SA of its first recipient.
    pub(crate) cookies: Cookies,
}
