//! ISAKMP messages: the header, payload chains, the non-ESP marker.

use alloc::vec::Vec;

use crate::exchange::Exchange;
use crate::isakmp::{FLAG_ENCRYPTION, HEADER_OCTETS};

/// Version 2 flag: sent by the original initiator (RFC 7296 §3.1).
const FLAG_INITIATOR: u8 = 0x08;

/// The fields of an ISAKMP header (RFC 2408 §3.1, RFC 7296 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Initiator cookie, or the initiator's SPI.
    pub initiator: [u8; 8],
    /// Responder cookie, or the responder's SPI.
    pub responder: [u8; 8],
    /// Major version in the high half, minor in the low.
    pub version: u8,
    /// Exchange type as it is on the wire.
    pub exchange: u8,
    /// Flags as they are on the wire.
    pub flags: u8,
    /// Message identifier.
    pub message_id: u32,
    /// A false length.
    pub length: Option<u32>,
}

impl Message {
    /// A message of `exchange` with the version and flags that it usually has. Version 1: encrypted, except for main
    /// mode, aggressive mode and the acknowledgement of a PUSH. Version 2: an initiator's request.
    pub const fn new(exchange: Exchange, initiator: [u8; 8], responder: [u8; 8]) -> Self {
        let (major, number) = exchange.to_wire();
        let flags = match exchange {
            Exchange::Base
            | Exchange::MainMode
            | Exchange::AuthenticationOnly
            | Exchange::Aggressive
            | Exchange::GroupkeyPushAck => 0,
            _ if major == 2 => FLAG_INITIATOR,
            _ => FLAG_ENCRYPTION,
        };
        Self {
            initiator,
            responder,
            version: major << 4,
            exchange: number,
            flags,
            message_id: 0,
            length: None,
        }
    }

    /// The message: this header, then `body`, whose first payload is of type `next_payload`.
    pub fn octets(&self, next_payload: u8, body: &[u8]) -> Vec<u8> {
        let mut message = Vec::with_capacity(HEADER_OCTETS + body.len());
        message.extend(self.initiator);
        message.extend(self.responder);
        message.extend([next_payload, self.version, self.exchange, self.flags]);
        message.extend(self.message_id.to_be_bytes());
        let length = self.length.unwrap_or((HEADER_OCTETS + body.len()) as u32);
        message.extend(length.to_be_bytes());
        message.extend(body);
        message
    }
}

/// One payload: the generic header (RFC 2408 §3.2) and its body.
pub fn payload(next: u8, body: &[u8]) -> Vec<u8> {
    let mut octets = Vec::with_capacity(4 + body.len());
    octets.extend([next, 0]);
    octets.extend(((4 + body.len()).min(0xffff) as u16).to_be_bytes());
    octets.extend(body);
    octets
}

/// The type of the first payload, and the octets of the whole chain.
pub fn chain(payloads: &[(u8, &[u8])]) -> (u8, Vec<u8>) {
    let nexts = payloads.iter().map(|(kind, _)| *kind).chain([0]);
    let first = nexts.clone().next().unwrap_or_default();
    let octets = payloads.iter().zip(nexts.skip(1));
    let octets = octets.flat_map(|((_, body), next)| payload(next, body)).collect();
    (first, octets)
}

/// A message after the non-ESP marker (RFC 3948 §2.2).
pub fn marked(message: &[u8]) -> Vec<u8> {
    let mut octets = Vec::from([0; 4]);
    octets.extend(message);
    octets
}
