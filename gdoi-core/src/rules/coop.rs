//! Announcements between cooperating key servers.
//!
//! Cisco's primary tells each of its peers every 20 s that it is there, in an exchange of no registered type under an
//! IKE SA between the two. Which type that is, and how often, is learned: any encrypted message of version 1 between two
//! key servers counts that is neither phase 1, nor a PULL, nor a rekey.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::time::Duration;

use gdoi_wire::Exchange;
use serde::{Deserialize, Serialize};

use crate::observation::host;
use crate::state::group::GroupId;
use crate::state::table::Id;
use crate::state::timers::{Armed, Timer};
use crate::time::Timestamp;
use crate::tracker::{Seen, Subject, Tracker};
use crate::transition::{CoopSilent, Transition, What};

/// Pairs of key servers that are followed.
const PAIRS: usize = 1024;
/// Messages closer together than this are one announcement in pieces, or its repeat.
const TOGETHER: Duration = Duration::from_secs(2);
/// Announcements that have to be missing.
const MISSING: u32 = 3;

/// What one key server tells another, first from and then to.
pub(crate) type Announcements = BTreeMap<(Id, Id), Announcing>;

/// One key server's announcements to another.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Announcing {
    last: Timestamp,
    /// Times between them, the latest first.
    gaps: [Option<Duration>; 4],
    /// It was noted that they stopped.
    silent: bool,
    #[serde(skip)]
    armed: Armed,
}

impl Announcing {
    const fn new(now: Timestamp) -> Self {
        Self {
            last: now,
            gaps: [None; 4],
            silent: false,
            armed: Armed::new(),
        }
    }

    fn heard(&mut self, now: Timestamp) {
        let gap = now.since(self.last);
        if gap < TOGETHER {
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
    fn period(&self) -> Option<Duration> {
        let known = || self.gaps.iter().flatten().copied();
        let (shortest, longest) = (known().min()?, known().max()?);
        let regular = known().count() == self.gaps.len() && longest <= shortest + shortest / 2;
        regular.then_some(longest)
    }

    /// When they are missing, if none comes.
    fn due(&self) -> Option<Timestamp> {
        Some(self.last.after(self.period()? * MISSING)).filter(|_| !self.silent)
    }
}

impl Tracker {
    /// Looks whether a message is an announcement.
    pub(crate) fn announced(&mut self, seen: Seen<'_>) {
        let announces = matches!(
            seen.exchange,
            Exchange::Informational | Exchange::Unregistered34 | Exchange::Unknown(_)
        );
        if !announces || seen.header().version().0 != 1 || !seen.header().is_encrypted() {
            return;
        }
        let (source, destination) = (host(seen.message.source), host(seen.message.destination));
        let (Some(from), Some(to)) = (self.servers.find(source), self.servers.find(destination)) else {
            return;
        };
        if !self.is_proven(source) || !self.is_proven(destination) {
            return;
        }
        if self.coop.len() < PAIRS || self.coop.contains_key(&(from, to)) {
            let announcing = self.coop.entry((from, to)).or_insert(Announcing::new(seen.now));
            announcing.heard(seen.now);
            self.watch_coop(from, to);
        }
    }

    /// Wakes when announcements are missing.
    pub(crate) fn watch_coop(&mut self, from: Id, to: Id) {
        let Self { coop, deadlines, .. } = self;
        if let Some(announcing) = coop.get_mut(&(from, to))
            && let Some(due) = announcing.due()
        {
            deadlines.arm(&mut announcing.armed, Timer::Coop(from, to), due);
        }
    }

    /// Announcements may be missing.
    pub(crate) fn coop_due(&mut self, now: Timestamp, from: Id, to: Id, out: &mut Vec<Transition>) {
        let back = self.coop.get(&(to, from)).map(|announcing| announcing.last);
        let Some(announcing) = self.coop.get_mut(&(from, to)) else {
            return;
        };
        announcing.armed.fired();
        let Some(due) = announcing.due() else {
            return;
        };
        if due > now {
            self.watch_coop(from, to);
            return;
        }
        announcing.silent = true;
        let last = announcing.last;
        // The other one announces now: they changed roles.
        if back.is_some_and(|back| back > last) {
            return;
        }
        let certainty = self.losses.certainty(last, now);
        let Some(peer) = self.servers.address(to) else {
            return;
        };
        let group = match self.servers.get(from).map(|server| server.groups.as_slice()) {
            Some(&[only]) => only,
            _ => GroupId::NONE,
        };
        let what = What::CoopSilent(CoopSilent {
            peer,
            silence: now.since(last),
            certainty,
        });
        self.emit(now, Subject::server(group, from), what, out);
    }
}
