//! Cooperating key servers: announcements, failover, split and merge.

use std::time::Duration;

use super::network::Meaning;
use super::rekey::Delivery;
use super::state::Side;
use super::{Simulation, WorldEvent};
use crate::message::{self, Content, Session};
use crate::truth::Kind;

const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long a secondary waits for the primary.
const SILENCE: Duration = Duration::from_secs(30);

impl Simulation {
    /// The side whose rekeys reach a member.
    pub(super) fn side_of_member(&self, member: usize) -> usize {
        let row = &self.members[member];
        let group = &self.groups[row.group];
        match group.other_side {
            Some(other) if row.number % 2 == 1 => other,
            _ => group.side,
        }
    }

    /// Every primary sends to every key server it can reach.
    pub(super) fn announce(&mut self, group: usize) {
        let servers = self.groups[group].servers.clone();
        for from in servers.iter().copied() {
            let side = self.side_of(group, from);
            let primary = self.sides[side].primary == from && !self.sides[side].merged;
            if !primary || self.servers[from].down_since.is_some() {
                continue;
            }
            let members = self.sides[side].registered.len();
            for to in servers.iter().copied() {
                let reachable = self.side_of(group, to) == side && self.servers[to].down_since.is_none();
                if from == to || !reachable {
                    continue;
                }
                let session = self.session_between(group, from, to);
                let octets = message::announcement(session, members, &mut self.random);
                self.send_between_servers(from, to, octets, Meaning::Announcement { from, to });
            }
        }
        let every = self.groups[group].config.announce_every;
        self.after(every, WorldEvent::Announce { group });
    }

    /// The IKE SA between two key servers; the listening one creates it if there is none.
    fn session_between(&mut self, group: usize, from: usize, to: usize) -> Session {
        let pair = (from.min(to), from.max(to));
        let lifetime = self.groups[group].config.coop_ike_lifetime;
        if let Some((session, since)) = self.groups[group].coop.get(&pair)
            && (lifetime.is_zero() || self.now.since(*since) < lifetime)
        {
            return *session;
        }
        let mut session = Session {
            initiator: self.random.array(),
            responder: [0; 8],
            message_id: 0,
        };
        for trip in 0..3 {
            let request = message::main_mode(trip, session, false, &mut self.random);
            self.send_between_servers(to, from, request, Meaning::Talk { member: None });
            if trip == 0 {
                session.responder = self.random.array();
            }
            let response = message::main_mode(trip, session, true, &mut self.random);
            self.send_between_servers(from, to, response, Meaning::Talk { member: None });
        }
        self.groups[group].coop.insert(pair, (session, self.now));
        session
    }

    /// A key server that has not heard the primary for long enough takes over.
    pub(super) fn watchdog(&mut self, group: usize) {
        let row = &self.groups[group];
        for side in [Some(row.side), row.other_side].into_iter().flatten() {
            let primary = self.sides[side].primary;
            let silent = self.servers[primary].down_since.is_some_and(|since| {
                self.now.since(since) >= SILENCE.max(self.groups[group].config.announce_every * 3 / 2)
            });
            let next = self.groups[group].servers.iter().copied().find(|server| {
                self.servers[*server].down_since.is_none() && self.side_of(group, *server) == side
            });
            if let Some(next) = next.filter(|_| silent) {
                let from = self.servers[primary].address;
                self.sides[side].primary = next;
                self.note_group(group, Some(next), Kind::Failover { from });
                if std::mem::take(&mut self.sides[side].overdue) {
                    self.rekey_due(side);
                } else {
                    self.plan_rekey(side);
                }
            }
        }
        self.after(LOOK_EVERY, WorldEvent::Watchdog { group });
    }

    pub(super) fn server_down(&mut self, group: usize, server: usize) {
        self.servers[server].down_since = Some(self.now);
        self.servers[server].served.clear();
        self.note_group(group, Some(server), Kind::ServerDown);
    }

    pub(super) fn server_up(&mut self, group: usize, server: usize) {
        self.servers[server].down_since = None;
        self.servers[server].busy_until = self.now;
        self.groups[group]
            .coop
            .retain(|(one, other), _| *one != server && *other != server);
        self.note_group(group, Some(server), Kind::ServerUp);
        let side = self.side_of(group, server);
        if self.sides[side].primary == server && std::mem::take(&mut self.sides[side].overdue) {
            self.rekey_due(side);
        }
    }

    /// The key servers lose contact: the second becomes primary for every second member and makes its own keys, which
    /// it sends under their common KEK.
    pub(super) fn split(&mut self, group: usize) {
        let row = &self.groups[group];
        let Some(promoted) = row.servers.get(1).copied() else {
            return;
        };
        if row.other_side.is_some() {
            return;
        }
        let first = row.side;
        let plan = self.sides[first].plan.clone();
        let mut other = Side::new(group, promoted, plan);
        let theirs: Vec<usize> = self.sides[first]
            .registered
            .keys()
            .copied()
            .filter(|member| self.members[*member].number % 2 == 1)
            .collect();
        for member in theirs {
            if let Some(missed) = self.sides[first].registered.remove(&member) {
                other.registered.insert(member, missed);
            }
        }
        let other = self.sides.add(other);
        self.groups[group].other_side = Some(other);
        self.note_group(group, Some(promoted), Kind::Split);
        self.rekey(other, Content::KekAndTek, true);
    }

    /// The first key server stays primary: it renews all keys and sends them to the others' members too, under the
    /// KEK that these have.
    pub(super) fn merge(&mut self, group: usize) {
        let row = &mut self.groups[group];
        let (first, Some(other)) = (row.side, row.other_side.take()) else {
            return;
        };
        let primary = self.sides[first].primary;
        self.note_group(group, Some(primary), Kind::Merged);
        self.rekey(first, Content::KekAndTek, true);
        let theirs = &mut self.sides[other];
        theirs.merged = true;
        theirs.primary = primary;
        let (old, sequence) = (theirs.plan.kek, theirs.plan.sequence + 1);
        let registered = std::mem::take(&mut theirs.registered);
        self.sides[other].plan = self.sides[first].plan.clone();
        let recipients = if self.groups[group].config.is_unicast() {
            registered.keys().copied().collect()
        } else {
            let members = self.groups[group].members.clone();
            members
                .filter(|member| self.members[*member].number % 2 == 1)
                .collect()
        };
        self.sides[first].registered.extend(registered);
        self.push(
            other,
            old,
            sequence,
            Delivery {
                content: Content::KekAndTek,
                forced: true,
            },
            recipients,
        );
    }
}
