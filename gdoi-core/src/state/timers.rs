//! Timers: what happens when nothing is observed.

use alloc::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::state::id::{GroupId, IkeSaId, KekId, KeyServerId, UnconfirmedId};
use crate::time::Timestamp;

/// What is due when a timer fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Timer {
    /// An IKE SA was silent for too long.
    IkeSa(IkeSaId),
    /// A rekey under a KEK can be closed or reported.
    Kek(KekId),
    /// The rekey of a group inside IKE SAs can be closed.
    Inband(GroupId),
    /// A rekey of a group is overdue.
    Overdue(GroupId),
    /// The KEK of a group expired.
    Expiry(GroupId),
    /// Announcements from one key server to another are missing.
    Coop(KeyServerId, KeyServerId),
    /// A rekey under a cookie pair in doubt is over.
    Trial(UnconfirmedId),
    /// A burst of registrations in a group may be over.
    Burst(GroupId),
    /// All members of a group that missed its latest rekey have registered.
    MissedRekey(GroupId),
}

/// When a timer fires; stored with its owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TimerSlot(Option<Timestamp>);

/// The armed timers in order. Each owner has one, so their number is bounded by the tables.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Timers {
    queue: BTreeSet<(Timestamp, Timer)>,
}

impl Timers {
    /// Arms `timer` to fire at `at`, or earlier: its owner then checks and arms it again. So postponing it costs
    /// nothing.
    pub(crate) fn arm(&mut self, slot: &mut TimerSlot, timer: Timer, at: Timestamp) {
        match slot.0 {
            Some(before) if before <= at => return,
            Some(before) => {
                self.queue.remove(&(before, timer));
            }
            None => {}
        }
        self.queue.insert((at, timer));
        slot.0 = Some(at);
    }

    /// Disarms a timer.
    pub(crate) fn disarm(&mut self, slot: &mut TimerSlot, timer: Timer) {
        if let Some(at) = slot.0.take() {
            self.queue.remove(&(at, timer));
        }
    }

    /// When the next timer fires.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.queue.first().map(|&(at, _)| at)
    }

    /// Takes the next timer that is due. Its owner calls [`TimerSlot::clear`].
    pub(crate) fn pop(&mut self, now: Timestamp) -> Option<(Timestamp, Timer)> {
        if self.next()? > now {
            return None;
        }
        self.queue.pop_first()
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }
}

impl TimerSlot {
    pub(crate) const fn new() -> Self {
        Self(None)
    }

    /// The timer fired.
    pub(crate) const fn clear(&mut self) {
        self.0 = None;
    }
}
