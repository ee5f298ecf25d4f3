//! Many registrations at once.
//!
//! A burst begins when, within a minute, ten different members begin to register, and four times as many as the group
//! is used to. It is over when for a minute no minute had half as many: members that fail and try again after a pause
//! are still the same burst.

use alloc::vec::Vec;

use crate::state::burst::{COMPLETED, FAILED, STARTED, next_bucket};
use crate::state::id::{GroupId, Peer};
use crate::state::timers::Timer;
use crate::time::Timestamp;
use crate::tracker::{Subject, Tracker};
use crate::transition::{BurstCharacter, Transition, What};

impl Tracker {
    /// A registration began.
    pub(crate) fn on_registration_started(
        &mut self,
        now: Timestamp,
        id: GroupId,
        member: Peer,
        out: &mut Vec<Transition>,
    ) {
        let expected = self.is_expiry_window(now, id);
        let Self { groups, timers, .. } = self;
        let Some(burst) = groups.get_mut(id).map(|group| &mut group.burst) else {
            return;
        };
        burst.roll(now);
        burst.count(STARTED);
        if burst.active {
            burst.join(member);
            return;
        }
        if !burst.is_reached(now, member) {
            return;
        }
        let character = if expected {
            BurstCharacter::Wave
        } else {
            BurstCharacter::Storm
        };
        burst.begin(now, character);
        let told = burst.told(now, character);
        timers.arm(&mut burst.timer, Timer::Burst(id), next_bucket(now));
        let what = What::RegistrationBurstStarted(told);
        self.emit(now, Subject::group(id), what, out);
    }

    /// A registration ended.
    pub(crate) fn on_registration_ended(&mut self, now: Timestamp, id: GroupId, well: bool) {
        if let Some(burst) = self.groups.get_mut(id).map(|group| &mut group.burst) {
            burst.roll(now);
            burst.count(if well { COMPLETED } else { FAILED });
        }
    }

    /// Looks whether a burst is over.
    pub(crate) fn on_burst_timer(&mut self, now: Timestamp, id: GroupId, out: &mut Vec<Transition>) {
        let Self { groups, timers, .. } = self;
        let Some(burst) = groups.get_mut(id).map(|group| &mut group.burst) else {
            return;
        };
        burst.timer.clear();
        if !burst.is_over(now) {
            timers.arm(&mut burst.timer, Timer::Burst(id), next_bucket(now));
            return;
        }
        let failing = burst.sum.failed.saturating_mul(5) > burst.sum.started;
        let character = match burst.character {
            Some(BurstCharacter::Wave) if !failing => BurstCharacter::Wave,
            _ => BurstCharacter::Storm,
        };
        let told = burst.told(now, character);
        burst.end();
        self.emit(now, Subject::group(id), What::RegistrationBurstEnded(told), out);
    }

    /// Arms what a restored burst waits for.
    pub(crate) fn rearm_burst(&mut self, id: GroupId) {
        let now = self.now;
        let Self { groups, timers, .. } = self;
        if let Some(burst) = groups.get_mut(id).map(|group| &mut group.burst)
            && burst.active
        {
            timers.arm(&mut burst.timer, Timer::Burst(id), next_bucket(now));
        }
    }
}
