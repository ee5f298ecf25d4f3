//! What hostile input meets, one function for each place it comes in: the targets of `fuzz/`, whose corpus a test
//! replays. Each takes any octets and must come back.

use std::io::Cursor;
use std::path::Path;

use gdoi_core::{Limits, Observation, Timestamp, Tracker, observation::Message};
use gdoi_monitor::config::Config;
use gdoi_monitor::source::pcap::Reader;
use gdoi_wire::isakmp::Payloads;
use gdoi_wire::record::Record;
use gdoi_wire::{Capture, Ports, Seen};

/// A frame from the wire, all the way to the tracker.
///
/// # Panics
///
/// When a payload is longer than what holds it: that is what is looked for.
pub fn dissect(octets: &[u8]) {
    let frame = Capture::whole(octets);
    let mut tracker = Tracker::new(gdoi_core::Config::default(), Limits::default());
    let mut out = Vec::new();
    if let Seen::Packet(packet) = gdoi_wire::dissect(&frame, &Ports::DEFAULT)
        && let Some((record, behind)) = Record::message(&packet, &frame)
    {
        let payloads = frame.up_to(behind, usize::from(record.snapshot_octets));
        let first = record.isakmp().next_payload();
        assert!(Payloads::new(first, payloads).all(|payload| payload.body.len() <= payloads.len()));
        if let Some(message) = Message::from_record(&record, payloads) {
            tracker.observe(Timestamp::from_nanos(1), &Observation::Message(message), &mut out);
        }
    }
    tracker.finish(Timestamp::from_nanos(2), &mut out);
}

/// A capture file.
pub fn capture(octets: &[u8]) {
    let stream = Box::new(Cursor::new(octets.to_vec()));
    let Ok(mut reader) = Reader::new(Path::new("hostile"), stream) else {
        return;
    };
    while let Ok(Some(frame)) = reader.next_frame() {
        frame.dissect(&Ports::DEFAULT);
    }
}

/// A configuration file.
pub fn config(octets: &[u8]) {
    if let Ok(text) = std::str::from_utf8(octets) {
        // Refused or not: an error is an answer.
        drop(Config::parse(Path::new("hostile"), text));
    }
}
