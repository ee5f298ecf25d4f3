//! The life of a group's KEK: when it was delivered, when it expires, what took its place.

use alloc::vec::Vec;
use core::time::Duration;

use crate::state::id::GroupId;
use crate::state::table::Id;
use crate::state::timers::Timer;
use crate::time::Timestamp;
use crate::tracker::{Subject, Tracker};
use crate::transition::{
    Certainty, Cookies, KekChanged, KekExpired, KekOverAge, LifetimeSource, Transition, What,
};

/// Slack of clocks and jitter.
pub(crate) const KEK_TIMING_SLACK: Duration = Duration::from_secs(15);

impl Tracker {
    /// A KEK takes the place of another: the last rekey under the old one delivered it.
    pub(crate) fn replace_kek(
        &mut self,
        now: Timestamp,
        group: GroupId,
        before: Cookies,
        id: Id,
        server: Id,
        out: &mut Vec<Transition>,
    ) {
        let to = self.keks.get(id).map(|kek| kek.cookies).unwrap_or_default();
        let old = self.keks.find(&before);
        let delivered = old
            .and_then(|old| self.delivery(old, server))
            .map(|event| event.begun);
        if let Some(old) = old {
            if let Some(kek) = self.keks.get_mut(old) {
                kek.replaced = true;
            }
            self.settle_replaced(now, old, server, out);
        }
        let blind = delivered.is_none_or(|at| self.gaps.certainty(at, now) == Certainty::Uncertain);
        // While nothing was watched another rekey may have been the one.
        let current = self
            .groups
            .get(group)
            .is_some_and(|group| group.kek.current == Some(before));
        let certain = delivered.filter(|_| !blind && current);
        let cycle = self.on_kek_cycle(group, certain, server, now, out);
        let Some(line) = self.groups.get_mut(group).map(|group| &mut group.kek) else {
            return;
        };
        if line.split == Some(before) {
            line.split = line.current;
        }
        line.current = Some(to);
        line.remember(to);
        line.changes = line.changes.saturating_add(1);
        line.start_before = line.start;
        line.start = certain;
        line.over_age = false;
        line.expired = false;
        line.lead_seconds = cycle.or(line.lead_seconds);
        let what = What::KekChanged(KekChanged {
            from: before,
            to,
            lead_seconds: cycle,
            delivered: certain.map(|at| now.since(at)),
        });
        self.emit(now, Subject::server(group, server), what, out);
        self.arm_kek_expiry(group);
    }

    /// The lifetime of a group's KEK.
    pub(crate) fn kek_lifetime(&self, id: GroupId) -> Option<(Duration, LifetimeSource)> {
        let configured = self
            .groups
            .config(id, &self.config)
            .and_then(|known| known.kek_lifetime);
        match configured {
            Some(lifetime) => Some((lifetime, LifetimeSource::Configured)),
            None => self
                .groups
                .get(id)?
                .kek
                .votes
                .learned
                .map(|lifetime| (lifetime, LifetimeSource::Learned)),
        }
    }

    /// When the present KEK expires.
    pub(crate) fn kek_expiry(&self, id: GroupId) -> Option<Timestamp> {
        let start = self.groups.get(id)?.kek.start?;
        Some(start.after(self.kek_lifetime(id)?.0))
    }

    /// When members that missed the renewal register again: 3 to 5 % of the lifetime before the end, at least a minute.
    pub(crate) fn re_registration_window(&self, id: GroupId) -> Option<(Timestamp, Timestamp)> {
        let (lifetime, _) = self.kek_lifetime(id)?;
        let expiry = self.kek_expiry(id)?;
        let latest = (lifetime * 3 / 100).max(Duration::from_mins(1));
        let earliest = latest + lifetime / 50;
        Some((expiry.before(earliest), expiry.before(latest)))
    }

    fn arm_kek_expiry(&mut self, id: GroupId) {
        let Some(expiry) = self.kek_expiry(id) else {
            return;
        };
        let due = expiry.after(KEK_TIMING_SLACK + self.repeats(id));
        let Self { groups, timers, .. } = self;
        if let Some(group) = groups.get_mut(id) {
            timers.arm(&mut group.kek.timer, Timer::Expiry(id), due);
        }
    }

    /// Arms what a restored group waits for.
    pub(crate) fn rearm_kek_expiry(&mut self, id: GroupId) {
        let done = self
            .groups
            .get(id)
            .is_none_or(|group| group.kek.expired || group.kek.over_age);
        if !done {
            self.arm_kek_expiry(id);
        }
    }

    /// The lifetime of a group's KEK ended.
    pub(crate) fn on_kek_expiry(&mut self, now: Timestamp, id: GroupId, out: &mut Vec<Transition>) {
        if let Some(group) = self.groups.get_mut(id) {
            group.kek.timer.clear();
        }
        let (Some(expiry), Some((lifetime, _))) = (self.kek_expiry(id), self.kek_lifetime(id)) else {
            return;
        };
        if expiry.after(KEK_TIMING_SLACK + self.repeats(id)) > now {
            self.arm_kek_expiry(id);
            return;
        }
        let Some(group) = self.groups.get_mut(id) else {
            return;
        };
        // Any rekey in the last third may have delivered the next KEK: its cookies are seen only with the rekey after.
        let renewed = group
            .rekeys
            .last
            .is_some_and(|last| last > expiry.before(lifetime / 3));
        let (Some(cookies), false) = (group.kek.current, renewed || group.kek.expired) else {
            return;
        };
        group.kek.expired = true;
        let from = group.rekeys.last.unwrap_or_default();
        let what = What::KekExpired(KekExpired {
            cookies,
            lifetime,
            grounds: self.gaps.certainty(from, now).into(),
        });
        self.emit(now, Subject::group(id), what, out);
    }

    /// A KEK is used: is it too old for that?
    pub(super) fn check_kek_age(
        &mut self,
        now: Timestamp,
        id: Id,
        group: GroupId,
        out: &mut Vec<Transition>,
    ) {
        let allowed = KEK_TIMING_SLACK + self.repeats(group);
        let (Some((lifetime, _)), Some(kek)) = (self.kek_lifetime(group), self.keks.get(id)) else {
            return;
        };
        let cookies = kek.cookies;
        let Some(line) = self.groups.get_mut(group).map(|group| &mut group.kek) else {
            return;
        };
        let (Some(start), false) = (line.start, line.over_age) else {
            return;
        };
        let age = now.since(start);
        if line.current != Some(cookies) || age <= lifetime + allowed {
            return;
        }
        line.over_age = true;
        let what = What::KekOverAge(KekOverAge {
            cookies,
            age,
            lifetime,
        });
        self.emit(now, Subject::group(group), what, out);
    }
}
