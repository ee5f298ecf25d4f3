//! Registrations of version 2.0 (RFC 9838 §2.3): `IKE_SA_INIT`, then `GSA_AUTH`, or `IKE_AUTH` and `GSA_REGISTRATION`.

use alloc::vec::Vec;

use gdoi_wire::Exchange;

use super::isakmp::{digest, learn_responder};
use super::pull::Step;
use super::step;
use crate::state::table::Id;
use crate::tracker::{Booking, Seen, Tracker};
use crate::transition::{Anomaly, Transition};

impl Tracker {
    /// One message of version 2. Requests and responses carry their direction in a flag and repeat their message
    /// identifier when sent again (RFC 7296 §2.1).
    pub(super) fn version2(
        &mut self,
        seen: Seen<'_>,
        id: Id,
        from_member: bool,
        booking: Booking,
        out: &mut Vec<Transition>,
    ) {
        match seen.exchange {
            Exchange::IkeSaInit | Exchange::IkeAuth => self.initial2(seen, id, from_member, booking, out),
            Exchange::GsaAuth | Exchange::GsaRegistration => {
                self.registration2(seen, id, from_member, booking, out);
            }
            _ => {}
        }
    }

    fn initial2(
        &mut self,
        seen: Seen<'_>,
        id: Id,
        from_member: bool,
        booking: Booking,
        out: &mut Vec<Transition>,
    ) {
        let Some(association) = self.associations.get_mut(id) else {
            return;
        };
        let bit = match (seen.exchange, from_member) {
            (Exchange::IkeSaInit, true) => step::FIRST,
            (Exchange::IkeSaInit, false) => step::SECOND,
            (_, true) => step::THIRD,
            (_, false) => step::FOURTH,
        };
        let changed = learn_responder(association, seen.header());
        let repeated = association.saw(bit);
        association.steps |= bit;
        if repeated {
            self.repeated(id, seen.exchange, from_member, booking);
        } else {
            association.advance(seen.now);
        }
        if changed {
            self.anomaly(seen, Anomaly::ResponderCookieChanged, out);
        }
        if matches!(bit, step::FIRST | step::SECOND) && !repeated {
            self.announce(seen.now, id, booking, false, out);
        }
    }

    fn registration2(
        &mut self,
        seen: Seen<'_>,
        id: Id,
        from_member: bool,
        booking: Booking,
        out: &mut Vec<Transition>,
    ) {
        let message_id = seen.header().message_id();
        // Not every response differs in its first octets from another; the message identifier tells them apart.
        let digest = if from_member { 1 } else { digest(seen.message) | 1 };
        let Some(association) = self.associations.get_mut(id) else {
            return;
        };
        let Some(pull) = association.pull(message_id, seen.now) else {
            return;
        };
        match pull.step(from_member, digest) {
            Step::New(1) => {
                association.advance(seen.now);
                association.ended = false;
                self.announce(seen.now, id, booking, true, out);
            }
            Step::New(2) => {
                association.advance(seen.now);
                self.complete(seen.now, id, message_id, out);
            }
            Step::New(_) | Step::Again(_) | Step::Surplus => {
                self.repeated(id, seen.exchange, from_member, booking);
            }
        }
    }
}
