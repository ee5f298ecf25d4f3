//! Headers, and the payload chains of clear-text messages.

use std::vec::Vec;

use crate::Exchange;
use crate::craft::{Message, chain, payload};
use crate::isakmp::{Cookie, Header, LengthCheck, MAX_PAYLOADS, PAYLOAD_SA, PAYLOAD_VENDOR_ID, Payloads};

fn header(message: &Message) -> Header {
    let octets = message.octets(0, &[]);
    Header::from(*octets.first_chunk().unwrap())
}

fn read(first: u8, octets: &[u8]) -> Vec<(u8, Vec<u8>)> {
    Payloads::new(first, octets)
        .map(|payload| (payload.kind, payload.body.to_vec()))
        .collect()
}

#[test]
fn a_chain_comes_back() {
    let rows: [&[(u8, &[u8])]; 4] = [
        &[],
        &[(PAYLOAD_SA, &[])],
        &[
            (PAYLOAD_SA, &[0, 0, 0, 2]),
            (PAYLOAD_VENDOR_ID, &[9; 16]),
            (PAYLOAD_VENDOR_ID, &[]),
        ],
        &[(255, &[1; 2_000]), (254, &[2])],
    ];
    for row in rows {
        let (first, octets) = chain(row);
        let expected: Vec<_> = row.iter().map(|(kind, body)| (*kind, body.to_vec())).collect();
        assert_eq!(read(first, &octets), expected);
    }
}

#[test]
fn a_chain_ends_where_it_stops_being_true() {
    let good = payload(PAYLOAD_VENDOR_ID, &[7; 4]);
    let with = |length: u16| {
        let mut octets = good.clone();
        octets.extend([0, 0]);
        octets.extend(length.to_be_bytes());
        octets.extend([8; 4]);
        read(PAYLOAD_SA, &octets).len()
    };
    for length in 0..=3 {
        assert_eq!(with(length), 1, "a length of {length} is below the header's own");
    }
    assert_eq!(with(4), 2);
    assert_eq!(with(8), 2);
    assert_eq!(with(9), 1, "beyond the end");
    assert_eq!(with(u16::MAX), 1);
    let trailing = [payload(0, &[1]), payload(0, &[2])].concat();
    assert_eq!(
        read(PAYLOAD_SA, &trailing).len(),
        1,
        "next payload 0 ends the chain"
    );
    assert_eq!(read(0, &trailing).len(), 0);
}

#[test]
fn a_chain_has_a_limit() {
    let body: Vec<(u8, &[u8])> = Vec::from([(PAYLOAD_VENDOR_ID, &[][..]); 100]);
    let (first, octets) = chain(&body);
    assert_eq!(Payloads::new(first, &octets).count(), usize::from(MAX_PAYLOADS));
}

#[test]
fn every_prefix_of_a_chain_gives_a_prefix_of_its_payloads() {
    let (first, octets) = chain(&[(1, &[1; 40]), (13, &[2; 16]), (13, &[3; 20])]);
    let whole = read(first, &octets);
    for kept in 0..=octets.len() {
        let some = read(first, &octets[..kept]);
        assert_eq!(some, whole[..some.len()]);
        let complete = [44, 64, 88].iter().filter(|end| kept >= **end).count();
        assert_eq!(some.len(), complete, "{kept} octets kept");
    }
}

#[test]
fn what_is_encrypted_depends_on_version_flag_and_exchange() {
    let flagged = |exchange, flags| {
        header(&Message {
            flags,
            ..Message::new(exchange, [1; 8], [2; 8])
        })
    };
    let rows = [
        (Exchange::MainMode, 0, false),
        (Exchange::MainMode, 1, true),
        (Exchange::GroupkeyPush, 1, true),
        (Exchange::GroupkeyPushAck, 0, false),
        (Exchange::Informational, 2, false),
        (Exchange::IkeSaInit, 8, false),
        (Exchange::IkeSessionResume, 8, false),
        (Exchange::GsaAuth, 8, true),
        (Exchange::GsaRekey, 0, true),
    ];
    for (exchange, flags, encrypted) in rows {
        assert_eq!(flagged(exchange, flags).is_encrypted(), encrypted, "{exchange:?}");
    }
    let unknown = header(&Message {
        version: 0x30,
        ..Message::new(Exchange::MainMode, [1; 8], [0; 8])
    });
    assert!(
        unknown.is_encrypted(),
        "of an unknown version nothing is taken for clear"
    );
    assert!(flagged(Exchange::IkeSaInit, 0x20).is_response());
    assert!(!flagged(Exchange::IkeSaInit, 0x08).is_response());
}

#[test]
fn a_length_is_compared_with_the_datagram() {
    let message = header(&Message {
        length: Some(100),
        ..Message::new(Exchange::GroupkeyPull, [1; 8], [2; 8])
    });
    let rows = [
        (99, LengthCheck::Short),
        (100, LengthCheck::Equal),
        (101, LengthCheck::Long),
    ];
    for (octets, expected) in rows {
        assert_eq!(message.length_check(octets), expected, "{octets}");
    }
    assert_eq!(
        [LengthCheck::Short, LengthCheck::Equal, LengthCheck::Long].map(LengthCheck::name),
        ["short", "equal", "long"]
    );
}

#[test]
fn only_all_zero_octets_are_no_cookie() {
    assert!(Cookie::ZERO.is_zero());
    for index in 0..8 {
        let mut octets = [0; 8];
        octets[index] = 1;
        assert!(!Cookie(octets).is_zero());
    }
}
