//! Many registrations at once.
//!
//! Registrations begun are counted in a sliding window against what the group is used to. A burst begins well above
//! that and ends well below where it began, so that it does not flicker.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::deadlines::{Armed, Timer};
use crate::group::GroupId;
use crate::peer::Peer;
use crate::time::Timestamp;
use crate::tracker::{Subject, Tracker};
use crate::transition::{BurstCharacter, RegistrationBurst, Transition, What};

/// Nanoseconds of one bucket of the window.
const BUCKET: u64 = 5_000_000_000;
/// Buckets of the window: one minute.
const BUCKETS: usize = 12;
/// Different members below which nothing is a burst.
const FEWEST: u32 = 10;
/// How often what a group is used to must be exceeded.
const FACTOR: f64 = 4.0;
/// How fast a group gets used to something: a tenth part in a minute.
const LEARNING: f64 = 1.0 / 120.0;
/// Members that are told apart exactly; beyond them their number is estimated.
const EXACT: usize = 16_384;

/// Registrations of one group over time.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Burst {
    /// Number of the newest bucket since time zero.
    newest: u64,
    buckets: [u32; BUCKETS],
    /// Registrations in a window that the group is used to.
    baseline: f64,
    /// Members in this window and the one before.
    current: BTreeSet<Peer>,
    before: BTreeSet<Peer>,
    distinct: u32,
    pub(crate) active: bool,
    pub(crate) total: u64,
    pub(crate) members: u32,
    begun: Timestamp,
    peak_rate: f64,
    character: Option<BurstCharacter>,
    started: u32,
    completed: u32,
    failed: u32,
    #[serde(skip)]
    armed: Armed,
}

impl Burst {
    fn window(&self) -> u32 {
        self.buckets.iter().sum()
    }

    /// Moves the window up to now.
    fn roll(&mut self, now: Timestamp) {
        let newest = now.as_nanos() / BUCKET;
        let passed = newest.saturating_sub(self.newest);
        for step in 1..=passed.min(4 * BUCKETS as u64) {
            if !self.active {
                self.baseline += (f64::from(self.window()) - self.baseline) * LEARNING;
            }
            self.buckets.rotate_right(1);
            if let Some(first) = self.buckets.first_mut() {
                *first = 0;
            }
            if (self.newest + step).is_multiple_of(BUCKETS as u64) {
                self.forget();
            }
        }
        self.newest = newest.max(self.newest);
    }

    /// A window ended: its members are those of the window before.
    fn forget(&mut self) {
        if self.active {
            return;
        }
        self.before = core::mem::take(&mut self.current);
        self.distinct = u32::try_from(self.before.len()).unwrap_or(u32::MAX);
    }

    fn add(&mut self, member: Peer) {
        if let Some(first) = self.buckets.first_mut() {
            *first += 1;
            let rate = f64::from(*first) / 5.0;
            self.peak_rate = self.peak_rate.max(rate);
        }
        if self.current.len() >= EXACT {
            // As many new ones among the further as among those that were told apart.
            self.distinct = self
                .distinct
                .saturating_add(u32::from(!self.before.contains(&member)));
        } else if self.current.insert(member) && !self.before.contains(&member) {
            self.distinct += 1;
        }
    }

    fn threshold(&self) -> u32 {
        let factor = self.baseline * FACTOR;
        let mut threshold = FEWEST;
        while f64::from(threshold) < factor && threshold < u32::MAX / 2 {
            threshold += 1 + threshold / 16;
        }
        threshold
    }

    fn told(&self, now: Timestamp, character: BurstCharacter) -> RegistrationBurst {
        RegistrationBurst {
            members: self.distinct,
            peak_rate: self.peak_rate,
            character,
            started: self.started,
            completed: self.completed,
            failed: self.failed,
            duration: now.since(self.begun),
        }
    }
}

impl Tracker {
    /// A registration began.
    pub(crate) fn burst_started(
        &mut self,
        now: Timestamp,
        id: GroupId,
        member: Peer,
        out: &mut Vec<Transition>,
    ) {
        let expected = self.is_expiry_window(now, id);
        let Self {
            groups, deadlines, ..
        } = self;
        let Some(burst) = groups.get_mut(id).map(|group| &mut group.burst) else {
            return;
        };
        burst.roll(now);
        burst.add(member);
        if burst.active {
            burst.started = burst.started.saturating_add(1);
            burst.members = burst.distinct;
            return;
        }
        if burst.window() < burst.threshold() || burst.distinct < FEWEST {
            return;
        }
        burst.active = true;
        burst.total = burst.total.saturating_add(1);
        burst.members = burst.distinct;
        burst.started = burst.window();
        burst.completed = 0;
        burst.failed = 0;
        burst.begun = now;
        burst.peak_rate = burst.buckets.first().map_or(0.0, |&first| f64::from(first) / 5.0);
        let character = if expected {
            BurstCharacter::Wave
        } else {
            BurstCharacter::Storm
        };
        burst.character = Some(character);
        let told = burst.told(now, character);
        deadlines.arm(&mut burst.armed, Timer::Burst(id), next_bucket(now));
        let what = What::RegistrationBurstStarted(told);
        self.emit(now, Subject::group(id), what, out);
    }

    /// A registration ended.
    pub(crate) fn burst_ended_one(&mut self, id: GroupId, well: bool) {
        let Some(burst) = self.groups.get_mut(id).map(|group| &mut group.burst) else {
            return;
        };
        if burst.active {
            let ended = if well {
                &mut burst.completed
            } else {
                &mut burst.failed
            };
            *ended = ended.saturating_add(1);
        }
    }

    /// Looks whether a burst is over.
    pub(crate) fn burst_due(&mut self, now: Timestamp, id: GroupId, out: &mut Vec<Transition>) {
        let Self {
            groups, deadlines, ..
        } = self;
        let Some(burst) = groups.get_mut(id).map(|group| &mut group.burst) else {
            return;
        };
        burst.armed.fired();
        burst.roll(now);
        if burst.window() > burst.threshold() / 2 {
            deadlines.arm(&mut burst.armed, Timer::Burst(id), next_bucket(now));
            return;
        }
        let failing = burst.failed.saturating_mul(5) > burst.started;
        let character = match burst.character {
            Some(BurstCharacter::Wave) if !failing => BurstCharacter::Wave,
            _ => BurstCharacter::Storm,
        };
        let told = burst.told(now, character);
        burst.active = false;
        burst.peak_rate = 0.0;
        burst.forget();
        self.emit(now, Subject::group(id), What::RegistrationBurstEnded(told), out);
    }

    /// Arms what a restored burst waits for.
    pub(crate) fn rearm_burst(&mut self, id: GroupId) {
        let now = self.now;
        let Self {
            groups, deadlines, ..
        } = self;
        if let Some(burst) = groups.get_mut(id).map(|group| &mut group.burst)
            && burst.active
        {
            deadlines.arm(&mut burst.armed, Timer::Burst(id), next_bucket(now));
        }
    }
}

const fn next_bucket(now: Timestamp) -> Timestamp {
    Timestamp::from_nanos((now.as_nanos() / BUCKET).saturating_add(1).saturating_mul(BUCKET))
}
