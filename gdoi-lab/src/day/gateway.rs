//! The agent without a kernel: counts packets as the program does, and passes observations to the tracker.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context as _, Result};
use gdoi_core::{Diagnosis, Limits, Timestamp, Tracker, Transition};
use gdoi_monitor::engine::{CaptureState, DiagnosisView, State};
use gdoi_monitor::exposition::{Exposition, Format};
use gdoi_monitor::http::Status;
use gdoi_monitor::sink::EventSink;
use gdoi_monitor::source::xdp::{Attached, Attachment, Direction};
use gdoi_monitor::time::Calendar;
use gdoi_sim::{Emission, Observer, Scenario};
use gdoi_wire::record::Counters;
use gdoi_wire::{Capture, Class, Dissected, Fragment, Ports, dissect};

/// How often the agent polls the kernel's table; a scrape polls it as well.
const TICK: Duration = Duration::from_secs(10);
const INTERFACE: &str = "wan0";
/// Default number of slots of the SPI table.
const SLOTS: usize = 4_096;

/// An agent in virtual time.
pub(crate) struct Gateway {
    tracker: Tracker,
    diagnosis: Diagnosis,
    observer: Observer,
    events: EventSink,
    exposition: Exposition,
    counters: Counters,
    transitions: Vec<Transition>,
}

/// Adds what the transitions mean: changes of incidents.
fn diagnose(diagnosis: &mut Diagnosis, transitions: &mut Vec<Transition>) {
    let mut changes = Vec::new();
    for transition in transitions.iter() {
        diagnosis.handle_transition(transition, &[], &mut changes);
    }
    transitions.append(&mut changes);
}

impl Gateway {
    /// An agent configured with the scenario's groups.
    pub(crate) fn new(scenario: &Scenario) -> Self {
        Self {
            tracker: Tracker::new(scenario.config(), Limits::default()),
            diagnosis: Diagnosis::new(),
            observer: Observer::new(TICK, true),
            events: EventSink::nowhere(Calendar::EPOCH),
            exposition: Exposition::default(),
            counters: Counters::default(),
            transitions: Vec::new(),
        }
    }

    /// Handles a passing frame.
    pub(crate) fn see(&mut self, emission: &Emission) {
        let Self {
            tracker,
            diagnosis,
            observer,
            events,
            transitions,
            ..
        } = self;
        observer.observe(emission, &mut |at, seen| tracker.observe(at, seen, transitions));
        diagnose(diagnosis, transitions);
        events.write(transitions);
        let packets = match emission {
            Emission::Esp(esp) => u64::from(esp.packets),
            Emission::Sent(_) | Emission::Loss(..) => 1,
        };
        for frame in emission.frames(&[]) {
            self.count(&frame, packets);
        }
    }

    /// The metrics page at one time.
    pub(crate) fn page(&mut self, now: Timestamp) -> Result<String> {
        let Self {
            tracker,
            diagnosis,
            observer,
            events,
            transitions,
            ..
        } = self;
        observer.flush(now, &mut |at, seen| tracker.observe(at, seen, transitions));
        tracker.advance(now, transitions);
        diagnose(diagnosis, transitions);
        diagnosis.advance(now, transitions);
        events.write(transitions);
        let page = self
            .exposition
            .page(&self.state(now), &Status::default(), Format::Text)?;
        String::from_utf8(page).context("the metrics page is not text")
    }

    fn state(&self, now: Timestamp) -> State {
        State {
            now,
            calendar: Calendar::EPOCH,
            captures: vec![CaptureState {
                interface: INTERFACE.to_owned(),
                direction: Direction::Ingress,
                attached: Some(Attached {
                    attachment: Attachment::Native,
                    passed_over: None,
                    taken_over: false,
                }),
                blind_spots: BTreeSet::new(),
                why_not: None,
                counters: self.counters,
                runs: None,
                ring_octets: 0,
                slots: (0, SLOTS),
            }],
            unread_records: 0,
            events: self.events.counts(),
            tally: self.events.tally().clone(),
            recent: Vec::new(),
            snapshot: self.tracker.summary(),
            diagnosis: DiagnosisView::new(&self.diagnosis, Calendar::EPOCH),
        }
    }

    /// Counts `packets` of this kind.
    fn count(&mut self, frame: &[u8], packets: u64) {
        let class = match dissect(&Capture::whole(frame), &Ports::DEFAULT) {
            Dissected::Other => Class::Other,
            Dissected::Error(miss) => {
                add(&mut self.counters.parse_errors, miss as usize, packets);
                Class::Other
            }
            Dissected::Packet(packet) => {
                self.counters.first_fragments += u64::from(packet.fragment == Fragment::First);
                packet.class()
            }
        };
        add(&mut self.counters.packets, class as usize, packets);
        add(
            &mut self.counters.octets,
            class as usize,
            packets * frame.len() as u64,
        );
    }
}

fn add(counts: &mut [u64], index: usize, more: u64) {
    if let Some(count) = counts.get_mut(index) {
        *count += more;
    }
}
