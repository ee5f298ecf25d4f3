//! A replaced KEK that is used on: the key servers lost each other, or it was never replaced.

use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use crate::rules::kek::short;
use crate::state::id::GroupId;
use crate::state::table::Id;
use crate::time::Timestamp;
use crate::tracker::{Subject, Tracker};
use crate::transition::{Cookies, GroupDiscovered, KekSplit, KeyServerChanged, Transition, Transport, What};

impl Tracker {
    /// A rekey came under a KEK that another one had taken the place of: both are in use.
    pub(crate) fn check_kek_split(
        &mut self,
        now: Timestamp,
        id: Id,
        group: GroupId,
        out: &mut Vec<Transition>,
    ) {
        self.check_kek_age(now, id, group, out);
        let Some(kek) = self.keks.get(id) else {
            return;
        };
        if !kek.replaced {
            return;
        }
        let (cookies, server) = (kek.cookies, kek.server);
        let Some(state) = self.groups.get_mut(group) else {
            return;
        };
        let Some(other) = state.kek.current else {
            return;
        };
        if other == cookies || state.kek.split == Some(cookies) {
            return;
        }
        let other_server = self
            .keks
            .find(&other)
            .and_then(|id| self.keks.get(id))
            .and_then(|kek| kek.server);
        if other_server == server {
            self.split_off(now, group, id, &other, out);
            return;
        }
        let Some(state) = self.groups.get_mut(group) else {
            return;
        };
        state.kek.split = Some(cookies);
        let address = |id: Option<Id>| id.and_then(|id| self.servers.address(id));
        let (Some(first), Some(second)) = (address(server), address(other_server)) else {
            return;
        };
        let what = What::KekSplit(KekSplit {
            first: cookies,
            first_key_server: first,
            second: other,
            second_key_server: second,
            merged: false,
        });
        self.emit(now, Subject::group(group), what, out);
    }

    /// A KEK that was taken for replaced is used on by the same key server: the other one is another group's.
    fn split_off(
        &mut self,
        now: Timestamp,
        group: GroupId,
        id: Id,
        other: &Cookies,
        out: &mut Vec<Transition>,
    ) {
        let (Some(other_id), Some(kek)) = (self.keks.find(other), self.keks.get_mut(id)) else {
            return;
        };
        kek.replaced = false;
        let (cookies, server) = (kek.cookies, kek.server);
        let Some(server) = server else {
            return;
        };
        let Some(address) = self.servers.address(server) else {
            return;
        };
        let Some(found) = self.groups.discover(&format!("{address}/{}", short(*other))) else {
            return;
        };
        self.groups.join(found, server, &mut self.servers);
        if let Some(kek) = self.keks.get_mut(other_id) {
            kek.group = found;
            kek.parent = None;
        }
        if let Some(state) = self.groups.get_mut(group) {
            state.kek.resume(cookies);
        }
        let transport = self
            .keks
            .get(other_id)
            .map_or(Transport::Unicast, |kek| kek.transport);
        if let Some(state) = self.groups.get_mut(found) {
            state.transport = Some(transport);
            state.kek.begin(*other);
        }
        let what = What::GroupDiscovered(GroupDiscovered {
            transport,
            rekey_address: None,
            cookies: *other,
        });
        self.emit(now, Subject::server(found, server), what, out);
    }
}

/// Time between rekeys where it is not known.
const DEFAULT_REKEY_INTERVAL: Duration = Duration::from_hours(1);

impl Tracker {
    /// A key server sent a rekey. It may have taken over; or two send them by turns, because they lost each other.
    pub(crate) fn on_push_sender(
        &mut self,
        now: Timestamp,
        id: GroupId,
        kek: Id,
        server: Id,
        out: &mut Vec<Transition>,
    ) {
        self.groups.join(id, server, &mut self.servers);
        let used_by = self.keks.get_mut(kek).and_then(|kek| kek.server.replace(server));
        let interval = self.rekey_interval(id).unwrap_or(DEFAULT_REKEY_INTERVAL);
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
            self.report_merged(now, id, out);
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
    fn report_merged(&mut self, now: Timestamp, id: GroupId, out: &mut Vec<Transition>) {
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
