//! Frames cut at every octet.

use std::vec::Vec;

use super::{packet, push_frame, socket};
use crate::craft::{self, ESP, Ethernet, Generator, Tag};
use crate::record::Record;
use crate::{Capture, Dissected, ParseError, Ports, dissect};

/// The first `kept` octets of a frame, as a capture stores it.
fn cut(frame: &[u8], kept: usize) -> Dissected {
    dissect(&Capture::cut(&frame[..kept], frame.len()), &Ports::DEFAULT)
}

/// Below each of these lengths the frame gives that parse error; from the last on, the result of the whole frame.
#[track_caller]
fn check(frame: &[u8], ends: &[(usize, ParseError)]) {
    for kept in 0..=frame.len() {
        let expected = match ends.iter().find(|(end, _)| kept < *end) {
            Some((_, miss)) => Dissected::Error(*miss),
            None => Dissected::Packet(packet(frame)),
        };
        assert_eq!(cut(frame, kept), expected, "{kept} octets kept");
    }
}

#[test]
fn isakmp_in_ipv4_and_ipv6() {
    let frame = push_frame(&Ethernet::default(), "10.0.0.1:848", "10.0.0.2:848");
    let ends = [
        (14, ParseError::EthernetTruncated),
        (34, ParseError::Ipv4Truncated),
        (42, ParseError::UdpTruncated),
        (70, ParseError::IsakmpTruncated),
    ];
    check(&frame, &ends);
    let tags = Ethernet::tagged(&[Tag::vlan(7), Tag::vlan(8)]);
    let frame = push_frame(&tags, "10.0.0.1:848", "10.0.0.2:848");
    check(&frame, &ends.map(|(end, miss)| (end + 8, miss)));
    let frame = push_frame(&Ethernet::default(), "[fd00::1]:848", "[fd00::2]:848");
    let ends = [
        (14, ParseError::EthernetTruncated),
        (54, ParseError::Ipv6Truncated),
        (62, ParseError::UdpTruncated),
        (90, ParseError::IsakmpTruncated),
    ];
    check(&frame, &ends);
}

#[test]
fn a_marked_message_and_esp() {
    let (source, destination) = (socket("10.0.0.1:4500"), socket("10.0.0.2:4500"));
    let head = [
        (14, ParseError::EthernetTruncated),
        (34, ParseError::Ipv4Truncated),
    ];
    let with = |more: &[(usize, ParseError)]| [&head, more].concat();

    let marked = craft::marked(&super::push(100));
    let frame = craft::frame(&Ethernet::default(), source, destination, &marked);
    check(
        &frame,
        &with(&[(42, ParseError::UdpTruncated), (74, ParseError::IsakmpTruncated)]),
    );

    let esp = craft::esp(300, 1, &[5; 64]);
    let frame = craft::frame(&Ethernet::default(), source, destination, &esp);
    let ends = [
        (42, ParseError::UdpTruncated),
        (46, ParseError::IsakmpTruncated),
        (50, ParseError::EspTruncated),
    ];
    check(&frame, &with(&ends));

    let frame = craft::packet(&Ethernet::default(), source.ip(), destination.ip(), ESP, &esp);
    check(&frame, &with(&[(42, ParseError::EspTruncated)]));
}

#[test]
fn no_prefix_of_any_frame_panics_or_reads_more_than_the_whole() {
    for frame in Generator::new(11).take(4_000) {
        let whole = cut(&frame, frame.len());
        let mut before = Dissected::Error(ParseError::EthernetTruncated);
        for kept in 0..frame.len().min(160) {
            let seen = cut(&frame, kept);
            if let Dissected::Packet(packet) = seen {
                assert_eq!(seen, whole, "{kept} octets of {frame:02x?}");
                let kept = Capture::cut(&frame[..kept], frame.len());
                assert!(Record::message(&packet, &kept).is_none_or(|(_, offset)| offset <= frame.len()));
            }
            // More octets never make a readable frame unreadable.
            if matches!(before, Dissected::Packet(_) | Dissected::Other) {
                assert_eq!(seen, before, "{kept} octets of {frame:02x?}");
            }
            before = seen;
        }
    }
}

#[test]
fn no_frame_that_really_ends_early_panics() {
    for frame in Generator::new(12).take(4_000) {
        for kept in 0..frame.len().min(160) {
            let capture = Capture::whole(&frame[..kept]);
            if let Dissected::Packet(packet) = dissect(&capture, &Ports::DEFAULT) {
                assert!(Record::message(&packet, &capture).is_none_or(|(_, offset)| offset <= kept));
            }
        }
    }
}

#[test]
fn a_capture_never_gives_more_than_it_kept() {
    let octets: Vec<u8> = (0..10).collect();
    let capture = Capture::cut(&octets, 5);
    assert_eq!(
        crate::Octets::wire_length(&capture),
        10,
        "a frame is at least what was kept of it"
    );
    for (at, wanted, expected) in [
        (0, 4, 0..4),
        (8, 4, 8..10),
        (10, 1, 0..0),
        (usize::MAX, usize::MAX, 0..0),
    ] {
        assert_eq!(capture.up_to(at, wanted), &octets[expected]);
    }
    assert_eq!(crate::Octets::array::<4>(&capture, 6), Some([6, 7, 8, 9]));
    assert_eq!(crate::Octets::array::<4>(&capture, 7), None);
    assert_eq!(crate::Octets::array::<1>(&capture, usize::MAX), None);
}
