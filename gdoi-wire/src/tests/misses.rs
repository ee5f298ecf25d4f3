//! Every miss, each by the shortest way to it.

use core::net::{Ipv4Addr, Ipv6Addr};
use std::collections::BTreeSet;
use std::vec::Vec;

use super::seen;
use crate::craft::{
    AH, Ah, ESP, ETHERTYPE_IPV4, ETHERTYPE_IPV6, Ethernet, Extension, Ipv4, Ipv6, Tag, UDP, Udp, esp,
};
use crate::{Body, Miss, Seen};

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
fn ethernet_and_ipv4() -> Vec<(Miss, &'static str, Vec<u8>)> {
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
        (Miss::EthernetTruncated, "13 octets", Vec::from([0; 13])),
        (
            Miss::EthernetTruncated,
            "inside a tag",
            cut(tags(1).around(ETHERTYPE_IPV4, &[]), 17),
        ),
        (
            Miss::EthernetTruncated,
            "inside the second tag",
            cut(tags(2).around(ETHERTYPE_IPV4, &[]), 21),
        ),
        (
            Miss::VlanDepth,
            "three tags",
            tags(3).around(ETHERTYPE_IPV4, &v4().around(UDP, &good)),
        ),
        (
            Miss::IpVersion,
            "5 behind 0x0800",
            in_v4(&Ipv4 { version: 5, ..v4() }, UDP, &good),
        ),
        (
            Miss::IpVersion,
            "6 behind 0x0800",
            BARE.around(ETHERTYPE_IPV4, &v6().around(UDP, &good)),
        ),
        (
            Miss::IpVersion,
            "4 behind 0x86dd",
            BARE.around(ETHERTYPE_IPV6, &v4().around(UDP, &good)),
        ),
        (
            Miss::Ipv4Truncated,
            "19 octets",
            cut(in_v4(&v4(), UDP, &good), 33),
        ),
        (Miss::Ipv4HeaderLength, "four words", in_v4(&words(4), UDP, &good)),
        (
            Miss::Ipv4HeaderLength,
            "beyond the total length",
            in_v4(&lie4(19), UDP, &good),
        ),
        (
            Miss::Ipv4TotalLength,
            "one octet more than there is",
            in_v4(&lie4(69), UDP, &good),
        ),
        (
            Miss::Ipv4TotalLength,
            "65,535",
            in_v4(&lie4(u16::MAX), ESP, &good),
        ),
    ])
}

/// IPv6, its extension headers and AH.
fn ipv6_and_ah() -> Vec<(Miss, &'static str, Vec<u8>)> {
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
    let ah = Ah::new(300, 1);
    Vec::from([
        (Miss::Ipv6Truncated, "7 octets", cut(in_v6(&v6(), UDP, &good), 21)),
        (
            Miss::Ipv6Truncated,
            "39 octets",
            cut(in_v6(&v6(), UDP, &good), 53),
        ),
        (
            Miss::Ipv6Truncated,
            "inside an extension",
            cut(in_v6(&chain(&[options(0, None)]), UDP, &good), 61),
        ),
        (
            Miss::Ipv6Truncated,
            "an extension beyond the frame",
            in_v6(&chain(&[options(0, Some(9)), options(60, None)]), 60, &[]),
        ),
        (
            Miss::Ipv6PayloadLength,
            "beyond the frame",
            in_v6(&lie6(49), UDP, &good),
        ),
        (Miss::Ipv6PayloadLength, "zero", in_v6(&lie6(0), UDP, &good)),
        (
            Miss::Ipv6PayloadLength,
            "an extension beyond it",
            in_v6(&chain(&[options(60, Some(20))]), UDP, &good),
        ),
        (
            Miss::Ipv6HeaderDepth,
            "more than 1,024 octets with the IPv6 header",
            in_v6(&chain(&[long(990)]), UDP, &good),
        ),
        (
            Miss::Ipv6HeaderDepth,
            "nine headers",
            in_v6(&chain(&[const { Extension::shortest(60) }; 9]), UDP, &good),
        ),
        (
            Miss::AhTruncated,
            "frame",
            in_v4(&v4(), AH, &ah.around(UDP, &good)[..11]),
        ),
        (
            Miss::AhTruncated,
            "payload",
            in_v6(&lie6(11), AH, &ah.around(UDP, &good)),
        ),
        (
            Miss::LaterFragment,
            "IPv6",
            in_v6(&chain(&[options(0, None), fragment6(0x1fff, true)]), UDP, &good),
        ),
        (
            Miss::LaterFragment,
            "IPv6, more headers",
            in_v6(&chain(&[fragment6(1, false)]), 60, &good),
        ),
    ])
}

/// Fragments, UDP and what it carries.
fn transport() -> Vec<(Miss, &'static str, Vec<u8>)> {
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
            Miss::LaterFragment,
            "offset 1",
            in_v4(&fragment(1, true), UDP, &good),
        ),
        (
            Miss::LaterFragment,
            "the last",
            in_v4(&fragment(0x1fff, false), ESP, &good),
        ),
        (Miss::LaterFragment, "AH", in_v4(&fragment(2, false), AH, &good)),
        (Miss::UdpTruncated, "frame", in_v4(&v4(), UDP, &good[..7])),
        (Miss::UdpTruncated, "payload", in_v4(&lie4(27), UDP, &good)),
        (
            Miss::UdpTruncated,
            "options to the end",
            in_v4(&words(15), UDP, &good[..40]),
        ),
        (
            Miss::UdpLength,
            "7",
            in_v4(&v4(), UDP, &udp(848, Some(7), &[1; 40])),
        ),
        (
            Miss::UdpLength,
            "beyond the packet",
            in_v4(&v4(), UDP, &udp(848, Some(49), &[1; 40])),
        ),
        (
            Miss::UdpLength,
            "beyond the packet, padded",
            in_v4(&lie4(67), UDP, &good),
        ),
        (
            Miss::UdpLength,
            "0 in a first fragment",
            in_v4(&fragment(0, true), UDP, &udp(848, Some(0), &[1; 40])),
        ),
        (Miss::IsakmpEmpty, "848", in_v4(&v4(), UDP, &udp(848, None, &[]))),
        (
            Miss::IsakmpEmpty,
            "4500",
            in_v6(&v6(), UDP, &udp(4500, None, &[])),
        ),
        (
            Miss::IsakmpShort,
            "27 octets",
            in_v4(&v4(), UDP, &udp(848, None, &[1; 27])),
        ),
        (
            Miss::IsakmpShort,
            "27 octets behind a marker",
            in_v4(&v4(), UDP, &udp(4500, None, &[0; 31])),
        ),
        (
            Miss::IsakmpShort,
            "one octet that is no keepalive",
            in_v4(&v4(), UDP, &udp(4500, None, &[0xfe])),
        ),
        (
            Miss::IsakmpShort,
            "two octets like a keepalive",
            in_v4(&v4(), UDP, &udp(4500, None, &[0xff; 2])),
        ),
        (
            Miss::IsakmpTruncated,
            "first fragment of 27",
            in_v4(&fragment(0, true), UDP, &udp(848, Some(600), &[1; 27])),
        ),
        (
            Miss::IsakmpTruncated,
            "first fragment of UDP alone",
            in_v4(&fragment(0, true), UDP, &udp(848, Some(600), &[])),
        ),
        (
            Miss::EspShort,
            "7 octets",
            in_v4(&v4(), ESP, &esp(300, 1, &[])[..7]),
        ),
        (
            Miss::EspShort,
            "7 octets in UDP",
            in_v4(&v4(), UDP, &udp(4500, None, &[1; 7])),
        ),
        (
            Miss::EspTruncated,
            "first fragment of 7",
            in_v4(&fragment(0, true), UDP, &udp(4500, Some(600), &[1; 7])),
        ),
    ])
}

#[test]
fn every_miss_has_its_name() {
    let mut reached = BTreeSet::new();
    for (miss, why, frame) in [ethernet_and_ipv4(), ipv6_and_ah(), transport()].concat() {
        assert_eq!(seen(&frame), Seen::Miss(miss), "{why}");
        reached.insert(miss);
    }
    assert_eq!(Vec::from_iter(reached), Miss::ALL);
}

#[test]
fn names_are_distinct_and_counters_are_in_order() {
    let names: BTreeSet<&str> = Miss::ALL.iter().map(|miss| miss.name()).collect();
    assert_eq!(names.len(), Miss::ALL.len());
    for (index, miss) in Miss::ALL.into_iter().enumerate() {
        assert_eq!(miss as usize, index);
    }
    for (index, class) in crate::Class::ALL.into_iter().enumerate() {
        assert_eq!(class as usize, index);
    }
}

#[test]
fn padding_is_not_the_rest_of_a_first_fragment() {
    let padded = Ethernet { minimum: 60, ..BARE };
    // Twenty octets of IPv4 and eight of UDP: the frame's other 18 are zeros, which would read as a marker.
    let alone = fragment(0, true).around(UDP, &udp(848, Some(600), &[]));
    assert_eq!(
        seen(&padded.around(ETHERTYPE_IPV4, &alone)),
        Seen::Miss(Miss::IsakmpTruncated)
    );
    let rows = [
        (848, 600, 1..28, Miss::IsakmpTruncated),
        (4500, 600, 1..4, Miss::IsakmpTruncated),
        (4500, 600, 4..8, Miss::EspTruncated),
        (4500, 2, 0..2, Miss::IsakmpShort),
        (4500, 1, 0..1, Miss::IsakmpShort),
    ];
    for (port, length, here, miss) in rows {
        for here in here {
            let first = fragment(0, true).around(UDP, &udp(port, Some(8 + length), &[1; 40][..here]));
            let mut frame = padded.around(ETHERTYPE_IPV4, &first);
            assert_eq!(seen(&frame), Seen::Miss(miss), "{here} of {length} octets");
            frame.resize(200, 0xff);
            assert_eq!(
                seen(&frame),
                Seen::Miss(miss),
                "{here} of {length} octets, padded with ones"
            );
        }
    }
}

#[test]
fn an_ah_whose_length_lies_is_still_an_ah() {
    for length in [0, 60, 255] {
        let ah = Ah {
            length: Some(length),
            ..Ah::new(300, 7)
        };
        let frame = in_v4(&v4(), AH, &ah.around(UDP, &udp(848, None, &[1; 40])));
        let Seen::Packet(packet) = seen(&frame) else {
            panic!("{:?}", seen(&frame));
        };
        assert_eq!(
            (packet.body, packet.ah.map(|ah| ah.sequence)),
            (Body::Ah, Some(7))
        );
    }
}
