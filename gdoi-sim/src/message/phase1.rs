//! Main mode in clear text (RFC 2408 §4.5, RFC 2409 §5).

use std::rc::Rc;

use gdoi_wire::Exchange;
use gdoi_wire::craft::{Message, Random, chain};
use gdoi_wire::isakmp::{PAYLOAD_SA, PAYLOAD_VENDOR_ID};

use super::Session;

/// RFC 6407 §2.1.
const DOI_GDOI: u8 = 2;
/// RFC 2407 §3.
const DOI_IPSEC: u8 = 1;
const PAYLOAD_KE: u8 = 4;
const PAYLOAD_NONCE: u8 = 10;
const PAYLOAD_NAT_D: u8 = 20;
const PROTOCOL_ISAKMP: u8 = 1;
const TRANSFORM_KEY_IKE: u8 = 1;
/// Attributes of RFC 2409 appendix A, in the short form (RFC 2408 §3.3).
const ATTRIBUTE_ENCRYPTION: u16 = 0x8001;
const ATTRIBUTE_HASH: u16 = 0x8002;
const ATTRIBUTE_AUTHENTICATION: u16 = 0x8003;
const ATTRIBUTE_GROUP: u16 = 0x8004;
const ATTRIBUTE_LIFE_TYPE: u16 = 0x800b;
const ATTRIBUTE_KEY_LENGTH: u16 = 0x800e;
/// MD5 of "RFC 3947" (RFC 3947 §3.1).
const NAT_T: [u8; 16] = 0x4a13_1c81_0703_5845_5c57_28f2_0e95_452f_u128.to_be_bytes();
/// RFC 3706 §5.1, version 1.0.
const DEAD_PEER_DETECTION: [u8; 16] = 0xafca_d713_68a1_f1c9_6b86_96fc_7757_0100_u128.to_be_bytes();
/// The simulator's own.
const SOFTWARE: [u8; 16] = *b"gdoi-sim member\0";

/// The proposal, or the chosen transform, and vendor ids.
pub(super) fn proposal(session: Session, response: bool) -> Rc<[u8]> {
    proposal_of(DOI_GDOI, session, response)
}

/// The same for plain `IPsec`.
pub(super) fn ipsec_proposal(session: Session, response: bool) -> Rc<[u8]> {
    proposal_of(DOI_IPSEC, session, response)
}

fn proposal_of(domain: u8, session: Session, response: bool) -> Rc<[u8]> {
    let sa = security_association(domain);
    let mut payloads: Vec<(u8, &[u8])> =
        Vec::from([(PAYLOAD_SA, sa.as_slice()), (PAYLOAD_VENDOR_ID, &NAT_T)]);
    if !response {
        payloads.push((PAYLOAD_VENDOR_ID, &SOFTWARE));
    }
    clear(session, &payloads)
}

/// Key exchange of group 14, a nonce, NAT detection, dead peer detection.
pub(super) fn key_exchange(session: Session, random: &mut Random) -> Rc<[u8]> {
    let public = random.octets(256);
    let (nonce, ours, theirs): ([u8; 20], [u8; 20], [u8; 20]) =
        (random.array(), random.array(), random.array());
    let payloads: [(u8, &[u8]); 5] = [
        (PAYLOAD_KE, &public),
        (PAYLOAD_NONCE, &nonce),
        (PAYLOAD_VENDOR_ID, &DEAD_PEER_DETECTION),
        (PAYLOAD_NAT_D, &ours),
        (PAYLOAD_NAT_D, &theirs),
    ];
    clear(session, &payloads)
}

fn clear(session: Session, payloads: &[(u8, &[u8])]) -> Rc<[u8]> {
    let (first, body) = chain(payloads);
    let message = Message::new(Exchange::MainMode, session.initiator, session.responder);
    message.octets(first, &body).into()
}

/// Domain of interpretation, situation 0, one proposal with one transform: AES-CBC-256, SHA-256, group 14, pre-shared
/// key, a day.
fn security_association(domain: u8) -> Vec<u8> {
    let attributes: [[u16; 2]; 6] = [
        [ATTRIBUTE_ENCRYPTION, 7],
        [ATTRIBUTE_KEY_LENGTH, 256],
        [ATTRIBUTE_HASH, 4],
        [ATTRIBUTE_GROUP, 14],
        [ATTRIBUTE_AUTHENTICATION, 1],
        [ATTRIBUTE_LIFE_TYPE, 1],
    ];
    let mut transform = Vec::from([1, TRANSFORM_KEY_IKE, 0, 0]);
    transform.extend(
        attributes
            .as_flattened()
            .iter()
            .flat_map(|half| half.to_be_bytes()),
    );
    transform.extend([0x00, 0x0c, 0x00, 0x04]);
    transform.extend(86_400_u32.to_be_bytes());
    let mut proposal = Vec::from([1, PROTOCOL_ISAKMP, 0, 1]);
    proposal.extend(gdoi_wire::craft::payload(0, &transform));
    let mut sa = Vec::from([0, 0, 0, domain, 0, 0, 0, 0]);
    sa.extend(gdoi_wire::craft::payload(0, &proposal));
    sa
}
