//! Registrations: the exchanges under an IKE SA between a member and a key server.
//!
//! Version 1.0: main or aggressive mode, then GROUPKEY-PULLs under the same cookies. Version 2.0 (RFC 9838 §2.3):
//! `IKE_SA_INIT`, then `GSA_AUTH`, or `IKE_AUTH` and `GSA_REGISTRATION`.

pub(crate) mod burst;
pub(crate) mod missed;
pub(crate) mod outcome;
mod periodic;
pub(crate) mod reason;
mod scan;
pub(crate) mod silence;

use core::time::Duration;

use gdoi_wire::Exchange;
use gdoi_wire::isakmp::{Header, PAYLOAD_SA};

use crate::observation::{Message, host};
use crate::rules::attribution::Attribution;
use crate::rules::{Context, Received};
use crate::state::id::{IkeSaId, Peer};
use crate::state::ike_sa::{IkeMode, IkeSa, PullMessage, octets, step};
use crate::state::timers::Timer;
use crate::transition::Anomaly;

/// Resolution of the eviction order: touching an entry for every message would cost more than everything else.
const TOUCH_INTERVAL: Duration = Duration::from_secs(1);

/// Who sent a message.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sender {
    Member,
    Server,
    /// Neither address matches: forged, or a cookie collision.
    Stranger,
}

/// One message under an IKE SA that is followed.
#[derive(Clone, Copy)]
struct IkeMessage<'a> {
    received: Received<'a>,
    ike_sa: IkeSaId,
    is_from_member: bool,
    attribution: Attribution,
}

/// A message under an IKE SA. `None` if the SA is unknown and cannot be followed.
pub(crate) fn handle_ike_message(cx: &mut Context<'_>, received: Received<'_>) -> Option<Attribution> {
    let cookie = octets(received.header().initiator_cookie());
    let id = match cx.state.ike_sas.find(&cookie) {
        Some(id) => id,
        None => open_ike_sa(cx, received, cookie)?,
    };
    if cx.now.since(cx.state.ike_sas[id].last) >= TOUCH_INTERVAL {
        cx.state.ike_sas.touch(id);
    }
    let ike_sa = &mut cx.state.ike_sas[id];
    let sender = sender(ike_sa, received.message);
    if sender == Sender::Stranger {
        cx.report_anomaly(received, Anomaly::CookieReused);
        return None;
    }
    ike_sa.last = cx.now;
    if sender == Sender::Member {
        ike_sa.member = Peer::new(received.message.source);
    }
    let (server, member) = (ike_sa.server, ike_sa.member);
    cx.mark_heard(server, sender == Sender::Server);
    let attribution = cx.attribution_of(server, member);
    let message = IkeMessage {
        received,
        ike_sa: id,
        is_from_member: sender == Sender::Member,
        attribution,
    };
    match part(received.exchange) {
        Part::Pull => handle_pull(cx, message),
        Part::MainMode => handle_phase1(
            cx,
            message,
            main_mode_step(received.header(), message.is_from_member),
        ),
        Part::Aggressive => {
            handle_phase1(
                cx,
                message,
                aggressive_step(received.header(), message.is_from_member),
            );
        }
        Part::Notification => cx.state.ike_sas[id].notified = true,
        Part::Init => handle_step(
            cx,
            message,
            if message.is_from_member {
                step::FIRST
            } else {
                step::SECOND
            },
        ),
        Part::Auth => handle_step(
            cx,
            message,
            if message.is_from_member {
                step::THIRD
            } else {
                step::FOURTH
            },
        ),
        Part::Gsa => handle_gsa_exchange(cx, message),
        Part::None => {}
    }
    arm_ike_sa_timer(cx, id);
    Some(attribution)
}

/// Follows an IKE SA from its first message, or later if the roles are clear.
fn open_ike_sa(cx: &mut Context<'_>, received: Received<'_>, cookie: [u8; 8]) -> Option<IkeSaId> {
    let message = received.message;
    let header = received.header();
    let from_start = header.responder_cookie().is_zero();
    // After a non-ESP marker it may be any IKE, which is followed only from its first message.
    let is_in_the_middle = !message.marked && !from_start;
    let (mode, is_followed) = match part(received.exchange) {
        Part::MainMode => (IkeMode::Main, from_start),
        Part::Aggressive => (IkeMode::Aggressive, from_start),
        Part::Init => (IkeMode::Ikev2, from_start),
        Part::Pull => (IkeMode::Main, is_in_the_middle),
        Part::Gsa => (IkeMode::Ikev2, is_in_the_middle),
        Part::Auth | Part::Notification | Part::None => return None,
    };
    if !is_followed {
        return None;
    }
    let (source, destination) = (host(message.source), host(message.destination));
    let is_from_server = !from_start && cx.state.servers.is_proven(source);
    let (member, server_address) = if is_from_server {
        (Peer::new(message.destination), source)
    } else {
        (Peer::new(message.source), destination)
    };
    let servers = &mut cx.state.servers;
    let server = match servers.find(server_address) {
        Some(server) => server,
        None if from_start => servers.admit_unproven(server_address, cx.limits.key_servers),
        None => servers.other(),
    };
    let responder = octets(header.responder_cookie());
    let mut ike_sa = IkeSa::new(mode, member, (server, server_address), cx.now);
    ike_sa.responder = responder;
    ike_sa.from_start = from_start;
    if let Some(known) = cx.state.members.find(&member) {
        cx.state.members[known].try_to_register(cx.now, is_from_server);
    }
    let inserted = cx.state.ike_sas.insert(cookie, ike_sa);
    if let Some((_, mut evicted)) = inserted.evicted {
        let timer = Timer::IkeSa(inserted.id);
        cx.state.timers.disarm(&mut evicted.timer, timer);
        cx.state.unreported_registrations += u64::from(!(evicted.reported || evicted.ended));
    }
    Some(inserted.id)
}

/// Main or aggressive mode.
fn handle_phase1(cx: &mut Context<'_>, message: IkeMessage<'_>, bit: u8) {
    let ike_sa = &mut cx.state.ike_sas[message.ike_sa];
    ike_sa.doi = ike_sa.doi.or(doi(message.received.message));
    if !ike_sa.has_seen(bit) {
        ike_sa.ended = ike_sa.ended && ike_sa.completed > 0;
    }
    handle_step(cx, message, bit);
}

/// One step of phase 1 or of the initial exchanges, or a retransmission of one.
fn handle_step(cx: &mut Context<'_>, message: IkeMessage<'_>, bit: u8) {
    let IkeMessage {
        received,
        ike_sa: id,
        attribution,
        ..
    } = message;
    let ike_sa = &mut cx.state.ike_sas[id];
    let is_changed = learn_responder(ike_sa, received.header());
    let is_repeated = ike_sa.has_seen(bit);
    ike_sa.steps |= bit;
    if is_repeated {
        count_retransmission(cx, message);
    } else {
        ike_sa.advance(cx.now);
    }
    if is_changed {
        cx.report_anomaly(received, Anomaly::ResponderCookieChanged);
    }
    if matches!(bit, step::FIRST | step::SECOND) && !is_repeated {
        outcome::report_started(cx, id, attribution, false);
    }
}

/// One message of a GROUPKEY-PULL.
fn handle_pull(cx: &mut Context<'_>, message: IkeMessage<'_>) {
    let IkeMessage {
        received,
        ike_sa: id,
        is_from_member,
        attribution,
    } = message;
    let message_id = received.header().message_id();
    let digest = digest(received.message);
    let ike_sa = &mut cx.state.ike_sas[id];
    let Some(pull) = ike_sa.pull(message_id, cx.now) else {
        return;
    };
    match pull.step(is_from_member, digest) {
        PullMessage::Repeat(_) => count_retransmission(cx, message),
        PullMessage::Surplus => {}
        PullMessage::New(number) => {
            ike_sa.advance(cx.now);
            ike_sa.ended = false;
            match number {
                1 => outcome::report_started(cx, id, attribution, false),
                4 => outcome::on_complete(cx, id, message_id),
                _ => {}
            }
        }
    }
}

/// One message of `GSA_AUTH` or `GSA_REGISTRATION`.
fn handle_gsa_exchange(cx: &mut Context<'_>, message: IkeMessage<'_>) {
    let IkeMessage {
        received,
        ike_sa: id,
        is_from_member,
        attribution,
    } = message;
    let message_id = received.header().message_id();
    // Responses may have the same first octets; the message identifier distinguishes them.
    let digest = if is_from_member {
        1
    } else {
        digest(received.message) | 1
    };
    let ike_sa = &mut cx.state.ike_sas[id];
    let Some(pull) = ike_sa.pull(message_id, cx.now) else {
        return;
    };
    match pull.step(is_from_member, digest) {
        PullMessage::New(1) => {
            ike_sa.advance(cx.now);
            ike_sa.ended = false;
            outcome::report_started(cx, id, attribution, true);
        }
        PullMessage::New(2) => {
            ike_sa.advance(cx.now);
            outcome::on_complete(cx, id, message_id);
        }
        PullMessage::New(_) | PullMessage::Repeat(_) | PullMessage::Surplus => {
            count_retransmission(cx, message);
        }
    }
}

/// Counts a retransmission.
fn count_retransmission(cx: &mut Context<'_>, message: IkeMessage<'_>) {
    let ike_sa = &mut cx.state.ike_sas[message.ike_sa];
    ike_sa.retransmissions = ike_sa.retransmissions.saturating_add(1);
    ike_sa.unanswered = if message.is_from_member {
        ike_sa.unanswered.saturating_add(1)
    } else {
        0
    };
    let group = &mut cx.state.groups[message.attribution.group];
    group.retransmissions.add(message.received.exchange);
    if message.is_from_member {
        outcome::report_started(cx, message.ike_sa, message.attribution, false);
    }
}

/// Sets the timer of an IKE SA that may fall silent.
pub(crate) fn arm_ike_sa_timer(cx: &mut Context<'_>, id: IkeSaId) {
    let state = &mut *cx.state;
    let ike_sa = &mut state.ike_sas[id];
    let due = ike_sa.due();
    state.timers.arm(&mut ike_sa.timer, Timer::IkeSa(id), due);
}

/// An IKE SA was silent for too long: its registration fails, or it is forgotten.
pub(crate) fn on_ike_sa_timer(cx: &mut Context<'_>, id: IkeSaId) {
    let ike_sa = &mut cx.state.ike_sas[id];
    ike_sa.timer.clear();
    let is_due = ike_sa.due() <= cx.now;
    if is_due && ike_sa.ended {
        cx.state.ike_sas.remove(id);
        return;
    }
    if is_due {
        outcome::fail_registration(cx, id, outcome::Ending::Silence);
    }
    arm_ike_sa_timer(cx, id);
}

fn sender(ike_sa: &IkeSa, message: &Message<'_>) -> Sender {
    let (source, destination) = (host(message.source), host(message.destination));
    let member = ike_sa.member.ip();
    if source == member && destination == ike_sa.server_address {
        Sender::Member
    } else if source == ike_sa.server_address && destination == member {
        Sender::Server
    } else {
        Sender::Stranger
    }
}

/// What an exchange is in a registration.
enum Part {
    MainMode,
    Aggressive,
    /// Both messages of `IKE_SA_INIT`: a flag distinguishes requests from responses, and a retransmission has the same
    /// message identifier (RFC 7296 §2.1).
    Init,
    /// Both messages of `IKE_AUTH`.
    Auth,
    Pull,
    Gsa,
    Notification,
    /// No part of it.
    None,
}

const fn part(exchange: Exchange) -> Part {
    match exchange {
        Exchange::MainMode => Part::MainMode,
        Exchange::Aggressive => Part::Aggressive,
        Exchange::IkeSaInit => Part::Init,
        Exchange::IkeAuth => Part::Auth,
        Exchange::GroupkeyPull => Part::Pull,
        Exchange::GsaAuth | Exchange::GsaRegistration => Part::Gsa,
        Exchange::Informational => Part::Notification,
        Exchange::Base
        | Exchange::AuthenticationOnly
        | Exchange::Transaction
        | Exchange::Unregistered34
        | Exchange::CreateChildSa
        | Exchange::IkeInformational
        | Exchange::IkeSessionResume
        | Exchange::IkeIntermediate
        | Exchange::IkeFollowupKe
        | Exchange::GroupkeyPush
        | Exchange::GroupkeyPushAck
        | Exchange::GsaRekey
        | Exchange::GsaInbandRekey
        | Exchange::Unknown(_) => Part::None,
    }
}

/// RFC 2409 §5: clear SA, clear key exchange, encrypted identities, each way.
fn main_mode_step(header: &Header, is_from_member: bool) -> u8 {
    match (is_from_member, header.is_encrypted()) {
        (true, false) if header.responder_cookie().is_zero() => step::FIRST,
        (true, false) => step::THIRD,
        (true, true) => step::FIFTH,
        (false, false) if header.next_payload() == PAYLOAD_SA => step::SECOND,
        (false, false) => step::FOURTH,
        (false, true) => step::SIXTH,
    }
}

fn aggressive_step(header: &Header, is_from_member: bool) -> u8 {
    match is_from_member {
        true if header.responder_cookie().is_zero() => step::FIRST,
        true => step::THIRD,
        false => step::SECOND,
    }
}

/// Learns the key server's cookie from its first answer. Returns whether it had answered with another one before.
fn learn_responder(ike_sa: &mut IkeSa, header: &Header) -> bool {
    let cookie = header.responder_cookie();
    if cookie.is_zero() {
        return false;
    }
    let before = core::mem::replace(&mut ike_sa.responder, octets(cookie));
    before != [0; 8] && before != octets(cookie)
}

/// Domain of interpretation of a clear SA payload: the four octets after its generic header (RFC 2408 §3.4).
fn doi(message: &Message<'_>) -> Option<u32> {
    let header = &message.header;
    if header.is_encrypted() || header.next_payload() != PAYLOAD_SA {
        return None;
    }
    let [_, _, _, _, a, b, c, d, ..] = message.fingerprint?;
    Some(u32::from_be_bytes([a, b, c, d]))
}

/// Distinguishes the messages of one sender in one exchange.
fn digest(message: &Message<'_>) -> u32 {
    let mut digest = message.header.length() ^ 0x811c_9dc5;
    for octet in message.fingerprint.unwrap_or_default() {
        digest = (digest ^ u32::from(octet)).wrapping_mul(0x0100_0193);
    }
    digest
}
