//! The rules, one module per subject.
//!
//! A rule is a function of a [`Context`] and of what happened. `handle_*` takes input, `on_*` an internal event or a
//! timer, `arm_*` sets a timer. Rules of one subject may use those of another; `kek::lead` has every timer formula.

pub(crate) mod attribution;
pub(crate) mod coop;
pub(crate) mod data_plane;
pub(crate) mod kek;
pub(crate) mod registration;
pub(crate) mod rekey;
pub(crate) mod snapshot;

use alloc::vec::Vec;
use core::time::Duration;

use gdoi_wire::Exchange;
use gdoi_wire::isakmp::Header;

use crate::config::{Config, Limits};
use crate::observation::{Message, host};
use crate::rules::attribution::Attribution;
use crate::rules::kek::lead::Schedule;
use crate::state::State;
use crate::state::id::{GroupId, KeyServerId, MemberId, Peer};
use crate::state::member::Member;
use crate::time::Timestamp;
use crate::transition::{Anomaly, KeyServerAnswers, Malformed, Transition, What};

/// What a rule works with.
pub(crate) struct Context<'a> {
    /// Time of the observation, or the time at which a timer was due.
    pub(crate) now: Timestamp,
    pub(crate) config: &'a Config,
    pub(crate) limits: &'a Limits,
    pub(crate) state: &'a mut State,
    /// Receives the reported events.
    pub(crate) out: &'a mut Vec<Transition>,
}

/// A message with its type of exchange.
#[derive(Clone, Copy)]
pub(crate) struct Received<'a> {
    pub(crate) message: &'a Message<'a>,
    pub(crate) exchange: Exchange,
}

impl<'a> Received<'a> {
    pub(crate) fn new(message: &'a Message<'a>) -> Self {
        Self {
            message,
            exchange: message.header.exchange(),
        }
    }

    pub(crate) const fn header(&self) -> &Header {
        &self.message.header
    }
}

/// The group, key server and member that a transition is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject {
    group: GroupId,
    server: Option<KeyServerId>,
    member: Option<Peer>,
}

impl Subject {
    pub(crate) const fn member(group: GroupId, server: KeyServerId, member: Peer) -> Self {
        Self {
            group,
            server: Some(server),
            member: Some(member),
        }
    }

    pub(crate) const fn server(group: GroupId, server: KeyServerId) -> Self {
        Self {
            group,
            server: Some(server),
            member: None,
        }
    }

    pub(crate) const fn group(group: GroupId) -> Self {
        Self {
            group,
            server: None,
            member: None,
        }
    }
}

impl Context<'_> {
    /// Reports a transition.
    pub(crate) fn emit(&mut self, subject: Subject, what: What) {
        let Subject {
            group,
            server,
            member,
        } = subject;
        self.out.push(Transition {
            at: self.now,
            group: self.state.groups.name(group),
            key_server: server.map(|server| self.state.servers[server].address),
            member: member.map(Peer::socket),
            what,
        });
    }

    /// A message contradicts the protocol. Every one is counted; of the significant ones, the first and then ever
    /// fewer are reported.
    pub(crate) fn report_anomaly(&mut self, received: Received<'_>, anomaly: Anomaly) {
        let count = self.state.anomalies.entry((GroupId::NONE, anomaly)).or_default();
        *count = count.saturating_add(1);
        let count = *count;
        if count.is_power_of_two() && anomaly != Anomaly::PushUnconfirmed {
            let what = What::Malformed(Malformed {
                reason: anomaly,
                source: host(received.message.source),
                count,
            });
            self.emit(Subject::group(GroupId::NONE), what);
        }
    }

    /// Timer formulas for a group.
    pub(crate) fn schedule(&self, group: GroupId) -> Schedule<'_> {
        Schedule::new(&self.state.groups[group], self.config)
    }

    /// Group and key server for which a message of this member is counted.
    pub(crate) fn attribution_of(&self, server: KeyServerId, member: Peer) -> Attribution {
        attribution::attribution_of(self.state, server, member)
    }

    /// A key server sent or received a message.
    pub(crate) fn mark_heard(&mut self, server: KeyServerId, is_sender: bool) {
        if is_sender && self.state.servers[server].silent {
            self.report_answer(server);
        }
        let server = &mut self.state.servers[server];
        if is_sender {
            server.on_message_from(self.now);
        } else {
            server.on_message_to(self.now);
        }
    }

    /// A silent key server sends something again.
    fn report_answer(&mut self, id: KeyServerId) {
        let server = &self.state.servers[id];
        let what = What::KeyServerAnswers(KeyServerAnswers {
            silence: server
                .asked
                .map_or_else(Duration::default, |at| self.now.since(at)),
        });
        self.emit(Subject::server(server.only_group(), id), what);
    }

    /// The member at an address, inserted if new, as the most recently seen one.
    pub(crate) fn admit_member(&mut self, peer: Peer) -> MemberId {
        let members = &mut self.state.members;
        let id = match members.find(&peer) {
            Some(id) => id,
            None => members.insert(peer, Member::new(self.now)).id,
        };
        members.touch(id);
        id
    }
}
