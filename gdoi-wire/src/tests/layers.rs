//! The content of a frame is found through every layer, and where the walk stops is reported.

use std::collections::BTreeSet;
use std::format;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::string::{String, ToString as _};
use std::vec::Vec;

use super::{push, seen};
use crate::craft::{self, Carrier, Content, Framing, Generator, Ipv4, Ipv6, Random, Udp};
use crate::layers::{Found, Layer, LinkType, MAX_AHS, MAX_LAYERS, NotRead, Unwrapped, Wireless, unwrap};
use crate::{Body, Capture, Dissected, Fragment, ParseError, Ports};

fn read(link: u32, frame: &[u8]) -> Unwrapped {
    unwrap(&Capture::whole(frame), &Ports::DEFAULT, LinkType(link))
}

fn names(unwrapped: &Unwrapped) -> Vec<&'static str> {
    unwrapped.layers.iter().map(Layer::name).collect()
}

/// A PUSH in IPv4 and in IPv6.
fn packets() -> [Vec<u8>; 2] {
    let (v4, v6) = (
        [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)],
        [
            Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1),
            Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2),
        ],
    );
    let udp = |source, destination| Udp::new(848, 848).around(source, destination, &push(108));
    [
        Ipv4::new(v4[0], v4[1]).around(craft::UDP, &udp(v4[0].into(), v4[1].into())),
        Ipv6::new(v6[0], v6[1]).around(craft::UDP, &udp(v6[0].into(), v6[1].into())),
    ]
}

/// Whether the message is found and complete.
fn is_push(unwrapped: &Unwrapped) -> bool {
    matches!(unwrapped.found, Found::Packet(packet)
        if packet.fragment == Fragment::Whole && matches!(packet.body, Body::Isakmp { octets: 108, available: 108, .. }))
}

#[test]
fn every_carrier_and_every_framing_shows_its_packet() {
    let mut layers = BTreeSet::new();
    let mut read_through = 0;
    for packet in packets() {
        for &framing in Framing::ALL {
            let frame = framing.frame(Content::ip(packet.clone()));
            let unwrapped = read(framing.link_type(), &frame);
            assert!(is_push(&unwrapped), "{framing:?}: {unwrapped:?}");
        }
        for &outer in Carrier::ALL {
            if outer == Carrier::Teredo && packet[0] >> 4 == 4 {
                continue;
            }
            let frame = outer.around(Content::ip(packet.clone())).ethernet();
            let unwrapped = read(1, &frame);
            assert!(
                is_push(&unwrapped) || is_v6_only(outer, &packet),
                "{outer:?}: {unwrapped:?}"
            );
            layers.extend(unwrapped.layers.iter());
            // And each inside each other.
            for &inner in Carrier::ALL {
                let content = inner.around(Content::ip(packet.clone()));
                let takes_packets = matches!(content, Content::Ethertype(0x0800 | 0x86dd, _));
                if !takes_packets && !takes_frames(outer)
                    || is_v6_only(inner, &packet)
                    || is_v6_only(outer, &[0x45])
                {
                    continue;
                }
                let frame = outer.around(content).ethernet();
                let unwrapped = read(1, &frame);
                assert!(is_push(&unwrapped), "{outer:?} around {inner:?}: {unwrapped:?}");
                read_through += 1;
            }
        }
    }
    assert_eq!(layers.len(), Layer::ALL.len(), "{layers:?}");
    std::eprintln!("{read_through} pairs");
}

/// Whether a carrier takes any frame, not only IP packets.
fn takes_frames(carrier: Carrier) -> bool {
    let Content::Ethertype(_, packet) = carrier.around(Content::Ethernet([0xee; 80].to_vec())) else {
        return false;
    };
    let name = format!("{carrier:?}");
    packet.windows(80).any(|window| window == [0xee; 80])
        && [
            "Bridged",
            "Erspan",
            "EtherIp",
            "Vxlan",
            "Pbb",
            "Tzsp",
            "CapwapEthernet",
            "Pseudowire",
        ]
        .iter()
        .any(|part| name.contains(part))
        && !matches!(
            carrier,
            Carrier::VxlanGpe | Carrier::MplsPseudowire | Carrier::MplsPseudowireBare
        )
}

fn is_v6_only(carrier: Carrier, packet: &[u8]) -> bool {
    matches!(carrier, Carrier::Teredo | Carrier::TeredoAuthenticated) && packet[0] >> 4 == 4
}

#[test]
fn layers_are_told_outermost_first() {
    let [packet, _] = packets();
    let check = |carriers: &[Carrier], expect: &[&str], vlan: &[u16]| {
        let mut content = Content::ip(packet.clone());
        for carrier in carriers.iter().rev() {
            content = carrier.around(content);
        }
        let unwrapped = read(1, &content.ethernet());
        assert!(is_push(&unwrapped), "{carriers:?}: {unwrapped:?}");
        assert_eq!(names(&unwrapped), expect, "{carriers:?}");
        let Found::Packet(packet) = unwrapped.found else {
            panic!()
        };
        assert_eq!(
            packet.vlan.identifiers().collect::<Vec<_>>(),
            vlan,
            "{carriers:?}"
        );
    };
    check(&[], &[], &[]);
    check(&[Carrier::Vlan], &[], &[100]);
    check(&[Carrier::MplsStack, Carrier::Gre], &["mpls", "gre"], &[]);
    check(&[Carrier::GreInUdp, Carrier::Ipv6], &["udp", "gre", "ipip"], &[]);
    check(&[Carrier::AhTunnel], &["ah"], &[]);
    // The tags of the frame that holds the packet, not of the frame that carries that frame.
    check(
        &[Carrier::Vlan, Carrier::Erspan2, Carrier::QinQ],
        &["gre", "erspan"],
        &[100, 200],
    );
    check(&[Carrier::Vlan, Carrier::Vxlan], &["vxlan"], &[]);
}

#[test]
fn each_depth_is_a_limit_that_is_told() {
    let [packet, _] = packets();
    let nested = |carrier: Carrier, depth: usize| {
        let mut content = Content::ip(packet.clone());
        for _ in 0..depth {
            content = carrier.around(content);
        }
        read(1, &content.ethernet())
    };
    assert!(is_push(&nested(Carrier::Ipv4, MAX_LAYERS)));
    let deep = nested(Carrier::Ipv4, MAX_LAYERS + 1);
    assert_eq!(deep.found, Found::NotRead(NotRead::Deep(Layer::IpInIp)));
    assert_eq!(names(&deep), ["ipip"; MAX_LAYERS]);
    assert_eq!(
        nested(Carrier::Vxlan, MAX_LAYERS + 1).found,
        Found::NotRead(NotRead::Deep(Layer::Vxlan))
    );
    assert!(is_push(&nested(Carrier::AhTunnel, MAX_AHS)));
    assert_eq!(
        nested(Carrier::AhTunnel, MAX_AHS + 1).found,
        Found::NotRead(NotRead::Deep(Layer::Ah))
    );
    // A label stack without a bottom; endless routes, extensions and tags.
    let endless = |header: &[u8], cycle: &[u8]| [header, &cycle.repeat(64)].concat();
    let unending = |layer| Found::NotRead(NotRead::Malformed(layer));
    let typed =
        |ethertype: u16, octets: &[u8]| read(1, &craft::Ethernet::default().around(ethertype, octets)).found;
    assert_eq!(
        typed(0x8847, &endless(&[], &[0, 1, 0, 64])),
        unending(Layer::Mpls)
    );
    let in_ip = |protocol, octets: &[u8]| {
        let ip = Ipv4::new(Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST);
        typed(0x0800, &ip.around(protocol, octets))
    };
    let in_udp = |port, octets: &[u8]| {
        let udp = Udp {
            checksum: Some(0),
            ..Udp::new(9, port)
        };
        in_ip(
            craft::UDP,
            &udp.around(Ipv4Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into(), octets),
        )
    };
    assert_eq!(
        in_ip(
            47,
            &endless(&[0x40, 0, 8, 0, 0, 0, 0, 0], &[0, 1, 0, 4, 1, 1, 1, 1])
        ),
        unending(Layer::Gre)
    );
    let extension = [1, 0, 0, 0x85];
    let header = [0x34, 0xff, 0, 200, 0, 0, 0, 1, 0, 0, 0, 0x85];
    assert_eq!(in_udp(2152, &endless(&header, &extension)), unending(Layer::GtpU));
    assert_eq!(
        in_udp(37008, &endless(&[1, 0, 0, 1], &[10, 1, 0])),
        unending(Layer::Tzsp)
    );
    // Recorder headers inside recorder headers.
    let ppi = [0, 0, 8, 0, 192, 0, 0, 0];
    let found = read(192, &ppi.repeat(9)).found;
    assert_eq!(found, Found::NotRead(NotRead::Link(LinkType(192))));
    // The limit of tags applies to every frame.
    let three = [0x81, 0, 0, 1, 0x81, 0, 0, 2, 0x81, 0, 0, 3, 8, 0];
    let frame = [&[0; 12], three.as_slice(), &packet].concat();
    assert_eq!(read(1, &frame).found, Found::ParseError(ParseError::VlanDepth));
}

#[test]
fn what_is_not_read_is_named() {
    let typed = |ethertype: u16, octets: &[u8]| {
        let frame = craft::Ethernet {
            minimum: 0,
            ..craft::Ethernet::default()
        }
        .around(ethertype, octets);
        told(&read(1, &frame))
    };
    for (ethertype, octets, expect) in [
        (0x1234, &[0_u8; 40] as &[u8], "Ethertype 0x1234"),
        (0x22f3, &[0; 40], "TRILL (0x22f3)"),
        (
            0x88e5,
            &[0x0c, 0, 0, 0, 0, 1, 0xaa, 0xaa],
            "MACsec (0x88e5), encrypted",
        ),
        (0x894f, &[0x0f], "NSH (0x894f), cut inside its header"),
        (
            0x894f,
            &[0x4f, 0xc2, 2, 3, 0, 0, 0, 0],
            "NSH (0x894f) in an unknown form",
        ),
        (
            0x8864,
            &[0x11, 0, 0, 1, 0, 4, 0, 0x3d, 0, 0],
            "multilink PPP (0x003d)",
        ),
        (
            40,
            &[0xaa, 0xaa, 3, 0, 0x10, 0x18, 0, 1, 0, 0],
            "SNAP 00:10:18 0x0001",
        ),
        (40, &[0x98, 0x98, 3, 0, 0], "LLC service access point 0x98"),
        (0x8847, &[0, 1, 1, 64, 0x20], "MPLS in an unknown form"),
        // Content that cannot carry a packet is not reported.
        (0x0806, &[0; 28], ""),
        (38, &[0x42, 0x42, 3, 0, 0], ""),
        (0x8864, &[0x11, 0, 0, 1, 0, 4, 0xc0, 0x21, 0, 0], ""),
        (0x8863, &[0; 20], ""),
    ] {
        assert_eq!(typed(ethertype, octets), expect, "{ethertype:#06x}");
    }
    let in_ip = |protocol| {
        let ip = Ipv4::new(Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST).around(protocol, &[0; 40]);
        typed(0x0800, &ip)
    };
    assert_eq!(in_ip(108), "IPComp (IP protocol 108)");
    assert_eq!(in_ip(253), "IP protocol 253");
    assert_eq!(in_ip(6), "");
    assert_eq!(told(&read(220, &[0; 60])), "USB of Linux (link type 220)");
    assert_eq!(told(&read(60_000, &[0; 60])), "link type 60000");
    assert_eq!(told(&read(0, &[77, 0, 0, 0, 1])), "protocol family 77");
    assert_eq!(told(&read(107, &[0x18, 0x41, 3, 0xb1, 0])), "NLPID 0xb1");
    // Data frames that are encrypted or hold several packets; a beacon.
    let wireless = |control, flags, quality| {
        let mut frame = [&[control, flags], [0; 24].as_slice(), &[0; 40]].concat();
        frame[24] = quality;
        told(&read(105, &frame))
    };
    assert_eq!(wireless(0x08, 0x41, 0), "IEEE 802.11, encrypted");
    assert_eq!(
        wireless(0x88, 0x01, 0x80),
        "IEEE 802.11, several packets in one frame"
    );
    assert_eq!(wireless(0x80, 0, 0), "");
    assert_eq!(NotRead::Wireless(Wireless::Fragment).kind(), "link");
}

fn told(unwrapped: &Unwrapped) -> String {
    match unwrapped.found {
        Found::Other => String::new(),
        Found::NotRead(not_read) => not_read.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn messages_on_ports_nobody_asked_for_are_noticed() {
    let check = |source, destination, datagram: &[u8], expect| {
        let hosts = [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)];
        let udp = Udp::new(source, destination).around(hosts[0].into(), hosts[1].into(), datagram);
        let ip = Ipv4::new(hosts[0], hosts[1]).around(craft::UDP, &udp);
        assert_eq!(
            read(1, &craft::Ethernet::default().around(0x0800, &ip)).found,
            expect
        );
    };
    let message = push(108);
    check(500, 500, &message, Found::Elsewhere(500));
    check(18_848, 51_000, &message, Found::Elsewhere(18_848));
    // One octet more than declared; another version; flags that do not exist; a cookie of zeros.
    check(500, 500, &[&message, [0].as_slice()].concat(), Found::Other);
    for (at, octet) in [(17, 0x30), (19, 0x80), (18, 200)] {
        let mut changed = message.clone();
        changed[at] = octet;
        check(500, 500, &changed, Found::Other);
    }
    let mut zeros = message;
    zeros[..8].fill(0);
    check(500, 500, &zeros, Found::Other);
}

#[test]
fn ports_that_a_client_may_have_are_no_tunnel() {
    let hosts = [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)];
    let check = |source, destination, expect| {
        let udp = Udp::new(source, destination).around(hosts[0].into(), hosts[1].into(), &[0x77; 40]);
        let ip = Ipv4::new(hosts[0], hosts[1]).around(craft::UDP, &udp);
        assert_eq!(
            read(1, &craft::Ethernet::default().around(0x0800, &ip)).found,
            expect
        );
    };
    check(1701, 53, Found::Other);
    check(4789, 53, Found::Other);
    check(53, 5247, Found::NotRead(NotRead::Malformed(Layer::Capwap)));
}

#[test]
fn a_fragment_of_a_tunnel_shows_the_message_that_begins_in_it() {
    let [packet, _] = packets();
    let Content::Ethertype(_, tunnel) = Carrier::Gre.around(Content::ip(packet)) else {
        panic!()
    };
    let ip = Ipv4::new(Ipv4Addr::new(172, 16, 0, 1), Ipv4Addr::new(172, 16, 0, 2));
    let fragments = ip.fragments(47, &tunnel[20..], 100);
    assert!(fragments.len() > 1);
    let first = read(101, &fragments[0]);
    let Found::Packet(packet) = first.found else {
        panic!("{first:?}")
    };
    assert_eq!(
        (packet.fragment, names(&first)),
        (Fragment::First, ["gre"].to_vec())
    );
    assert_eq!(
        read(101, &fragments[1]).found,
        Found::ParseError(ParseError::LaterFragment)
    );
}

#[test]
fn segmentation_offload_leaves_no_total_length() {
    for (packet, length_at) in packets().iter().zip([2, 4]) {
        let mut packet = packet.clone();
        packet[length_at..length_at + 2].fill(0);
        assert!(is_push(&read(101, &packet)));
    }
}

#[test]
fn an_ah_has_a_line_of_its_own_wherever_it_is() {
    let esp = craft::esp(0x1234, 7, &[9; 64]);
    let mut inside = esp;
    let mut next = craft::ESP;
    for spi in [3, 2, 1] {
        inside = craft::AhFields::new(spi, 9).around(next, &inside);
        next = craft::AH;
    }
    let ip = Ipv4::new(Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)).around(craft::AH, &inside);
    let unwrapped = read(101, &ip);
    let spis: Vec<u32> = unwrapped
        .ahs
        .iter()
        .flatten()
        .map(|header| header.ah.spi)
        .collect();
    assert_eq!(spis, [1, 2, 3]);
    assert!(
        matches!(unwrapped.found, Found::Packet(packet) if matches!(packet.body, Body::Esp(esp) if esp.spi == 0x1234))
    );
}

#[test]
fn without_layers_it_says_what_the_dissector_says() {
    let seed = 0x1a7e5;
    std::println!("seed {seed}");
    let mut random = Random::new(seed);
    let (mut same, mut more) = (0, 0);
    for frame in Generator::new(seed).take(100_000) {
        let kept = usize::try_from(random.between(frame.len() as u64 / 2, frame.len() as u64)).unwrap();
        let capture = Capture::cut(&frame[..kept], frame.len());
        let unwrapped = unwrap(&capture, &Ports::DEFAULT, LinkType::ETHERNET);
        let dissected = crate::dissect(&capture, &Ports::DEFAULT);
        let as_found = match dissected {
            Dissected::Other => Found::Other,
            Dissected::Packet(packet) => Found::Packet(packet),
            Dissected::Error(miss) => Found::ParseError(miss),
        };
        if unwrapped.found == as_found {
            same += 1;
            continue;
        }
        more += 1;
        // It reads beyond the dissector: inside a carrier, after a second AH, or past a length of 0.
        let may_differ = matches!(
            dissected,
            Dissected::Other | Dissected::Error(ParseError::Ipv4HeaderLength | ParseError::Ipv6PayloadLength)
        ) || matches!(dissected, Dissected::Packet(packet) if packet.body == Body::Ah);
        assert!(may_differ, "{dissected:?}, {unwrapped:?}");
    }
    assert!(same > 90_000 && more > 0, "{same} {more}");
    assert_eq!(seen(&[]), Dissected::Error(ParseError::EthernetTruncated));
}

#[test]
fn no_octet_makes_it_panic_and_no_prefix_makes_a_message_of_less() {
    let seed = 0x1a;
    std::println!("seed {seed}");
    let mut random = Random::new(seed);
    let [packet, _] = packets();
    for &framing in Framing::ALL {
        for &carrier in Carrier::ALL {
            let content = carrier.around(Content::ip(packet.clone()));
            let frame = framing.frame(content);
            for end in 0..frame.len() {
                let capture = Capture::cut(&frame[..end], frame.len());
                let _ = unwrap(&capture, &Ports::DEFAULT, LinkType(framing.link_type()));
            }
            for _ in 0..40 {
                let mut changed = frame.clone();
                for _ in 0..=random.below(3) {
                    let at = usize::try_from(random.below(changed.len() as u64)).unwrap();
                    changed[at] = random.octet();
                }
                let _ = read(framing.link_type(), &changed);
            }
        }
    }
}
