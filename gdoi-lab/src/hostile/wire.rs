//! Hostile packets: frames, payloads, and kernel records.

use std::time::Duration;

use gdoi_core::observation::{Esp, Message, Site};
use gdoi_core::{Limits, Observation, Timestamp, Tracker};
use gdoi_wire::isakmp::{HEADER_OCTETS, MAX_PAYLOADS, Payloads};
use gdoi_wire::layers::{self, Found, LinkType, MAX_AHS, MAX_LAYERS, Unwrapped, unwrap};
use gdoi_wire::record::Record;
use gdoi_wire::{Body, Capture, Dissected, Ports, QuickClass};

/// A frame from the wire, all the way to the tracker.
///
/// # Panics
///
/// If a payload is longer than its container: that is what fuzzing looks for.
pub fn dissect(octets: &[u8]) {
    let frame = Capture::whole(octets);
    let mut tracker = Tracker::new(gdoi_core::Config::default(), Limits::default());
    let mut out = Vec::new();
    if let Dissected::Packet(packet) = gdoi_wire::dissect(&frame, &Ports::DEFAULT)
        && let Some((record, offset)) = Record::message(&packet, &frame)
    {
        let kept = frame.up_to(offset, usize::from(record.snapshot_octets));
        let first = record.isakmp().next_payload();
        walk(first, kept);
        if let Some(message) = Message::from_record(&record, kept) {
            tracker.observe(Timestamp::from_nanos(1), &Observation::Message(message), &mut out);
        }
    }
    tracker.finish(Timestamp::from_nanos(2), &mut out);
}

/// A link type, the number of kept octets, and a frame with any encapsulation.
///
/// # Panics
///
/// If the result is outside the frame, or the quick class contradicts the walk: that is what fuzzing looks for.
pub fn layers(octets: &[u8]) {
    let [l0, l1, more, frame @ ..] = octets else {
        return;
    };
    let link = LinkType(u16::from_be_bytes([*l0, *l1]).into());
    let capture = Capture::cut(frame, frame.len() + usize::from(*more));
    let Unwrapped {
        found,
        layers: around,
        ahs,
        envelope: _,
    } = unwrap(&capture, &Ports::DEFAULT, link);
    assert!(around.iter().count() <= MAX_LAYERS && ahs.len() == MAX_AHS);
    match found {
        Found::NotRead(what) => assert!(!what.to_string().is_empty() && !what.kind().is_empty()),
        Found::Packet(packet) => {
            if let Body::Isakmp { offset, .. } = packet.body {
                assert!(offset + HEADER_OCTETS <= frame.len(), "{packet:?}");
            }
            if let Some((record, offset)) = Record::message(&packet, &capture) {
                walk(
                    record.isakmp().next_payload(),
                    capture.up_to(offset, usize::from(record.snapshot_octets)),
                );
            }
        }
        Found::Elsewhere(_) | Found::Other | Found::ParseError(_) => {}
    }
    match layers::quick_class(&capture, &Ports::DEFAULT, link) {
        QuickClass::Esp { esp, .. } => {
            assert!(
                matches!(found, Found::Packet(packet) if packet.body == Body::Esp(esp)),
                "{found:?}"
            );
        }
        QuickClass::Other => assert_eq!(found, Found::Other),
        QuickClass::Unsure => {}
    }
}

/// The type of the first payload, and the payloads.
///
/// # Panics
///
/// As [`dissect`].
pub fn payloads(octets: &[u8]) {
    if let [first, rest @ ..] = octets {
        walk(*first, rest);
    }
}

/// Payloads take no more octets than there are, and no more are followed than allowed.
fn walk(first: u8, octets: &[u8]) {
    let (mut taken, mut count) = (0, 0);
    for payload in Payloads::new(first, octets) {
        taken += 4 + payload.body.len();
        count += 1;
    }
    assert!(taken <= octets.len(), "{taken} octets of {}", octets.len());
    assert!(count <= usize::from(MAX_PAYLOADS), "{count} payloads");
}

/// Records as from the ring, each after an octet with the time since the previous one, to a small tracker that is
/// saved and restored.
///
/// # Panics
///
/// If a table exceeds its bound, a counter decreases, or the restored tracker differs.
pub fn records(octets: &[u8]) {
    let mut tracker = Tracker::new(gdoi_core::Config::default(), LITTLE_ROOM);
    let (mut out, mut now, mut rest) = (Vec::new(), Timestamp::from_nanos(1_000_000_000), octets);
    let mut messages = 0;
    while let [wait, record @ ..] = rest {
        let Some((record, snapshot)) = Record::parse(record) else {
            break;
        };
        now = now.after(Duration::from_millis(u64::from(*wait).pow(2) * 20));
        match Message::from_record(record, snapshot) {
            Some(message) => {
                messages += 1;
                tracker.observe(now, &Observation::Message(message), &mut out);
            }
            None => tracker.observe(now, &Observation::Esp(esp(record, now)), &mut out),
        }
        rest = rest
            .get(1 + size_of::<Record>() + snapshot.len()..)
            .unwrap_or_default();
    }
    let known = tracker.snapshot();
    let counted: u64 = known.messages.values().sum();
    assert_eq!(counted, messages, "every message is counted once");
    for table in &known.tables {
        assert!(table.entries <= table.capacity, "{table:?}");
    }
    if let Ok(saved) = tracker.save() {
        let restored = Tracker::restore(gdoi_core::Config::default(), LITTLE_ROOM, &saved);
        let restored = restored.map(|tracker| tracker.snapshot());
        assert_eq!(restored.as_ref(), Ok(&known), "restored as it was saved");
    }
    tracker.finish(now, &mut out);
}

/// ESP from the fields of a record.
fn esp(record: &Record, now: Timestamp) -> Esp {
    Esp {
        spi: record.spi,
        site: (record.site > 0).then_some(Site(record.site)),
        packets: u64::from(record.frame_octets),
        octets: record.at_ns,
        first: now.before(Duration::from_nanos(u64::from(record.sequence))),
        last: now,
    }
}

const LITTLE_ROOM: Limits = Limits {
    members: 5,
    groups: 4,
    spis: 6,
    key_servers: 4,
    associations: 5,
    keks: 4,
    hash_seed: 7,
};
