//! Records and counters of the kernel, brought to the tracker.

use std::collections::BTreeMap;

use bytes::Bytes;
use gdoi_core::observation::{Esp, Loss, LossKind, Message};
use gdoi_core::{Observation, Timestamp};
use gdoi_wire::Class;
use gdoi_wire::record::{Counters, KIND_SPI_SEEN, Record};

use super::clock::boot_time;
use super::resume::message;
use super::{COUNTERS_FRESH_FOR, Engine};
use crate::source::xdp::SpiCount;

/// Records taken from one interface before the next has its turn.
const DRAIN_AT_MOST: usize = 1 << 14;
/// A ring of 4 MiB is full with 6,472 records that have a snapshot.
const FLOOD: usize = 4_096;

impl Engine {
    /// Brings every waiting record to the tracker, then lets its deadlines pass.
    pub(super) fn drain(&mut self) {
        // The clock first: what happens while we drain is not yet known to be all there.
        self.drain_until(boot_time());
    }

    pub(super) fn drain_until(&mut self, until: Timestamp) {
        self.note_sleep(until);
        self.note_blindness(until);
        let records = self.read_rings();
        if records.len() >= FLOOD {
            // The ring was, or nearly was, full: what was lost must be known before anything is concluded.
            self.poll_counters();
        }
        self.process_records(&records);
        self.now = self.now.max(until);
        self.tracker.advance(self.now, &mut self.out);
        self.record();
        self.events.write(&mut self.out);
        if self.hinted && self.now.since(self.polled_at) >= COUNTERS_FRESH_FOR {
            self.poll_counters();
        }
    }

    /// Takes every waiting record, in the order of time.
    pub(super) fn read_rings(&mut self) -> Vec<Bytes> {
        for tap in self.interfaces.taps() {
            for maps in tap.maps() {
                self.batch.next_ring();
                maps.drain(DRAIN_AT_MOST, |record| self.batch.push(record));
            }
        }
        self.batch.in_order()
    }

    /// Brings records to the tracker.
    pub(super) fn process_records(&mut self, records: &[Bytes]) {
        if records.is_empty() {
            return;
        }
        self.state = None;
        let messages = || records.iter().filter(|record| message(record).is_some());
        self.in_rings -= i64::try_from(messages().count()).unwrap_or(i64::MAX);
        // First: an agent that is killed here has told nothing of them yet.
        if let Some(saved) = &mut self.saved {
            saved.note(messages().cloned().collect());
        }
        for octets in records {
            let Some((record, payloads)) = Record::parse(octets) else {
                self.unread_records += 1;
                continue;
            };
            if let Some(message) = Message::from_record(record, payloads) {
                if let Some(recorder) = &mut self.recorder {
                    recorder.keep(octets);
                }
                self.now = self.now.max(Timestamp::from_nanos(record.at_ns));
                self.tracker
                    .observe(self.now, &Observation::Message(message), &mut self.out);
            } else {
                self.hinted |= record.kind == KIND_SPI_SEEN;
            }
        }
    }

    /// Reads all counters and tells the tracker what ESP and what losses they show.
    pub(super) fn poll_counters(&mut self) {
        self.hinted = false;
        let (since, mut until) = (self.polled_at, self.now);
        let mut counts: BTreeMap<(u32, u32), SpiCount> = BTreeMap::new();
        let mut news = Counters::default();
        for tap in self.interfaces.taps() {
            match tap.read(&mut counts) {
                Ok(Some((at, look))) => {
                    until = until.max(at);
                    news.add(&look.delta);
                }
                Ok(None) => {}
                Err(error) => tracing::error!(interface = tap.name(), %error, "cannot read the counters"),
            }
        }
        self.in_rings = self.in_rings.saturating_add_unsigned(given_to_rings(&news));
        // Before time goes on: what was due while messages were lost is not missed for certain.
        for loss in losses(&news, since, until) {
            self.blind(loss);
        }
        self.now = until;
        self.polled_at = until;
        for ((spi, site), count) in counts {
            self.tracker
                .observe(self.now, &count.observation(spi, site), &mut self.out);
        }
        if let Some(esp) = unnamed_esp(&news, since, until) {
            self.tracker.observe(self.now, &esp, &mut self.out);
        }
        self.record();
        self.events.write(&mut self.out);
        self.state = None;
    }
}

/// Messages that were given to a ring.
pub(super) fn given_to_rings(news: &Counters) -> u64 {
    let messages = news.packets.get(Class::Isakmp as usize).copied();
    messages.unwrap_or_default().saturating_sub(news.lost_messages)
}

/// ESP that has no slot of its own: counted in total, told under SPI 0, which is nobody's (RFC 4303 §2.1).
fn unnamed_esp(news: &Counters, first: Timestamp, last: Timestamp) -> Option<Observation<'static>> {
    let packets = news.overflow_packets + news.reserved_packets;
    (packets > 0).then_some(Observation::Esp(Esp {
        spi: 0,
        site: None,
        packets,
        octets: news.overflow_octets + news.reserved_octets,
        first,
        last,
    }))
}

fn losses(news: &Counters, from: Timestamp, until: Timestamp) -> impl Iterator<Item = Loss> {
    [
        (LossKind::Messages, news.lost_messages),
        (LossKind::Spis, news.overflow_packets),
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
