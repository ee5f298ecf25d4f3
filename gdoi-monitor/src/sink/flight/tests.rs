//! Captures hold the seen messages within the memory limit, and are written at the right times.

use std::io::Cursor;

use gdoi_core::transition::{Certainty, Cookies};
use gdoi_core::transition::{KekExpired, What};
use gdoi_wire::craft::{Ethernet, Generator, Message, Tag, frame};
use gdoi_wire::record::Record;
use gdoi_wire::{Capture, Dissected, Exchange, Ports};
use zerocopy::IntoBytes as _;

use super::*;
use crate::source::pcap::CaptureReader;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_nanos(seconds * 1_000_000_000)
}

/// The record of a frame as the kernel would write it, with its snapshot.
fn record(frame: &[u8], wire: usize, nanos: u64) -> Option<Bytes> {
    let capture = Capture::cut(frame, wire);
    let Dissected::Packet(packet) = gdoi_wire::dissect(&capture, &Ports::DEFAULT) else {
        return None;
    };
    let (mut record, offset) = Record::message(&packet, &capture)?;
    let snapshot = capture.up_to(offset, usize::from(record.snapshot_octets));
    record.snapshot_octets = u16::try_from(snapshot.len()).unwrap();
    record.at_ns = nanos;
    Some([record.as_bytes(), snapshot].concat().into())
}

/// What is kept, after writing and reading.
fn reread(recorder: &Recorder) -> Vec<Bytes> {
    let mut octets = Vec::new();
    recorder
        .write_to(&mut octets, Calendar::EPOCH, "a comment")
        .unwrap();
    let mut reader = CaptureReader::new(Path::new("x"), Box::new(Cursor::new(octets))).unwrap();
    let mut records = Vec::new();
    while let Some(frame) = reader.next_frame().unwrap() {
        let read = record(frame.kept, frame.wire_octets as usize, frame.at.as_nanos());
        records.push(read.unwrap_or_default());
    }
    records
}

#[test]
fn a_record_comes_back_as_it_was() {
    let push = Message::new(Exchange::GroupkeyPush, [1; 8], [2; 8]).octets(18, &[9; 400]);
    let clear = Message::new(Exchange::MainMode, [1; 8], [0; 8]).octets(1, &[7; 900]);
    let mut recorder = Recorder::new(Path::new("x"), usize::MAX);
    let mut kept = Vec::new();
    for (number, (link, body)) in (1..).zip([
        (Ethernet::default(), &push),
        (Ethernet::tagged(&[Tag::vlan(100), Tag::vlan(7)]), &push),
        (Ethernet::default(), &clear),
    ]) {
        for (source, destination) in [
            ("10.0.0.1:848", "10.0.0.2:848"),
            ("[2001:db8::1]:848", "239.0.1.2:848"),
            ("[2001:db8::1]:848", "[2001:db8::2]:848"),
        ] {
            let (source, destination): (std::net::SocketAddr, std::net::SocketAddr) =
                (source.parse().unwrap(), destination.parse().unwrap());
            if source.is_ipv4() == destination.is_ipv4() {
                let sent = frame(&link, source, destination, body);
                kept.push(record(&sent, sent.len(), number).unwrap());
            }
        }
    }
    // And everything else that the dissector accepts as a message: fragments, markers, options, extension headers.
    for (number, sent) in (10..).zip(Generator::new(848).take(50_000)) {
        kept.extend(record(&sent, sent.len(), number));
    }
    for record in &kept {
        recorder.keep(record);
    }
    let read = reread(&recorder);
    assert!(kept.len() > 1_000, "{}", kept.len());
    assert_eq!(read.len(), kept.len());
    for (read, kept) in read.iter().zip(&kept) {
        let ((read, body), (kept, whole)) = (Record::parse(read).unwrap(), Record::parse(kept).unwrap());
        assert_eq!(read, kept);
        assert!(body == whole, "{read:?}");
    }
}

#[test]
fn the_oldest_make_room() {
    let push = Message::new(Exchange::GroupkeyPush, [1; 8], [2; 8]).octets(18, &[9; 400]);
    let (source, destination) = ("10.0.0.1:848".parse().unwrap(), "10.0.0.2:848".parse().unwrap());
    let sent = frame(&Ethernet::default(), source, destination, &push);
    let mut recorder = Recorder::new(Path::new("x"), 10_000);
    for number in 0..1_000 {
        recorder.keep(&record(&sent, sent.len(), number).unwrap());
        assert!(recorder.octets <= 10_000);
    }
    let read = reread(&recorder);
    assert_eq!(read.len() as u64 + recorder.forgotten, 1_000);
    let (last, _) = Record::parse(read.last().unwrap()).unwrap();
    assert_eq!(last.at_ns, 999);
}

#[test]
fn what_is_critical_is_written_with_what_follows_and_not_again_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut recorder = Recorder::new(folder.path(), 10_000);
    let files = |recorder: &Recorder| {
        recorder.finish();
        fs::read_dir(folder.path()).unwrap().count()
    };
    let expired = |seconds| Transition {
        at: at(seconds),
        group: None,
        key_server: None,
        member: None,
        what: What::KekExpired(KekExpired {
            cookies: Cookies::default(),
            lifetime: Duration::from_mins(30),
            grounds: Certainty::Certain.into(),
        }),
    };
    recorder.watch(&[expired(100)]);
    recorder.advance(at(105), Calendar::EPOCH);
    assert_eq!(files(&recorder), 0);
    recorder.advance(at(110), Calendar::EPOCH);
    assert_eq!(files(&recorder), 1);
    // Nothing more within five minutes; after that, again.
    recorder.watch(&[expired(200)]);
    recorder.advance(at(300), Calendar::EPOCH);
    assert_eq!(files(&recorder), 1);
    recorder.watch(&[expired(420)]);
    recorder.advance(at(430), Calendar::EPOCH);
    assert_eq!(files(&recorder), 2);
    // However often: the disk does not fill.
    for seconds in 0..100 {
        recorder.write(at(seconds), Calendar::EPOCH, "requested");
        recorder.finish();
    }
    assert_eq!(files(&recorder), 16);
}
