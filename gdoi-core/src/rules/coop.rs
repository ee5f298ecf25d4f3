//! Announcements between cooperating key servers.
//!
//! Cisco's primary tells each of its peers every 20 s that it is there, in an exchange of no registered type under an
//! IKE SA between the two. Which type that is, and how often, is learned: any encrypted message of version 1 between two
//! key servers counts that is neither phase 1, nor a PULL, nor a rekey.

use alloc::vec::Vec;

use gdoi_wire::Exchange;

use crate::observation::host;
use crate::state::coop::{CoopLink, MAX_COOP_LINKS};
use crate::state::id::GroupId;
use crate::state::table::Id;
use crate::state::timers::Timer;
use crate::time::Timestamp;
use crate::tracker::{Received, Subject, Tracker};
use crate::transition::{CoopSilent, Transition, What};

impl Tracker {
    /// Looks whether a message is an announcement.
    pub(crate) fn handle_coop(&mut self, seen: Received<'_>) {
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
        if !self.is_proven_key_server(source) || !self.is_proven_key_server(destination) {
            return;
        }
        if self.coop_links.len() < MAX_COOP_LINKS || self.coop_links.contains_key(&(from, to)) {
            let announcing = self
                .coop_links
                .entry((from, to))
                .or_insert(CoopLink::new(seen.now));
            announcing.heard(seen.now);
            self.arm_coop_timer(from, to);
        }
    }

    /// Wakes when announcements are missing.
    pub(crate) fn arm_coop_timer(&mut self, from: Id, to: Id) {
        let Self {
            coop_links, timers, ..
        } = self;
        if let Some(announcing) = coop_links.get_mut(&(from, to))
            && let Some(due) = announcing.due()
        {
            timers.arm(&mut announcing.timer, Timer::Coop(from, to), due);
        }
    }

    /// Announcements may be missing.
    pub(crate) fn on_coop_timer(&mut self, now: Timestamp, from: Id, to: Id, out: &mut Vec<Transition>) {
        let back = self.coop_links.get(&(to, from)).map(|announcing| announcing.last);
        let Some(announcing) = self.coop_links.get_mut(&(from, to)) else {
            return;
        };
        announcing.timer.clear();
        let Some(due) = announcing.due() else {
            return;
        };
        if due > now {
            self.arm_coop_timer(from, to);
            return;
        }
        announcing.silent = true;
        let last = announcing.last;
        // The other one announces now: they changed roles.
        if back.is_some_and(|back| back > last) {
            return;
        }
        let certainty = self.gaps.certainty(last, now);
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
            grounds: certainty.into(),
        });
        self.emit(now, Subject::server(group, from), what, out);
    }
}
