//! What cooperating key servers announce to each other.

use alloc::collections::BTreeMap;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::state::table::Id;
use crate::state::timers::TimerSlot;
use crate::time::Timestamp;

/// Pairs of key servers that are followed.
pub(crate) const MAX_COOP_LINKS: usize = 1024;

/// Messages closer together than this are one announcement in pieces, or its repeat.
const ANNOUNCEMENT_SPAN: Duration = Duration::from_secs(2);

/// Announcements that have to be missing.
const MISSED_ANNOUNCEMENTS: u32 = 3;

/// What one key server tells another, first from and then to.
pub(crate) type CoopLinks = BTreeMap<(Id, Id), CoopLink>;

/// One key server's announcements to another.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct CoopLink {
    pub(crate) last: Timestamp,
    /// Times between them, the latest first.
    pub(crate) gaps: [Option<Duration>; 4],
    /// It was noted that they stopped.
    pub(crate) silent: bool,
    #[serde(skip)]
    pub(crate) timer: TimerSlot,
}

impl CoopLink {
    pub(crate) const fn new(now: Timestamp) -> Self {
        Self {
            last: now,
            gaps: [None; 4],
            silent: false,
            timer: TimerSlot::new(),
        }
    }

    pub(crate) fn heard(&mut self, now: Timestamp) {
        let gap = now.since(self.last);
        if gap < ANNOUNCEMENT_SPAN {
            return;
        }
        self.last = now;
        if core::mem::take(&mut self.silent) {
            self.gaps = [None; 4];
            return;
        }
        self.gaps.rotate_right(1);
        if let Some(first) = self.gaps.first_mut() {
            *first = Some(gap);
        }
    }

    /// The time between them, once they have been regular.
    pub(crate) fn period(&self) -> Option<Duration> {
        let known = || self.gaps.iter().flatten().copied();
        let (shortest, longest) = (known().min()?, known().max()?);
        let regular = known().count() == self.gaps.len() && longest <= shortest + shortest / 2;
        regular.then_some(longest)
    }

    /// When they are missing, if none comes.
    pub(crate) fn due(&self) -> Option<Timestamp> {
        Some(self.last.after(self.period()? * MISSED_ANNOUNCEMENTS)).filter(|_| !self.silent)
    }
}
