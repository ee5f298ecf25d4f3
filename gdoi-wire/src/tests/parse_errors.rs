//! Every parse error, each by its shortest frame.

use core::net::{Ipv4Addr, Ipv6Addr};
use std::collections::BTreeSet;
use std::vec::Vec;

use super::seen;
use crate::craft::{
    AH, AhFields, ESP, ETHERTYPE_IPV4, ETHERTYPE_IPV6, Ethernet, Extension, Ipv4, Ipv6, Tag, UDP, Udp, esp,
};
use crate::{Body, Dissected, ParseError};

const BARE: Ethernet = Ethernet {
    source: [2; 6],
    destination: [4; 6],
    tags: Vec::new(),
    minimum: 0,
};

fn v4() -> Ipv4 {
    Ipv4::new(Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2))
}

fn v6() -> Ipv6 {
    Ipv6::new(Ipv6Addr::LOCALHOST, Ipv6Addr::UNSPECIFIED)
}

fn in_v4(ip: &Ipv4, protocol: u8, octets: &[u8]) -> Vec<u8> {
    BARE.around(ETHERTYPE_IPV4, &ip.around(protocol, octets))
}

fn in_v6(ip: &Ipv6, protocol: u8, octets: &[u8]) -> Vec<u8> {
    BARE.around(ETHERTYPE_IPV6, &ip.around(protocol, octets))
}

fn udp(port: u16, length: Option<u16>, datagram: &[u8]) -> Vec<u8> {
    let udp = Udp {
        length,
        ..Udp::new(port, port)
    };
    udp.around([10, 0, 0, 1].into(), [10, 0, 0, 2].into(), datagram)
}

fn fragment(offset: u16, more: bool) -> Ipv4 {
    Ipv4 {
        offset,
        more_fragments: more,
        ..v4()
    }
}

fn chain(extensions: &[Extension]) -> Ipv6 {
    Ipv6 {
        extensions: extensions.to_vec(),
        ..v6()
    }
}

fn cut(mut frame: Vec<u8>, octets: usize) -> Vec<u8> {
    frame.truncate(octets);
    frame
}

/// Down to the end of the IPv4 header.
fn ethernet_and_ipv4() -> Vec<(ParseError, &'static str, Vec<u8>)> {
    let good = udp(848, None, &[1; 40]);
    let tags = |count| Ethernet {
        tags: [Tag::vlan(1); 4][..count].to_vec(),
        ..BARE
    };
    let lie4 = |length| Ipv4 {
        total_length: Some(length),
        ..v4()
    };
    let words = |words| Ipv4 {
        header_words: Some(words),
        ..v4()
    };
    Vec::from([
        (ParseError::EthernetTruncated, "13 octets", Vec::from([0; 13])),
        (
            ParseError::EthernetTruncated,
            "inside a tag",
            cut(tags(1).around(ETHERTYPE_IPV4, &[]), 17),
        ),
        (
            ParseError::EthernetTruncated,
            "inside the second tag",
            cut(tags(2).around(ETHERTYPE_IPV4, &[]), 21),
        ),
        (
            ParseError::VlanDepth,
            "three tags",
            tags(3).around(ETHERTYPE_IPV4, &v4().around(UDP, &good)),
        ),
        (
            ParseError::IpVersion,
            "5 after 0x0800",
            in_v4(&Ipv4 { version: 5, ..v4() }, UDP, &good),
        ),
        (
            ParseError::IpVersion,
            "6 after 0x0800",
            BARE.around(ETHERTYPE_IPV4, &v6().around(UDP, &good)),
        ),
        (
            ParseError::IpVersion,
            "4 after 0x86dd",
            BARE.around(ETHERTYPE_IPV6, &v4().around(UDP, &good)),
        ),
        (
            ParseError::Ipv4Truncated,
            "19 octets",
            cut(in_v4(&v4(), UDP, &good), 33),
        ),
        (
            ParseError::Ipv4HeaderLength,
            "four words",
            in_v4(&words(4), UDP, &good),
        ),
        (
            ParseError::Ipv4HeaderLength,
            "beyond the total length",
            in_v4(&lie4(19), UDP, &good),
        ),
        (
            ParseError::Ipv4TotalLength,
            "one octet more than there is",
            in_v4(&lie4(69), UDP, &good),
        ),
        (
            ParseError::Ipv4TotalLength,
            "65,535",
            in_v4(&lie4(u16::MAX), ESP, &good),
        ),
    ])
}

/// IPv6, its extension headers and AH.
fn ipv6_and_ah() -> Vec<(ParseError, &'static str, Vec<u8>)> {
    let good = udp(848, None, &[1; 40]);
    let options = |kind, length| Extension::Options {
        kind,
        octets: Vec::new(),
        length,
    };
    let long = |octets| Extension::Options {
        kind: 60,
        octets: std::vec![1; octets],
        length: None,
    };
    let fragment6 = |offset, more| Extension::Fragment {
        offset,
        more,
        identification: 1,
    };
    let lie6 = |length| Ipv6 {
        payload_length: Some(length),
        ..v6()
    };
    let ah = AhFields::new(300, 1);
    Vec::from([
        (
            ParseError::Ipv6Truncated,
            "7 octets",
            cut(in_v6(&v6(), UDP, &good), 21),
        ),
        (
            ParseError::Ipv6Truncated,
            "39 octets",
            cut(in_v6(&v6(), UDP, &good), 53),
        ),
        (
            ParseError::Ipv6Truncated,
            "inside an extension",
            cut(in_v6(&chain(&[options(0, None)]), UDP, &good), 61),
        ),
        (
            ParseError::Ipv6Truncated,
            "an extension beyond the frame",
            in_v6(&chain(&[options(0, Some(9)), options(60, None)]), 60, &[]),
        ),
        (
            ParseError::Ipv6PayloadLength,
            "beyond the frame",
            in_v6(&lie6(49), UDP, &good),
        ),
        (ParseError::Ipv6PayloadLength, "zero", in_v6(&lie6(0), UDP, &good)),
        (
            ParseError::Ipv6PayloadLength,
            "an extension beyond it",
            in_v6(&chain(&[options(60, Some(20))]), UDP, &good),
        ),
        (
            ParseError::Ipv6HeaderDepth,
            "more than 1,024 octets with the IPv6 header",
            in_v6(&chain(&[long(990)]), UDP, &good),
        ),
        (
            ParseError::Ipv6HeaderDepth,
            "nine headers",
            in_v6(&chain(&[const { Extension::shortest(60) }; 9]), UDP, &good),
        ),
        (
            ParseError::AhTruncated,
            "frame",
            in_v4(&v4(), AH, &ah.around(UDP, &good)[..11]),
        ),
        (
            ParseError::AhTruncated,
            "payload",
            in_v6(&lie6(11), AH, &ah.around(UDP, &good)),
        ),
        (
            ParseError::LaterFragment,
            "IPv6",
            in_v6(&chain(&[options(0, None), fragment6(0x1fff, true)]), UDP, &good),
        ),
        (
            ParseError::LaterFragment,
            "IPv6, more headers",
            in_v6(&chain(&[fragment6(1, false)]), 60, &good),
        ),
    ])
}

/// Fragments and UDP.
fn fragments_and_udp() -> Vec<(ParseError, &'static str, Vec<u8>)> {
    let good = udp(848, None, &[1; 40]);
    let lie4 = |length| Ipv4 {
        total_length: Some(length),
        ..v4()
    };
    let words = |words| Ipv4 {
        header_words: Some(words),
        ..v4()
    };
    Vec::from([
        (
            ParseError::LaterFragment,
            "offset 1",
            in_v4(&fragment(1, true), UDP, &good),
        ),
        (
            ParseError::LaterFragment,
            "the last",
            in_v4(&fragment(0x1fff, false), ESP, &good),
        ),
        (
            ParseError::LaterFragment,
            "AH",
            in_v4(&fragment(2, false), AH, &good),
        ),
        (ParseError::UdpTruncated, "frame", in_v4(&v4(), UDP, &good[..7])),
        (ParseError::UdpTruncated, "payload", in_v4(&lie4(27), UDP, &good)),
        (
            ParseError::UdpTruncated,
            "options to the end",
            in_v4(&words(15), UDP, &good[..40]),
        ),
        (
            ParseError::UdpLength,
            "7",
            in_v4(&v4(), UDP, &udp(848, Some(7), &[1; 40])),
        ),
        (
            ParseError::UdpLength,
            "beyond the packet",
            in_v4(&v4(), UDP, &udp(848, Some(49), &[1; 40])),
        ),
        (
            ParseError::UdpLength,
            "beyond the packet, padded",
            in_v4(&lie4(67), UDP, &good),
        ),
        (
            ParseError::UdpLength,
            "0 in a first fragment",
            in_v4(&fragment(0, true), UDP, &udp(848, Some(0), &[1; 40])),
        ),
    ])
}

/// ISAKMP and ESP.
fn messages() -> Vec<(ParseError, &'static str, Vec<u8>)> {
    Vec::from([
        (
            ParseError::IsakmpEmpty,
            "848",
            in_v4(&v4(), UDP, &udp(848, None, &[])),
        ),
        (
            ParseError::IsakmpEmpty,
            "4500",
            in_v6(&v6(), UDP, &udp(4500, None, &[])),
        ),
        (
            ParseError::IsakmpShort,
            "27 octets",
            in_v4(&v4(), UDP, &udp(848, None, &[1; 27])),
        ),
        (
            ParseError::IsakmpShort,
            "27 octets after a marker",
            in_v4(&v4(), UDP, &udp(4500, None, &[0; 31])),
        ),
        (
            ParseError::IsakmpShort,
            "one octet that is no keepalive",
            in_v4(&v4(), UDP, &udp(4500, None, &[0xfe])),
        ),
        (
            ParseError::IsakmpShort,
            "two octets like a keepalive",
            in_v4(&v4(), UDP, &udp(4500, None, &[0xff; 2])),
        ),
        (
            ParseError::IsakmpTruncated,
            "first fragment of 27",
            in_v4(&fragment(0, true), UDP, &udp(848, Some(600), &[1; 27])),
        ),
        (
            ParseError::IsakmpTruncated,
            "first fragment of UDP alone",
            in_v4(&fragment(0, true), UDP, &udp(848, Some(600), &[])),
        ),
        (
            ParseError::EspShort,
            "7 octets",
            in_v4(&v4(), ESP, &esp(300, 1, &[])[..7]),
        ),
        (
            ParseError::EspShort,
            "7 octets in UDP",
            in_v4(&v4(), UDP, &udp(4500, None, &[1; 7])),
        ),
        (
            ParseError::EspTruncated,
            "first fragment of 7",
            in_v4(&fragment(0, true), UDP, &udp(4500, Some(600), &[1; 7])),
        ),
    ])
}

#[test]
fn every_parse_error_has_its_name() {
    let mut reached = BTreeSet::new();
    for (error, why, frame) in [
        ethernet_and_ipv4(),
        ipv6_and_ah(),
        fragments_and_udp(),
        messages(),
    ]
    .concat()
    {
        assert_eq!(seen(&frame), Dissected::Error(error), "{why}");
        reached.insert(error);
    }
    assert_eq!(Vec::from_iter(reached), ParseError::ALL);
}

#[test]
fn names_are_distinct_and_counters_are_in_order() {
    let names: BTreeSet<&str> = ParseError::ALL.iter().map(|error| error.name()).collect();
    assert_eq!(names.len(), ParseError::ALL.len());
    for (index, error) in ParseError::ALL.iter().enumerate() {
        assert_eq!(*error as usize, index);
    }
    for (index, class) in crate::Class::ALL.iter().enumerate() {
        assert_eq!(*class as usize, index);
    }
}

#[test]
fn padding_is_not_the_rest_of_a_first_fragment() {
    let padded = Ethernet { minimum: 60, ..BARE };
    // Twenty octets of IPv4 and eight of UDP: the frame's other 18 are zeros, which would read as a marker.
    let alone = fragment(0, true).around(UDP, &udp(848, Some(600), &[]));
    assert_eq!(
        seen(&padded.around(ETHERTYPE_IPV4, &alone)),
        Dissected::Error(ParseError::IsakmpTruncated)
    );
    let rows = [
        (848, 600, 1..28, ParseError::IsakmpTruncated),
        (4500, 600, 1..4, ParseError::IsakmpTruncated),
        (4500, 600, 4..8, ParseError::EspTruncated),
        (4500, 2, 0..2, ParseError::IsakmpShort),
        (4500, 1, 0..1, ParseError::IsakmpShort),
    ];
    for (port, length, here, error) in rows {
        for here in here {
            let first = fragment(0, true).around(UDP, &udp(port, Some(8 + length), &[1; 40][..here]));
            let mut frame = padded.around(ETHERTYPE_IPV4, &first);
            assert_eq!(seen(&frame), Dissected::Error(error), "{here} of {length} octets");
            frame.resize(200, 0xff);
            assert_eq!(
                seen(&frame),
                Dissected::Error(error),
                "{here} of {length} octets, padded with ones"
            );
        }
    }
}

#[test]
fn an_ah_whose_length_lies_is_still_an_ah() {
    for length in [0, 60, 255] {
        let ah = AhFields {
            length: Some(length),
            ..AhFields::new(300, 7)
        };
        let frame = in_v4(&v4(), AH, &ah.around(UDP, &udp(848, None, &[1; 40])));
        let Dissected::Packet(packet) = seen(&frame) else {
            panic!("{:?}", seen(&frame));
        };
        assert_eq!(
            (packet.body, packet.ah.map(|ah| ah.sequence)),
            (Body::Ah, Some(7))
        );
    }
}
