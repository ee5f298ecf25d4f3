//! Announcements between cooperating key servers.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::state::recent::Recent;
use crate::state::timers::TimerSlot;
use crate::time::Timestamp;

/// Pairs of key servers that are followed.
pub(crate) const MAX_COOP_LINKS: usize = 1024;

/// Messages closer together are fragments or retransmissions of one announcement.
const ANNOUNCEMENT_SPAN: Duration = Duration::from_secs(2);

/// Missing announcements after which a key server counts as silent.
const MISSED_ANNOUNCEMENTS: u32 = 3;

/// The announcements of one key server to another.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CoopLink {
    pub(crate) last: Timestamp,
    /// Intervals between them, the latest first.
    pub(crate) intervals: Recent<Option<Duration>, 4>,
    /// Whether they stopped.
    pub(crate) silent: bool,
    #[serde(skip)]
    pub(crate) timer: TimerSlot,
}

impl CoopLink {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            last: now,
            intervals: Recent::default(),
            silent: false,
            timer: TimerSlot::new(),
        }
    }

    /// An announcement was seen.
    pub(crate) fn note_announcement(&mut self, now: Timestamp) {
        let interval = now.since(self.last);
        if interval < ANNOUNCEMENT_SPAN {
            return;
        }
        self.last = now;
        if core::mem::take(&mut self.silent) {
            self.intervals = Recent::default();
            return;
        }
        self.intervals.push(Some(interval));
    }

    /// The interval between them, if they have been regular.
    pub(crate) fn period(&self) -> Option<Duration> {
        let known = || self.intervals.iter().flatten().copied();
        let (shortest, longest) = (known().min()?, known().max()?);
        let regular = self.intervals.iter().all(Option::is_some) && longest <= shortest + shortest / 2;
        regular.then_some(longest)
    }

    /// When the key server counts as silent if no announcement comes.
    pub(crate) fn due(&self) -> Option<Timestamp> {
        Some(self.last.after(self.period()? * MISSED_ANNOUNCEMENTS)).filter(|_| !self.silent)
    }
}
