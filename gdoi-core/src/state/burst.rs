//! Registrations of one group over time, and whether they are a burst.

use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::state::id::Peer;
use crate::state::recent::Recent;
use crate::state::timers::TimerSlot;
use crate::time::Timestamp;
use crate::transition::{BurstCharacter, RegistrationBurst};

/// Nanoseconds of one bucket of the window.
const BURST_BUCKET_NANOS: u64 = 5_000_000_000;

/// Buckets of the window: one minute.
const BURST_BUCKETS: usize = 12;

/// The window.
const BURST_WINDOW: Duration = Duration::from_mins(1);

/// The fewest different members of a burst.
const MIN_BURST_MEMBERS: u32 = 10;

/// Multiple of the usual number of registrations that makes a burst.
const BURST_FACTOR: f64 = 4.0;

/// How fast the baseline follows the present number: a tenth in a minute.
const BASELINE_GAIN: f64 = 1.0 / 120.0;

/// Buckets after which nothing of the baseline is left: three hours.
const BASELINE_MEMORY: u64 = 3 * 60 * BURST_BUCKETS as u64;

/// Members that are distinguished; the rest are counted each time they start.
const MAX_BURST_PEERS: usize = 16_384;

/// Registrations of one group over time.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Burst {
    /// Number of the newest bucket since time zero.
    pub(crate) newest: u64,
    pub(crate) buckets: Recent<BurstBucket, BURST_BUCKETS>,
    /// The usual number of registrations in a window.
    pub(crate) baseline: f64,
    /// Without a burst: the members that started recently, and when each last did.
    pub(crate) recent: BTreeMap<Peer, Timestamp>,
    /// During a burst: its members.
    pub(crate) known: BTreeSet<Peer>,
    pub(crate) active: bool,
    pub(crate) total: u64,
    pub(crate) members: u32,
    pub(crate) started_at: Timestamp,
    /// When the window last held half of what makes a burst.
    pub(crate) busy: Timestamp,
    pub(crate) peak_rate: f64,
    pub(crate) character: Option<BurstCharacter>,
    /// Registrations since the minute in which it began.
    pub(crate) sum: BurstBucket,
    #[serde(skip)]
    pub(crate) timer: TimerSlot,
}

/// Registrations in a period.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct BurstBucket {
    pub(crate) started: u32,
    pub(crate) completed: u32,
    pub(crate) failed: u32,
}

impl BurstBucket {
    /// Whether more than one in five fails.
    pub(crate) const fn is_failing(self) -> bool {
        self.failed.saturating_mul(5) > self.started
    }

    pub(crate) const fn add(&mut self, other: Self) {
        self.started = self.started.saturating_add(other.started);
        self.completed = self.completed.saturating_add(other.completed);
        self.failed = self.failed.saturating_add(other.failed);
    }
}

pub(crate) const ONE_STARTED: BurstBucket = BurstBucket {
    started: 1,
    completed: 0,
    failed: 0,
};

pub(crate) const ONE_COMPLETED: BurstBucket = BurstBucket {
    started: 0,
    completed: 1,
    failed: 0,
};

pub(crate) const ONE_FAILED: BurstBucket = BurstBucket {
    started: 0,
    completed: 0,
    failed: 1,
};

impl Burst {
    pub(crate) fn window(&self) -> BurstBucket {
        let mut window = BurstBucket::default();
        self.buckets.iter().for_each(|bucket| window.add(*bucket));
        window
    }

    /// Moves the window to `now`.
    pub(crate) fn roll(&mut self, now: Timestamp) {
        let newest = now.as_nanos() / BURST_BUCKET_NANOS;
        let passed = newest.saturating_sub(self.newest);
        for _ in 0..passed.min(BURST_BUCKETS as u64) {
            self.learn();
            self.buckets.push(BurstBucket::default());
        }
        // Nothing has started since.
        for _ in BURST_BUCKETS as u64..passed.min(BASELINE_MEMORY) {
            self.learn();
        }
        self.newest = newest.max(self.newest);
    }

    /// The baseline follows the present window, but not during a burst.
    fn learn(&mut self) {
        if !self.active {
            self.baseline += (f64::from(self.window().started) - self.baseline) * BASELINE_GAIN;
        }
    }

    /// Counts registrations that just started or ended.
    pub(crate) fn count(&mut self, one: BurstBucket) {
        if let Some(first) = self.buckets.newest_mut() {
            first.add(one);
            self.peak_rate = self.peak_rate.max(f64::from(first.started) / 5.0);
        }
        if self.active {
            self.sum.add(one);
        }
    }

    /// A member of the present burst starts.
    pub(crate) fn join(&mut self, member: Peer) {
        if self.known.len() >= MAX_BURST_PEERS || self.known.insert(member) {
            self.members = self.members.saturating_add(1);
        }
    }

    /// A member starts while there is no burst. Returns whether there is one now.
    pub(crate) fn is_reached(&mut self, now: Timestamp, member: Peer) -> bool {
        self.recent.insert(member, now);
        let threshold = self.threshold() as usize;
        if self.recent.len() >= threshold.min(MAX_BURST_PEERS) {
            self.recent.retain(|_, at| now.since(*at) < BURST_WINDOW);
        }
        self.recent.len() >= threshold.min(MAX_BURST_PEERS)
    }

    pub(crate) fn begin(&mut self, now: Timestamp, character: BurstCharacter) {
        self.active = true;
        self.total = self.total.saturating_add(1);
        self.known = core::mem::take(&mut self.recent).into_keys().collect();
        self.members = u32::try_from(self.known.len()).unwrap_or(u32::MAX);
        (self.started_at, self.busy) = (now, now);
        self.sum = self.window();
        self.peak_rate = self
            .buckets
            .newest()
            .map_or(0.0, |first| f64::from(first.started) / 5.0);
        self.character = Some(character);
    }

    /// Whether the burst is over.
    pub(crate) fn is_over(&mut self, now: Timestamp) -> bool {
        self.roll(now);
        if self.window().started >= self.threshold() / 2 {
            self.busy = now;
        }
        now.since(self.busy) >= BURST_WINDOW
    }

    pub(crate) fn end(&mut self) {
        self.active = false;
        self.peak_rate = 0.0;
        self.known.clear();
    }

    pub(crate) fn threshold(&self) -> u32 {
        let factor = self.baseline * BURST_FACTOR;
        let mut threshold = MIN_BURST_MEMBERS;
        while f64::from(threshold) < factor && threshold < u32::MAX / 2 {
            threshold += 1 + threshold / 16;
        }
        threshold
    }

    pub(crate) fn report(&self, now: Timestamp, character: BurstCharacter) -> RegistrationBurst {
        let BurstBucket {
            started,
            completed,
            failed,
        } = self.sum;
        RegistrationBurst {
            members: self.members,
            peak_rate: self.peak_rate,
            character,
            started,
            completed,
            failed,
            duration: now.since(self.started_at),
        }
    }
}

pub(crate) const fn next_bucket(now: Timestamp) -> Timestamp {
    Timestamp::from_nanos(
        (now.as_nanos() / BURST_BUCKET_NANOS)
            .saturating_add(1)
            .saturating_mul(BURST_BUCKET_NANOS),
    )
}
