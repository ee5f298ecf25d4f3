//! UDP, ESP and AH.

use alloc::vec::Vec;
use core::net::IpAddr;

use super::checksum;

/// A UDP header (RFC 768).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Udp {
    /// Source port.
    pub source: u16,
    /// Destination port.
    pub destination: u16,
    /// A false length.
    pub length: Option<u16>,
    /// A false checksum; `Some(0)` means none, as NAT traversal over IPv4 sends.
    pub checksum: Option<u16>,
}

impl Udp {
    /// Between two ports, with all fields right.
    pub const fn new(source: u16, destination: u16) -> Self {
        Self {
            source,
            destination,
            length: None,
            checksum: None,
        }
    }

    /// The datagram around `payload`; the addresses are part of the checksum.
    pub fn around(&self, source: IpAddr, destination: IpAddr, payload: &[u8]) -> Vec<u8> {
        let real = (8 + payload.len()).min(0xffff) as u16;
        let length = self.length.unwrap_or(real).to_be_bytes();
        let mut datagram = Vec::with_capacity(8 + payload.len());
        datagram.extend(self.source.to_be_bytes());
        datagram.extend(self.destination.to_be_bytes());
        datagram.extend(length);
        let sum = self.checksum.unwrap_or_else(|| {
            let mut pseudo = Vec::with_capacity(40);
            pseudo.extend(address(source));
            pseudo.extend(address(destination));
            pseudo.extend([0, super::UDP]);
            pseudo.extend(real.to_be_bytes());
            // Zero on the wire means that there is none, so a zero sum is sent as its other form (RFC 768).
            match checksum(&[&pseudo, &datagram, payload]) {
                0 => 0xffff,
                sum => sum,
            }
        });
        datagram.extend(sum.to_be_bytes());
        datagram.extend(payload);
        datagram
    }
}

fn address(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

/// An ESP packet (RFC 4303 §2), in IP or in UDP: the two clear fields, then `encrypted`.
pub fn esp(spi: u32, sequence: u32, encrypted: &[u8]) -> Vec<u8> {
    let mut packet = Vec::with_capacity(8 + encrypted.len());
    packet.extend(spi.to_be_bytes());
    packet.extend(sequence.to_be_bytes());
    packet.extend(encrypted);
    packet
}

/// An AH header (RFC 4302 §2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AhFields {
    /// Security parameters index.
    pub spi: u32,
    /// Low 32 bits of the sequence number.
    pub sequence: u32,
    /// Integrity check value; padded with zeros to words.
    pub icv: Vec<u8>,
    /// A false length, in words beyond two.
    pub length: Option<u8>,
}

impl AhFields {
    /// With the 12-octet check value of HMAC-SHA1-96.
    pub fn new(spi: u32, sequence: u32) -> Self {
        Self {
            spi,
            sequence,
            icv: Vec::from([0xa5; 12]),
            length: None,
        }
    }

    /// The header followed by the payload that it protects.
    pub fn around(&self, next: u8, payload: &[u8]) -> Vec<u8> {
        let mut icv = self.icv.clone();
        icv.resize(icv.len().next_multiple_of(4), 0);
        let words = self.length.unwrap_or((1 + icv.len() / 4).min(255) as u8);
        let mut packet = Vec::with_capacity(12 + icv.len() + payload.len());
        packet.extend([next, words, 0, 0]);
        packet.extend(self.spi.to_be_bytes());
        packet.extend(self.sequence.to_be_bytes());
        packet.extend(icv);
        packet.extend(payload);
        packet
    }
}
