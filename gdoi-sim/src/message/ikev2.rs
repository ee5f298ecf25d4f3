//! Messages of version 2 (RFC 7296, RFC 9838).

use std::rc::Rc;

use gdoi_wire::Exchange;
use gdoi_wire::craft::{Message, Random, chain, payload};

use super::Session;

const PAYLOAD_SA: u8 = 33;
const PAYLOAD_KE: u8 = 34;
const PAYLOAD_ID_INITIATOR: u8 = 35;
const PAYLOAD_ID_RESPONDER: u8 = 36;
const PAYLOAD_NONCE: u8 = 40;
const PAYLOAD_ENCRYPTED: u8 = 46;
const PAYLOAD_GSA: u8 = 51;

/// `IKE_SA_INIT`: all in clear text.
pub(super) fn init(session: Session, response: bool, random: &mut Random) -> Rc<[u8]> {
    let mut key = Vec::from([0, 14, 0, 0]);
    key.extend(random.octets(256));
    let nonce: [u8; 32] = random.array();
    let (first, body) = chain(&[
        (PAYLOAD_SA, &security_association()),
        (PAYLOAD_KE, &key),
        (PAYLOAD_NONCE, &nonce),
    ]);
    let message = Message {
        flags: flags(response),
        ..Message::new(Exchange::IkeSaInit, session.initiator, session.responder)
    };
    message.octets(first, &body).into()
}

/// A message with all payloads in one encrypted payload of about `octets`.
pub(super) fn protected(
    exchange: Exchange,
    session: Session,
    message_id: u32,
    response: bool,
    octets: usize,
    random: &mut Random,
) -> Rc<[u8]> {
    let inside = match exchange {
        Exchange::GsaRekey => PAYLOAD_GSA,
        _ if response => PAYLOAD_ID_RESPONDER,
        _ => PAYLOAD_ID_INITIATOR,
    };
    // Initialization vector and integrity check of 16 octets each.
    let body = payload(inside, &random.octets(octets.next_multiple_of(16) + 32));
    let message = Message {
        message_id,
        flags: flags(response),
        ..Message::new(exchange, session.initiator, session.responder)
    };
    message.octets(PAYLOAD_ENCRYPTED, &body).into()
}

const fn flags(response: bool) -> u8 {
    if response { 0x20 } else { 0x08 }
}

/// One proposal for IKE: AES-CBC-256, HMAC-SHA2-256, its PRF, group 14.
fn security_association() -> Vec<u8> {
    let transforms: [(u8, u16, &[u8]); 4] = [
        (1, 12, &[0x80, 0x0e, 0x01, 0x00]),
        (2, 5, &[]),
        (3, 12, &[]),
        (4, 14, &[]),
    ];
    let last = transforms.len() - 1;
    let mut body = Vec::from([1, 1, 0, transforms.len() as u8]);
    for (index, (kind, number, attributes)) in transforms.into_iter().enumerate() {
        let mut transform = Vec::from([kind, 0]);
        transform.extend(number.to_be_bytes());
        transform.extend(attributes);
        body.extend(payload(if index == last { 0 } else { 3 }, &transform));
    }
    payload(0, &body)
}
