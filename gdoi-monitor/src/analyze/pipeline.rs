//! From frames to the tracker: the same way as for the kernel's records.

mod skim;

use std::collections::BTreeMap;
use std::time::Duration;

use gdoi_core::observation::{Esp, Loss, LossKind, Message, OpenGap};
use gdoi_core::transition::{ClockStep, Severity, What};
use gdoi_core::{Limits, Observation, Snapshot, Timestamp, Tracker, Transition};
use gdoi_wire::layers::{Found, NotRead, Unwrapped};
use gdoi_wire::record::Record;
use gdoi_wire::{Body, Class, Fragment, Packet, ParseError, Ports};

use super::esp::{EspCounts, SlotOutcome};
use crate::report::{Contents, SeenMessage};
use crate::sites::Sites;
use crate::source::pcap::Frame;
use gdoi_core::transition::FrameId;

/// Maximum number of kinds of unread frames, over all captures.
const MOST_NOT_READ: usize = 4096;
/// How often the agent reads the kernel's counters by default.
const TICK: Duration = Duration::from_secs(1);
/// A silence of all traffic is judged from this length on.
const LONG_SILENCE: Duration = Duration::from_mins(5);
/// A silence this many times longer than any before may mean that the recorder was off.
const UNHEARD_OF: u32 = 20;

/// Takes frames, and gives transitions.
pub(super) struct Pipeline {
    tracker: Tracker,
    ports: Ports,
    sites: Sites,
    esp: EspCounts,
    /// The longest time between two frames.
    longest_silence: Duration,
    /// Silences up to here are already known to be holes.
    blind_until: Timestamp,
    /// When the counts go to the tracker; `None` before the first frame.
    tick: Option<Timestamp>,
    cut: Cut,
    contents: Contents,
    /// Frames that were not read, by capture.
    not_read: BTreeMap<(u32, NotRead), u64>,
    transitions: Vec<Transition>,
    /// The message in the latest frame, if there was one.
    seen_message: Option<SeenMessage>,
    /// The capture of the current frames.
    file: u32,
}

/// Packets of which too little was kept.
#[derive(Default)]
struct Cut {
    /// Since the last tick.
    messages: Option<Loss>,
    spis: Option<Loss>,
    /// In total: for the whole capture, because it has one snap length.
    all_messages: Option<Loss>,
    all_spis: Option<Loss>,
}

impl Cut {
    /// Counts one more packet of which too little was kept.
    fn add(&mut self, kind: LossKind, at: Timestamp) {
        let (since, all) = match kind {
            LossKind::Messages => (&mut self.messages, &mut self.all_messages),
            _ => (&mut self.spis, &mut self.all_spis),
        };
        for loss in [since, all] {
            let loss = loss.get_or_insert(Loss {
                from: at,
                until: at,
                kind,
                count: Some(0),
            });
            loss.until = at;
            loss.count = loss.count.map(|count| count + 1);
        }
    }
}

impl Pipeline {
    pub(super) fn new(config: gdoi_core::Config, limits: Limits, ports: Ports) -> Self {
        Self {
            sites: Sites::new(&config),
            esp: EspCounts::new(limits.spis),
            tracker: Tracker::new(config, limits),
            ports,
            longest_silence: Duration::ZERO,
            blind_until: Timestamp::ZERO,
            tick: None,
            cut: Cut::default(),
            contents: Contents::default(),
            not_read: BTreeMap::new(),
            transitions: Vec::new(),
            seen_message: None,
            file: 0,
        }
    }

    /// The following frames are of this capture.
    pub(super) const fn turn_to(&mut self, file: u32) {
        self.file = file;
    }

    /// Takes the next frame.
    pub(super) fn frame(&mut self, mut frame: Frame<'_>) {
        frame.at = frame.at.max(self.now());
        self.judge_silence(frame.at);
        let first = self.contents.span.map_or(frame.at, |(first, _)| first);
        self.contents.span = Some((first, frame.at));
        self.contents.frames += 1;
        match self.tick {
            Some(tick) if frame.at < tick => {}
            _ => self.tick(frame.at),
        }
        let frame = &frame;
        *self.contents.links.entry(frame.link).or_default() += 1;
        self.contents.cut += u64::from(frame.is_cut());
        let unwrapped = frame.unwrap(&self.ports);
        match unwrapped.found {
            Found::Other => self.class(other_class(&unwrapped), frame),
            Found::ParseError(miss) => self.miss(miss, frame),
            Found::Packet(packet) => {
                if !unwrapped.layers.is_empty() {
                    self.contents.carried.add(unwrapped.layers);
                }
                self.packet(&packet, frame);
            }
            Found::NotRead(not_read) => {
                self.contents.not_read.add(not_read);
                self.not_read_of_file(not_read);
                if !matches!(not_read, NotRead::Link(_)) {
                    self.class(other_class(&unwrapped), frame);
                }
            }
            Found::Elsewhere(port) => {
                self.contents.elsewhere.add(port);
                self.class(other_class(&unwrapped), frame);
            }
        }
    }

    fn not_read_of_file(&mut self, not_read: NotRead) {
        let key = (self.file, not_read);
        if self.not_read.len() < MOST_NOT_READ || self.not_read.contains_key(&key) {
            *self.not_read.entry(key).or_default() += 1;
        }
    }

    /// Judges a silence that ends at `until`. A recorder that was off looks like a network without packets. If
    /// something was due in a silence longer than any before, nobody knows whether it came.
    fn judge_silence(&mut self, until: Timestamp) {
        let silence = until.since(self.contents.span.map_or(until, |(_, last)| last));
        if silence > LONG_SILENCE
            && until > self.blind_until
            && silence > self.longest_silence.saturating_mul(UNHEARD_OF)
            && self.misses_something(until)
        {
            self.blind(until);
        }
        self.longest_silence = self.longest_silence.max(silence);
    }

    /// Whether a silence up to `until` would cause more than a notice.
    fn misses_something(&self, until: Timestamp) -> bool {
        let mut transitions = Vec::new();
        self.tracker.clone().advance(until, &mut transitions);
        transitions
            .iter()
            .any(|transition| transition.what.severity() > Severity::Info)
    }

    /// The captures have a hole from the last frame to `until`.
    pub(super) fn blind(&mut self, until: Timestamp) {
        let Some((_, from)) = self.contents.span else {
            return;
        };
        self.doubt(until);
        self.contents.holes.add(from, until);
        self.blind_until = until;
        let loss = Loss {
            from,
            until,
            kind: LossKind::Blind,
            count: None,
        };
        self.observe(until, &Observation::Loss(loss));
    }

    /// Absences from the last frame to `until` prove nothing. The tracker must know before its clock gets there.
    fn doubt(&mut self, until: Timestamp) {
        let since = self.now();
        self.flush();
        self.observe(since, &Observation::OpenGap(OpenGap { since, until }));
    }

    /// The captures have ended.
    pub(super) fn finish(&mut self) {
        let now = self.now();
        self.flush();
        self.tracker.finish(now, &mut self.transitions);
        for loss in [self.cut.all_messages, self.cut.all_spis].into_iter().flatten() {
            self.push(now, What::CaptureLoss(loss));
        }
    }

    /// The recorder's clock was set by `step`, and times from here on are corrected. How much time passed at the step
    /// is unknown.
    pub(super) fn clock_step(&mut self, at: Timestamp, step: Duration) {
        self.doubt(at);
        self.push(at, What::ClockStep(ClockStep { step }));
    }

    fn push(&mut self, at: Timestamp, what: What) {
        self.transitions.push(Transition {
            at,
            group: None,
            key_server: None,
            member: None,
            what,
        });
    }

    /// Whether there is anything to report since the last `drain`.
    pub(super) const fn has_news(&self) -> bool {
        self.seen_message.is_some() || !self.transitions.is_empty()
    }

    /// The transitions since the last call, and the message that was seen.
    pub(super) fn drain(&mut self) -> (std::vec::Drain<'_, Transition>, Option<SeenMessage>) {
        (self.transitions.drain(..), self.seen_message.take())
    }

    const fn id(&self, frame: &Frame<'_>) -> FrameId {
        FrameId {
            file: self.file,
            number: frame.number,
        }
    }

    /// The current state.
    pub(super) fn snapshot(&self) -> Snapshot {
        self.tracker.snapshot()
    }

    /// The contents of the captures.
    pub(super) const fn contents(&self) -> &Contents {
        &self.contents
    }

    /// The contents of the captures, to be changed.
    pub(super) const fn contents_mut(&mut self) -> &mut Contents {
        &mut self.contents
    }

    /// Frames that were not read, by capture.
    pub(super) fn not_read(&mut self) -> BTreeMap<(u32, NotRead), u64> {
        std::mem::take(&mut self.not_read)
    }

    /// The time of the latest frame.
    fn now(&self) -> Timestamp {
        self.contents.span.map_or(Timestamp::ZERO, |(_, last)| last)
    }

    /// Ends the ticks that have passed at `now`, and begins the current one.
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

    /// Reports the counts although the tick has not ended.
    fn flush(&mut self) {
        self.say(self.now());
    }

    /// Reports the counts up to `now`.
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
            // The tracker must know at once. The user sees it once, at the end: a capture has one snap length.
            let told = transitions.len();
            tracker.observe(now, &Observation::Loss(loss), transitions);
            let mut index = 0;
            transitions.retain(|transition| {
                index += 1;
                index <= told || !matches!(transition.what, What::CaptureLoss(_))
            });
        }
    }

    fn observe(&mut self, now: Timestamp, seen: &Observation<'_>) {
        self.tracker.observe(now, seen, &mut self.transitions);
    }

    fn class(&mut self, class: Class, frame: &Frame<'_>) {
        self.contents.count(class, 1, frame.wire_octets.into());
    }

    fn miss(&mut self, miss: ParseError, frame: &Frame<'_>) {
        self.class(Class::Other, frame);
        if let Some(misses) = self.contents.counters.parse_errors.get_mut(miss as usize) {
            *misses += 1;
        }
        // A frame that was cut off hides something. One that was kept whole but has a false length does not.
        if frame.is_cut() {
            match miss {
                ParseError::IsakmpTruncated => {
                    self.contents.cut_messages += 1;
                    self.cut.add(LossKind::Messages, frame.at);
                }
                ParseError::EspTruncated => {
                    self.contents.cut_esp += 1;
                    self.cut.add(LossKind::Spis, frame.at);
                }
                _ => {}
            }
        }
    }

    fn packet(&mut self, packet: &Packet, frame: &Frame<'_>) {
        self.class(packet.class(), frame);
        if packet.fragment == Fragment::First {
            self.contents.counters.first_fragments += 1;
        }
        match packet.body {
            Body::Isakmp { .. } => self.message(packet, frame),
            Body::Esp(esp) => self.esp(esp.spi, packet, frame.at),
            Body::Ah | Body::NatKeepalive => {}
        }
    }

    fn message(&mut self, packet: &Packet, frame: &Frame<'_>) {
        let capture = frame.capture();
        let Some((mut record, offset)) = Record::message(packet, &capture) else {
            return;
        };
        let snapshot = capture.up_to(offset, usize::from(record.snapshot_octets));
        record.snapshot_octets = u16::try_from(snapshot.len()).unwrap_or(u16::MAX);
        record.at_ns = frame.at.as_nanos();
        if let Some(message) = Message::from_record(&record, snapshot) {
            let (source, destination) = (message.source.ip(), message.destination.ip());
            self.contents.directions.see(source, destination);
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

/// The class of a frame that shows nothing monitored except, perhaps, an AH.
const fn other_class(unwrapped: &Unwrapped) -> Class {
    match unwrapped.ahs.first() {
        Some(Some(_)) => Class::Ah,
        _ => Class::Other,
    }
}
