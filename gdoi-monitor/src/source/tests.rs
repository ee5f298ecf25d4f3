//! Every link layer carries the same packet, and the outside of a packet is read as the dissector reads it.

use gdoi_wire::craft::{Ethernet, Generator, Message, frame};
use gdoi_wire::{Body, Capture, Dissected, Exchange, Packet, ParseError, Ports};

use super::envelope::Envelope;
use super::link::LinkType;

/// A PUSH as it is behind an Ethernet header.
fn push(source: [u8; 4]) -> Vec<u8> {
    let push = Message::new(Exchange::GroupkeyPush, [1; 8], [2; 8]).octets(18, &[0; 64]);
    let destination = ([10, 0, 0, 2], 848).into();
    frame(&Ethernet::default(), (source, 848).into(), destination, &push)
}

fn push_v6() -> Vec<u8> {
    let push = Message::new(Exchange::GroupkeyPush, [1; 8], [2; 8]).octets(18, &[0; 64]);
    let (source, destination) = ("[2001:db8::1]:848", "[2001:db8::2]:848");
    frame(
        &Ethernet::default(),
        source.parse().unwrap(),
        destination.parse().unwrap(),
        &push,
    )
}

fn read(link: LinkType, octets: &[u8]) -> Option<Dissected> {
    link.dissect(&Capture::whole(octets), &Ports::DEFAULT)
}

/// A packet, but for where its message stands in the frame.
fn moved(seen: Option<Dissected>) -> Packet {
    let Some(Dissected::Packet(mut packet)) = seen else {
        panic!("{seen:?}");
    };
    if let Body::Isakmp { offset, .. } = &mut packet.body {
        *offset = 0;
    }
    packet
}

#[test]
fn every_link_layer_carries_the_same_packet() {
    for (ethernet, ethertype, families) in [
        (push([10, 0, 0, 1]), [0x08_u8, 0x00], &[2_u32] as &[u32]),
        (push_v6(), [0x86, 0xdd], &[10, 24, 28, 30]),
    ] {
        let expect = moved(read(LinkType::Ethernet, &ethernet));
        let ip = &ethernet[14..];
        let check = |number: u32, header: &[u8]| {
            let link = LinkType::from_number(number);
            let whole = [header, ip].concat();
            assert_eq!(moved(read(link, &whole)), expect, "{link}");
            let envelope = link.envelope(&Capture::whole(&whole));
            let addresses = (expect.source_address(), expect.destination_address());
            assert_eq!(envelope.addresses, Some(addresses), "{link}");
            assert_eq!(envelope.ports, Some((848, 848)), "{link}");
            for end in 0..header.len() {
                let cut = read(link, &whole[..end]);
                let Some(Dissected::Error(_)) = cut else {
                    panic!("{link} at {end}: {cut:?}");
                };
                assert_eq!(link.envelope(&Capture::whole(&whole[..end])), Envelope::default());
            }
        };
        for number in [12, 14, 101, 228, 229] {
            check(number, &[]);
        }
        for family in families {
            check(0, &family.to_le_bytes());
            check(0, &family.to_be_bytes());
            check(108, &family.to_be_bytes());
        }
        check(1, &ethernet[..14]);
        check(104, &[[0x0f, 0], ethertype].concat());
        check(113, &[[0; 14].as_slice(), &ethertype].concat());
        check(276, &[ethertype.as_slice(), &[0; 18]].concat());
    }
}

#[test]
fn what_is_not_ip_is_not_ours() {
    assert_eq!(
        read(LinkType::Loopback, &[7, 0, 0, 0, 0x45]),
        Some(Dissected::Other)
    );
    assert_eq!(
        read(LinkType::Raw, &[0x05; 40]),
        Some(Dissected::Error(ParseError::IpVersion))
    );
    assert_eq!(
        read(LinkType::Raw, &[]),
        Some(Dissected::Error(ParseError::EthernetTruncated))
    );
    assert_eq!(read(LinkType::from_number(220), &push([10, 0, 0, 1])), None);
}

#[test]
fn the_outside_is_what_the_dissector_sees() {
    let mut packets = 0;
    for octets in Generator::new(848).take(50_000) {
        let capture = Capture::whole(&octets);
        let Some(Dissected::Packet(packet)) = LinkType::Ethernet.dissect(&capture, &Ports::DEFAULT) else {
            continue;
        };
        packets += 1;
        let envelope = LinkType::Ethernet.envelope(&capture);
        let addresses = (packet.source_address(), packet.destination_address());
        assert_eq!(
            (envelope.vlan, envelope.addresses),
            (packet.vlan, Some(addresses))
        );
        // Behind extension headers or an AH the dissector looks further.
        if let Some(ports) = envelope.ports {
            assert_eq!(ports, (packet.source_port, packet.destination_port));
        }
    }
    assert!(packets > 10_000, "{packets}");
}
