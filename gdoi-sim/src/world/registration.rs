//! Registration: main mode and PULL, or `IKE_SA_INIT` and `GSA_AUTH`, as round trips.

use std::rc::Rc;
use std::time::Duration;

use gdoi_core::Timestamp;

use super::network::Meaning;
use super::state::Plan;
use super::{Event, Simulation};
use crate::message::{self, Session};
use crate::scenario::Action;
use crate::truth::{Kind, Reason};

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

/// What a key server remembers of a registration.
#[derive(Clone, Debug)]
pub(super) struct Served {
    attempt: u64,
    session: Session,
    /// The round trip that is being worked on.
    working_on: Option<u8>,
    /// The last answer, to be sent again when it is asked for again.
    last: Option<(u8, Rc<[u8]>, Outcome)>,
}

/// What an answer says.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    Continue,
    Refused,
    Admitted(Rc<Plan>),
}

impl Simulation {
    /// Begins to register, unless it is doing so already.
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
        self.mail_server(member, server, awaited.trip >= NAT_T_FROM, request, meaning);
        self.after(RETRY, Event::Retry { member, awaited });
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

    /// Ends the attempt; the next one is at the next key server, after a pause when all were tried.
    pub(super) fn give_up(&mut self, member: usize) {
        let Some(attempt) = self.members[member].attempt.take() else {
            return;
        };
        let kind = Kind::RegistrationFailed {
            trip: attempt.awaited.trip,
        };
        self.note_member(member, Some(attempt.server), kind);
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
            Event::Register {
                member,
                generation,
                reason: attempt.reason,
            },
        );
    }

    /// A key server gets a request.
    pub(super) fn asked(&mut self, server: usize, member: usize, attempt: u64, trip: u8) {
        let session = match &self.members[member].attempt {
            Some(current) if current.awaited.attempt == attempt => current.session,
            // Of an attempt that was given up meanwhile.
            _ => return,
        };
        let responder = self.random.array();
        let fresh = Served {
            attempt,
            session: Session { responder, ..session },
            working_on: None,
            last: None,
        };
        let known = self.servers[server]
            .served
            .entry(member)
            .or_insert_with(|| fresh.clone());
        if known.attempt != attempt {
            *known = fresh;
        }
        let answered = known.last.as_ref().map(|(last, ..)| *last);
        if known.working_on == Some(trip) || answered > Some(trip) {
            return;
        }
        if answered == Some(trip) {
            self.send_answer(server, member);
            return;
        }
        known.working_on = Some(trip);
        self.work(server, member, attempt, trip);
    }

    /// One thing after the other: in a storm the answers come late.
    fn work(&mut self, server: usize, member: usize, attempt: u64, trip: u8) {
        let cost = self.groups[self.members[member].group].config.registration_cost;
        // The key exchange is what costs.
        let cost = if trip == 1 { cost * 4 / 5 } else { cost / 20 };
        let row = &mut self.servers[server];
        let ready = row.busy_until.max(self.now).after(cost);
        row.busy_until = ready;
        self.agenda.plan(
            ready,
            Event::Answer {
                server,
                member,
                attempt,
                trip,
            },
        );
    }

    pub(super) fn answer(&mut self, server: usize, member: usize, attempt: u64, trip: u8) {
        if self.servers[server].down_since.is_some() {
            return;
        }
        let (group, now) = (self.members[member].group, self.now);
        let config = &self.groups[group].config;
        let protocol = config.protocol;
        if trip == message::authenticates(protocol)
            && self.members[member].has(Action::RefuseAuthentication, now, usize::MAX)
        {
            return;
        }
        let known = self.servers[server].served.get(&member);
        let Some(session) = known
            .filter(|known| known.attempt == attempt)
            .map(|known| known.session)
        else {
            return;
        };
        let refused = trip == message::asks_for_group(protocol)
            && self.members[member].has(Action::RefuseGroup, now, usize::MAX);
        let last = trip + 1 == message::round_trips(protocol);
        let (datagram, outcome) = if refused {
            (
                message::informational(config, session, &mut self.random),
                Outcome::Refused,
            )
        } else {
            let side = self.side_of(group, server);
            let datagram = message::response(config, trip, session, &mut self.random);
            let outcome = if last {
                Outcome::Admitted(self.admit(side, member))
            } else {
                Outcome::Continue
            };
            (datagram, outcome)
        };
        if let Some(known) = self.servers[server].served.get_mut(&member) {
            known.working_on = None;
            known.last = Some((trip, datagram, outcome));
        }
        self.send_answer(server, member);
    }

    fn send_answer(&mut self, server: usize, member: usize) {
        let Some(known) = self.servers[server].served.get(&member) else {
            return;
        };
        let Some((trip, datagram, outcome)) = known.last.clone() else {
            return;
        };
        let meaning = Meaning::Response {
            attempt: known.attempt,
            trip,
            responder: known.session.responder,
            outcome,
        };
        self.mail_member(server, member, trip >= NAT_T_FROM, datagram, meaning);
    }

    /// A member gets an answer.
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
                self.mail_server(member, server, true, datagram, meaning);
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

/// The first round trip behind the detection of NAT.
const NAT_T_FROM: u8 = 2;
const RETRY: Duration = Duration::from_secs(10);
const TRIES: u8 = 5;
