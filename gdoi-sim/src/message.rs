//! The octets of each message: clear where it is clear on the wire, of a realistic size where it is encrypted.

mod ikev2;
mod phase1;

use std::net::IpAddr;
use std::rc::Rc;

use gdoi_wire::Exchange;
use gdoi_wire::craft::{Message, Random, chain};
use gdoi_wire::isakmp::{PAYLOAD_HASH, PAYLOAD_ID, PAYLOAD_SEQ};

use crate::scenario::{Group, Protocol};

const ID_IPV4_ADDR: u8 = 1;
const ID_IPV6_ADDR: u8 = 5;

/// The cookies of an IKE SA, and the message id of the exchange.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Session {
    pub(crate) initiator: [u8; 8],
    pub(crate) responder: [u8; 8],
    pub(crate) message_id: u32,
}

/// Round trips of a registration: main mode has three and the PULL two; `IKE_SA_INIT` and `GSA_AUTH` one each.
pub(crate) const fn round_trips(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Gdoi => 5,
        Protocol::GIkev2 => 2,
    }
}

/// The first round trip whose request requires a member that the key server knows.
pub(crate) const fn authenticates(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Gdoi => 2,
        Protocol::GIkev2 => 1,
    }
}

/// The round trip that requests the group.
pub(crate) const fn asks_for_group(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Gdoi => 3,
        Protocol::GIkev2 => 1,
    }
}

/// The member's message of a round trip.
pub(crate) fn request(group: &Group, trip: u8, session: Session, random: &mut Random) -> Rc<[u8]> {
    registration(group, trip, session, false, random)
}

/// The key server's message of a round trip.
pub(crate) fn response(group: &Group, trip: u8, session: Session, random: &mut Random) -> Rc<[u8]> {
    registration(group, trip, session, true, random)
}

fn registration(group: &Group, trip: u8, session: Session, response: bool, random: &mut Random) -> Rc<[u8]> {
    let policy = 61 * group.policy_entries as usize;
    match (group.protocol, trip) {
        (Protocol::GIkev2, 0) => ikev2::init(session, response, random),
        (Protocol::GIkev2, _) => {
            let octets = if response { 300 + policy } else { 180 };
            ikev2::protected(Exchange::GsaAuth, session, 1, response, octets, random)
        }
        (Protocol::Gdoi, 0) => phase1::proposal(session, response),
        (Protocol::Gdoi, 1) => phase1::key_exchange(session, random),
        // ID of 12 octets and HASH of 24.
        (Protocol::Gdoi, 2) => encrypted(Exchange::MainMode, PAYLOAD_ID, session, 0, 36, random),
        // HASH of 24, nonce of 24, then ID_KEY_ID of 12 or SA with KEK and TEK policy.
        (Protocol::Gdoi, 3) => {
            let octets = if response {
                24 + 24 + 130 + policy
            } else {
                24 + 24 + 12
            };
            pull(session, octets, random)
        }
        // HASH of 24; HASH, SEQ of 8 and KD with the keys.
        (Protocol::Gdoi, _) => {
            let octets = if response {
                24 + 8 + 100 + group.signature_octets as usize + policy
            } else {
                24
            };
            pull(session, octets, random)
        }
    }
}

fn pull(session: Session, octets: usize, random: &mut Random) -> Rc<[u8]> {
    encrypted(
        Exchange::GroupkeyPull,
        PAYLOAD_HASH,
        session,
        session.message_id,
        octets,
        random,
    )
}

/// A notification that only its two ends can decrypt: a refusal, or the deletion of an SA.
pub(crate) fn informational(group: &Group, session: Session, random: &mut Random) -> Rc<[u8]> {
    let message_id = random.word() | 1;
    match group.protocol {
        Protocol::Gdoi => encrypted(
            Exchange::Informational,
            PAYLOAD_HASH,
            session,
            message_id,
            24 + 28,
            random,
        ),
        Protocol::GIkev2 => ikev2::protected(Exchange::IkeInformational, session, 2, true, 24, random),
    }
}

/// An announcement of a cooperating key server; its length grows with the number of members. Its exchange type is not
/// registered.
pub(crate) fn announcement(session: Session, members: usize, random: &mut Random) -> Rc<[u8]> {
    let message_id = random.word() | 1;
    let octets = 530 + 24 * members;
    encrypted(
        Exchange::Unregistered34,
        PAYLOAD_HASH,
        session,
        message_id,
        octets,
        random,
    )
}

/// Main mode between key servers.
pub(crate) fn main_mode(trip: u8, session: Session, response: bool, random: &mut Random) -> Rc<[u8]> {
    match trip {
        0 => phase1::proposal(session, response),
        1 => phase1::key_exchange(session, random),
        _ => encrypted(Exchange::MainMode, PAYLOAD_ID, session, 0, 36, random),
    }
}

/// Main mode of plain `IPsec`.
pub(crate) fn foreign_main_mode(trip: u8, session: Session, response: bool, random: &mut Random) -> Rc<[u8]> {
    match trip {
        0 => phase1::ipsec_proposal(session, response),
        _ => main_mode(trip, session, response, random),
    }
}

/// Quick mode of plain `IPsec`: GDOI's GROUPKEY-PULL uses the same exchange type.
pub(crate) fn quick_mode(session: Session, random: &mut Random) -> Rc<[u8]> {
    pull(session, 24 + 24 + 64, random)
}

/// A rekey that no key server sends: all flags, a message identifier, half a KEK.
pub(crate) fn malformed_push(session: Session, random: &mut Random) -> Rc<[u8]> {
    let message = Message {
        message_id: session.message_id,
        flags: 0xff,
        ..Message::new(Exchange::GroupkeyPush, session.initiator, session.responder)
    };
    message.octets(PAYLOAD_SEQ, &random.octets(64)).into()
}

/// A rekey. The IV came with the KEK and is used for every message, so the octets are a function of the KEK, the
/// sequence number and the content: every member gets the same.
pub(crate) fn push(group: &Group, kek: [u8; 16], sequence: u32, content: Content) -> Rc<[u8]> {
    let session = session(kek);
    let seed = u64::from_be_bytes(session.initiator) ^ u64::from_be_bytes(session.responder).rotate_left(17);
    let mut random = Random::new(seed ^ u64::from(sequence) << 1 ^ content.seed());
    let octets = push_octets(group, content);
    match group.protocol {
        Protocol::Gdoi => encrypted(
            Exchange::GroupkeyPush,
            PAYLOAD_SEQ,
            session,
            0,
            octets,
            &mut random,
        ),
        Protocol::GIkev2 => {
            let message_id = sequence.saturating_sub(1);
            ikev2::protected(
                Exchange::GsaRekey,
                session,
                message_id,
                false,
                octets,
                &mut random,
            )
        }
    }
}

/// The content of a rekey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// The SPIs of keys to delete.
    Delete,
    /// Nothing.
    Heartbeat,
    /// A KEK.
    Kek,
    /// A KEK and a TEK.
    KekAndTek,
    /// A TEK.
    Tek,
}

impl Content {
    pub(crate) const fn delivers_kek(self) -> bool {
        matches!(self, Self::Kek | Self::KekAndTek)
    }

    const fn seed(self) -> u64 {
        match self {
            Self::Tek => 0,
            Self::KekAndTek => 1,
            Self::Kek => 2 << 33,
            Self::Delete => 3 << 33,
            Self::Heartbeat => 4 << 33,
        }
    }
}

/// Octets of a rekey before encryption: SEQ, SA with its SATs, KD and the signature. A KEK adds its SAK, its key and
/// the public key for the signatures of later rekeys.
pub(crate) const fn push_octets(group: &Group, content: Content) -> usize {
    let signature = group.signature_octets as usize;
    let tek = 119 + signature + 61 * group.policy_entries as usize;
    match content {
        Content::Tek => tek,
        Content::KekAndTek => tek + 182 + signature,
        Content::Kek => 60 + 182 + 2 * signature,
        Content::Delete => 8 + 44 + 4 + signature,
        Content::Heartbeat => 8 + 4 + signature,
    }
}

/// A member's acknowledgement of a rekey in clear text (RFC 8263 §3.1): the cookies of the rekey, its sequence
/// number, the member's address.
pub(crate) fn acknowledgement(kek: [u8; 16], sequence: u32, member: IpAddr, random: &mut Random) -> Rc<[u8]> {
    let Session {
        initiator, responder, ..
    } = session(kek);
    let hash: [u8; 32] = random.array();
    let mut identity = match member {
        IpAddr::V4(_) => Vec::from([ID_IPV4_ADDR, 0, 0, 0]),
        IpAddr::V6(_) => Vec::from([ID_IPV6_ADDR, 0, 0, 0]),
    };
    match member {
        IpAddr::V4(v4) => identity.extend(v4.octets()),
        IpAddr::V6(v6) => identity.extend(v6.octets()),
    }
    let sequence = sequence.to_be_bytes();
    let (first, body) = chain(&[
        (PAYLOAD_HASH, &hash),
        (PAYLOAD_SEQ, &sequence),
        (PAYLOAD_ID, &identity),
    ]);
    Message::new(Exchange::GroupkeyPushAck, initiator, responder)
        .octets(first, &body)
        .into()
}

/// A member's acknowledgement under a KEK, of an unregistered exchange type.
pub(crate) fn encrypted_acknowledgement(kek: [u8; 16], random: &mut Random) -> Rc<[u8]> {
    encrypted(
        Exchange::Unregistered34,
        PAYLOAD_HASH,
        session(kek),
        0,
        36,
        random,
    )
}

fn session(kek: [u8; 16]) -> Session {
    let [i0, i1, i2, i3, i4, i5, i6, i7, r0, r1, r2, r3, r4, r5, r6, r7] = kek;
    Session {
        initiator: [i0, i1, i2, i3, i4, i5, i6, i7],
        responder: [r0, r1, r2, r3, r4, r5, r6, r7],
        message_id: 0,
    }
}

/// A version 1 message that is encrypted except for the header, in blocks of 16 octets.
fn encrypted(
    exchange: Exchange,
    next_payload: u8,
    session: Session,
    message_id: u32,
    octets: usize,
    random: &mut Random,
) -> Rc<[u8]> {
    let message = Message {
        message_id,
        flags: 1,
        ..Message::new(exchange, session.initiator, session.responder)
    };
    message
        .octets(next_payload, &random.octets(octets.next_multiple_of(16)))
        .into()
}
