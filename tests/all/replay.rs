//! Replays a capture through the dissector and the record into the tracker.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use gdoi_core::observation::{Esp, Message};
use gdoi_core::{Config, Limits, Observation, Snapshot, Timestamp, Tracker, Transition};
use gdoi_monitor::source::pcap::CaptureReader;
use gdoi_wire::layers::Found;
use gdoi_wire::record::Record;
use gdoi_wire::{Body, Ports};

/// ESP is observed once a second, as in live monitoring.
const TICK: Duration = Duration::from_secs(1);

/// The result of a capture.
pub(crate) struct Replay {
    pub(crate) transitions: Vec<Transition>,
    pub(crate) snapshot: Snapshot,
    /// ISAKMP messages that were observed.
    pub(crate) messages: u64,
    /// ESP packets that were observed.
    pub(crate) esp: u64,
    /// The time of the first frame.
    pub(crate) begun: Timestamp,
}

impl Replay {
    /// The events, one JSON object per line, for people who want to know why a check failed.
    pub(crate) fn lines(&self) -> String {
        let mut lines = String::new();
        for transition in &self.transitions {
            let after = transition.at.since(self.begun).as_secs_f64();
            let object = serde_json::to_string(transition).unwrap();
            writeln!(lines, "{after:10.3} {object}").unwrap();
        }
        lines
    }
}

/// Replays a capture.
pub(crate) fn replay(path: &Path, config: Config) -> Replay {
    let mut reader = CaptureReader::open(path).unwrap();
    let mut tracker = Tracker::new(config, Limits::default());
    let mut replay = Replay {
        transitions: Vec::new(),
        snapshot: Snapshot::default(),
        messages: 0,
        esp: 0,
        begun: Timestamp::ZERO,
    };
    let mut now = Timestamp::ZERO;
    let mut tick = Timestamp::ZERO;
    let mut counted: BTreeMap<u32, Esp> = BTreeMap::new();
    while let Some(frame) = reader.next_frame().unwrap() {
        if replay.begun == Timestamp::ZERO {
            replay.begun = frame.at;
        }
        now = frame.at;
        if now > tick.after(TICK) {
            tick = now;
            flush(&mut tracker, now, &mut counted, &mut replay.transitions);
        }
        let Found::Packet(packet) = frame.unwrap(&Ports::DEFAULT).found else {
            continue;
        };
        match packet.body {
            Body::Isakmp { .. } => {
                let capture = frame.capture();
                let (record, offset) = Record::message(&packet, &capture).unwrap();
                let end = frame.kept.len().min(offset + usize::from(record.snapshot_octets));
                let message = Message::from_record(&record, &frame.kept[offset.min(end)..end]).unwrap();
                replay.messages += 1;
                tracker.observe(now, &Observation::Message(message), &mut replay.transitions);
            }
            Body::Esp(esp) => {
                replay.esp += 1;
                let of_spi = counted.entry(esp.spi).or_insert(Esp {
                    spi: esp.spi,
                    site: None,
                    packets: 0,
                    octets: 0,
                    first: now,
                    last: now,
                });
                of_spi.packets += 1;
                of_spi.octets += u64::from(packet.ip_octets);
                of_spi.last = now;
            }
            Body::Ah | Body::NatKeepalive => {}
        }
    }
    flush(&mut tracker, now, &mut counted, &mut replay.transitions);
    tracker.finish(now, &mut replay.transitions);
    replay.snapshot = tracker.snapshot();
    replay
}

fn flush(tracker: &mut Tracker, now: Timestamp, counted: &mut BTreeMap<u32, Esp>, out: &mut Vec<Transition>) {
    for esp in std::mem::take(counted).into_values() {
        tracker.observe(now, &Observation::Esp(esp), out);
    }
}
