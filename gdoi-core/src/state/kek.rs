//! KEKs: the cookie pairs of rekeys, and those of one group one after the other.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::state::id::GroupId;
use crate::state::rekey::RekeyRound;
use crate::state::table::Id;
use crate::state::timers::TimerSlot;
use crate::time::Timestamp;
use crate::transition::{Cookies, Transport, Verdict};

/// Cycles that vote.
pub(crate) const MAX_KEK_CYCLES: usize = 16;

/// Pairs that are remembered.
const MAX_CHAINED_KEKS: usize = 32;

/// A KEK, named by the cookie pair of its rekeys.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Kek {
    pub(crate) cookies: Cookies,
    /// Its group.
    pub(crate) group: GroupId,
    /// The key server that last used it.
    pub(crate) server: Option<Id>,
    pub(crate) transport: Transport,
    pub(crate) first: Timestamp,
    pub(crate) events: Vec<RekeyRound>,
    /// What tells repeats of rekeys that are over.
    pub(crate) digests: [u64; 8],
    /// The KEK it took the place of.
    pub(crate) parent: Option<Cookies>,
    /// Another one took its place.
    pub(crate) replaced: bool,
    #[serde(skip)]
    pub(crate) timer: TimerSlot,
}

impl Kek {
    pub(crate) const fn new(
        cookies: Cookies,
        group: GroupId,
        transport: Transport,
        first: Timestamp,
    ) -> Self {
        Self {
            cookies,
            group,
            server: None,
            transport,
            first,
            events: Vec::new(),
            digests: [0; 8],
            parent: None,
            replaced: false,
            timer: TimerSlot::new(),
        }
    }
}

impl Kek {
    /// Keeps what tells late repeats of rekeys that are over.
    pub(crate) fn remember(&mut self, digest: u64) {
        if digest != 0 && !self.remembers(digest) {
            self.digests.rotate_right(1);
            if let Some(first) = self.digests.first_mut() {
                *first = digest;
            }
        }
    }

    pub(crate) fn remembers(&self, digest: u64) -> bool {
        digest != 0 && self.digests.contains(&digest)
    }
}

/// The KEKs of one group, one after the other.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct KekHistory {
    pub(crate) current: Option<Cookies>,
    pub(crate) chain: VecDeque<Cookies>,
    pub(crate) changes: u64,
    /// When the present KEK was delivered, and the one before it.
    pub(crate) start: Option<Timestamp>,
    pub(crate) start_before: Option<Timestamp>,
    pub(crate) lead_seconds: Option<f64>,
    pub(crate) over_age: bool,
    pub(crate) expired: bool,
    /// A KEK of the same group that another key server uses.
    pub(crate) split: Option<Cookies>,
    pub(crate) votes: BehaviorVotes,
    #[serde(skip)]
    pub(crate) timer: TimerSlot,
}

impl KekHistory {
    /// The first KEK that is seen of a group: when it was delivered is not known.
    pub(crate) fn begin(&mut self, cookies: Cookies) {
        self.current = Some(cookies);
        self.remember(cookies);
    }

    /// A KEK that was taken for replaced was not: it goes on. When it was delivered is no longer certain.
    pub(crate) fn resume(&mut self, cookies: Cookies) {
        self.current = Some(cookies);
        self.chain.pop_back();
        self.start = None;
    }

    pub(crate) fn remember(&mut self, cookies: Cookies) {
        if self.chain.len() >= MAX_CHAINED_KEKS {
            self.chain.pop_front();
        }
        self.chain.push_back(cookies);
    }
}

/// One cycle of a key server.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct KekCycle {
    pub(crate) server: Id,
    pub(crate) period: Duration,
}

/// The cycles of one group, and what they say.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct BehaviorVotes {
    pub(crate) cycles: VecDeque<KekCycle>,
    /// The lifetime that explains the cycles, when only one does.
    pub(crate) learned: Option<Duration>,
    /// What was last said of each key server, and whether provisionally.
    pub(crate) said: Vec<(Id, Verdict, bool)>,
}

/// The first message under a cookie pair.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Unconfirmed {
    pub(crate) first: Timestamp,
    pub(crate) destination: SocketAddr,
}
