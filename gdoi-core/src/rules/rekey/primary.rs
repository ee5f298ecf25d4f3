//! Which key server sends the rekeys of a group: the primary of its cooperating key servers.

use alloc::vec::Vec;
use core::time::Duration;

use crate::state::group::GroupId;
use crate::state::table::Id;
use crate::time::Timestamp;
use crate::tracker::{Subject, Tracker};
use crate::transition::{KekSplit, KeyServerChanged, Transition, What};

/// Time between rekeys where it is not known.
const INTERVAL: Duration = Duration::from_hours(1);

impl Tracker {
    /// A key server sent a rekey. It may have taken over; or two send them by turns, because they lost each other.
    pub(super) fn pushed_by(
        &mut self,
        now: Timestamp,
        id: GroupId,
        kek: Id,
        server: Id,
        out: &mut Vec<Transition>,
    ) {
        self.groups.join(id, server, &mut self.servers);
        let used_by = self.keks.get_mut(kek).and_then(|kek| kek.server.replace(server));
        let interval = self.rekey_interval(id).unwrap_or(INTERVAL);
        let Some(rekeys) = self.groups.get_mut(id).map(|group| &mut group.rekeys) else {
            return;
        };
        let returned = rekeys.pushed(server, now);
        let Some(before) = rekeys.server else {
            rekeys.server = Some(server);
            return;
        };
        let rival = rekeys.pushers.iter().flatten().find(|(at, _)| *at != server);
        let rival_silent = rival.is_none_or(|(_, at)| now.since(*at) > interval + interval / 2);
        if rekeys.contested && rival_silent {
            rekeys.contested = false;
            self.merged(now, id, out);
        } else if before != server
            && !rival_silent
            && returned.is_some_and(|at| now.since(at) <= interval * 3)
        {
            rekeys.contested = true;
        }
        let Some(rekeys) = self.groups.get_mut(id).map(|group| &mut group.rekeys) else {
            return;
        };
        if before == server || rekeys.contested {
            return;
        }
        rekeys.server = Some(server);
        let (Some(from), Some(to)) = (self.servers.address(before), self.servers.address(server)) else {
            return;
        };
        let what = What::KeyServerChanged(KeyServerChanged {
            from,
            to,
            cookies_kept: used_by.is_some_and(|used_by| used_by != server),
        });
        self.emit(now, Subject::server(id, server), what, out);
    }

    /// One of two key servers that lost each other went silent: the other has the group.
    fn merged(&mut self, now: Timestamp, id: GroupId, out: &mut Vec<Transition>) {
        let Some(line) = self.groups.get_mut(id).map(|group| &mut group.kek) else {
            return;
        };
        let (Some(first), Some(second)) = (line.split.take(), line.current) else {
            return;
        };
        let server = |cookies| {
            let kek = self.keks.find(&cookies).and_then(|id| self.keks.get(id))?;
            self.servers.address(kek.server?)
        };
        let (Some(first_key_server), Some(second_key_server)) = (server(first), server(second)) else {
            return;
        };
        let what = What::KekSplit(KekSplit {
            first,
            first_key_server,
            second,
            second_key_server,
            merged: true,
        });
        self.emit(now, Subject::group(id), what, out);
    }
}

impl super::Rekeys {
    /// Notes who sent a rekey. When it had sent the one before, unless it is new.
    fn pushed(&mut self, server: Id, now: Timestamp) -> Option<Timestamp> {
        let [first, second] = &mut self.pushers;
        if let Some((at, last)) = first
            && *at == server
        {
            return Some(core::mem::replace(last, now));
        }
        core::mem::swap(first, second);
        if let Some((at, last)) = first
            && *at == server
        {
            return Some(core::mem::replace(last, now));
        }
        *first = Some((server, now));
        None
    }
}
