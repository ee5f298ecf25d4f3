//! KEKs: the cookie pairs of rekeys, which group each serves, and what takes the place of what.
//!
//! A rekey that delivers a new KEK still carries the old cookies (RFC 6407 §4.3): the new pair is first seen one rekey
//! later, and the delivery is, in retrospect, the last rekey under the old pair.

mod double;
mod formula;
mod life;
mod verdict;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

pub(crate) use life::KekLine;

use crate::deadlines::{Armed, Timer};
use crate::group::{Attribution, GroupId};
use crate::observation::host;
use crate::peer::Peer;
use crate::rekey::{Event, transport_of};
use crate::table::Id;
use crate::time::Timestamp;
use crate::tracker::{Seen, Subject, Tracker};
use crate::transition::{
    Anomaly, Cookies, GroupAmbiguous, GroupDiscovered, KekSplit, Transition, Transport, What,
};

/// A KEK, named by the cookie pair of its rekeys.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Kek {
    pub(crate) cookies: Cookies,
    /// Its group; none until something other than one message vouches for it.
    pub(crate) group: GroupId,
    /// The key server that last used it.
    pub(crate) server: Option<Id>,
    pub(crate) transport: Transport,
    pub(crate) first: Timestamp,
    /// Where its first rekey went.
    destination: SocketAddr,
    pub(crate) events: Vec<Event>,
    /// What tells repeats of rekeys that are over.
    pub(crate) digests: [u64; 8],
    /// The KEK it took the place of.
    pub(crate) parent: Option<Cookies>,
    /// Another one took its place.
    pub(crate) replaced: bool,
    #[serde(skip)]
    pub(crate) armed: Armed,
}

impl Tracker {
    /// The first message under a cookie pair.
    pub(crate) fn open_kek(&mut self, seen: Seen<'_>, cookies: Cookies) -> Id {
        let destination = seen.message.destination;
        let kek = Kek {
            cookies,
            group: GroupId::NONE,
            server: None,
            transport: transport_of(host(destination)),
            first: seen.now,
            destination,
            events: Vec::new(),
            digests: [0; 8],
            parent: None,
            replaced: false,
            armed: Armed::default(),
        };
        let inserted = self.keks.insert(cookies, kek);
        if let Some((_, mut evicted)) = inserted.evicted {
            self.deadlines.disarm(&mut evicted.armed, Timer::Kek(inserted.id));
        }
        inserted.id
    }

    /// Whether a KEK is more than one message says, and belongs to a group. If so for the first time, to which.
    pub(crate) fn confirm(&mut self, seen: Seen<'_>, id: Id, out: &mut Vec<Transition>) -> bool {
        let Some(kek) = self.keks.get(id) else {
            return false;
        };
        if kek.group != GroupId::NONE {
            return true;
        }
        // One unicast message from nowhere makes no group: a known key server, a second destination or a repeat does.
        let vouched = kek.transport == Transport::Multicast
            || self.is_proven(host(seen.message.source))
            || kek.destination != seen.message.destination
            || kek.first < seen.now;
        if !vouched {
            self.anomaly(seen, Anomaly::PushUnconfirmed, out);
            return false;
        }
        let server = self.servers.admit(host(seen.message.source));
        match self.belongs(seen, id, server) {
            Attribution::One(group) => {
                self.adopt(seen, id, group, server, out);
                true
            }
            Attribution::Nothing => self.discover(seen, id, server, out),
            Attribution::Several => {
                // It is followed under a name of its own: no group is claimed that it may not belong to.
                self.ambiguous(seen, id, server, out);
                self.discover(seen, id, server, out)
            }
        }
    }

    /// The group whose rekeys a new KEK continues.
    fn belongs(&self, seen: Seen<'_>, id: Id, server: Id) -> Attribution {
        let destination = host(seen.message.destination);
        let Some(kek) = self.keks.get(id) else {
            return Attribution::Nothing;
        };
        match kek.transport {
            Transport::Multicast => self.by_rekey_address(seen.now, destination, server),
            Transport::Unicast => self.by_member(seen.now, Peer::new(seen.message.destination), server),
        }
    }

    /// Multicast: the group of that address, when this key server serves it, or its own has gone silent.
    fn by_rekey_address(&self, now: Timestamp, address: IpAddr, server: Id) -> Attribution {
        let mut found = Attribution::Nothing;
        for (id, group) in self.groups.iter() {
            if group.rekey_address != Some(address) {
                continue;
            }
            let ours = group.servers.contains(&server) || group.config.is_some();
            let silent = group
                .rekeys
                .last
                .is_none_or(|last| now.since(last) > self.window(id) * 3);
            if ours {
                return Attribution::One(id);
            }
            if silent
                && self
                    .rekey_interval(id)
                    .is_none_or(|interval| group_is_late(group, now, interval))
            {
                found = Attribution::One(id);
            }
        }
        found
    }

    /// Unicast: the group of the member, told by the configuration, or by the rekeys it got before and their schedule.
    fn by_member(&self, now: Timestamp, peer: Peer, server: Id) -> Attribution {
        let groups = self.servers.get(server).map_or(&[][..], |server| &server.groups);
        let is_unicast = |id: &GroupId| {
            let known = self.groups.config(*id, &self.config);
            known.is_some_and(|known| known.rekey_address.is_none())
        };
        let fitting = self.groups.fitting(groups, peer.ip(), &self.config);
        let configured: Vec<GroupId> = fitting.filter(is_unicast).collect();
        if let [only] = configured[..] {
            return Attribution::One(only);
        }
        let member = self.members.find(&peer).and_then(|id| self.members.get(id));
        let before: Vec<GroupId> = member.map_or_else(Vec::new, |member| {
            member.groups.into_iter().filter_map(GroupId::known).collect()
        });
        let due: Vec<GroupId> = before
            .iter()
            .copied()
            .filter(|&id| self.is_due(now, id) == Some(true))
            .collect();
        let possible = |id: &&GroupId| self.is_due(now, **id) != Some(false);
        match (due.as_slice(), before.iter().filter(possible).count()) {
            ([only], _) => Attribution::One(*only),
            // Nothing but one group is known of the member, and its schedule does not speak against it.
            ([], 1) if configured.is_empty() && before.len() == 1 => before
                .first()
                .map_or(Attribution::Nothing, |&only| Attribution::One(only)),
            ([], 0) if configured.is_empty() => Attribution::Nothing,
            _ => Attribution::Several,
        }
    }

    /// Whether a rekey of this group is due now. `None` when its schedule is not known.
    fn is_due(&self, now: Timestamp, id: GroupId) -> Option<bool> {
        let expected = self.next_expected(id)?;
        let slack = self.window(id) + self.rekey_interval(id)? / 50;
        Some(expected.before(slack) <= now)
    }

    /// A KEK belongs to a group, and may take the place of another.
    fn adopt(&mut self, seen: Seen<'_>, id: Id, group: GroupId, server: Id, out: &mut Vec<Transition>) {
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
            kek.group = group;
            kek.parent = before;
        }
        match before {
            Some(before) if before != cookies => self.chain(seen.now, group, before, id, server, out),
            _ => {
                if let Some(state) = self.groups.get_mut(group) {
                    state.kek.begin(cookies);
                }
            }
        }
    }

    /// A KEK of a group nobody had named.
    fn discover(&mut self, seen: Seen<'_>, id: Id, server: Id, out: &mut Vec<Transition>) -> bool {
        let Some(kek) = self.keks.get(id) else {
            return false;
        };
        let (cookies, transport) = (kek.cookies, kek.transport);
        let source = host(seen.message.source);
        let destination = host(seen.message.destination);
        let name = match transport {
            Transport::Multicast => format!("{source}/{destination}"),
            Transport::Unicast => format!("{source}/{}", short(cookies)),
        };
        let Some(group) = self.groups.discover(&name) else {
            return false;
        };
        self.adopt(seen, id, group, server, out);
        let what = What::GroupDiscovered(GroupDiscovered {
            transport,
            rekey_address: (transport == Transport::Multicast).then_some(destination),
            cookies,
        });
        self.emit(seen.now, Subject::server(group, server), what, out);
        self.one_of_several(seen.now, server, out);
        true
    }

    /// A key server turned out to serve several groups that its members' addresses do not tell apart.
    fn one_of_several(&mut self, now: Timestamp, server: Id, out: &mut Vec<Transition>) {
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

    fn ambiguous(&mut self, seen: Seen<'_>, id: Id, server: Id, out: &mut Vec<Transition>) {
        let Some(kek) = self.keks.get(id) else {
            return;
        };
        let cookies = Some(kek.cookies);
        let groups = self.servers.get(server).map_or(&[][..], |server| &server.groups);
        let candidates = groups.iter().filter_map(|&id| self.groups.name(id)).collect();
        let what = What::GroupAmbiguous(GroupAmbiguous { candidates, cookies });
        self.emit(seen.now, Subject::server(GroupId::NONE, server), what, out);
    }

    /// A rekey came under a KEK that another one had taken the place of: both are in use.
    pub(crate) fn used_again(&mut self, now: Timestamp, id: Id, group: GroupId, out: &mut Vec<Transition>) {
        self.check_age(now, id, group, out);
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

fn group_is_late(group: &crate::group::Group, now: Timestamp, interval: core::time::Duration) -> bool {
    group.rekeys.last.is_none_or(|last| now.since(last) > interval)
}

/// The first four octets of a pair, which is how key servers print it too.
fn short(cookies: Cookies) -> String {
    let [a, b, c, d, ..] = cookies.0;
    format!("{a:02x}{b:02x}{c:02x}{d:02x}")
}
