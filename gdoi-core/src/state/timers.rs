//! What has to happen when nothing does.

use alloc::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::state::id::{GroupId, IkeSaId, KekId, KeyServerId};
use crate::time::Timestamp;

/// Who wants to be woken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Timer {
    /// An IKE SA: give up waiting for its next message.
    IkeSa(IkeSaId),
    /// A KEK: close rekeys, settle their kind.
    Kek(KekId),
    /// A group: close the rekey that goes on inside IKE SAs.
    Inband(GroupId),
    /// A group: a rekey is overdue.
    Overdue(GroupId),
    /// A group: its KEK expires.
    Expiry(GroupId),
    /// Announcements from one key server to another are missing.
    Coop(KeyServerId, KeyServerId),
    /// A group: a burst of registrations may be over.
    Burst(GroupId),
}

/// When its owner is to be woken; kept by the owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TimerSlot(Option<Timestamp>);

/// The deadlines in order; at most one for each timer, so that they are bounded by what they wake.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Timers {
    queue: BTreeSet<(Timestamp, Timer)>,
}

impl Timers {
    /// Wakes `timer` at `at`, or earlier: its owner looks again then. Moving a deadline later costs nothing.
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

    /// Does not wake it any more.
    pub(crate) fn disarm(&mut self, slot: &mut TimerSlot, timer: Timer) {
        if let Some(at) = slot.0.take() {
            self.queue.remove(&(at, timer));
        }
    }

    /// The next to be woken.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.queue.first().map(|&(at, _)| at)
    }

    /// Takes the next one that is due. Its owner calls [`TimerSlot::clear`].
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

    /// It was woken.
    pub(crate) const fn clear(&mut self) {
        self.0 = None;
    }
}
