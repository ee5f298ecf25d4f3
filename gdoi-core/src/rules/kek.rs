//! KEKs: the cookie pairs of rekeys, which group each serves, and what takes the place of what.
//!
//! A rekey that delivers a new KEK still carries the old cookies (RFC 6407 §4.3): the new pair is first seen one rekey
//! later, and the delivery is, in retrospect, the last rekey under the old pair.

mod attribution;
mod behavior;
mod lead;
mod lifetime;
mod split;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::observation::host;
use crate::rules::rekey::transport_of;
use crate::state::group::GroupMatch;
use crate::state::id::GroupId;
use crate::state::kek::{Kek, Unconfirmed};
use crate::state::table::Id;
use crate::state::timers::Timer;
use crate::time::Timestamp;
use crate::tracker::{Received, Subject, Tracker};
use crate::transition::{Anomaly, Cookies, GroupAmbiguous, GroupDiscovered, Transition, Transport, What};

impl Tracker {
    /// A message under cookies that are no group's yet: if more than this message speaks for them, they are those of
    /// a KEK, and belong to a group.
    pub(crate) fn confirm_kek(
        &mut self,
        seen: Received<'_>,
        cookies: Cookies,
        out: &mut Vec<Transition>,
    ) -> Option<Id> {
        let transport = transport_of(host(seen.message.destination));
        let Some(first) = self.corroborate(seen, cookies, transport) else {
            self.report_anomaly(seen, Anomaly::PushUnconfirmed, out);
            return None;
        };
        let server = self.servers.admit(host(seen.message.source));
        let (group, is_new) = match self.attribute_kek(seen, transport, server) {
            GroupMatch::One(group) => (group, false),
            GroupMatch::Nothing => (self.discover_group(seen, cookies, transport)?, true),
            GroupMatch::Several => {
                // It is followed under a name of its own: no group is claimed that it may not belong to.
                self.report_ambiguous(seen.now, cookies, server, out);
                (self.discover_group(seen, cookies, transport)?, true)
            }
        };
        self.forget_unconfirmed(cookies);
        let id = self.insert_kek(seen.now, Kek::new(cookies, group, transport, first), out);
        self.adopt_kek(seen, id, group, server, out);
        if is_new {
            self.report_discovered(seen, (group, cookies, transport), server, out);
        }
        Some(id)
    }

    /// Makes room for a KEK. The rekeys of the one that has to go for it are told first.
    fn insert_kek(&mut self, now: Timestamp, kek: Kek, out: &mut Vec<Transition>) -> Id {
        let inserted = self.keks.insert(kek.cookies, kek);
        if let Some((_, mut evicted)) = inserted.evicted {
            self.timers.disarm(&mut evicted.timer, Timer::Kek(inserted.id));
            self.report_evicted(now, &evicted, out);
        }
        inserted.id
    }

    /// A KEK belongs to a group, and may take the place of another.
    fn adopt_kek(
        &mut self,
        seen: Received<'_>,
        id: Id,
        group: GroupId,
        server: Id,
        out: &mut Vec<Transition>,
    ) {
        let transport = self.keks.get(id).map(|kek| kek.transport);
        let destination = host(seen.message.destination);
        self.groups.join(group, server, &mut self.servers);
        if let Some(state) = self.groups.get_mut(group) {
            state.transport = transport;
            if transport == Some(Transport::Multicast) {
                state.rekey_address = Some(destination);
            }
        }
        let cookies = self.keks.get(id).map(|kek| kek.cookies).unwrap_or_default();
        let line = self.groups.get(group).map(|state| &state.kek);
        // Of two key servers that lost each other, each goes on with its own.
        let own = line.and_then(|line| line.split).filter(|split| {
            let kek = self.keks.find(split).and_then(|id| self.keks.get(id));
            kek.is_some_and(|kek| kek.server == Some(server))
        });
        let before = own.or(line.and_then(|line| line.current));
        if let Some(kek) = self.keks.get_mut(id) {
            kek.parent = before;
        }
        match before {
            Some(before) if before != cookies => self.replace_kek(seen.now, group, before, id, server, out),
            _ => {
                if let Some(state) = self.groups.get_mut(group) {
                    state.kek.begin(cookies);
                }
            }
        }
    }

    /// The group of a KEK that nobody had named. `None` when there is no room for one more.
    fn discover_group(
        &mut self,
        seen: Received<'_>,
        cookies: Cookies,
        transport: Transport,
    ) -> Option<GroupId> {
        let source = host(seen.message.source);
        let destination = host(seen.message.destination);
        let name = match transport {
            Transport::Multicast => format!("{source}/{destination}"),
            Transport::Unicast => format!("{source}/{}", short(cookies)),
        };
        self.groups.discover(&name)
    }

    /// Tells of a group that nobody had named.
    fn report_discovered(
        &mut self,
        seen: Received<'_>,
        (group, cookies, transport): (GroupId, Cookies, Transport),
        server: Id,
        out: &mut Vec<Transition>,
    ) {
        let destination = host(seen.message.destination);
        let what = What::GroupDiscovered(GroupDiscovered {
            transport,
            rekey_address: (transport == Transport::Multicast).then_some(destination),
            cookies,
        });
        self.emit(seen.now, Subject::server(group, server), what, out);
        self.report_shared_key_server(seen.now, server, out);
    }

    /// A key server turned out to serve several groups that its members' addresses do not tell apart.
    fn report_shared_key_server(&mut self, now: Timestamp, server: Id, out: &mut Vec<Transition>) {
        let groups = self
            .servers
            .get(server)
            .map_or_else(Vec::new, |server| server.groups.clone());
        let unclear = |id: &GroupId| {
            let known = self.groups.config(*id, &self.config);
            known.is_none_or(|known| known.members.is_empty())
        };
        let unclear: Vec<GroupId> = groups.into_iter().filter(unclear).collect();
        let Some(&first) = unclear.first() else {
            return;
        };
        let told = self.groups.get(first).is_none_or(|group| group.ambiguity_told);
        if unclear.len() < 2 || told {
            return;
        }
        if let Some(group) = self.groups.get_mut(first) {
            group.ambiguity_told = true;
        }
        let candidates = unclear.iter().filter_map(|&id| self.groups.name(id)).collect();
        let what = What::GroupAmbiguous(GroupAmbiguous {
            candidates,
            cookies: None,
        });
        self.emit(now, Subject::server(GroupId::NONE, server), what, out);
    }

    fn report_ambiguous(&self, now: Timestamp, cookies: Cookies, server: Id, out: &mut Vec<Transition>) {
        let groups = self.servers.get(server).map_or(&[][..], |server| &server.groups);
        let candidates = groups.iter().filter_map(|&id| self.groups.name(id)).collect();
        let what = What::GroupAmbiguous(GroupAmbiguous {
            candidates,
            cookies: Some(cookies),
        });
        self.emit(now, Subject::server(GroupId::NONE, server), what, out);
    }
}

/// The first four octets of a pair, which is how key servers print it too.
pub(crate) fn short(cookies: Cookies) -> String {
    let [a, b, c, d, ..] = cookies.0;
    format!("{a:02x}{b:02x}{c:02x}{d:02x}")
}

impl Tracker {
    /// Since when rekeys under a cookie pair are believed to be rekeys, if they are.
    ///
    /// One unicast message from nowhere makes no group: a known key server, a second destination or a repeat does.
    pub(super) fn corroborate(
        &mut self,
        seen: Received<'_>,
        cookies: Cookies,
        transport: Transport,
    ) -> Option<Timestamp> {
        let destination = seen.message.destination;
        let before = self
            .unconfirmed
            .find(&cookies)
            .and_then(|id| self.unconfirmed.get(id));
        let is_second =
            before.is_some_and(|before| before.destination != destination || before.first < seen.now);
        let first = before.map_or(seen.now, |before| before.first);
        if is_second
            || transport == Transport::Multicast
            || self.is_proven_key_server(host(seen.message.source))
        {
            return Some(first);
        }
        if before.is_none() {
            self.unconfirmed
                .insert(cookies, Unconfirmed { first, destination });
        }
        None
    }

    /// Something has confirmed it.
    pub(super) fn forget_unconfirmed(&mut self, cookies: Cookies) {
        if let Some(id) = self.unconfirmed.find(&cookies) {
            self.unconfirmed.remove(id);
        }
    }
}
