//! Takes the kernel's records and counters to the tracker.
//!
//! A record is parsed once, when it leaves its ring: from there on it is a [`Drained`].

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use gdoi_core::observation::{Esp, Loss, LossKind, Message};
use gdoi_core::{Observation, Timestamp};
use gdoi_wire::Class;
use gdoi_wire::record::{Counters, KIND_MESSAGE, KIND_SPI_SEEN, Record};

use super::clock::boot_time;
use super::{COUNTERS_FRESH_FOR, Engine};
use crate::source::xdp::SpiCount;

/// Records taken from one interface before the next one.
const RECORDS_PER_TURN: usize = 1 << 14;
/// A ring of 4 MiB is full with 6,472 records that have a snapshot.
const NEARLY_FULL_RING: usize = 4_096;
/// Memory for five hundred records.
const PIECE_OCTETS: usize = 64 << 10;

/// One record from a ring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Drained {
    /// When the kernel wrote it; zero if it is unreadable.
    pub(super) at: Timestamp,
    pub(super) kind: DrainedKind,
    /// The record with its snapshot.
    pub(super) octets: Bytes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DrainedKind {
    /// Another hint, which the engine ignores.
    Hint,
    Message,
    /// An SPI took a slot: the table should be read soon.
    SpiSeen,
    /// A record of an unknown layout.
    Unreadable,
}

impl Drained {
    /// Parses a record.
    pub(super) fn new(octets: Bytes) -> Self {
        let (at, kind) = match Record::parse(&octets) {
            Some((record, _)) => (Timestamp::from_nanos(record.at_ns), kind(record)),
            None => (Timestamp::ZERO, DrainedKind::Unreadable),
        };
        Self { at, kind, octets }
    }

    pub(super) fn is_message(&self) -> bool {
        self.kind == DrainedKind::Message
    }

    /// The message, if it is one.
    pub(super) fn message(&self) -> Option<Message<'_>> {
        if !self.is_message() {
            return None;
        }
        let (record, payloads) = Record::parse(&self.octets)?;
        Message::from_record(record, payloads)
    }
}

fn kind(record: &Record) -> DrainedKind {
    match record.kind {
        KIND_MESSAGE => DrainedKind::Message,
        KIND_SPI_SEEN => DrainedKind::SpiSeen,
        _ => DrainedKind::Hint,
    }
}

/// The records of one drain, in the order they happened.
///
/// Records of one ring stay in order, whatever their times: several may share one clock reading of a CPU. Records of
/// several rings are ordered by time.
#[derive(Debug, Default)]
pub(super) struct Batch {
    octets: BytesMut,
    /// With the time for sorting.
    records: Vec<(Timestamp, Drained)>,
    /// The latest time in this ring so far.
    reached: Timestamp,
}

impl Batch {
    /// The following records are from another ring.
    pub(super) fn next_ring(&mut self) {
        self.reached = Timestamp::ZERO;
    }

    /// Adds one record.
    pub(super) fn push(&mut self, record: &[u8]) {
        // One buffer for many records: BytesMut would otherwise allocate for each.
        if self.octets.capacity() < record.len() {
            self.octets.reserve(PIECE_OCTETS.max(record.len()));
        }
        self.octets.extend_from_slice(record);
        let drained = Drained::new(self.octets.split().freeze());
        self.reached = self.reached.max(drained.at);
        self.records.push((self.reached, drained));
    }

    /// Returns the records by time; equal times keep their order.
    pub(super) fn in_order(&mut self) -> Vec<Drained> {
        self.records.sort_by_key(|(at, _)| *at);
        self.records.drain(..).map(|(_, record)| record).collect()
    }
}

impl Engine {
    /// Passes every waiting record to the tracker, then lets its timers fire.
    pub(super) fn drain(&mut self) {
        // The clock first: what happens during the drain may be incomplete.
        self.drain_until(boot_time());
    }

    pub(super) fn drain_until(&mut self, until: Timestamp) {
        self.note_sleep(until);
        self.note_blindness(until);
        let records = self.read_rings();
        if records.len() >= NEARLY_FULL_RING {
            // The ring was full or nearly full: losses must be known before conclusions.
            self.poll_counters();
        }
        self.process_records(&records);
        self.now = self.now.max(until);
        self.tracker.advance(self.now, &mut self.out);
        self.publish();
        if self.hinted && self.now.since(self.polled_at) >= COUNTERS_FRESH_FOR {
            self.poll_counters();
        }
    }

    /// Takes every waiting record, in time order.
    pub(super) fn read_rings(&mut self) -> Vec<Drained> {
        for tap in self.interfaces.taps() {
            for maps in tap.maps() {
                self.batch.next_ring();
                maps.drain(RECORDS_PER_TURN, |record| self.batch.push(record));
            }
        }
        self.batch.in_order()
    }

    /// Passes records to the tracker.
    pub(super) fn process_records(&mut self, records: &[Drained]) {
        if records.is_empty() {
            return;
        }
        self.state = None;
        let messages = records.iter().filter(|record| record.is_message());
        let messages: Vec<Bytes> = messages.map(|record| record.octets.clone()).collect();
        self.in_rings -= i64::try_from(messages.len()).unwrap_or(i64::MAX);
        // Log first: an agent that is killed here has reported nothing of them.
        if let Some(saved) = &mut self.saved {
            saved.note(messages);
        }
        for record in records {
            match record.kind {
                DrainedKind::Hint => {}
                DrainedKind::Message => {
                    if let Some(recorder) = &mut self.recorder {
                        recorder.keep(&record.octets);
                    }
                    self.observe_message(record);
                }
                DrainedKind::SpiSeen => self.hinted = true,
                DrainedKind::Unreadable => self.unread_records += 1,
            }
        }
    }

    /// Passes a message to the tracker.
    pub(super) fn observe_message(&mut self, record: &Drained) {
        if let Some(message) = record.message() {
            self.now = self.now.max(record.at);
            self.tracker
                .observe(self.now, &Observation::Message(message), &mut self.out);
        }
    }

    /// Reads all counters, and reports new ESP and losses to the tracker.
    pub(super) fn poll_counters(&mut self) {
        self.hinted = false;
        let (since, mut until) = (self.polled_at, self.now);
        let mut counts: BTreeMap<(u32, u32), SpiCount> = BTreeMap::new();
        let mut delta = Counters::default();
        for tap in self.interfaces.taps() {
            match tap.read(&mut counts) {
                Ok(Some((at, reading))) => {
                    until = until.max(at);
                    delta.add(&reading.delta);
                }
                Ok(None) => {}
                Err(error) => tracing::error!(interface = tap.name(), %error, "cannot read the counters"),
            }
        }
        self.in_rings = self.in_rings.saturating_add_unsigned(given_to_rings(&delta));
        // Before time advances: what was due while messages were lost is not missed for certain.
        for loss in losses(&delta, since, until) {
            self.blind(loss);
        }
        self.now = until;
        self.polled_at = until;
        for ((spi, site), count) in counts {
            self.tracker
                .observe(self.now, &count.observation(spi, site), &mut self.out);
        }
        if let Some(esp) = unnamed_esp(&delta, since, until) {
            self.tracker.observe(self.now, &esp, &mut self.out);
        }
        self.publish();
        self.state = None;
    }
}

/// Messages written to the rings.
pub(super) fn given_to_rings(delta: &Counters) -> u64 {
    let messages = delta.packets.get(Class::Isakmp as usize).copied();
    messages.unwrap_or_default().saturating_sub(delta.lost_messages)
}

/// ESP without a slot: counted in total, reported under SPI 0, which is illegal on the wire (RFC 4303 §2.1).
fn unnamed_esp(delta: &Counters, first: Timestamp, last: Timestamp) -> Option<Observation<'static>> {
    let packets = delta.overflow_packets + delta.reserved_packets;
    (packets > 0).then_some(Observation::Esp(Esp {
        spi: 0,
        site: None,
        packets,
        octets: delta.overflow_octets + delta.reserved_octets,
        first,
        last,
    }))
}

fn losses(delta: &Counters, from: Timestamp, until: Timestamp) -> impl Iterator<Item = Loss> {
    [
        (LossKind::Messages, delta.lost_messages),
        (LossKind::Spis, delta.overflow_packets),
    ]
    .into_iter()
    .filter(|(_, count)| *count > 0)
    .map(move |(kind, count)| Loss {
        from,
        until,
        kind,
        count: Some(count),
    })
}

#[cfg(test)]
mod tests {
    use zerocopy::IntoBytes as _;

    use super::*;

    #[test]
    fn records_are_sorted_by_time_and_keep_the_order_of_their_ring() {
        let record = |at_ns, interface| Record {
            at_ns,
            interface,
            ..Record::empty(KIND_MESSAGE)
        };
        let mut batch = Batch::default();
        // The third record of the first ring has the time of an earlier reading than the second's.
        for ring in [
            [record(5, 1), record(7, 2), record(5, 3)],
            [record(4, 4), record(6, 5), record(8, 6)],
        ] {
            batch.next_ring();
            for record in ring {
                batch.push(record.as_bytes());
            }
        }
        let order: Vec<_> = batch
            .in_order()
            .iter()
            .map(|record| Record::parse(&record.octets).unwrap().0.interface)
            .collect();
        assert_eq!(order, [4, 1, 5, 2, 3, 6]);
        assert!(batch.in_order().is_empty());
    }
}
