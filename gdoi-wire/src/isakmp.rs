//! The ISAKMP header (RFC 2408 §3.1, RFC 7296 §3.1) and the payload chain after it.
//!
//! ```text
//!  0                   8                   16   17   18   19   20         24         28
//! +-------------------+-------------------+----+----+----+----+----------+----------+
//! |  initiator cookie |  responder cookie | NP |ver |exch|flag|message id|  length  |
//! +-------------------+-------------------+----+----+----+----+----------+----------+
//! ```

use crate::exchange::Exchange;

/// Octets of the header.
pub const HEADER_OCTETS: usize = 28;
/// Maximum number of payloads to follow: the longest clear-text chain seen in practice has 13.
pub const MAX_PAYLOADS: u8 = 32;
/// Payload type: security association (RFC 2408 §3.4).
pub const PAYLOAD_SA: u8 = 1;
/// Payload type: identification (RFC 2408 §3.8).
pub const PAYLOAD_ID: u8 = 5;
/// Payload type: hash (RFC 2408 §3.11).
pub const PAYLOAD_HASH: u8 = 8;
/// Payload type: vendor identification (RFC 2408 §3.16).
pub const PAYLOAD_VENDOR_ID: u8 = 13;
/// Payload type: GDOI sequence number (RFC 6407 §5.7).
pub const PAYLOAD_SEQ: u8 = 18;
/// Version 1 flag: encryption (RFC 2408 §3.1).
pub const FLAG_ENCRYPTION: u8 = 0x01;
/// Version 2 flag: response (RFC 7296 §3.1).
pub const FLAG_RESPONSE: u8 = 0x20;
const EXCHANGE_IKE_SA_INIT: u8 = 34;
const EXCHANGE_IKE_SESSION_RESUME: u8 = 38;

/// One half of the pair that names a security association.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cookie(pub [u8; 8]);

impl Cookie {
    /// No cookie yet: the responder's in the first message of phase 1.
    pub const ZERO: Self = Self([0; 8]);

    /// Whether it is all zero.
    pub const fn is_zero(self) -> bool {
        u64::from_ne_bytes(self.0) == 0
    }
}

/// The 28 octets at the beginning of every message, as on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header([u8; HEADER_OCTETS]);

impl From<[u8; HEADER_OCTETS]> for Header {
    #[inline(always)]
    fn from(octets: [u8; HEADER_OCTETS]) -> Self {
        Self(octets)
    }
}

impl Header {
    /// The octets as on the wire.
    #[inline(always)]
    pub const fn octets(&self) -> [u8; HEADER_OCTETS] {
        self.0
    }

    /// The initiator cookie, or the initiator's SPI in version 2.
    pub const fn initiator_cookie(&self) -> Cookie {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        Cookie([a, b, c, d, e, f, g, h])
    }

    /// The responder cookie, or the responder's SPI in version 2.
    pub const fn responder_cookie(&self) -> Cookie {
        let [_, _, _, _, _, _, _, _, a, b, c, d, e, f, g, h, ..] = self.0;
        Cookie([a, b, c, d, e, f, g, h])
    }

    /// Type of the first payload.
    pub const fn next_payload(&self) -> u8 {
        self.0[16]
    }

    /// Major and minor version.
    pub const fn version(&self) -> (u8, u8) {
        (self.0[17] >> 4, self.0[17] & 0x0f)
    }

    /// The exchange, which depends on the version: 34 and 35 mean different things in 1.0 and 2.0.
    pub fn exchange(&self) -> Exchange {
        Exchange::from_wire(self.version().0, self.0[18])
    }

    /// The exchange type as on the wire.
    pub const fn exchange_type(&self) -> u8 {
        self.0[18]
    }

    /// The flags as on the wire.
    #[inline(always)]
    pub const fn flags(&self) -> u8 {
        self.0[19]
    }

    /// Whether the payloads are encrypted: the E bit in version 1; in version 2 everything except `IKE_SA_INIT` and
    /// `IKE_SESSION_RESUME` (RFC 5723 §4.3).
    #[inline(always)]
    pub const fn is_encrypted(&self) -> bool {
        match self.0[17] >> 4 {
            1 => self.0[19] & FLAG_ENCRYPTION != 0,
            2 => !matches!(self.0[18], EXCHANGE_IKE_SA_INIT | EXCHANGE_IKE_SESSION_RESUME),
            _ => true,
        }
    }

    /// Whether a version 2 message is a response (RFC 7296 §3.1).
    pub const fn is_response(&self) -> bool {
        self.0[19] & FLAG_RESPONSE != 0
    }

    /// The message identifier.
    pub const fn message_id(&self) -> u32 {
        u32::from_be_bytes([self.0[20], self.0[21], self.0[22], self.0[23]])
    }

    /// Declared length of the whole message, in octets.
    pub const fn length(&self) -> u32 {
        u32::from_be_bytes([self.0[24], self.0[25], self.0[26], self.0[27]])
    }

    /// How the declared length compares with a datagram of `octets`.
    pub const fn length_check(&self, octets: u32) -> LengthCheck {
        let declared = self.length();
        if declared == octets {
            LengthCheck::Equal
        } else if declared > octets {
            LengthCheck::Short
        } else {
            LengthCheck::Long
        }
    }
}

/// The datagram's length compared with the length that its message declares (RFC 2408 §5.1: unequal must be
/// rejected).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LengthCheck {
    /// As declared.
    Equal,
    /// The datagram is longer: octets follow the message.
    Long,
    /// The datagram is shorter than the message declares.
    Short,
}

impl LengthCheck {
    /// Its name in `decode`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Long => "long",
            Self::Short => "short",
        }
    }
}

/// One payload of a clear-text message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload<'a> {
    /// Its type.
    pub kind: u8,
    /// What follows the generic header of four octets.
    pub body: &'a [u8],
}

/// The payloads of a clear-text message, from the octets after its header.
///
/// Stops at the end of the chain, at the first false length, at the end of the octets, or after [`MAX_PAYLOADS`].
#[derive(Clone, Debug)]
pub struct Payloads<'a> {
    kind: u8,
    rest: &'a [u8],
    left: u8,
}

impl<'a> Payloads<'a> {
    /// Starts with a payload of type `first` at the beginning of `octets`.
    pub const fn new(first: u8, octets: &'a [u8]) -> Self {
        Self {
            kind: first,
            rest: octets,
            left: MAX_PAYLOADS,
        }
    }
}

impl<'a> Iterator for Payloads<'a> {
    type Item = Payload<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let [next, _, l0, l1] = *self.rest.first_chunk()?;
        if self.kind == 0 || self.left == 0 {
            return None;
        }
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let body = self.rest.get(4..length)?;
        let payload = Payload {
            kind: self.kind,
            body,
        };
        self.rest = self.rest.get(length..)?;
        self.kind = next;
        self.left -= 1;
        Some(payload)
    }
}
