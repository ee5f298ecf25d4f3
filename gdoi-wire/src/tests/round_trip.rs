//! Dissect reads what craft writes.

use core::net::{IpAddr, Ipv4Addr};
use std::vec::Vec;

use super::{packet, push, push_frame, seen, socket};
use crate::craft::{self, AH, AhFields, ESP, Ethernet, Extension, Ipv4, Ipv6, Message, Tag, UDP, Udp};
use crate::{Body, Capture, Class, Dissected, Esp, Exchange, Fragment, Ports, Vlan, dissect};

const V4: (&str, &str) = ("10.1.11.2:848", "10.1.13.2:848");
const V6: (&str, &str) = ("[2001:db8::2]:848", "[2001:db8::13]:848");

/// `frame` is the PUSH of 400 octets between the two sockets, inside these tags.
#[track_caller]
fn check_push(frame: &[u8], (source, destination): (&str, &str), tags: &[Tag]) {
    let read = packet(frame);
    let (source, destination) = (socket(source), socket(destination));
    assert_eq!(
        (read.source_address(), read.source_port),
        (source.ip(), source.port())
    );
    assert_eq!(
        (read.destination_address(), read.destination_port),
        (destination.ip(), destination.port())
    );
    assert_eq!(read.ip_version, if source.is_ipv4() { 4 } else { 6 });
    let mut tci = tags.iter().map(|tag| tag.tci);
    let tci = [tci.next().unwrap_or(0), tci.next().unwrap_or(0)];
    assert_eq!(
        read.vlan,
        Vlan {
            depth: tags.len() as u8,
            tci
        }
    );
    let Body::Isakmp {
        header,
        offset,
        octets,
        available,
        marked,
    } = read.body
    else {
        panic!("{read:?}");
    };
    assert_eq!((octets, available, marked), (400, 400, false));
    assert_eq!(&header.octets()[..], &push(400)[..28]);
    assert_eq!(&frame[offset..offset + 400], &push(400)[..]);
}

#[test]
fn a_push_behind_any_two_tags() {
    let tags = [
        Tag::vlan(100),
        Tag {
            tpid: 0x88a8,
            tci: 0xe3e8,
        },
        Tag {
            tpid: 0x9100,
            tci: 0xffff,
        },
        Tag { tpid: 0x9200, tci: 0 },
    ];
    for ends in [V4, V6] {
        check_push(&push_frame(&Ethernet::default(), ends.0, ends.1), ends, &[]);
        for outer in tags {
            check_push(
                &push_frame(&Ethernet::tagged(&[outer]), ends.0, ends.1),
                ends,
                &[outer],
            );
            for inner in tags {
                let both = [outer, inner];
                check_push(&push_frame(&Ethernet::tagged(&both), ends.0, ends.1), ends, &both);
            }
        }
    }
}

#[test]
fn a_push_behind_options_of_any_size() {
    let (from, to) = (Ipv4Addr::new(10, 1, 11, 2), Ipv4Addr::new(10, 1, 13, 2));
    let datagram = Udp::new(848, 848).around(from.into(), to.into(), &push(400));
    for size in 0..=40 {
        let mut ip = Ipv4::new(from, to);
        ip.options = craft::Random::new(size).octets(size as usize);
        let frame = Ethernet::default().around(craft::ETHERTYPE_IPV4, &ip.around(UDP, &datagram));
        check_push(&frame, V4, &[]);
    }
}

#[test]
fn a_push_behind_extension_headers() {
    let followed = [0, 43, 60, 135, 139, 140];
    let rows: Vec<Vec<Extension>> = followed
        .iter()
        .map(|kind| Vec::from([Extension::shortest(*kind)]))
        .chain([
            Vec::from([Extension::Fragment {
                offset: 0,
                more: false,
                identification: 9,
            }]),
            (0..8)
                .map(|index| Extension::shortest(followed[index % 6]))
                .collect(),
            Vec::from([Extension::Options {
                kind: 60,
                octets: [1; 982].to_vec(),
                length: None,
            }]),
        ])
        .collect();
    let (from, to) = ("2001:db8::2".parse().unwrap(), "2001:db8::13".parse().unwrap());
    let datagram = Udp::new(848, 848).around(IpAddr::V6(from), IpAddr::V6(to), &push(400));
    for extensions in rows {
        let ip = Ipv6 {
            extensions,
            ..Ipv6::new(from, to)
        };
        let frame = Ethernet::default().around(craft::ETHERTYPE_IPV6, &ip.around(UDP, &datagram));
        check_push(&frame, V6, &[]);
    }
}

#[test]
fn the_first_of_several_fragments_has_the_header() {
    for ends in [V4, V6] {
        let (source, destination) = (socket(ends.0), socket(ends.1));
        let frames = craft::frames(&Ethernet::default(), source, destination, &push(4_000), 1_500, 77);
        assert_eq!(frames.len(), 3);
        assert!(frames.iter().all(|frame| frame.len() <= 1_514));
        let read = packet(&frames[0]);
        assert_eq!(read.fragment, Fragment::First);
        let Body::Isakmp {
            header,
            octets,
            available,
            ..
        } = read.body
        else {
            panic!("{read:?}");
        };
        assert_eq!((octets, header.length()), (4_000, 4_000));
        assert!((1_400..=1_472).contains(&available), "{available}");
        for later in &frames[1..] {
            assert_eq!(seen(later), Dissected::Error(crate::ParseError::LaterFragment));
        }
    }
}

#[test]
fn the_fragments_of_a_datagram_are_the_datagram() {
    let (source, destination) = (socket(V4.0), socket(V4.1));
    let whole = craft::frame(&Ethernet::default(), source, destination, &push(4_000));
    for mtu in [68, 576, 1_280, 1_500, 4_028] {
        let frames = craft::frames(&Ethernet::default(), source, destination, &push(4_000), mtu, 1);
        let together: Vec<u8> = frames
            .iter()
            .flat_map(|frame| ip_payload(frame))
            .copied()
            .collect();
        assert_eq!(together, whole[34..], "mtu {mtu}");
    }
}

/// What follows the IPv4 header, without the padding.
fn ip_payload(frame: &[u8]) -> &[u8] {
    &frame[34..14 + usize::from(u16::from_be_bytes([frame[16], frame[17]]))]
}

#[test]
fn esp_and_ah_in_ip_and_in_udp() {
    let native = Esp {
        spi: 0x9cae_4c22,
        sequence: 17,
        in_udp: false,
    };
    let in_udp = Esp {
        in_udp: true,
        ..native
    };
    let esp = craft::esp(native.spi, native.sequence, &[0xcd; 88]);
    for (source, destination) in [
        ("10.0.0.1:4500", "10.0.0.2:4500"),
        ("[fd00::1]:4500", "[fd00::2]:4500"),
    ] {
        let (source, destination) = (socket(source), socket(destination));
        let ends = (source.ip(), destination.ip());
        let around = |protocol, octets: &[u8]| {
            packet(&craft::packet(
                &Ethernet::default(),
                ends.0,
                ends.1,
                protocol,
                octets,
            ))
        };
        let datagram = Udp::new(4500, 31_337).around(ends.0, ends.1, &esp);
        let ah = AhFields::new(0xee02_1924, 3);

        assert_eq!(around(ESP, &esp).body, Body::Esp(native));
        assert_eq!(around(UDP, &datagram).body, Body::Esp(in_udp));
        let inside = around(AH, &ah.around(ESP, &esp));
        assert_eq!((inside.body, inside.class()), (Body::Esp(native), Class::Esp));
        assert_eq!(inside.ah.map(|ah| (ah.spi, ah.sequence)), Some((0xee02_1924, 3)));
        assert_eq!(around(AH, &ah.around(UDP, &datagram)).body, Body::Esp(in_udp));
        // Nothing follows it, not even a check value.
        let alone = AhFields {
            icv: Vec::new(),
            ..AhFields::new(0xee02_1924, 3)
        };
        assert_eq!(around(AH, &alone.around(59, &[])).body, Body::Ah);
        for next in [4, 6, 41, AH, 59] {
            assert_eq!(
                around(AH, &ah.around(next, &[0; 40])).body,
                Body::Ah,
                "next header {next}"
            );
        }
        assert_eq!(
            around(
                AH,
                &ah.around(UDP, &Udp::new(53, 53).around(ends.0, ends.1, &[0; 9]))
            )
            .body,
            Body::Ah
        );
    }
}

#[test]
fn a_marker_and_a_keepalive() {
    for ports in [(4500, 4500), (61_000, 4500), (4500, 848), (848, 848)] {
        let ends = (([10, 0, 0, 1], ports.0).into(), ([10, 0, 0, 2], ports.1).into());
        let frame = craft::frame(&Ethernet::default(), ends.0, ends.1, &craft::marked(&push(400)));
        let read = packet(&frame).body;
        assert!(
            matches!(
                read,
                Body::Isakmp {
                    octets: 400,
                    available: 400,
                    marked: true,
                    ..
                }
            ),
            "{ports:?}: {read:?}"
        );
        let frame = craft::frame(&Ethernet::default(), ends.0, ends.1, &craft::KEEPALIVE);
        assert_eq!(packet(&frame).body, Body::NatKeepalive, "{ports:?}");
    }
}

#[test]
fn a_cookie_that_begins_with_zeros_is_no_marker() {
    let (source, destination) = (socket(V4.0), socket(V4.1));
    for initiator in [[0, 0, 0, 0, 5, 6, 7, 8], [0; 8]] {
        for exchange in [Exchange::MainMode, Exchange::GroupkeyPush, Exchange::GsaRekey] {
            let message = Message::new(exchange, initiator, [9; 8]).octets(1, &[3; 20]);
            let plain = craft::frame(&Ethernet::default(), source, destination, &message);
            let marked = craft::frame(
                &Ethernet::default(),
                source,
                destination,
                &craft::marked(&message),
            );
            for (frame, expected) in [(plain, false), (marked, true)] {
                let Body::Isakmp {
                    header,
                    marked,
                    octets: 48,
                    ..
                } = packet(&frame).body
                else {
                    panic!("{:?}", packet(&frame));
                };
                assert_eq!(
                    (header.initiator_cookie().0, marked),
                    (initiator, expected),
                    "{exchange:?}"
                );
            }
        }
    }
}

#[test]
fn other_ports_when_told_so() {
    let frame = push_frame(&Ethernet::default(), "10.0.0.1:10848", "10.0.0.2:9");
    assert_eq!(seen(&frame), Dissected::Other);
    let ports = Ports {
        isakmp: [1, 2, 3, 10_848],
        ..Ports::DEFAULT
    };
    let read = dissect(&Capture::whole(&frame), &ports);
    assert!(matches!(read, Dissected::Packet(packet) if packet.class() == Class::Isakmp));
    let zero = push_frame(&Ethernet::default(), "10.0.0.1:0", "10.0.0.2:0");
    assert_eq!(seen(&zero), Dissected::Other, "an unused entry is not port 0");
}

#[test]
fn what_is_not_ours_is_other() {
    let ends = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([10, 0, 0, 2]));
    let quoted = craft::packet(
        &Ethernet::default(),
        ends.0,
        ends.1,
        UDP,
        &Udp::new(848, 848).around(ends.0, ends.1, &push(400)),
    );
    let mut icmp = Vec::from([3, 4, 0, 0, 0, 0, 5, 0]);
    icmp.extend(&quoted[14..]);
    for (protocol, octets) in [(1, icmp), (6, Vec::from([0; 20])), (47, Vec::new())] {
        let frame = craft::packet(&Ethernet::default(), ends.0, ends.1, protocol, &octets);
        assert_eq!(seen(&frame), Dissected::Other, "protocol {protocol}");
    }
    for ethertype in [0x0806, 46, 0x8847, 0x8864, 0xffff] {
        assert_eq!(
            seen(&Ethernet::default().around(ethertype, &[])),
            Dissected::Other,
            "type {ethertype:#x}"
        );
    }
    let mut dns = Udp::new(53, 53);
    dns.length = Some(3);
    let frame = craft::packet(
        &Ethernet::default(),
        ends.0,
        ends.1,
        UDP,
        &dns.around(ends.0, ends.1, &[]),
    );
    assert_eq!(
        seen(&frame),
        Dissected::Other,
        "a wrong length on another port is not our business"
    );
}

#[test]
fn checksums_are_right() {
    let frame = push_frame(&Ethernet::default(), V4.0, V4.1);
    assert_eq!(sum(&frame[14..34]), 0xffff);
    let pseudo = [&frame[26..34], &[0, 17], &frame[38..40], &frame[34..]].concat();
    assert_eq!(sum(&pseudo), 0xffff);
    let frame = push_frame(&Ethernet::default(), V6.0, V6.1);
    let pseudo = [&frame[22..54], &[0, 17], &frame[58..60], &frame[54..]].concat();
    assert_eq!(sum(&pseudo), 0xffff);
}

/// The ones' complement sum, written differently from craft's.
fn sum(octets: &[u8]) -> u16 {
    octets.chunks(2).fold(0_u16, |sum, pair| {
        let (sum, carry) = sum.overflowing_add(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
        sum + u16::from(carry)
    })
}
