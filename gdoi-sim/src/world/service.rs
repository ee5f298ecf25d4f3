//! Key servers answer registering members, one at a time.

use std::rc::Rc;

use super::foreign::IKE_SA_IDLE;
use super::network::Meaning;
use super::registration::{NAT_T_FROM, Outcome};
use super::{Simulation, WorldEvent};
use crate::message::{self, Session};
use crate::scenario::Action;

/// A key server's state of a registration.
#[derive(Clone, Debug)]
pub(super) struct Served {
    attempt: u64,
    session: Session,
    /// The round trip in progress.
    working_on: Option<u8>,
    /// The last answer, for repeated requests.
    last: Option<(u8, Rc<[u8]>, Outcome)>,
}

impl Simulation {
    /// A key server receives a request.
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

    /// One request at a time: in a storm the answers come late.
    fn work(&mut self, server: usize, member: usize, attempt: u64, trip: u8) {
        let cost = self.groups[self.members[member].group].config.registration_cost;
        // The key exchange is the expensive part.
        let cost = if trip == 1 { cost * 4 / 5 } else { cost / 20 };
        let row = &mut self.servers[server];
        let ready = row.busy_until.max(self.now).after(cost);
        row.busy_until = ready;
        self.agenda.plan(
            ready,
            WorldEvent::Answer {
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
        let closes = self.groups[group].config.closes_ike_sa;
        if closes && matches!(outcome, Outcome::Admitted(_)) {
            let says = WorldEvent::EndIkeSa {
                server,
                member,
                session,
                closes: false,
            };
            self.after(IKE_SA_IDLE, says);
        }
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
        let last = matches!(outcome, Outcome::Admitted(_));
        let meaning = Meaning::Response {
            attempt: known.attempt,
            trip,
            responder: known.session.responder,
            outcome,
            last,
        };
        self.send_to_member(server, member, trip >= NAT_T_FROM, datagram, meaning);
    }
}
