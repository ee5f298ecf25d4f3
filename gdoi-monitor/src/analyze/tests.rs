//! Nothing in a capture is lost on its way to the tracker, however small the tables.

mod skim;

use std::net::IpAddr;

use gdoi_core::config::{GroupConfig, IpNet, SiteConfig};
use gdoi_core::observation::{Esp, LossKind, Site};
use gdoi_core::transition::{Certainty, What};
use gdoi_core::{Config, Limits, Timestamp};
use gdoi_wire::craft::{Ethernet, Message, esp, frame, packet};
use gdoi_wire::{Exchange, Ports};

use super::esp::{EspCounts, SlotOutcome};
use super::*;
use crate::sites::Sites;
use crate::source::pcap::Frame;
use gdoi_wire::layers::LinkType;

const SECOND: u64 = 1_000_000_000;

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn at(nanos: u64) -> Timestamp {
    Timestamp::from_nanos(nanos)
}

fn frame_at(number: u64, nanos: u64, kept: &[u8], wire_octets: usize) -> Frame<'_> {
    Frame {
        number,
        at: at(nanos),
        kept,
        wire_octets: u32::try_from(wire_octets).unwrap(),
        link: LinkType::ETHERNET,
    }
}

fn pipeline(limits: Limits) -> Pipeline {
    Pipeline::new(Config::default(), limits, Ports::DEFAULT)
}

/// The reports of a tick: SPI, site, packets, octets, first and last.
fn said(counts: &mut EspCounts) -> Vec<Esp> {
    let mut said = Vec::new();
    counts.tick(|esp| said.push(esp));
    said
}

#[test]
fn esp_is_said_once_a_tick_in_the_order_of_first_packets() {
    let mut counts = EspCounts::new(10);
    assert_eq!(counts.count(0x300, None, 100, at(1)), SlotOutcome::First);
    assert_eq!(counts.count(0x200, Some(Site(7)), 50, at(2)), SlotOutcome::First);
    assert_eq!(counts.count(0x300, None, 10, at(3)), SlotOutcome::Known);
    assert_eq!(counts.count(0x200, None, 1, at(4)), SlotOutcome::First);
    let esp = |spi, site, packets, octets, first, last| Esp {
        spi,
        site,
        packets,
        octets,
        first: at(first),
        last: at(last),
    };
    let expect = [
        esp(0x300, None, 2, 110, 1, 3),
        esp(0x200, Some(Site(7)), 1, 50, 2, 2),
        esp(0x200, None, 1, 1, 4, 4),
    ];
    assert_eq!(said(&mut counts), expect);
    assert_eq!(said(&mut counts), []);
    assert_eq!(counts.count(0x300, None, 9, at(5)), SlotOutcome::Known);
    assert_eq!(said(&mut counts), [esp(0x300, None, 1, 9, 5, 5)]);
}

#[test]
fn a_full_table_loses_no_packet() {
    for capacity in [0, 1, 2, 7, 100] {
        let mut pipeline = pipeline(Limits {
            spis: capacity,
            ..Limits::default()
        });
        for number in 1..=1000 {
            let spi = 0x1000 + u32::try_from(number).unwrap() * 7919 % 50;
            let sent = packet(
                &Ethernet::default(),
                address("10.0.0.1"),
                address("10.0.0.2"),
                gdoi_wire::craft::ESP,
                &esp(spi, 1, &[0; 40]),
            );
            pipeline.frame(frame_at(number, number * SECOND / 100, &sent, sent.len()));
        }
        pipeline.finish();
        let total: u64 = pipeline.snapshot().esp.values().map(|total| total.packets).sum();
        assert_eq!(total, 1000, "capacity {capacity}");
        assert_eq!(pipeline.contents().counters.packets[1], 1000);
    }
}

#[test]
fn a_message_cut_by_the_capture_is_a_loss_and_one_that_lies_is_not() {
    let push = Message::new(Exchange::GroupkeyPush, [1; 8], [2; 8]).octets(18, &[0; 64]);
    let whole = frame(
        &Ethernet::default(),
        ([10, 0, 0, 1], 848).into(),
        ([10, 0, 0, 2], 848).into(),
        &push,
    );
    let mut pipeline = pipeline(Limits::default());
    pipeline.frame(frame_at(1, SECOND, &whole[..60], whole.len()));
    pipeline.frame(frame_at(2, SECOND + 5, &whole[..60], whole.len()));
    // The next one does not prove that it was longer: its lengths are false.
    pipeline.frame(frame_at(3, SECOND + 6, &whole[..60], 60));
    pipeline.finish();
    let losses: Vec<_> = pipeline
        .drain()
        .0
        .filter_map(|transition| match transition.what {
            What::CaptureLoss(loss) => Some((loss.kind, loss.count, loss.from, loss.until)),
            _ => None,
        })
        .collect();
    assert_eq!(
        losses,
        [(LossKind::Messages, Some(2), at(SECOND), at(SECOND + 5))]
    );
}

#[test]
fn frames_a_little_out_of_order_are_no_step_of_the_clock() {
    let push = Message::new(Exchange::GroupkeyPush, [1; 8], [2; 8]).octets(18, &[0; 64]);
    let sent = frame(
        &Ethernet::default(),
        ([10, 0, 0, 1], 848).into(),
        ([10, 0, 0, 2], 848).into(),
        &push,
    );
    let mut pipeline = pipeline(Limits::default());
    for (number, nanos) in [
        (1, 5 * SECOND),
        (2, 5 * SECOND - 1000),
        (3, 4 * SECOND + 1),
        (4, 6 * SECOND),
    ] {
        pipeline.frame(frame_at(number, nanos, &sent, sent.len()));
    }
    pipeline.finish();
    let steps = pipeline
        .drain()
        .0
        .filter(|transition| matches!(transition.what, What::ClockStep(_)));
    assert_eq!(steps.count(), 0);
    assert_eq!(pipeline.contents().span, Some((at(5 * SECOND), at(6 * SECOND))));
}

#[test]
fn the_longest_prefix_has_the_place() {
    let prefix = |text: &str, length| IpNet::new(address(text), length).unwrap();
    let site = |name: &str, prefixes: &[IpNet]| SiteConfig {
        name: name.to_owned(),
        member: None,
        prefixes: prefixes.to_vec(),
    };
    let config = Config {
        groups: vec![GroupConfig {
            name: "G".to_owned(),
            protected: vec![prefix("10.0.0.0", 8), prefix("::", 0), prefix("10.1.2.0", 24)],
            sites: vec![
                site("one", &[prefix("10.1.0.0", 16), prefix("10.1.2.0", 24)]),
                site("two", &[prefix("10.1.2.3", 32), prefix("2001:db8::", 32)]),
            ],
            ..GroupConfig::default()
        }],
    };
    let sites = Sites::new(&config);
    for (text, expect) in [
        ("10.1.2.3", Some(2)),
        ("10.1.2.4", Some(1)),
        ("10.1.3.1", Some(1)),
        ("10.2.0.0", Some(3)),
        ("2001:db8::1", Some(2)),
        ("2001:db9::1", Some(3)),
        // IPv4 is not below ::/0 of IPv6.
        ("11.0.0.1", None),
    ] {
        let octets = match address(text) {
            IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
            IpAddr::V6(v6) => v6.octets(),
        };
        assert_eq!(sites.find(octets), expect.map(Site), "{text}");
    }
    // Five prefixes, one of them twice, and the one that keeps IPv4 out of ::/0.
    assert_eq!(sites.prefixes().count(), 7);
    assert_eq!(
        sites.prefixes().next(),
        Some((128, address_octets("::ffff:10.1.2.3"), Site(2)))
    );
}

fn address_octets(text: &str) -> [u8; 16] {
    text.parse::<std::net::Ipv6Addr>().unwrap().octets()
}

/// Rekeys every ten minutes, with an unrelated message every `chatter` seconds: the reports when both stop for
/// `silence`.
fn told_of_a_silence(chatter: Option<u64>, silence: u64) -> (Vec<What>, u64) {
    let to_multicast = |octets: &[u8], port: u16| {
        let ends = [([10, 0, 0, 1], port).into(), ([239, 0, 1, 2], port).into()];
        frame(&Ethernet::default(), ends[0], ends[1], octets)
    };
    let other = to_multicast(&[0; 40], 9);
    let mut pipeline = pipeline(Limits::default());
    let (mut number, mut begin) = (0, 1_000_000);
    for part in 0..2_u64 {
        for second in 0..=6000_u64 {
            let is_chatter = chatter.is_some_and(|every| second % every == 0);
            if second % 600 == 0 {
                let turn = u8::try_from(part * 20 + second / 600).unwrap();
                let push = Message::new(Exchange::GroupkeyPush, [1; 8], [2; 8]).octets(18, &[turn; 304]);
                let sent = to_multicast(&push, 848);
                number += 1;
                pipeline.frame(frame_at(number, (begin + second) * SECOND, &sent, sent.len()));
            } else if is_chatter {
                number += 1;
                pipeline.frame(frame_at(number, (begin + second) * SECOND, &other, other.len()));
            }
        }
        begin += 6000 + silence;
    }
    pipeline.finish();
    let holes = pipeline.contents().holes.count();
    let told = pipeline.drain().0.map(|transition| transition.what);
    let told = told.filter(|what| matches!(what, What::CaptureLoss(_) | What::RekeyOverdue(_)));
    (told.collect(), holes)
}

#[test]
fn a_silence_of_all_that_is_unheard_of_proves_nothing() {
    // Frames every few seconds, then none for two hours: the recorder was off.
    let (told, holes) = told_of_a_silence(Some(10), 7200);
    assert_eq!(holes, 1);
    let [What::RekeyOverdue(overdue), What::CaptureLoss(loss)] = told.as_slice() else {
        panic!("{told:?}");
    };
    assert_eq!(
        (overdue.grounds.certainty, loss.kind),
        (Certainty::Uncertain, LossKind::Blind)
    );
    // If rekeys are the only traffic, two hours without one are a real silence.
    let (told, holes) = told_of_a_silence(None, 7200);
    assert_eq!(holes, 0);
    let [What::RekeyOverdue(overdue)] = told.as_slice() else {
        panic!("{told:?}");
    };
    assert_eq!(overdue.grounds.certainty, Certainty::Likely);
    // A silence in which nothing was due is not reported.
    assert_eq!(told_of_a_silence(Some(10), 500), (Vec::new(), 0));
}
