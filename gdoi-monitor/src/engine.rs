//! The engine: one task that owns the tracker and the clock, and takes the sources' data to the sinks.
//!
//! It drains records every few milliseconds, without a wake-up from the kernel. It reads counters every second, and
//! on request. A timer of the tracker fires only after everything that happened before it was drained.

mod clock;
mod drain;
mod interfaces;
mod request;
mod resume;
mod state;
#[cfg(test)]
mod tests;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use gdoi_core::observation::{Loss, LossKind, OpenGap};
use gdoi_core::transition::{ClockStep, What};
use gdoi_core::{Diagnosis, Limits, Observation, Timestamp, Tracker, Transition};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use crate::sink::flight::Recorder;
use crate::sink::state_file::StateFile;
use crate::sink::{EventCounts, EventSink};
use crate::source::xdp::InterfaceTap;
use crate::source::xdp::netlink::Changes;
use crate::time::Calendar;
pub use clock::calendar;
use clock::{Sleep, boot_time};
use drain::Batch;
pub use interfaces::{AttachedInterfaces, Interfaces};
pub use request::{ChangeError, ConfigChange, Detail, Plan, Request, answers};
pub use resume::Resume;
pub use state::{CaptureState, DiagnosisView, OpenIncidents, State};

/// A ring of 4 MiB holds 32,768 records: at this interval it takes 6.5 million records per second.
const DRAIN_INTERVAL: Duration = Duration::from_millis(5);
/// Maximum delay before a new interface is attached.
const INTERFACE_CHANGE_INTERVAL: Duration = Duration::from_millis(50);
const COUNTER_INTERVAL: Duration = Duration::from_secs(1);
/// Counters this fresh are not read again.
const COUNTERS_FRESH_FOR: Duration = Duration::from_millis(100);

/// Owns all changing state.
pub struct Engine {
    interfaces: Interfaces,
    tracker: Tracker,
    diagnosis: Diagnosis,
    events: EventSink,
    /// The state file; `saved_at` is the time of the last save.
    saved: Option<StateFile>,
    saved_at: Timestamp,
    save_interval: Duration,
    sleep: Sleep,
    batch: Batch,
    out: Vec<Transition>,
    /// The tracker has seen everything up to this time; nothing older may follow.
    now: Timestamp,
    /// When the counters were last read.
    polled_at: Timestamp,
    /// Notifies of changed interfaces; `asked` is the time of the last check. Without it, each second's poll finds them.
    changes: Option<Changes>,
    asked: Timestamp,
    /// The flight recorder, if enabled.
    recorder: Option<Recorder>,
    /// An SPI is new: the table should be read soon.
    hinted: bool,
    unread_records: u64,
    /// Messages counted by the kernel that were not yet taken from a ring, as of the last poll.
    in_rings: i64,
    /// The last answer since the counters were read.
    state: Option<(Detail, Arc<State>)>,
}

impl Engine {
    /// Starts with the attached interfaces, and resumes where the previous agent ended.
    pub fn start(watching: AttachedInterfaces, past: Resume, events: EventSink) -> Self {
        let AttachedInterfaces { interfaces, changes } = watching;
        let Resume {
            tracker,
            diagnosis,
            saved,
            handover,
        } = past;
        let now = boot_time();
        let mut engine = Self {
            interfaces,
            tracker,
            diagnosis,
            events,
            saved,
            batch: Batch::default(),
            out: Vec::new(),
            now,
            polled_at: now,
            changes,
            asked: now,
            saved_at: now,
            save_interval: COUNTER_INTERVAL,
            sleep: Sleep::watch(),
            recorder: None,
            hinted: false,
            unread_records: 0,
            in_rings: 0,
            state: None,
        };
        match handover {
            Some(handover) => engine.resume(handover),
            None => engine.poll_counters(),
        }
        engine.interfaces.retire();
        // From here on messages are logged after this state.
        engine.save();
        engine
    }

    /// Enables the flight recorder.
    #[must_use]
    pub fn recording(mut self, recorder: Option<Recorder>) -> Self {
        self.recorder = recorder;
        self
    }

    /// Runs until `shutdown`, then stops the sources, drains the rest and writes the final state.
    pub async fn run(
        mut self,
        mut requests: mpsc::Receiver<Request>,
        mut changes: mpsc::Receiver<ConfigChange>,
        shutdown: impl Future<Output = ()>,
    ) -> Arc<State> {
        let mut shutdown = pin!(shutdown);
        // Without the signal the recorder still writes around critical events.
        let mut wanted = signal(SignalKind::user_defined1()).ok();
        let mut drain = interval(DRAIN_INTERVAL);
        let mut poll = interval(COUNTER_INTERVAL);
        drain.set_missed_tick_behavior(MissedTickBehavior::Delay);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                _ = poll.tick() => self.tick(),
                Some(request) = requests.recv() => self.answer(request),
                Some(change) = changes.recv() => {
                    let ConfigChange { plan, groups, limits, reply } = change;
                    // The requester may be gone.
                    drop(reply.send(self.change(plan, groups, limits)));
                }
                Some(()) = next(wanted.as_mut()) => self.write_record(),
                _ = drain.tick() => {
                    self.drain();
                    self.follow_changes();
                }
            }
        }
        self.stop()
    }

    /// Continues with another configuration; everything counted and learned stays.
    fn change(&mut self, plan: Plan, groups: gdoi_core::Config, limits: Limits) -> Result<(), ChangeError> {
        if !self.interfaces.can_follow(&plan) {
            return Err(ChangeError::HotPlugOff);
        }
        self.drain();
        self.poll_counters();
        // Everything seen so far belongs to the old sites and groups.
        let windows = self.interfaces.change(plan, self.polled_at, boot_time())?;
        self.drain();
        self.poll_counters();
        self.interfaces.retire();
        self.tracker = Tracker::restore(groups, limits, &self.tracker.save()?)?;
        for window in windows {
            self.blind(window);
        }
        self.follow();
        self.interfaces.note_blind_spots();
        self.state = None;
        Ok(())
    }

    /// A switch restart changes interfaces by the hundred: they are handled together.
    fn follow_changes(&mut self) {
        let now = boot_time();
        if now.since(self.asked) < INTERFACE_CHANGE_INTERVAL {
            return;
        }
        self.asked = now;
        let any = self.changes.as_ref().map_or(Ok(false), Changes::take);
        if any.unwrap_or(true) {
            self.follow();
            self.interfaces.note_blind_spots();
        }
    }

    fn follow(&mut self) {
        for window in self.interfaces.follow(self.polled_at, boot_time()) {
            self.state = None;
            self.blind(window);
        }
    }

    fn tick(&mut self) {
        self.set_calendar(calendar());
        // A rekey is reported before the SPIs that it delivered.
        self.drain();
        self.follow();
        self.poll_counters();
        self.save_when_due();
    }

    /// Dates follow the current wall clock. If it was set, that is reported, because earlier dates no longer match.
    /// Nothing else changes, because nothing is measured by the wall clock.
    fn set_calendar(&mut self, calendar: Calendar) {
        if let Some(step) = clock::step(self.events.calendar(), calendar) {
            tracing::warn!(?step, "the wall clock was set");
            self.events.clock_was_set();
            self.out.push(Transition {
                at: self.now,
                group: None,
                key_server: None,
                member: None,
                what: What::ClockStep(ClockStep { step }),
            });
        }
        self.events.set_calendar(calendar);
    }

    /// While the machine is suspended nothing is seen, so an absence is no miss.
    fn note_sleep(&mut self, until: Timestamp) {
        if let Some(slept) = self.sleep.until(until) {
            tracing::warn!(?slept, "the machine was suspended");
            self.blind(Loss {
                from: until.before(slept),
                until,
                kind: LossKind::Blind,
                count: None,
            });
        }
    }

    /// While an interface is away, nobody knows what passed and what did not. Report that before it ends.
    fn note_blindness(&mut self, until: Timestamp) {
        if let Some(since) = self.interfaces.blind_since(until) {
            let blind = Observation::OpenGap(OpenGap { since, until });
            self.tracker.observe(self.now, &blind, &mut self.out);
        }
    }

    /// Reports a window without visibility to the tracker. It must come before time advances: otherwise what was due
    /// in it would be missed for certain.
    fn blind(&mut self, window: Loss) {
        self.now = self.now.max(window.from);
        self.tracker
            .observe(self.now, &Observation::Loss(window), &mut self.out);
    }

    fn answer(&mut self, request: Request) {
        self.drain();
        if boot_time().since(self.polled_at) >= COUNTERS_FRESH_FOR {
            self.poll_counters();
            // The messages that the counters now include.
            self.drain();
        }
        let state = self.state(request.detail);
        // The requester may be gone.
        drop(request.reply.send(state));
    }

    /// The state since the counters were last read.
    fn state(&mut self, detail: Detail) -> Arc<State> {
        if let Some((has, state)) = &self.state
            && (*has == detail || *has == Detail::Full)
        {
            return Arc::clone(state);
        }
        let state = Arc::new(State {
            now: self.now,
            calendar: self.events.calendar(),
            captures: self.interfaces.states(),
            unread_records: self.unread_records,
            events: self.event_counts(),
            tally: self.events.tally().clone(),
            recent: self.events.recent(),
            diagnosis: DiagnosisView::new(&self.diagnosis, self.events.calendar()),
            snapshot: match detail {
                Detail::Summary => self.tracker.summary(),
                Detail::Full => self.tracker.snapshot(),
            },
        });
        self.state = Some((detail, Arc::clone(&state)));
        state
    }

    /// Event counters, and outputs that fail.
    fn event_counts(&self) -> EventCounts {
        let mut counts = self.events.counts();
        let state = self.saved.as_ref().and_then(StateFile::trouble);
        let flight = self.recorder.as_ref().and_then(Recorder::trouble);
        let troubles = [("state_file", state), ("flight_folder", flight)];
        let troubles = troubles.into_iter().filter_map(|(name, why)| Some((name, why?)));
        counts.troubles.extend(troubles);
        counts
    }

    /// Finds the causes of what has happened, because changes of incidents are events as well; then passes all events to
    /// the recorder, which writes when due, and to the outputs.
    fn publish(&mut self) {
        let mut changes = Vec::new();
        for transition in &self.out {
            self.diagnosis.handle_transition(transition, &[], &mut changes);
        }
        self.diagnosis.advance(self.now, &mut changes);
        self.out.append(&mut changes);
        if let Some(recorder) = &mut self.recorder {
            recorder.watch(&self.out);
            recorder.advance(self.now, self.events.calendar());
        }
        self.events.write(&mut self.out);
    }

    /// Somebody requests what the recorder keeps.
    fn write_record(&mut self) {
        self.drain();
        if let Some(recorder) = &mut self.recorder {
            recorder.write(self.now, self.events.calendar(), "requested");
        }
    }

    fn stop(mut self) -> Arc<State> {
        let goes_on = self.saved.is_some() && self.interfaces.are_pinned();
        if goes_on {
            // Later messages wait in the kernel for the next agent.
            self.drain();
        } else {
            for tap in self.interfaces.taps() {
                tap.forget();
            }
            // Nothing is counted any more: this is the end.
            while self.interfaces.taps().any(InterfaceTap::has_records) {
                self.drain();
            }
        }
        self.poll_counters();
        // Before open windows are flushed: after a restart they continue.
        self.save_last();
        if goes_on {
            tracing::info!("programs stay attached and count for the next agent");
        } else {
            self.tracker.finish(self.now, &mut self.out);
            self.publish();
        }
        self.events.flush();
        if let Some(recorder) = &self.recorder {
            recorder.finish();
        }
        self.state(Detail::Summary)
    }
}

/// The next of these signals; never, if it cannot be received.
async fn next(signal: Option<&mut Signal>) -> Option<()> {
    match signal {
        Some(signal) => signal.recv().await,
        None => std::future::pending().await,
    }
}
