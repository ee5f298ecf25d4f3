//! Every field at its largest and its smallest.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::vec::Vec;

use super::{packet, socket};
use crate::craft::{self, ESP, Ethernet, Message, Tag};
use crate::isakmp::LengthCheck;
use crate::{Body, Exchange, Ports, Vlan};

#[test]
fn tags_at_their_largest() {
    let tags = [
        Tag {
            tpid: 0x88a8,
            tci: u16::MAX,
        },
        Tag { tpid: 0x8100, tci: 0 },
    ];
    let frame = super::push_frame(&Ethernet::tagged(&tags), "0.0.0.0:848", "255.255.255.255:65535");
    let read = packet(&frame);
    assert_eq!(
        read.vlan,
        Vlan {
            depth: 2,
            tci: [u16::MAX, 0]
        }
    );
    assert_eq!(read.vlan.identifiers().collect::<Vec<_>>(), [4_095, 0]);
    assert_eq!(read.destination_address(), IpAddr::V4(Ipv4Addr::BROADCAST));
    assert_eq!(read.destination_port, u16::MAX);
}

#[test]
fn a_tag_beside_the_frame_is_the_outer_one() {
    let tag = |tci| Tag { tpid: 0x8100, tci };
    let check = |inside: &[Tag], expect: Option<Vlan>| {
        let frame = super::push_frame(&Ethernet::tagged(inside), "10.0.0.1:848", "10.0.0.2:848");
        let got = match crate::dissect_l2(&crate::Capture::whole(&frame), Some(7)) {
            crate::L2::Ip(carried) => Some(carried.vlan()),
            other => {
                assert_eq!(other, crate::L2::Error(crate::ParseError::VlanDepth));
                None
            }
        };
        assert_eq!(got, expect);
    };
    check(
        &[],
        Some(Vlan {
            depth: 1,
            tci: [7, 0],
        }),
    );
    check(
        &[tag(9)],
        Some(Vlan {
            depth: 2,
            tci: [7, 9],
        }),
    );
    check(&[tag(9), tag(10)], None);
}

#[test]
fn addresses_at_their_largest() {
    let most = IpAddr::V6(Ipv6Addr::from([0xff; 16]));
    let least = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let esp = craft::esp(u32::MAX, u32::MAX, &[]);
    let read = packet(&craft::packet(&Ethernet::default(), most, least, ESP, &esp));
    assert_eq!((read.source_address(), read.destination_address()), (most, least));
    let Body::Esp(esp) = read.body else {
        panic!("{read:?}")
    };
    assert_eq!((esp.spi, esp.sequence), (u32::MAX, u32::MAX));
}

#[test]
fn packets_at_their_largest() {
    // 65,535 octets of IPv4 leave 65,507 for a datagram; IPv6 counts its payload without the header.
    let largest = Message::new(Exchange::GroupkeyPush, [1; 8], [2; 8]).octets(18, &std::vec![3; 65_479]);
    let frame = craft::frame(
        &Ethernet::default(),
        socket("10.0.0.1:848"),
        socket("10.0.0.2:848"),
        &largest,
    );
    let read = packet(&frame);
    assert_eq!(read.ip_octets, 65_535);
    assert!(
        matches!(
            read.body,
            Body::Isakmp {
                octets: 65_507,
                available: 65_507,
                ..
            }
        ),
        "{read:?}"
    );
    let largest = Message::new(Exchange::GroupkeyPush, [1; 8], [2; 8]).octets(18, &std::vec![3; 65_499]);
    let frame = craft::frame(
        &Ethernet::default(),
        socket("[fd00::1]:848"),
        socket("[fd00::2]:848"),
        &largest,
    );
    let read = packet(&frame);
    assert_eq!(read.ip_octets, 65_575);
    assert!(
        matches!(read.body, Body::Isakmp { octets: 65_527, .. }),
        "{read:?}"
    );
}

#[test]
fn the_header_at_its_largest_and_smallest() {
    for octet in [0, 0xff] {
        let message = Message {
            initiator: [octet; 8],
            responder: [octet; 8],
            version: octet,
            exchange: octet,
            flags: octet,
            message_id: u32::from_be_bytes([octet; 4]),
            length: Some(u32::from_be_bytes([octet; 4])),
        };
        let datagram = craft::marked(&message.octets(octet, &[]));
        let frame = craft::frame(
            &Ethernet::default(),
            socket("10.0.0.1:848"),
            socket("10.0.0.2:848"),
            &datagram,
        );
        let Body::Isakmp {
            header,
            octets: 28,
            available: 28,
            marked: true,
            ..
        } = packet(&frame).body
        else {
            panic!("{:?}", packet(&frame));
        };
        assert_eq!(header.octets(), [octet; 28]);
        assert_eq!(header.initiator_cookie().0, [octet; 8]);
        assert_eq!(header.initiator_cookie().is_zero(), octet == 0);
        assert_eq!(header.responder_cookie().0, [octet; 8]);
        assert_eq!(
            (header.next_payload(), header.exchange_type(), header.flags()),
            (octet, octet, octet)
        );
        assert_eq!(header.version(), (octet >> 4, octet & 0x0f));
        assert_eq!(header.exchange(), Exchange::Unknown(octet));
        assert_eq!(header.message_id(), message.message_id);
        let expected = if octet == 0 {
            LengthCheck::Long
        } else {
            LengthCheck::Short
        };
        assert_eq!(header.length_check(28), expected);
    }
}

#[test]
fn every_port_counts_at_either_end_and_no_other_does() {
    let ports = Ports {
        isakmp: [1, 2, 3, 4],
        nat_t: [0; Ports::SLOTS],
    };
    for port in 1..=4 {
        assert!(ports.is_isakmp(port, 9) && ports.is_isakmp(9, port), "{port}");
    }
    assert!(!ports.is_isakmp(9, 8) && !ports.is_isakmp(0, 0));
    assert!(
        !ports.is_nat_t(0, 9) && !ports.is_nat_t(9, 0),
        "zero marks an unused entry"
    );
}
