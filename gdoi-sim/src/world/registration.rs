//! Members register: main mode and PULL, or `IKE_SA_INIT` and `GSA_AUTH`, as round trips.

use std::rc::Rc;
use std::time::Duration;

use gdoi_core::Timestamp;

use super::network::Meaning;
use super::state::Plan;
use super::{Simulation, WorldEvent};
use crate::journal::AttemptEnd;
use crate::message::{self, Session};
use crate::scenario::Action;
use crate::truth::{Kind, Reason};

/// The first round trip after NAT detection.
pub(super) const NAT_T_FROM: u8 = 2;
const RETRY: Duration = Duration::from_secs(10);
const TRIES: u8 = 5;

/// A member's attempt to register.
#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub(super) awaited: Awaited,
    pub(super) server: usize,
    pub(super) session: Session,
    pub(super) request: Rc<[u8]>,
    pub(super) began: Timestamp,
    pub(super) reason: Reason,
}

/// The answer that a member waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Awaited {
    pub(super) attempt: u64,
    pub(super) trip: u8,
    pub(super) tries: u8,
}

/// The content of an answer.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    Continue,
    Refused,
    Admitted(Rc<Plan>),
}

impl Simulation {
    /// Starts to register, unless already registering.
    pub(super) fn register(&mut self, member: usize, reason: Reason) {
        let row = &self.members[member];
        if !row.powered || row.attempt.is_some() {
            return;
        }
        let group = &self.groups[row.group];
        let place = row.next_server % group.servers.len();
        let server = group.servers.get(place).copied().unwrap_or_default();
        let session = Session {
            initiator: self.random.array(),
            responder: [0; 8],
            message_id: self.random.word() | 1,
        };
        let awaited = Awaited {
            attempt: self.next_attempt,
            trip: 0,
            tries: 1,
        };
        self.next_attempt += 1;
        let request = message::request(&group.config, 0, session, &mut self.random);
        let attempt = Attempt {
            awaited,
            server,
            session,
            request,
            began: self.now,
            reason,
        };
        self.members[member].attempt = Some(attempt);
        self.record_attempt(member, server, reason);
        self.note_member(member, Some(server), Kind::RegistrationStarted { reason });
        self.ask(member);
    }

    /// Sends the request and waits for its answer.
    fn ask(&mut self, member: usize) {
        let Some(attempt) = self.members[member].attempt.clone() else {
            return;
        };
        let Attempt {
            awaited,
            server,
            request,
            ..
        } = attempt;
        let meaning = Meaning::Request {
            member,
            attempt: awaited.attempt,
            trip: awaited.trip,
        };
        self.send_to_server(member, server, awaited.trip >= NAT_T_FROM, request, meaning);
        self.after(RETRY, WorldEvent::Retry { member, awaited });
    }

    pub(super) fn retry(&mut self, member: usize, awaited: Awaited) {
        let Some(attempt) = &mut self.members[member].attempt else {
            return;
        };
        if attempt.awaited != awaited {
            return;
        }
        if awaited.tries >= TRIES {
            self.give_up(member);
        } else {
            attempt.awaited.tries += 1;
            self.ask(member);
        }
    }

    /// Ends the attempt; the next one is at the next key server, after a pause if all were tried.
    pub(super) fn give_up(&mut self, member: usize) {
        let Some(attempt) = self.members[member].attempt.take() else {
            return;
        };
        let kind = Kind::RegistrationFailed {
            trip: attempt.awaited.trip,
        };
        self.note_member(member, Some(attempt.server), kind);
        self.record_attempt_end(attempt.awaited.attempt, AttemptEnd::Failed, false);
        let servers = self.groups[self.members[member].group].servers.len();
        let row = &mut self.members[member];
        row.next_server += 1;
        row.generation += 1;
        let (generation, around) = (row.generation, row.next_server.is_multiple_of(servers));
        let wait = if around {
            Duration::from_secs(20) + self.some(Duration::from_secs(20))
        } else {
            Duration::from_secs(1)
        };
        self.after(
            wait,
            WorldEvent::Register {
                member,
                generation,
                reason: attempt.reason,
            },
        );
    }

    /// Handles an answer.
    pub(super) fn answered(
        &mut self,
        member: usize,
        attempt: u64,
        trip: u8,
        responder: [u8; 8],
        outcome: Outcome,
    ) {
        let now = self.now;
        let refuses = self.members[member].has(Action::RefusePolicy, now, usize::MAX);
        let config = &self.groups[self.members[member].group].config;
        let Some(current) = &mut self.members[member].attempt else {
            return;
        };
        if current.awaited.attempt != attempt || current.awaited.trip != trip {
            return;
        }
        current.session.responder = responder;
        match outcome {
            Outcome::Refused => self.give_up(member),
            Outcome::Continue if refuses && trip == message::asks_for_group(config.protocol) => {
                let (session, server) = (current.session, current.server);
                let datagram = message::informational(config, session, &mut self.random);
                let meaning = Meaning::Talk { member: Some(member) };
                self.send_to_server(member, server, true, datagram, meaning);
                self.give_up(member);
            }
            Outcome::Continue => {
                let next = trip + 1;
                current.awaited = Awaited {
                    attempt,
                    trip: next,
                    tries: 1,
                };
                current.request = message::request(config, next, current.session, &mut self.random);
                self.ask(member);
            }
            Outcome::Admitted(plan) => self.admitted(member, &plan),
        }
    }
}
