//! Records hold what the packet holds, and survive a round trip through their octets.

use std::vec::Vec;

use zerocopy::{FromBytes as _, IntoBytes as _};

use super::{packet, push_frame, socket};
use crate::craft::{self, Ethernet, Generator, Message, Tag, chain};
use crate::isakmp::Payloads;
use crate::record::{
    Counters, FIRST_SPI, FLAG_FIRST_FRAGMENT, FLAG_MARKED, KIND_MESSAGE, KIND_SPI_SEEN, RECORD_VERSION,
    Record, SNAPSHOT_OCTETS, bucket_of, site_address_v4, site_key, slot_key,
};
use crate::{Capture, Dissected, Esp, Exchange, Ports, dissect};

/// The record of a frame and the octets that follow it in the ring.
#[track_caller]
fn record(frame: &[u8]) -> (Record, Vec<u8>) {
    let capture = Capture::whole(frame);
    let (record, offset) = Record::message(&packet(frame), &capture).unwrap();
    let snapshot = capture.up_to(offset, usize::from(record.snapshot_octets));
    (record, snapshot.to_vec())
}

fn main_mode(octets: usize) -> Vec<u8> {
    let (first, body) = chain(&[(1, &craft::Random::new(1).octets(octets - 32))]);
    Message::new(Exchange::MainMode, [1; 8], [0; 8]).octets(first, &body)
}

fn frame(datagram: &[u8]) -> Vec<u8> {
    craft::frame(
        &Ethernet::default(),
        socket("10.0.0.1:848"),
        socket("10.0.0.2:848"),
        datagram,
    )
}

#[test]
fn a_push_in_a_record() {
    let tags = [
        Tag {
            tpid: 0x88a8,
            tci: 0x2064,
        },
        Tag::vlan(7),
    ];
    let frame = push_frame(&Ethernet::tagged(&tags), "10.1.11.2:848", "239.0.1.2:10848");
    let (record, snapshot) = record(&frame);
    assert_eq!(
        (record.version, record.kind, record.flags),
        (RECORD_VERSION, KIND_MESSAGE, 0)
    );
    assert_eq!((record.source_port, record.destination_port), (848, 10_848));
    assert_eq!(record.source_address(), socket("10.1.11.2:0").ip());
    assert_eq!(record.destination_address(), socket("239.0.1.2:0").ip());
    assert_eq!(record.vlan().identifiers().collect::<Vec<_>>(), [100, 7]);
    assert_eq!(
        (usize::try_from(record.frame_octets), record.datagram_octets),
        (Ok(frame.len()), 400)
    );
    assert_eq!(record.isakmp().exchange(), Exchange::GroupkeyPush);
    assert_eq!(&record.fingerprint[..], &super::push(400)[28..44]);
    assert_eq!(record.fingerprint_octets, 16);
    assert_eq!(
        (record.snapshot_octets, snapshot.len()),
        (0, 0),
        "nothing is kept of what is encrypted"
    );
}

#[test]
fn a_clear_message_keeps_a_snapshot_of_at_most_512_octets() {
    for (octets, kept) in [
        (32, 4),
        (200, 172),
        (539, 511),
        (540, 512),
        (541, 512),
        (1_400, 512),
    ] {
        let (record, snapshot) = record(&frame(&main_mode(octets)));
        assert_eq!(
            (usize::from(record.snapshot_octets), snapshot.len()),
            (kept, kept),
            "{octets}"
        );
        assert_eq!(snapshot, main_mode(octets)[28..28 + kept]);
        assert!(kept <= SNAPSHOT_OCTETS);
    }
    let (record, snapshot) = record(&frame(&main_mode(200)));
    assert_eq!(
        Payloads::new(record.isakmp().next_payload(), &snapshot).count(),
        1
    );
}

#[test]
fn a_fingerprint_is_whole_or_not_there() {
    for octets in 28..48 {
        let (record, _) = record(&frame(&super::push(octets)));
        let expected = if octets < 44 { 0 } else { 16 };
        assert_eq!(record.fingerprint_octets, expected, "{octets}");
        assert_eq!(record.fingerprint == [0; 16], expected == 0);
    }
}

#[test]
fn flags_say_marker_and_first_fragment() {
    let marked = craft::marked(&super::push(100));
    let (source, destination) = (socket("10.0.0.1:4500"), socket("10.0.0.2:4500"));
    let (seen, _) = record(&craft::frame(&Ethernet::default(), source, destination, &marked));
    assert_eq!((seen.flags, seen.datagram_octets), (FLAG_MARKED, 100));
    let frames = craft::frames(
        &Ethernet::default(),
        source,
        destination,
        &craft::marked(&super::push(3_000)),
        1_500,
        1,
    );
    let (seen, _) = record(&frames[0]);
    assert_eq!(
        (seen.flags, seen.datagram_octets),
        (FLAG_MARKED | FLAG_FIRST_FRAGMENT, 3_000)
    );
}

#[test]
fn a_first_fragment_keeps_only_what_is_in_it() {
    // 24 octets of ISAKMP body are in the first fragment; padding follows them in the frame.
    let (source, destination) = (socket("10.0.0.1:848"), socket("10.0.0.2:848"));
    let ethernet = Ethernet {
        minimum: 200,
        ..Ethernet::default()
    };
    let frames = craft::frames(
        &ethernet,
        source,
        destination,
        &main_mode(500),
        20 + 8 + 28 + 12,
        1,
    );
    let (record, snapshot) = record(&frames[0]);
    assert_eq!((record.snapshot_octets, record.fingerprint_octets), (12, 0));
    assert_eq!(snapshot, main_mode(500)[28..40]);
}

#[test]
fn records_come_back_from_their_octets() {
    let mut count = 0;
    for frame in Generator::new(5).take(3_000) {
        let capture = Capture::whole(&frame);
        let Dissected::Packet(packet) = dissect(&capture, &Ports::DEFAULT) else {
            continue;
        };
        let Some((record, offset)) = Record::message(&packet, &capture) else {
            continue;
        };
        let snapshot = capture.up_to(offset, usize::from(record.snapshot_octets));
        assert_eq!(snapshot.len(), usize::from(record.snapshot_octets), "{packet:?}");
        let mut ring = Aligned([0; 640]);
        ring.0[..128].copy_from_slice(record.as_bytes());
        ring.0[128..128 + snapshot.len()].copy_from_slice(snapshot);
        assert_eq!(Record::parse(&ring.0), Some((&record, snapshot)));
        let short = &ring.0[..127 + snapshot.len()];
        assert_eq!(Record::parse(short), None);
        ring.0[0] = RECORD_VERSION + 1;
        assert_eq!(Record::parse(&ring.0), None, "another version");
        count += 1;
    }
    assert!(count > 300, "{count} records");
}

/// Aligned as the ring buffer aligns its records.
#[repr(align(8))]
struct Aligned([u8; 640]);

#[test]
fn what_is_no_message_has_no_record() {
    let ends = (socket("10.0.0.1:4500"), socket("10.0.0.2:4500"));
    for datagram in [&craft::KEEPALIVE[..], &craft::esp(300, 1, &[0; 40])] {
        let frame = craft::frame(&Ethernet::default(), ends.0, ends.1, datagram);
        assert_eq!(Record::message(&packet(&frame), &Capture::whole(&frame)), None);
    }
    let hint = Record::spi(
        KIND_SPI_SEEN,
        Esp {
            spi: 300,
            sequence: 9,
            in_udp: false,
        },
        4,
    );
    assert_eq!(
        (hint.kind, hint.spi, hint.sequence, hint.site),
        (KIND_SPI_SEEN, 300, 9, 4)
    );
}

#[test]
fn keys_of_the_maps() {
    let (bits, key) = site_key("192.168.13.0".parse().unwrap(), 24);
    assert_eq!((bits, &key[10..]), (120, &[0xff, 0xff, 192, 168, 13, 0][..]));
    let (bits, key) = site_key("2001:db8::".parse().unwrap(), 32);
    assert_eq!((bits, &key[..4]), (32, &[0x20, 0x01, 0x0d, 0xb8][..]));
    let (_, key) = site_key("192.0.2.1".parse().unwrap(), 32);
    assert_eq!(
        site_address_v4([192, 0, 2, 1]),
        key,
        "what is looked up is what was put in"
    );
    assert_eq!(slot_key(u32::MAX, 1), 0x1_ffff_ffff);
    for mask in [0, 1, 2_047, u32::MAX] {
        for spi in [FIRST_SPI, FIRST_SPI + 1, 0x8000_0000, u32::MAX] {
            assert!(bucket_of(slot_key(spi, 0), mask) <= mask);
        }
    }
}

#[test]
fn consecutive_spis_spread_over_the_buckets() {
    let mut used = [0_u32; 2_048];
    for spi in FIRST_SPI..FIRST_SPI + 2_048 {
        used[bucket_of(slot_key(spi, 0), 2_047) as usize] += 1;
    }
    let overfull: u32 = used.iter().map(|count| count.saturating_sub(2)).sum();
    assert!(overfull < 160, "{overfull} of 2,048 found no slot");
}

#[test]
fn counters_add_up_in_every_field() {
    let words =
        |start: u64| core::array::from_fn::<u64, { Counters::WORDS }, _>(|index| start + index as u64);
    let mut sum = counters(&words(1));
    sum.add(&counters(&words(100)));
    let expected: Vec<u64> = (0..Counters::WORDS as u64).map(|index| 101 + 2 * index).collect();
    assert_eq!(sum.as_bytes(), words_of(&expected.try_into().unwrap()));
    assert_eq!(sum.since(&counters(&words(100))), counters(&words(1)));
}

fn counters(words: &[u64; Counters::WORDS]) -> Counters {
    Counters::read_from_bytes(words_of(words).as_slice()).unwrap()
}

fn words_of(words: &[u64; Counters::WORDS]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}
