//! Every link layer yields the same packet, and the envelope of a packet is read as the dissector reads it.

use gdoi_core::Timestamp;
use gdoi_wire::craft::{Carrier, Content, Framing, Generator};
use gdoi_wire::layers::{Found, LinkType};
use gdoi_wire::{Exchange, Ports, QuickClass, craft};

use super::pcap::Frame;

fn frame(link: u32, kept: &[u8]) -> Frame<'_> {
    Frame {
        number: 1,
        at: Timestamp::ZERO,
        kept,
        wire_octets: u32::try_from(kept.len()).unwrap(),
        link: LinkType(link),
    }
}

/// The packet of a frame without Ethernet: ESP, which the quick class recognises.
fn packet() -> Vec<u8> {
    let ethernet = craft::Ethernet {
        minimum: 0,
        ..craft::Ethernet::default()
    };
    let (source, destination) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
    craft::packet(
        &ethernet,
        source,
        destination,
        craft::ESP,
        &craft::esp(0x1234, 7, &[9; 64]),
    )
    .split_off(14)
}

#[test]
fn a_glance_and_a_walk_agree_in_every_framing_and_carrier() {
    let mut told = 0;
    for &framing in Framing::ALL {
        for &carrier in Carrier::ALL {
            for content in [Content::ip(packet()), carrier.around(Content::ip(packet()))] {
                let octets = framing.frame(content);
                let frame = frame(framing.link_type(), &octets);
                let found = frame.unwrap(&Ports::DEFAULT).found;
                match frame.quick_class(&Ports::DEFAULT) {
                    QuickClass::Esp { esp, .. } => {
                        assert!(
                            matches!(found, Found::Packet(packet) if packet.body == gdoi_wire::Body::Esp(esp)),
                            "{framing:?} {carrier:?}: {found:?}"
                        );
                        told += 1;
                    }
                    QuickClass::Other => assert_eq!(found, Found::Other, "{framing:?} {carrier:?}"),
                    QuickClass::Unsure => {}
                }
            }
        }
    }
    assert!(told > 500, "{told}");
}

#[test]
fn the_outside_is_what_the_dissector_sees() {
    // The envelope of a packet that is unreadable at the default ports equals its addresses where other ports make it
    // readable.
    let none = Ports {
        isakmp: [1; Ports::SLOTS],
        nat_t: [1; Ports::SLOTS],
    };
    let (mut packets, mut misses) = (0, 0);
    for octets in Generator::new(848).take(50_000) {
        let frame = frame(1, &octets);
        let unwrapped = frame.unwrap(&Ports::DEFAULT);
        match unwrapped.found {
            Found::Packet(_) => packets += 1,
            Found::ParseError(_) => {
                misses += 1;
                let envelope = unwrapped.envelope;
                let elsewhere = frame.unwrap(&none).found;
                if let (Some((source, destination)), Found::Packet(packet)) = (envelope.addresses, elsewhere)
                {
                    assert_eq!(
                        (source, destination),
                        (packet.source_address(), packet.destination_address())
                    );
                    assert_eq!(envelope.vlan, packet.vlan);
                }
            }
            _ => {}
        }
    }
    assert!(packets > 10_000 && misses > 1_000, "{packets} {misses}");
    assert_eq!(Exchange::GroupkeyPush.name(), "groupkey_push");
}
