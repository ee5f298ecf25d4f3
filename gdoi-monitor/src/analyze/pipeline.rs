//! The way of a frame to the tracker, the same as the way of a record from the kernel.

mod skim;

use std::collections::BTreeMap;
use std::time::Duration;

use gdoi_core::observation::{Esp, Loss, LossKind, Message};
use gdoi_core::{Limits, Observation, Snapshot, Timestamp, Tracker, Transition};
use gdoi_wire::record::{Counters, Record};
use gdoi_wire::{Body, Class, Dissected, Fragment, Packet, ParseError, Ports};

use super::esp::{EspCounts, SlotOutcome};
use super::seen_message::{FrameId, SeenMessage};
use crate::sites::Sites;
use crate::source::link::LinkType;
use crate::source::pcap::Frame;

/// How often the agent reads the kernel's counters by default.
const TICK: Duration = Duration::from_secs(1);

/// Takes frames, and says what happens.
pub(super) struct Pipeline {
    tracker: Tracker,
    ports: Ports,
    sites: Sites,
    esp: EspCounts,
    /// When what is counted is said to the tracker; `None` before the first frame.
    tick: Option<Timestamp>,
    cut: Cut,
    totals: Totals,
    transitions: Vec<Transition>,
    /// The message in the latest frame, if there was one.
    seen_message: Option<SeenMessage>,
    /// The capture that frames come from.
    file: u32,
}

/// What there was in the captures.
#[derive(Clone, Debug, Default)]
pub(crate) struct Totals {
    /// Frames.
    pub(crate) frames: u64,
    /// The first and the last moment.
    pub(crate) span: Option<(Timestamp, Timestamp)>,
    /// What the kernel would have counted.
    pub(crate) counters: Counters,
    /// Frames of link layers that are not read.
    pub(crate) refused: BTreeMap<LinkType, u64>,
}

impl Totals {
    /// Counts packets of a class, and the octets of their frames.
    fn count(&mut self, class: Class, packets: u64, octets: u64) {
        let class = class as usize;
        if let Some(counted) = self.counters.packets.get_mut(class) {
            *counted += packets;
        }
        if let Some(counted) = self.counters.octets.get_mut(class) {
            *counted = counted.saturating_add(octets);
        }
    }
}

/// Packets of which too little was kept since the last tick.
#[derive(Default)]
struct Cut {
    messages: Option<Loss>,
    spis: Option<Loss>,
}

impl Pipeline {
    pub(super) fn new(config: gdoi_core::Config, limits: Limits, ports: Ports) -> Self {
        Self {
            sites: Sites::new(&config),
            esp: EspCounts::new(limits.spis),
            tracker: Tracker::new(config, limits),
            ports,
            tick: None,
            cut: Cut::default(),
            totals: Totals::default(),
            transitions: Vec::new(),
            seen_message: None,
            file: 0,
        }
    }

    /// Frames come from this capture from here on.
    pub(super) const fn turn_to(&mut self, file: u32) {
        self.file = file;
    }

    /// Takes the next frame.
    pub(super) fn frame(&mut self, mut frame: Frame<'_>) {
        // Frames of several interfaces or queues are written a little out of order: that is no step of the clock.
        let now = self.now();
        if frame.at < now && now.since(frame.at) < TICK {
            frame.at = now;
        }
        let first = self.totals.span.map_or(frame.at, |(first, _)| first);
        self.totals.span = Some((first, now.max(frame.at)));
        self.totals.frames += 1;
        match self.tick {
            Some(tick) if frame.at < tick => {}
            _ => self.tick(frame.at),
        }
        let frame = &frame;
        let Some(seen) = frame.dissect(&self.ports) else {
            *self.totals.refused.entry(frame.link).or_default() += 1;
            return;
        };
        match seen {
            Dissected::Other => self.class(Class::Other, frame),
            Dissected::Error(miss) => self.miss(miss, frame),
            Dissected::Packet(packet) => self.packet(&packet, frame),
        }
    }

    /// The captures have a hole from the last frame to `until`.
    pub(super) fn blind(&mut self, until: Timestamp) {
        let Some((_, from)) = self.totals.span else {
            return;
        };
        self.flush();
        let loss = Loss {
            from,
            until,
            kind: LossKind::Blind,
            count: None,
        };
        self.observe(until, &Observation::Loss(loss));
    }

    /// The captures have ended.
    pub(super) fn finish(&mut self) {
        let now = self.now();
        self.flush();
        self.tracker.finish(now, &mut self.transitions);
    }

    /// Whether there is anything to tell since this was last asked.
    pub(super) const fn has_news(&self) -> bool {
        self.seen_message.is_some() || !self.transitions.is_empty()
    }

    /// What happened since this was last asked, and the message that was seen.
    pub(super) fn drain(&mut self) -> (std::vec::Drain<'_, Transition>, Option<SeenMessage>) {
        (self.transitions.drain(..), self.seen_message.take())
    }

    const fn id(&self, frame: &Frame<'_>) -> FrameId {
        FrameId {
            file: self.file,
            number: frame.number,
        }
    }

    /// What is known now.
    pub(super) fn snapshot(&self) -> Snapshot {
        self.tracker.snapshot()
    }

    /// What there was.
    pub(super) const fn totals(&self) -> &Totals {
        &self.totals
    }

    /// The moment of the latest frame.
    fn now(&self) -> Timestamp {
        self.totals.span.map_or(Timestamp::ZERO, |(_, last)| last)
    }

    /// Ends the ticks that have passed at `now`, and begins the one that `now` is in.
    fn tick(&mut self, now: Timestamp) {
        let Some(tick) = self.tick else {
            self.tick = Some(now.after(TICK));
            return;
        };
        self.say(tick);
        let ticks = now.since(tick).as_nanos() / TICK.as_nanos() + 1;
        let ticks = u32::try_from(ticks).unwrap_or(u32::MAX);
        self.tick = Some(tick.after(TICK.saturating_mul(ticks)));
    }

    /// Says what was counted although its tick has not ended.
    fn flush(&mut self) {
        self.say(self.now());
    }

    /// Says what was counted up to `now`.
    fn say(&mut self, now: Timestamp) {
        let Self {
            tracker,
            esp,
            cut,
            transitions,
            ..
        } = self;
        esp.tick(|counted| tracker.observe(now, &Observation::Esp(counted), transitions));
        for loss in [cut.messages.take(), cut.spis.take()].into_iter().flatten() {
            tracker.observe(now, &Observation::Loss(loss), transitions);
        }
    }

    fn observe(&mut self, now: Timestamp, seen: &Observation<'_>) {
        self.tracker.observe(now, seen, &mut self.transitions);
    }

    fn class(&mut self, class: Class, frame: &Frame<'_>) {
        self.totals.count(class, 1, frame.wire_octets.into());
    }

    fn miss(&mut self, miss: ParseError, frame: &Frame<'_>) {
        self.class(Class::Other, frame);
        if let Some(misses) = self.totals.counters.parse_errors.get_mut(miss as usize) {
            *misses += 1;
        }
        // A capture that keeps too little of each frame is blind. One that keeps all of a frame that lies is not.
        if frame.kept.len() < frame.wire_octets as usize {
            let (kind, loss) = match miss {
                ParseError::IsakmpTruncated => (LossKind::Messages, &mut self.cut.messages),
                ParseError::EspTruncated => (LossKind::Spis, &mut self.cut.spis),
                _ => return,
            };
            let loss = loss.get_or_insert(Loss {
                from: frame.at,
                until: frame.at,
                kind,
                count: Some(0),
            });
            loss.until = frame.at;
            loss.count = loss.count.map(|count| count + 1);
        }
    }

    fn packet(&mut self, packet: &Packet, frame: &Frame<'_>) {
        self.class(packet.class(), frame);
        if packet.fragment == Fragment::First {
            self.totals.counters.first_fragments += 1;
        }
        match packet.body {
            Body::Isakmp { .. } => self.message(packet, frame),
            Body::Esp(esp) => self.esp(esp.spi, packet, frame.at),
            Body::Ah | Body::NatKeepalive => {}
        }
    }

    fn message(&mut self, packet: &Packet, frame: &Frame<'_>) {
        let capture = frame.capture();
        let Some((mut record, behind)) = Record::message(packet, &capture) else {
            return;
        };
        let snapshot = capture.up_to(behind, usize::from(record.snapshot_octets));
        record.snapshot_octets = u16::try_from(snapshot.len()).unwrap_or(u16::MAX);
        record.at_ns = frame.at.as_nanos();
        if let Some(message) = Message::from_record(&record, snapshot) {
            self.seen_message = Some(SeenMessage::new(frame.at, self.id(frame), &message));
            self.observe(frame.at, &Observation::Message(message));
        }
    }

    fn esp(&mut self, spi: u32, packet: &Packet, at: Timestamp) {
        let site = self.sites.find(packet.source);
        let octets = u64::from(packet.ip_octets);
        let mut counted = self.esp.count(spi, site, octets, at);
        if counted == SlotOutcome::Full {
            self.say(at);
            counted = self.esp.count(spi, site, octets, at);
        }
        if counted == SlotOutcome::First {
            let hint = Esp {
                spi,
                site,
                packets: 0,
                octets: 0,
                first: at,
                last: at,
            };
            self.observe(at, &Observation::Esp(hint));
        }
    }
}
