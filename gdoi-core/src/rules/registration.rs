//! Registrations: the IKE SAs they run in, how far each came, and how it ended.

pub(crate) mod burst;
mod outcome;
mod reason;

use alloc::vec::Vec;
use core::time::Duration;

use gdoi_wire::Exchange;
use gdoi_wire::isakmp::{Header, PAYLOAD_SA};
use smallvec::SmallVec;

use crate::observation::{Message, host};
use crate::state::id::Peer;
use crate::state::ike_sa::{IkeMode, IkeSa, PullMessage, octets, step};
use crate::state::table::Id;
use crate::state::timers::TimerSlot;
use crate::tracker::{Attribution, Received, Tracker};
use crate::transition::{Anomaly, RegistrationKind, Transition};

/// Who sent a message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sender {
    Member,
    Server,
    /// Neither address fits: forged, or the cookie was drawn twice.
    Stranger,
}

impl Tracker {
    /// A message that names an IKE SA. `None` when the SA is unknown and cannot be followed.
    pub(crate) fn handle_ike_message(
        &mut self,
        seen: Received<'_>,
        out: &mut Vec<Transition>,
    ) -> Option<Attribution> {
        let cookie = octets(seen.header().initiator_cookie());
        let id = match self.ike_sas.find(&cookie) {
            Some(id) => id,
            None => self.open_ike_sa(seen, cookie)?,
        };
        // The order of eviction is kept to the second: relinking costs more than all the rest of a message.
        if seen.now.since(self.ike_sas.get(id)?.last) >= Duration::from_secs(1) {
            self.ike_sas.touch(id);
        }
        let association = self.ike_sas.get_mut(id)?;
        let sender = sender(association, seen.message);
        if sender == Sender::Stranger {
            self.report_anomaly(seen, Anomaly::CookieReused, out);
            return None;
        }
        association.last = seen.now;
        if sender == Sender::Member {
            association.member = Peer::new(seen.message.source);
        }
        let (server, member) = (association.server, association.member);
        self.mark_heard(seen.now, server, sender == Sender::Server);
        let booking = self.attribution_of(server, member);
        match seen.exchange {
            Exchange::GroupkeyPull => self.handle_pull(seen, id, sender == Sender::Member, booking, out),
            Exchange::MainMode | Exchange::Aggressive => {
                self.handle_phase1(seen, id, sender == Sender::Member, booking, out);
            }
            Exchange::Informational => {
                if let Some(association) = self.ike_sas.get_mut(id) {
                    association.informed = true;
                }
            }
            _ => self.handle_version2(seen, id, sender == Sender::Member, booking, out),
        }
        self.arm_ike_sa_timer(id);
        Some(booking)
    }

    /// Begins to follow an IKE SA: at its first message, or later where it is clear who is who.
    fn open_ike_sa(&mut self, seen: Received<'_>, cookie: [u8; 8]) -> Option<Id> {
        let message = seen.message;
        let from_start = seen.header().responder_cookie().is_zero();
        let followed = match seen.exchange {
            Exchange::MainMode | Exchange::Aggressive | Exchange::IkeSaInit => from_start,
            // Behind a marker it may be any IKE: only what began before our eyes is followed there.
            Exchange::GroupkeyPull | Exchange::GsaAuth | Exchange::GsaRegistration => {
                !message.marked && !from_start
            }
            _ => false,
        };
        if !followed {
            return None;
        }
        let (source, destination) = (host(message.source), host(message.destination));
        let from_server = !from_start && self.is_proven_key_server(source);
        let (member, server_address) = if from_server {
            (Peer::new(message.destination), source)
        } else {
            (Peer::new(message.source), destination)
        };
        let server = if from_start {
            self.admit_unproven(server_address)
        } else {
            let known = self.servers.find(server_address);
            known.unwrap_or_else(|| self.servers.other())
        };
        let association = IkeSa {
            mode: mode(seen.exchange),
            responder: octets(seen.header().responder_cookie()),
            member,
            server,
            server_address,
            doi: None,
            from_start,
            steps: 0,
            begun: seen.now,
            last: seen.now,
            progress: seen.now,
            informed: false,
            retransmissions: 0,
            unanswered: 0,
            announced: false,
            ended: false,
            completed: 0,
            kind: RegistrationKind::Initial,
            pulls: SmallVec::new(),
            timer: TimerSlot::default(),
        };
        let inserted = self.ike_sas.insert(cookie, association);
        if let Some((_, mut evicted)) = inserted.evicted {
            self.disarm_ike_sa_timer(inserted.id, &mut evicted.timer);
        }
        Some(inserted.id)
    }

    /// Main or aggressive mode.
    fn handle_phase1(
        &mut self,
        seen: Received<'_>,
        id: Id,
        from_member: bool,
        booking: Attribution,
        out: &mut Vec<Transition>,
    ) {
        let Some(association) = self.ike_sas.get_mut(id) else {
            return;
        };
        let header = seen.header();
        let bit = match seen.exchange {
            Exchange::MainMode => main_mode_step(header, from_member),
            _ => aggressive_step(header, from_member),
        };
        association.doi = association.doi.or(doi(seen.message));
        let changed = learn_responder(association, header);
        let repeated = association.saw(bit);
        association.steps |= bit;
        if repeated {
            self.count_retransmission(id, seen.exchange, from_member, booking);
        } else {
            association.advance(seen.now);
            association.ended = association.ended && association.completed > 0;
        }
        if changed {
            self.report_anomaly(seen, Anomaly::ResponderCookieChanged, out);
        }
        if matches!(bit, step::FIRST | step::SECOND) && !repeated {
            self.report_started(seen.now, id, booking, false, out);
        }
    }

    /// One message of a GROUPKEY-PULL.
    fn handle_pull(
        &mut self,
        seen: Received<'_>,
        id: Id,
        from_member: bool,
        booking: Attribution,
        out: &mut Vec<Transition>,
    ) {
        let now = seen.now;
        let Some(association) = self.ike_sas.get_mut(id) else {
            return;
        };
        let digest = digest(seen.message);
        let Some(pull) = association.pull(seen.header().message_id(), now) else {
            return;
        };
        let step = pull.step(from_member, digest);
        match step {
            PullMessage::Repeat(_) => self.count_retransmission(id, seen.exchange, from_member, booking),
            PullMessage::Surplus => {}
            PullMessage::New(number) => {
                association.advance(now);
                association.ended = false;
                if number == 1 {
                    self.report_started(now, id, booking, false, out);
                }
                if number == 4 {
                    self.on_complete(now, id, seen.header().message_id(), out);
                }
            }
        }
    }

    /// A message was sent again.
    pub(super) fn count_retransmission(
        &mut self,
        id: Id,
        exchange: Exchange,
        from_member: bool,
        booking: Attribution,
    ) {
        if let Some(association) = self.ike_sas.get_mut(id) {
            association.retransmissions = association.retransmissions.saturating_add(1);
            association.unanswered = if from_member {
                association.unanswered.saturating_add(1)
            } else {
                0
            };
        }
        if let Some(group) = self.groups.get_mut(booking.group) {
            group.retransmissions.add(exchange);
        }
    }
}

fn sender(association: &IkeSa, message: &Message<'_>) -> Sender {
    let (source, destination) = (host(message.source), host(message.destination));
    let member = association.member.ip();
    if source == member && destination == association.server_address {
        Sender::Member
    } else if source == association.server_address && destination == member {
        Sender::Server
    } else {
        Sender::Stranger
    }
}

const fn mode(exchange: Exchange) -> IkeMode {
    match exchange {
        Exchange::Aggressive => IkeMode::Aggressive,
        Exchange::IkeSaInit | Exchange::GsaAuth | Exchange::GsaRegistration => IkeMode::Ikev2,
        _ => IkeMode::Main,
    }
}

/// RFC 2409 §5: clear SA, clear key exchange, encrypted identities, each way.
fn main_mode_step(header: &Header, from_member: bool) -> u8 {
    match (from_member, header.is_encrypted()) {
        (true, false) if header.responder_cookie().is_zero() => step::FIRST,
        (true, false) => step::THIRD,
        (true, true) => step::FIFTH,
        (false, false) if header.next_payload() == PAYLOAD_SA => step::SECOND,
        (false, false) => step::FOURTH,
        (false, true) => step::SIXTH,
    }
}

fn aggressive_step(header: &Header, from_member: bool) -> u8 {
    match from_member {
        true if header.responder_cookie().is_zero() => step::FIRST,
        true => step::THIRD,
        false => step::SECOND,
    }
}

/// The key server's cookie comes with its first answer. Whether it had answered with another before.
pub(super) fn learn_responder(association: &mut IkeSa, header: &Header) -> bool {
    let cookie = header.responder_cookie();
    if cookie.is_zero() {
        return false;
    }
    let before = core::mem::replace(&mut association.responder, octets(cookie));
    before != [0; 8] && before != octets(cookie)
}

/// Domain of interpretation of a clear SA payload: the four octets behind its generic header (RFC 2408 §3.4).
fn doi(message: &Message<'_>) -> Option<u32> {
    let header = &message.header;
    if header.is_encrypted() || header.next_payload() != PAYLOAD_SA {
        return None;
    }
    let [_, _, _, _, a, b, c, d, ..] = message.fingerprint?;
    Some(u32::from_be_bytes([a, b, c, d]))
}

/// What tells one message from another of the same exchange and sender.
pub(super) fn digest(message: &Message<'_>) -> u32 {
    let mut digest = message.header.length() ^ 0x811c_9dc5;
    for octet in message.fingerprint.unwrap_or_default() {
        digest = (digest ^ u32::from(octet)).wrapping_mul(0x0100_0193);
    }
    digest
}

impl Tracker {
    /// One message of version 2. Requests and responses carry their direction in a flag and repeat their message
    /// identifier when sent again (RFC 7296 §2.1).
    pub(super) fn handle_version2(
        &mut self,
        seen: Received<'_>,
        id: Id,
        from_member: bool,
        booking: Attribution,
        out: &mut Vec<Transition>,
    ) {
        match seen.exchange {
            Exchange::IkeSaInit | Exchange::IkeAuth => {
                self.handle_ike_initial(seen, id, from_member, booking, out);
            }
            Exchange::GsaAuth | Exchange::GsaRegistration => {
                self.handle_gsa_exchange(seen, id, from_member, booking, out);
            }
            _ => {}
        }
    }

    fn handle_ike_initial(
        &mut self,
        seen: Received<'_>,
        id: Id,
        from_member: bool,
        booking: Attribution,
        out: &mut Vec<Transition>,
    ) {
        let Some(association) = self.ike_sas.get_mut(id) else {
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
            self.count_retransmission(id, seen.exchange, from_member, booking);
        } else {
            association.advance(seen.now);
        }
        if changed {
            self.report_anomaly(seen, Anomaly::ResponderCookieChanged, out);
        }
        if matches!(bit, step::FIRST | step::SECOND) && !repeated {
            self.report_started(seen.now, id, booking, false, out);
        }
    }

    fn handle_gsa_exchange(
        &mut self,
        seen: Received<'_>,
        id: Id,
        from_member: bool,
        booking: Attribution,
        out: &mut Vec<Transition>,
    ) {
        let message_id = seen.header().message_id();
        // Not every response differs in its first octets from another; the message identifier tells them apart.
        let digest = if from_member { 1 } else { digest(seen.message) | 1 };
        let Some(association) = self.ike_sas.get_mut(id) else {
            return;
        };
        let Some(pull) = association.pull(message_id, seen.now) else {
            return;
        };
        match pull.step(from_member, digest) {
            PullMessage::New(1) => {
                association.advance(seen.now);
                association.ended = false;
                self.report_started(seen.now, id, booking, true, out);
            }
            PullMessage::New(2) => {
                association.advance(seen.now);
                self.on_complete(seen.now, id, message_id, out);
            }
            PullMessage::New(_) | PullMessage::Repeat(_) | PullMessage::Surplus => {
                self.count_retransmission(id, seen.exchange, from_member, booking);
            }
        }
    }
}
