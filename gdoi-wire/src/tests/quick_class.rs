//! The quick class equals the dissector's or is unsure; for ordinary frames it is sure.

use std::net::IpAddr;
use std::vec::Vec;

use crate::craft::{self, Ethernet, Generator, Random, Tag};
use crate::layers::{Found, LinkType, unwrap};
use crate::{Body, Capture, Fragment, Ports, QuickClass, quick_class};

/// Number of frames per answer.
#[derive(Debug, Default)]
struct Answers {
    esp: u32,
    other: u32,
    unsure: u32,
}

impl Answers {
    /// Classifies a frame that had `wire` octets, and compares.
    fn check(&mut self, kept: &[u8], wire: usize) {
        let capture = Capture::cut(kept, wire);
        let full = unwrap(&capture, &Ports::DEFAULT, LinkType::ETHERNET).found;
        match quick_class(&capture, &Ports::DEFAULT) {
            QuickClass::Esp {
                esp,
                source,
                ip_octets,
            } => {
                let Found::Packet(packet) = full else {
                    panic!("ESP by its quick class, {full:?}: {wire} octets, {kept:02x?}");
                };
                let seen = (packet.body, packet.source, packet.ip_octets);
                assert_eq!((Body::Esp(esp), source, ip_octets), seen, "{wire} {kept:02x?}");
                assert_eq!(packet.fragment, Fragment::Whole);
                self.esp += 1;
            }
            QuickClass::Other => {
                assert_eq!(full, Found::Other, "{wire} octets, {kept:02x?}");
                self.other += 1;
            }
            QuickClass::Unsure => self.unsure += 1,
        }
    }
}

#[test]
fn it_agrees_with_the_dissector_on_every_generated_frame() {
    let seed = 0x61a;
    std::println!("seed {seed}");
    let mut random = Random::new(seed);
    let (mut whole, mut cut) = (Answers::default(), Answers::default());
    for frame in Generator::new(seed).take(200_000) {
        whole.check(&frame, frame.len());
        // As a capture stores it: truncated, or longer than the frame declares.
        let kept = usize::try_from(random.below(frame.len().min(120) as u64)).unwrap();
        cut.check(&frame[..kept], frame.len());
        cut.check(&frame, frame.len() - kept);
    }
    std::eprintln!("{whole:?} {cut:?}");
    for Answers { esp, other, unsure } in [whole, cut] {
        assert!(esp > 5_000 && other > 5_000 && unsure > 5_000);
    }
}

#[test]
fn it_is_sure_of_ordinary_frames_as_soon_as_their_headers_are_there() {
    let hosts: [(IpAddr, IpAddr); 2] = [
        ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap()),
        ("2001:db8::1".parse().unwrap(), "2001:db8::2".parse().unwrap()),
    ];
    let in_udp = |port: u16, octets: &[u8]| -> Vec<u8> {
        let length = u16::try_from(8 + octets.len()).unwrap();
        let ports = [port, port, length, 0].map(u16::to_be_bytes);
        [&ports.concat(), octets].concat()
    };
    let esp = craft::esp(0x1234, 7, &[9; 64]);
    for link in [Ethernet::default(), Ethernet::tagged(&[Tag::vlan(100)])] {
        for (source, destination) in hosts {
            let ip = if source.is_ipv4() { 20 } else { 40 };
            // Protocol, the octets after the IP header, and how many of them must be kept for an answer.
            for (protocol, payload, known, is_esp) in [
                (6, [0; 64].to_vec(), 0, false),
                (17, in_udp(53, &[1; 40]), 8, false),
                (17, in_udp(4500, &esp), 16, true),
                (50, esp.clone(), 8, true),
            ] {
                let frame = craft::packet(&link, source, destination, protocol, &payload);
                let known = 14 + link.tags.len() * 4 + ip + known;
                for kept in known..=frame.len() {
                    let seen = quick_class(&Capture::cut(&frame[..kept], frame.len()), &Ports::DEFAULT);
                    let right = matches!(seen, QuickClass::Esp { esp, .. } if is_esp && esp.spi == 0x1234)
                        || (seen == QuickClass::Other && !is_esp);
                    assert!(right, "{kept} octets of protocol {protocol}: {seen:?}");
                }
            }
        }
    }
}
