//! The rekeys of one group, and one rekey: all the messages that deliver the same keys.

use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::snapshot::Histogram;
use crate::state::estimate::{Change, Estimate, Precision};
use crate::state::id::{GroupId, KeyServerId, MemberId};
use crate::state::member::Member;
use crate::state::recent::Recent;
use crate::state::repeats::Repeats;
use crate::state::timers::TimerSlot;
use crate::time::Timestamp;
use crate::transition::{Certainty, Cookies, RekeyEvidence, RekeyKind, Transport};

/// How long a rekey is held back until later messages show what it delivered.
pub(crate) const CLASSIFY_TIMEOUT: Duration = Duration::from_mins(1);

/// How long a message that is too short for a policy is held back until others show that it is a heartbeat: two
/// periods of Juniper's key servers.
const HEARTBEAT_TIMEOUT: Duration = Duration::from_mins(11);

/// Octets up to which a GROUPKEY-PUSH cannot hold a policy: header 28, sequence number 8, signature of RSA-1024 132,
/// deletions 16 to 44 each, against more than 100 for the shortest SA and KD payloads (RFC 6407 §4.2, §5.9).
const MAX_DELETE_OCTETS: u32 = 260;

/// Minimum number of octets by which a rekey with a KEK is longer than one without (RFC 6407 §5.3, §5.6: the SAK
/// payload and the keys).
const MIN_KEK_OCTETS: u32 = 100;

/// Digests by which one rekey is recognised.
const MAX_ROUND_DIGESTS: usize = 64;

/// The rekeys of one group.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct Rekeys {
    pub(crate) retransmissions: u64,
    pub(crate) acknowledgements: u64,
    /// Recipients of the latest rekey that have not acknowledged it, and the number of all its recipients.
    pub(crate) unacknowledged: u64,
    pub(crate) recipients: u64,
    pub(crate) duration: Histogram,
    /// When the latest rekey of the group began.
    pub(crate) last: Option<Timestamp>,
    /// When the one before it began.
    pub(crate) last_but_one: Option<Timestamp>,
    /// The key server that sends them.
    pub(crate) server: Option<KeyServerId>,
    /// When each of the last two key servers last sent one, the latest first.
    pub(crate) senders: [Option<(KeyServerId, Timestamp)>; 2],
    /// Whether two key servers alternate.
    pub(crate) contested: bool,
    /// Interval between consecutive rekeys of one length, and of different ones: where TEKs and the KEK have clocks of
    /// their own, the time from a rekey of the one to a rekey of the other is no interval.
    interval: Estimate,
    mixed_interval: MixedInterval,
    /// Length of the latest rekey of the group.
    pub(crate) last_length: u32,
    pub(crate) heartbeats: HeartbeatSeries,
    pub(crate) repeats: Repeats,
    /// Whether it was reported that the configured lifetime of TEKs is contradicted.
    pub(crate) contradicted: bool,
    /// Whether the time of the next one was known after the latest one.
    pub(crate) expected: bool,
    /// Whether that time was known once, and is no longer.
    pub(crate) lost_expectation: bool,
    /// The certainty with which a rekey was reported as overdue.
    pub(crate) overdue: Option<Certainty>,
    /// When keys were last deleted, if nothing followed.
    pub(crate) deleted: Option<Timestamp>,
    /// When a doubtful rekey of the group began.
    pub(crate) contended: Option<Timestamp>,
    /// Recipients of the latest rekey of the group.
    pub(crate) audience: u32,
    /// Whether the latest rekey went to only a few members.
    pub(crate) strayed: bool,
    /// Rekeys under a KEK so far, and the length of the shortest with a policy.
    pub(crate) rounds: u32,
    pub(crate) shortest: Option<u32>,
    /// Lengths seen only in rekeys with a KEK, and only in rekeys without one.
    pub(crate) kek_lengths: Recent<u32, 4>,
    pub(crate) tek_lengths: Recent<u32, 4>,
    /// The rekey in progress inside the members' IKE SAs.
    pub(crate) inband: Option<InbandRekey>,
    #[serde(skip)]
    pub(crate) timer: TimerSlot,
    #[serde(skip)]
    pub(crate) inband_timer: TimerSlot,
}

/// Rekeys of one group after which its members register again.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct MissedRekeys {
    /// The latest rekey after which a member registered.
    pub(crate) rekey: Option<Timestamp>,
    /// Number of the latest rekey after which most members did, and how many were consecutive.
    latest: u32,
    consecutive: u32,
    #[serde(skip)]
    pub(crate) timer: TimerSlot,
}

impl MissedRekeys {
    /// All members have registered after a rekey. Returns how many consecutive ones most members missed.
    pub(crate) const fn close(&mut self, number: u32, is_missed: bool) -> u32 {
        if !is_missed {
            self.consecutive = 0;
        } else if self.consecutive > 0 && number == self.latest.wrapping_add(1) {
            self.consecutive = self.consecutive.saturating_add(1);
        } else {
            self.consecutive = 1;
        }
        self.latest = number;
        self.consecutive
    }
}

/// Heartbeats of the key servers of a group, known or suspected.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct HeartbeatSeries {
    length: u32,
    last: Timestamp,
    period: Estimate,
}

/// The classification of a message that is too short for a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beat {
    /// No heartbeat, or not known to be one.
    No,
    /// A heartbeat of a known series.
    Known,
    /// The heartbeat that completes a series: the period is known now.
    Learned(Duration),
}

impl HeartbeatSeries {
    /// A message of this length came, possibly to one of several members. The first one under another KEK may restart
    /// the series.
    pub(crate) fn note(&mut self, length: u32, now: Timestamp, window: Duration, is_first: bool) -> Beat {
        let known = self.period.value();
        if length != self.length {
            if known.is_none() {
                *self = Self {
                    length,
                    last: now,
                    period: Estimate::default(),
                };
            }
            return Beat::No;
        }
        let since = now.since(self.last);
        let Some(known) = known else {
            if since <= window {
                return Beat::No;
            }
            self.last = now;
            return match self.period.learn(since, false, false) {
                Change::Learned(period) => Beat::Learned(period),
                _ => Beat::No,
            };
        };
        // Well before the next one is due, it is something else.
        if since > window && since < known / 10 * 9 && !is_first {
            return Beat::No;
        }
        self.last = now;
        Beat::Known
    }
}

/// What a rekey is sent under.
#[derive(Clone, Copy)]
pub(crate) struct RekeySa {
    pub(crate) group: GroupId,
    pub(crate) cookies: Cookies,
    pub(crate) transport: Transport,
}

/// The time between consecutive rekeys of different lengths, once several agree.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct MixedInterval(Estimate);

impl Default for MixedInterval {
    fn default() -> Self {
        Self(Estimate::new(Precision::CLOCK, 4))
    }
}

impl Rekeys {
    /// Interval between rekeys of the group.
    pub(crate) fn interval(&self) -> Option<Duration> {
        self.interval.value().or(self.mixed_interval.0.value())
    }

    /// Number of intervals that were seen.
    pub(crate) fn samples(&self) -> usize {
        self.interval.samples() + self.mixed_interval.0.samples()
    }

    /// A rekey came this long after the one before. `is_alike`: it has the same length. For the rest see
    /// [`Estimate::learn`].
    pub(crate) fn learn_interval(
        &mut self,
        seen: Duration,
        is_alike: bool,
        gap: bool,
        proven: bool,
    ) -> Change {
        if is_alike || proven || self.interval.agrees(seen) {
            return self.interval.learn(seen, gap, proven);
        }
        let change = self.mixed_interval.0.learn(seen, gap, proven);
        if self.interval.value().is_some() {
            Change::Odd
        } else {
            change
        }
    }

    /// The content of earlier rekeys of this length.
    pub(crate) fn by_length(&self, round: &RekeyRound) -> Option<(RekeyKind, RekeyEvidence)> {
        // One kind alone proves nothing: the other may be as long.
        if [self.kek_lengths, self.tek_lengths].contains(&Recent::default()) {
            return None;
        }
        let kek = self.kek_lengths.contains(&round.length);
        let tek = self.tek_lengths.contains(&round.length);
        match (kek, tek) {
            (true, false) => Some((RekeyKind::Kek, RekeyEvidence::Length)),
            (false, true) => Some((RekeyKind::Tek, RekeyEvidence::Length)),
            _ => None,
        }
    }

    pub(crate) fn learn(&mut self, round: &RekeyRound, kind: RekeyKind) {
        let lengths = match kind {
            RekeyKind::Kek => &mut self.kek_lengths,
            RekeyKind::Tek => &mut self.tek_lengths,
            RekeyKind::Delete | RekeyKind::Unknown => return,
        };
        if !lengths.contains(&round.length) {
            lengths.push(round.length);
        }
        self.shortest = Some(
            self.shortest
                .map_or(round.length, |shortest| shortest.min(round.length)),
        );
    }

    /// Whether a rekey with this many recipients goes to the group rather than to a few of its members.
    pub(crate) const fn is_covered_by(&self, recipients: u32) -> bool {
        recipients.saturating_mul(2) >= self.audience
    }

    /// Whether all rekeys of this length have delivered a KEK so far.
    pub(crate) fn is_as_long_as_keks(&self, round: &RekeyRound) -> bool {
        self.kek_lengths.contains(&round.length) && !self.tek_lengths.contains(&round.length)
    }

    /// Whether a rekey with a policy is not as long as those that delivered TEKs only.
    pub(crate) fn is_unlike_teks(&self, round: &RekeyRound) -> bool {
        let is_known = self.tek_lengths != Recent::default();
        is_known && !self.tek_lengths.contains(&round.length) && !fits_no_policy(round.length)
    }

    /// Whether every rekey whose content is known delivered a KEK.
    pub(crate) fn delivers_keks_only(&self) -> bool {
        self.tek_lengths == Recent::default() && self.kek_lengths != Recent::default()
    }

    /// Whether no rekey is known to have delivered TEKs only.
    pub(crate) fn kinds_are_unknown(&self) -> bool {
        self.tek_lengths == Recent::default()
    }

    /// Whether a rekey is too long to deliver TEKs only, as far as their lengths are known.
    pub(crate) fn is_longer_than_teks(&self, round: &RekeyRound) -> bool {
        let longest = self.tek_lengths.iter().copied().max().unwrap_or_default();
        longest > 0 && round.length >= longest + MIN_KEK_OCTETS
    }

    /// Whether a rekey is as long as those that deliver only TEKs, while those that deliver a KEK are longer. Where these
    /// are shorter, one with a KEK and other TEKs may be as long.
    pub(crate) fn is_as_long_as_teks(&self, round: &RekeyRound) -> bool {
        let keks = self.kek_lengths.iter().copied().filter(|length| *length > 0);
        keks.min()
            .is_some_and(|kek| self.tek_lengths.contains(&round.length) && round.length < kek)
    }

    /// Whether a message of this length may deliver nothing: no policy fits into it, or it is as long as a signature, and
    /// rekeys of the group that deliver keys are longer.
    pub(crate) fn may_be_heartbeat(&self, length: u32) -> bool {
        let mut others = self.tek_lengths.iter().chain(self.kek_lengths.iter());
        fits_no_policy(length)
            || (is_bare_signature(length) && others.any(|other| *other >= length + MIN_KEK_OCTETS))
    }

    /// What was learned from heartbeats before they were known as such.
    pub(crate) fn unlearn_heartbeats(&mut self, length: u32) {
        for lengths in [&mut self.tek_lengths, &mut self.kek_lengths] {
            let mut others = Recent::default();
            for other in lengths
                .iter()
                .copied()
                .filter(|other| *other != length && *other > 0)
            {
                others.push(other);
            }
            *lengths = others;
        }
        self.interval = Estimate::default();
        self.mixed_interval = MixedInterval::default();
        self.deleted = None;
    }

    /// Whether rekeys of the group have had this length.
    pub(crate) fn has_had_length(&self, length: u32) -> bool {
        self.tek_lengths.contains(&length) || self.kek_lengths.contains(&length)
    }

    /// Records the sender of a rekey. Returns when that key server sent the previous one, unless it is new.
    pub(crate) fn note_sender(&mut self, server: KeyServerId, now: Timestamp) -> Option<Timestamp> {
        let [first, second] = &mut self.senders;
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

/// Whether a message of this length may hold a signature and nothing else: header 28, sequence number 8, payload header 4,
/// and padding (RFC 6407 §4.2).
pub(crate) fn is_bare_signature(length: u32) -> bool {
    [128, 256, 384, 512]
        .iter()
        .any(|signature| (signature + 40..signature + 56).contains(&length))
}

/// Whether a rekey of this length holds no policy.
pub(crate) const fn fits_no_policy(length: u32) -> bool {
    length <= MAX_DELETE_OCTETS
}

/// A rekey: all its messages, to all members, including retransmissions.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(crate) struct RekeyRound {
    /// Its number among the rekeys of all groups, from 1.
    pub(crate) number: u32,
    pub(crate) started: Timestamp,
    pub(crate) last: Timestamp,
    pub(crate) length: u32,
    /// Digests of its messages: several if each member gets its own.
    pub(crate) digests: Vec<u64>,
    /// Its recipients, if unicast.
    pub(crate) members: Vec<MemberId>,
    /// The recipients that got it again.
    pub(crate) awaited: Vec<MemberId>,
    pub(crate) recipients: u32,
    pub(crate) retransmissions: u32,
    pub(crate) acknowledged: u32,
    /// Whether every retransmission had the same octets.
    pub(crate) identical: bool,
    /// Whether it came when one was due, or the schedule is unknown.
    pub(crate) is_regular: bool,
    /// Whether it goes to the group rather than to a few of its members.
    pub(crate) is_of_group: bool,
    pub(crate) server: KeyServerId,
    pub(crate) message_id: Option<u32>,
    /// Whether no more messages of it are expected. A late repeat reopens it.
    pub(crate) closed: bool,
    /// Whether it was closed before.
    pub(crate) was_closed: bool,
    /// Whether its repeats were reported.
    pub(crate) repeats_reported: bool,
    /// What it delivered, once known.
    pub(crate) kind: Option<(RekeyKind, RekeyEvidence)>,
    /// The reported content.
    pub(crate) reported: Option<RekeyKind>,
}

impl RekeyRound {
    pub(crate) const fn new(number: u32, now: Timestamp, length: u32, server: KeyServerId) -> Self {
        Self {
            number,
            started: now,
            last: now,
            length,
            digests: Vec::new(),
            members: Vec::new(),
            awaited: Vec::new(),
            recipients: 0,
            retransmissions: 0,
            acknowledged: 0,
            identical: true,
            is_regular: true,
            is_of_group: false,
            server,
            message_id: None,
            closed: false,
            was_closed: false,
            repeats_reported: false,
            kind: None,
            reported: None,
        }
    }

    /// Whether a member was sent it: as its latest rekey, or before a later one of another KEK or group.
    pub(crate) fn was_sent_to(&self, id: MemberId, member: &Member) -> bool {
        member.rekey == self.number || (member.rekey > self.number && self.members.contains(&id))
    }

    pub(crate) fn has(&self, digest: u64) -> bool {
        digest != 0 && self.digests.contains(&digest)
    }

    pub(crate) fn learn(&mut self, digest: u64) {
        if digest != 0 && !self.has(digest) && self.digests.len() < MAX_ROUND_DIGESTS {
            self.digests.push(digest);
        }
    }

    /// Adds a recipient. Returns whether it was dropped because there are too many.
    pub(crate) fn add(&mut self, member: Option<MemberId>, capacity: usize) -> bool {
        self.recipients = self.recipients.saturating_add(1);
        let full = self.members.len() >= capacity;
        if !full {
            self.members.extend(member);
        }
        full && member.is_some()
    }

    /// It was sent again: to this member, if unicast.
    pub(crate) fn note_repeat(&mut self, member: Option<MemberId>) {
        self.retransmissions = self.retransmissions.saturating_add(1);
        let is_new = |member: &MemberId| !self.awaited.contains(member);
        if let Some(member) = member.filter(is_new)
            && self.awaited.len() < self.members.len()
        {
            self.awaited.push(member);
        }
    }

    pub(crate) const fn is_delete(&self) -> bool {
        matches!(self.kind, Some((RekeyKind::Delete, _)))
    }

    /// Sets what it delivered. Returns the round, unless there was better evidence before.
    pub(crate) fn settle(&mut self, kind: RekeyKind, evidence: RekeyEvidence) -> Option<Self> {
        let guessed = matches!(self.kind, None | Some((_, RekeyEvidence::Length)));
        if !guessed || self.is_delete() || self.is_delete_by_length() {
            return None;
        }
        self.kind = Some((kind, evidence));
        Some(self.clone())
    }

    /// Whether it is too short for a policy.
    pub(crate) const fn is_delete_by_length(&self) -> bool {
        fits_no_policy(self.length) && self.message_id.is_none()
    }

    /// Whether it can be reported now.
    pub(crate) fn is_ready(&self, now: Timestamp) -> bool {
        self.closed && self.reported.is_none() && (self.kind.is_some() || self.reported_by() <= now)
    }

    /// When it is reported even if its content is unknown.
    pub(crate) fn reported_by(&self) -> Timestamp {
        let waits = if self.is_delete_by_length() {
            HEARTBEAT_TIMEOUT
        } else {
            CLASSIFY_TIMEOUT
        };
        self.started.after(waits)
    }

    /// Whether nothing more can happen to it.
    pub(crate) const fn is_done(&self) -> bool {
        self.reported.is_some() && self.kind.is_some()
    }
}

/// A rekey in progress inside IKE SAs.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct InbandRekey {
    pub(crate) round: RekeyRound,
    /// The SPIs of the IKE SA of its first recipient.
    pub(crate) cookies: Cookies,
}
