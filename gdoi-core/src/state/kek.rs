//! KEKs, and the history of those of one group.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use crate::state::id::{GroupId, KeyServerId, Peer};
use crate::state::recent::Recent;
use crate::state::rekey::{RekeyRound, RekeySa};
use crate::state::timers::TimerSlot;
use crate::time::Timestamp;
use crate::transition::{Cookies, ForgeryKind, Transport, Verdict};

/// Cycles that are kept for one group.
const MAX_KEK_CYCLES: usize = 16;

/// Tolerance between two cycles of one lifetime.
const EQUAL_CYCLES: Duration = Duration::from_secs(15);

/// Cookie pairs that are kept for one group.
const MAX_CHAINED_KEKS: usize = 32;

/// Destinations that are kept for a rekey under an unconfirmed pair.
const MAX_HELD_DESTINATIONS: usize = 64;

/// A KEK, identified by the cookie pair of its rekeys.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Kek {
    pub(crate) cookies: Cookies,
    /// Its group.
    pub(crate) group: GroupId,
    /// The key server that last used it.
    pub(crate) server: Option<KeyServerId>,
    pub(crate) transport: Transport,
    pub(crate) first: Timestamp,
    pub(crate) rounds: Vec<RekeyRound>,
    /// Digests of messages, to recognise retransmissions of earlier rekeys.
    pub(crate) digests: Recent<u64, 8>,
    /// The KEK it replaced.
    pub(crate) parent: Option<Cookies>,
    /// Whether another one replaced it.
    pub(crate) replaced: bool,
    #[serde(skip)]
    pub(crate) timer: TimerSlot,
}

impl Kek {
    pub(crate) fn new(cookies: Cookies, group: GroupId, transport: Transport, first: Timestamp) -> Self {
        Self {
            cookies,
            group,
            server: None,
            transport,
            first,
            rounds: Vec::new(),
            digests: Recent::default(),
            parent: None,
            replaced: false,
            timer: TimerSlot::new(),
        }
    }

    /// Keeps the digest of a message, to recognise late retransmissions.
    pub(crate) fn remember(&mut self, digest: u64) {
        if digest != 0 && !self.remembers(digest) {
            self.digests.push(digest);
        }
    }

    pub(crate) fn remembers(&self, digest: u64) -> bool {
        digest != 0 && self.digests.contains(&digest)
    }
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

/// The history of the KEKs of one group.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct KekHistory {
    pub(crate) current: Option<Cookies>,
    pub(crate) chain: VecDeque<Cookies>,
    pub(crate) changes: u64,
    /// When the present KEK was delivered, and the previous one.
    pub(crate) start: Option<Timestamp>,
    pub(crate) start_before: Option<Timestamp>,
    /// When the present KEK was delivered at the latest.
    pub(crate) start_at_latest: Option<Timestamp>,
    pub(crate) lead_seconds: Option<f64>,
    pub(crate) over_age: bool,
    pub(crate) expired: bool,
    /// Whether it was reported that the configured lifetime of KEKs is contradicted.
    pub(crate) contradicted: bool,
    /// A KEK of the same group that another key server uses.
    pub(crate) split: Option<Cookies>,
    pub(crate) behavior: BehaviorVotes,
    #[serde(skip)]
    pub(crate) timer: TimerSlot,
}

impl KekHistory {
    /// Another KEK replaced the present one. `start`: when it was delivered, if that is certain.
    pub(crate) fn replace(&mut self, before: Cookies, to: Cookies, start: Option<Timestamp>) {
        if self.split == Some(before) {
            self.split = self.current;
        }
        self.current = Some(to);
        self.remember(to);
        self.changes = self.changes.saturating_add(1);
        self.start_before = self.start;
        self.start = start;
        self.over_age = false;
        self.expired = false;
    }

    /// The first KEK of a group that is seen: the time of its delivery is unknown.
    pub(crate) fn begin(&mut self, cookies: Cookies) {
        self.current = Some(cookies);
        self.remember(cookies);
    }

    /// A KEK that seemed replaced is still in use. The time of its delivery is no longer certain.
    pub(crate) fn resume(&mut self, cookies: Cookies) {
        self.current = Some(cookies);
        self.changes = self.changes.saturating_sub(1);
        self.chain.pop_back();
        self.start = None;
        self.start_at_latest = None;
    }

    fn remember(&mut self, cookies: Cookies) {
        if self.chain.len() >= MAX_CHAINED_KEKS {
            self.chain.pop_front();
        }
        self.chain.push_back(cookies);
    }
}

/// The interval between two deliveries of a key server.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct KekCycle {
    pub(crate) server: KeyServerId,
    pub(crate) period: Duration,
}

/// The cycles of one group, and the resulting verdicts on how its key servers renew the KEK.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct BehaviorVotes {
    pub(crate) cycles: VecDeque<KekCycle>,
    /// The lifetime that explains the cycles, if only one does.
    pub(crate) learned: Option<Duration>,
    /// The last reported verdict on each key server, and whether it was provisional.
    pub(crate) reported: Vec<(KeyServerId, Verdict, bool)>,
}

impl BehaviorVotes {
    pub(crate) fn add(&mut self, cycle: KekCycle) {
        if self.cycles.len() >= MAX_KEK_CYCLES {
            self.cycles.pop_front();
        }
        self.cycles.push_back(cycle);
    }

    /// Whether the last KEK that was renewed had lived longer than this.
    pub(crate) fn outlives(&self, limit: Duration) -> bool {
        self.cycles.back().is_some_and(|cycle| cycle.period > limit)
    }

    /// The lifetime of the latest two KEKs, if it is longer than this and equal.
    pub(crate) fn lived_longer(&self, limit: Duration) -> Option<Duration> {
        let mut latest = self.cycles.iter().rev().map(|cycle| cycle.period);
        let (one, other) = (latest.next()?, latest.next()?);
        (one.min(other) > limit && one.abs_diff(other) <= EQUAL_CYCLES).then_some(one)
    }

    /// The last reported verdict on a key server, and whether it was provisional.
    pub(crate) fn verdict_on(&self, server: KeyServerId) -> Option<(Verdict, bool)> {
        let found = self.reported.iter().find(|(of, _, _)| *of == server);
        found.map(|&(_, verdict, provisional)| (verdict, provisional))
    }

    /// Records the verdict that is reported on a key server. Returns whether it differs from the last one.
    pub(crate) fn set_verdict(&mut self, server: KeyServerId, verdict: Verdict, provisional: bool) -> bool {
        let entry = (server, verdict, provisional);
        match self.reported.iter_mut().find(|(of, _, _)| *of == server) {
            Some(before) if *before == entry => return false,
            Some(before) => *before = entry,
            None => self.reported.push(entry),
        }
        true
    }
}

/// A cookie pair that is not known to be a KEK.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Unconfirmed {
    pub(crate) first: Timestamp,
    pub(crate) last: Timestamp,
    /// When its latest rekey began, and the number of its rekeys.
    pub(crate) began: Timestamp,
    pub(crate) rekeys: u32,
    pub(crate) source: IpAddr,
    /// Recipients of its latest rekey up to the limit, and their number.
    pub(crate) destinations: SmallVec<[Peer; 2]>,
    pub(crate) recipients: u32,
    pub(crate) messages: u64,
    /// The group that it would continue, and why that is in doubt.
    pub(crate) group: GroupId,
    pub(crate) doubt: Option<ForgeryKind>,
    /// Whether it was reported as a forgery.
    pub(crate) reported: bool,
    #[serde(skip)]
    pub(crate) timer: TimerSlot,
}

impl Unconfirmed {
    pub(crate) fn new(source: IpAddr, group: GroupId, now: Timestamp) -> Self {
        Self {
            first: now,
            last: now,
            began: now,
            rekeys: 1,
            source,
            destinations: SmallVec::new(),
            recipients: 0,
            messages: 0,
            group,
            doubt: None,
            reported: false,
            timer: TimerSlot::new(),
        }
    }

    /// A message was sent to a destination; a rekey is over when the window passes without a message.
    pub(crate) fn note(&mut self, destination: Peer, now: Timestamp, window: Duration) {
        if now.since(self.last) > window {
            self.began = now;
            self.rekeys = self.rekeys.saturating_add(1);
            self.destinations.clear();
            self.recipients = 0;
        }
        self.last = now;
        self.messages = self.messages.saturating_add(1);
        if self.destinations.contains(&destination) {
            return;
        }
        self.recipients = self.recipients.saturating_add(1);
        if self.destinations.len() < MAX_HELD_DESTINATIONS {
            self.destinations.push(destination);
        }
    }
}
