//! `analyze` gives the same report for a capture in every format, whether frames are counted many at a time or one by
//! one.
//!
//! Big-endian captures are always read frame by frame: the same frames in little-endian form must give the same
//! report.

use std::fs;
use std::io::BufWriter;
use std::path::Path;

use gdoi_monitor::source::pcap::CaptureReader;
use gdoi_sim::scenario;
use gdoi_sim::{PcapWriter, Simulation};
use gdoi_wire::layers::LinkType;
use serde_json::Value;

use crate::analyze_command::document;
use crate::captures;

#[test]
fn every_capture_in_both_orders_of_octets() {
    let captures = captures::all();
    let events: usize = captures.iter().map(|capture| check(&capture.path)).sum();
    assert!(events > 300, "{events} events");
}

#[test]
fn a_scenario_with_esp_in_both_orders_of_octets() {
    let scenario = scenario::named("demo").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demo.pcap");
    let mut writer = PcapWriter::new(BufWriter::new(fs::File::create(&path).unwrap())).unwrap();
    for emission in Simulation::new(&scenario, None).unwrap() {
        for frame in emission.frames(&scenario.vlan) {
            writer.frame(emission.at(), &frame).unwrap();
        }
    }
    drop(writer.finish().unwrap());
    assert!(check(&path) > 20);
}

/// Compares the reports of a capture in three formats. Returns the number of events in each.
fn check(path: &Path) -> usize {
    let folder = tempfile::tempdir().unwrap();
    // The report contains the file's name: it must be the same.
    let mut reports = Vec::new();
    for order in [Order::Little, Order::Big, Order::Blocks] {
        let again = folder.path().join("x.pcap");
        rewrite(path, &again, order);
        let mut report = document(&["--isakmp-port", "848,500", again.to_str().unwrap()]);
        let capture = report["capture"].as_object_mut().unwrap();
        assert_eq!(
            capture.remove("errors"),
            Some(Value::Array(Vec::new())),
            "{path:?}"
        );
        reports.push(report);
    }
    let events = reports[0]["events"].as_array().unwrap().len();
    assert!(reports.iter().all(|report| *report == reports[0]), "{path:?}");
    events
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Little,
    Big,
    /// pcapng.
    Blocks,
}

/// Rewrites the Ethernet frames of a capture, with times in nanoseconds.
fn rewrite(from: &Path, to: &Path, order: Order) {
    let four = |number: u32| match order {
        Order::Big => number.to_be_bytes(),
        Order::Little | Order::Blocks => number.to_le_bytes(),
    };
    let mut octets: Vec<u8> = match order {
        // Section header and interface, whose times are in nanoseconds (option 9).
        Order::Blocks => [
            0x0a0d_0d0a,
            28,
            0x1a2b_3c4d,
            1,
            u32::MAX,
            u32::MAX,
            28, //
            1,
            32,
            1,
            0,
            0x0001_0009,
            9,
            0,
            32,
        ]
        .map(four)
        .concat(),
        Order::Little => [0xa1b2_3c4d, 0x0004_0002, 0, 0, 262_144, 1].map(four).concat(),
        Order::Big => [0xa1b2_3c4d, 0x0002_0004, 0, 0, 262_144, 1].map(four).concat(),
    };
    let mut reader = CaptureReader::open(from).unwrap();
    while let Some(frame) = reader.next_frame().unwrap() {
        if frame.link != LinkType::ETHERNET {
            continue;
        }
        let at = frame.at.as_nanos();
        let kept = u32::try_from(frame.kept.len()).unwrap();
        let [seconds, nanos] =
            [at / 1_000_000_000, at % 1_000_000_000].map(|part| u32::try_from(part).unwrap());
        if order == Order::Blocks {
            let padded = kept.next_multiple_of(4);
            let [high, low] = [at >> 32, at & 0xffff_ffff].map(|half| u32::try_from(half).unwrap());
            let header = [6, 32 + padded, 0, high, low, kept, frame.wire_octets];
            octets.extend(header.map(four).concat());
            octets.extend(frame.kept);
            octets.resize(octets.len() + (padded - kept) as usize, 0);
            octets.extend(four(32 + padded));
        } else {
            octets.extend([seconds, nanos, kept, frame.wire_octets].map(four).concat());
            octets.extend(frame.kept);
        }
    }
    fs::write(to, octets).unwrap();
}
