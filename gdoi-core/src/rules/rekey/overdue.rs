//! When the next rekey is due, and that it has not come.

use alloc::vec::Vec;
use core::time::Duration;

use super::Rekeys;
use crate::state::group::GroupId;
use crate::state::timers::Timer;
use crate::time::Timestamp;
use crate::tracker::{Subject, Tracker};
use crate::transition::{Certainty, RekeyOverdue, Transition, What};

impl Tracker {
    /// No rekey came when one was due.
    pub(crate) fn rekey_overdue(&mut self, now: Timestamp, id: GroupId, out: &mut Vec<Transition>) {
        if let Some(group) = self.groups.get_mut(id) {
            group.rekeys.armed.fired();
        }
        let (Some(expected), Some(interval)) = (self.next_expected(id), self.rekey_interval(id)) else {
            return;
        };
        let due = expected.after(self.tolerance(id, interval));
        if due > now {
            self.expect_next(id);
            return;
        }
        let Some(group) = self.groups.get_mut(id) else {
            return;
        };
        if group.rekeys.overdue {
            return;
        }
        group.rekeys.overdue = true;
        let server = group.rekeys.server;
        let what = What::RekeyOverdue(RekeyOverdue {
            overdue: now.since(expected),
            interval,
            certainty: group
                .rekeys
                .last
                .map_or(Certainty::Uncertain, |last| self.losses.certainty(last, now)),
        });
        let subject = server.map_or(Subject::group(id), |server| Subject::server(id, server));
        self.emit(now, subject, what, out);
    }

    /// Waits for the next rekey of a group.
    pub(crate) fn expect_next(&mut self, id: GroupId) {
        let (Some(expected), Some(interval)) = (self.next_expected(id), self.rekey_interval(id)) else {
            return;
        };
        let due = expected.after(self.tolerance(id, interval));
        let Self {
            groups, deadlines, ..
        } = self;
        if let Some(group) = groups.get_mut(id) {
            deadlines.arm(&mut group.rekeys.armed, Timer::Overdue(id), due);
        }
    }

    /// When the next rekey of a group should begin, where that can be told.
    pub(crate) fn next_expected(&self, id: GroupId) -> Option<Timestamp> {
        let rekeys = &self.groups.get(id.known()?)?.rekeys;
        // After a deletion nothing is due before the key server begins anew.
        let last = rekeys.last.filter(|_| rekeys.deleted.is_none())?;
        Some(last.after(self.rekey_interval(id)?))
    }

    fn tolerance(&self, id: GroupId, interval: Duration) -> Duration {
        self.window(id) * 2 + interval / 10
    }

    /// Time between rekeys: from the configured TEK lifetime, or as it has been lately.
    pub(crate) fn rekey_interval(&self, id: GroupId) -> Option<Duration> {
        let configured = self
            .groups
            .config(id, &self.config)
            .and_then(|known| known.tek_lifetime)
            .map(|lifetime| lifetime.saturating_sub(self.tek_lead(id, lifetime)));
        configured.or_else(|| self.groups.get(id)?.rekeys.interval())
    }
}

impl Rekeys {
    /// The time between rekeys, when the latest ones agree on it.
    fn interval(&self) -> Option<Duration> {
        let known = || self.intervals.iter().flatten().copied();
        let (shortest, longest) = (known().min()?, known().max()?);
        let agree = known().count() >= 2 && longest <= shortest + shortest / 4;
        agree.then_some(longest)
    }
}
