//! The engine: one task that owns the tracker and the clock, and brings what the sources say to the sinks.
//!
//! Records are drained every few milliseconds, without a wake-up from the kernel; counters are read every second, and
//! when somebody asks. A deadline of the tracker passes only after everything that happened before it was drained.

mod batch;
mod interfaces;
mod state;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use gdoi_core::observation::{Esp, Loss, LossKind, Message};
use gdoi_core::{Limits, Observation, Timestamp, Tracker, Transition};
use gdoi_wire::record::{Counters, KIND_SPI_SEEN, Record};
use nix::time::{ClockId, clock_gettime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval};

use crate::sink::Events;
use crate::sink::flight::Recorder;
use crate::sink::saved::Saved;
use crate::source::xdp::netlink::Changes;
use crate::source::xdp::{Count, Direction, Error, Mode, Settings, Watch, interface};
use crate::time::Calendar;
use batch::Batch;
pub use interfaces::Interfaces;
pub use state::{CaptureState, State};

/// Asks the engine for what it knows.
#[derive(Debug)]
pub struct Request {
    /// How much of it.
    pub extent: Extent,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Arc<State>>,
}

/// How much is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Groups and totals.
    Summary,
    /// Each member and each SPI as well, of which there can be 100,000.
    Everything,
}

/// Another configuration for a running engine.
#[derive(Debug)]
pub struct Change {
    /// How to watch.
    pub plan: Plan,
    /// What is known of the groups.
    pub groups: gdoi_core::Config,
    /// How much is remembered.
    pub limits: Limits,
    /// Where is told how it went; on an error everything is as it was.
    pub reply: oneshot::Sender<Result<(), ChangeError>>,
}

/// Why an engine cannot go on with another configuration.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// Programs cannot be loaded.
    #[error(transparent)]
    Source(#[from] Error),
    /// What the tracker knows cannot be taken along.
    #[error(transparent)]
    Save(#[from] gdoi_core::SaveError),
    /// As above.
    #[error(transparent)]
    Restore(#[from] gdoi_core::RestoreError),
}

/// How the agent watches.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Names of interfaces, or patterns.
    pub interfaces: Vec<String>,
    /// Where programs are attached.
    pub mode: Mode,
    /// Which frames of an interface.
    pub directions: Vec<Direction>,
    /// How programs are set up.
    pub settings: Settings,
}

impl Plan {
    /// Whether an interface of this name is to be watched.
    fn matches(&self, name: &str) -> bool {
        self.interfaces
            .iter()
            .any(|pattern| interface::matches(pattern, name))
    }
}

/// Owns everything that changes.
pub struct Engine {
    interfaces: Interfaces,
    tracker: Tracker,
    events: Events,
    /// Where the tracker is kept, and when it last was.
    saved: Option<Saved>,
    saved_at: Timestamp,
    batch: Batch,
    out: Vec<Transition>,
    /// Nothing is told to the tracker that is older than this: it saw everything up to here.
    now: Timestamp,
    /// When the counters were last read.
    looked: Timestamp,
    /// Tells that interfaces change, and when it was last asked. Without it they are found by the look of each second.
    changes: Option<Changes>,
    asked: Timestamp,
    /// Keeps the latest messages, where that is wanted.
    recorder: Option<Recorder>,
    /// An SPI was seen for the first time: the table should be read soon.
    hinted: bool,
    unread_records: u64,
    /// What was answered since the counters were last read.
    state: Option<(Extent, Arc<State>)>,
}

impl Engine {
    /// Attaches to every interface of the plan that is there.
    ///
    /// A tracker that was `restored` is told that nothing was seen since.
    pub fn start(
        plan: Plan,
        tracker: Tracker,
        restored: Option<Timestamp>,
        saved: Option<Saved>,
        events: Events,
    ) -> Result<Self, Error> {
        // Before the interfaces are listed: none can come unheard in between.
        let changes = Changes::listen()
            .inspect_err(|error| tracing::warn!(%error, "cannot listen for interfaces that come and go"))
            .ok();
        let interfaces = Interfaces::attach(plan)?;
        let now = boot_time();
        let mut engine = Self {
            interfaces,
            tracker,
            events,
            saved,
            batch: Batch::default(),
            out: Vec::new(),
            now,
            looked: now,
            changes,
            asked: now,
            saved_at: now,
            recorder: None,
            hinted: false,
            unread_records: 0,
            state: None,
        };
        if let Some(since) = restored {
            engine.blind(Loss {
                from: since,
                until: now,
                kind: LossKind::Blind,
                count: None,
            });
        }
        engine.look();
        Ok(engine)
    }

    /// Keeps the latest messages from here on.
    #[must_use]
    pub fn recording(mut self, recorder: Option<Recorder>) -> Self {
        self.recorder = recorder;
        self
    }

    /// Watches until `shutdown`, then stops the sources, drains what is left and writes what is open.
    pub async fn run(
        mut self,
        mut requests: mpsc::Receiver<Request>,
        mut changes: mpsc::Receiver<Change>,
        shutdown: impl Future<Output = ()>,
    ) -> Arc<State> {
        let mut shutdown = pin!(shutdown);
        // Without the signal the recorder still writes around critical events.
        let mut wanted = signal(SignalKind::user_defined1()).ok();
        let mut drain = interval(DRAIN_EVERY);
        let mut look = interval(LOOK_EVERY);
        drain.set_missed_tick_behavior(MissedTickBehavior::Delay);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                _ = look.tick() => self.tick(),
                Some(request) = requests.recv() => self.answer(request),
                Some(change) = changes.recv() => {
                    let Change { plan, groups, limits, reply } = change;
                    // Whoever asked may have gone.
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

    /// Goes on with another configuration; everything that was counted and learned stays.
    fn change(&mut self, plan: Plan, groups: gdoi_core::Config, limits: Limits) -> Result<(), ChangeError> {
        self.drain();
        self.look();
        // What was seen until here belongs to the sites and groups as they were.
        let windows = self.interfaces.change(plan, self.looked, boot_time())?;
        self.drain();
        self.look();
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

    /// Interfaces change by the hundred when a switch restarts: they are looked at together.
    fn follow_changes(&mut self) {
        let now = boot_time();
        if now.since(self.asked) < CHANGES_EVERY {
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
        for window in self.interfaces.follow(self.looked, boot_time()) {
            self.state = None;
            self.blind(window);
        }
    }

    fn tick(&mut self) {
        self.events.set_calendar(calendar());
        // A rekey is told before the SPIs that it brought.
        self.drain();
        self.follow();
        self.look();
        if self.now.since(self.saved_at) >= SAVE_EVERY {
            self.save();
        }
    }

    /// Tells the tracker of a window in which nothing was seen.
    fn blind(&mut self, window: Loss) {
        self.now = self.now.max(window.until);
        self.tracker
            .observe(self.now, &Observation::Loss(window), &mut self.out);
    }

    /// Keeps the tracker for the next start.
    fn save(&mut self) {
        self.saved_at = self.now;
        if let Some(saved) = &self.saved
            && let Err(error) = saved.save(&self.tracker, self.now)
        {
            tracing::error!(%error, path = %saved.path().display(), "cannot save the state");
        }
    }

    fn answer(&mut self, request: Request) {
        self.drain();
        if boot_time().since(self.looked) >= FRESH {
            self.look();
            // The messages that the counters now include.
            self.drain();
        }
        let state = self.state(request.extent);
        // Whoever asked may have gone: nothing is owed to them.
        drop(request.reply.send(state));
    }

    /// What is known since the counters were last read.
    fn state(&mut self, extent: Extent) -> Arc<State> {
        if let Some((has, state)) = &self.state
            && (*has == extent || *has == Extent::Everything)
        {
            return Arc::clone(state);
        }
        let state = Arc::new(State {
            now: self.now,
            calendar: self.events.calendar(),
            captures: self.interfaces.states(),
            unread_records: self.unread_records,
            events: self.events.counts(),
            tally: self.events.tally().clone(),
            recent: self.events.recent(),
            snapshot: match extent {
                Extent::Summary => self.tracker.summary(),
                Extent::Everything => self.tracker.snapshot(),
            },
        });
        self.state = Some((extent, Arc::clone(&state)));
        state
    }

    /// Brings every waiting record to the tracker, then lets its deadlines pass.
    fn drain(&mut self) {
        // The clock first: what happens while we drain is not yet known to be all there.
        let until = boot_time();
        for watch in self.interfaces.watches() {
            for probe in watch.probes() {
                probe.drain(DRAIN_AT_MOST, |record| self.batch.push(record));
            }
        }
        let records = self.batch.in_order();
        if records.len() >= FLOOD {
            // The ring was, or nearly was, full: what was lost must be known before anything is concluded.
            self.look();
        }
        if !records.is_empty() {
            self.state = None;
        }
        for octets in records {
            let Some((record, payloads)) = Record::parse(&octets) else {
                self.unread_records += 1;
                continue;
            };
            if let Some(message) = Message::from_record(record, payloads) {
                if let Some(recorder) = &mut self.recorder {
                    recorder.keep(&octets);
                }
                self.now = self.now.max(Timestamp::from_nanos(record.at_ns));
                self.tracker
                    .observe(self.now, &Observation::Message(message), &mut self.out);
            } else {
                self.hinted |= record.kind == KIND_SPI_SEEN;
            }
        }
        self.now = self.now.max(until);
        self.tracker.advance(self.now, &mut self.out);
        self.record();
        self.events.write(&mut self.out);
        if self.hinted && self.now.since(self.looked) >= FRESH {
            self.look();
        }
    }

    /// Shows the recorder what has happened, and lets it write what is due.
    fn record(&mut self) {
        if let Some(recorder) = &mut self.recorder {
            recorder.watch(&self.out);
            recorder.advance(self.now, self.events.calendar());
        }
    }

    /// Somebody wants to have what the recorder keeps.
    fn write_record(&mut self) {
        self.drain();
        if let Some(recorder) = &mut self.recorder {
            recorder.write(self.now, self.events.calendar(), "somebody asked");
        }
    }

    /// Reads all counters and tells the tracker what ESP and what losses they show.
    fn look(&mut self) {
        self.hinted = false;
        let since = self.looked;
        let mut counts: BTreeMap<(u32, u32), Count> = BTreeMap::new();
        let mut news = Counters::default();
        for watch in self.interfaces.watches() {
            match watch.look(&mut counts) {
                Ok(Some((at, look))) => {
                    self.now = self.now.max(at);
                    news.add(&look.news);
                }
                Ok(None) => {}
                Err(error) => tracing::error!(interface = watch.name(), %error, "cannot read the counters"),
            }
        }
        self.looked = self.now;
        for ((spi, site), count) in counts {
            self.tracker
                .observe(self.now, &count.observation(spi, site), &mut self.out);
        }
        for observation in unnamed_esp(&news, since, self.now)
            .into_iter()
            .chain(losses(&news, since, self.now))
        {
            self.tracker.observe(self.now, &observation, &mut self.out);
        }
        self.record();
        self.events.write(&mut self.out);
        self.state = None;
    }

    fn stop(mut self) -> Arc<State> {
        for watch in self.interfaces.watches() {
            watch.detach();
        }
        // Nothing is counted any more: this is all there is.
        while self.interfaces.watches().any(Watch::has_records) {
            self.drain();
        }
        self.look();
        // Before what is open is told as if it had ended: after a restart it goes on.
        self.save();
        self.tracker.finish(self.now, &mut self.out);
        self.events.write(&mut self.out);
        self.events.flush();
        self.state(Extent::Summary)
    }
}

/// The next of these signals; none, for ever, where they cannot be listened for.
async fn next(signal: Option<&mut Signal>) -> Option<()> {
    match signal {
        Some(signal) => signal.recv().await,
        None => std::future::pending().await,
    }
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

fn losses(news: &Counters, from: Timestamp, until: Timestamp) -> impl Iterator<Item = Observation<'static>> {
    [
        (LossKind::Messages, news.lost_messages),
        (LossKind::Spis, news.overflow_packets),
    ]
    .into_iter()
    .filter(|(_, count)| *count > 0)
    .map(move |(kind, count)| {
        Observation::Loss(Loss {
            from,
            until,
            kind,
            count: Some(count),
        })
    })
}

/// Whether the engine at the other end still works.
pub async fn answers(engine: &mpsc::Sender<Request>) -> bool {
    let (reply, answer) = oneshot::channel();
    let request = Request {
        extent: Extent::Summary,
        reply,
    };
    engine.send(request).await.is_ok() && answer.await.is_ok()
}

/// The clock of the kernel's records: nanoseconds since boot, suspend included.
fn boot_time() -> Timestamp {
    read(ClockId::CLOCK_BOOTTIME)
}

/// How the kernel's clock and the wall clock stand to each other now.
pub fn calendar() -> Calendar {
    let boot = read(ClockId::CLOCK_BOOTTIME);
    Calendar::from_zero(Timestamp::from_nanos(
        read(ClockId::CLOCK_REALTIME)
            .as_nanos()
            .saturating_sub(boot.as_nanos()),
    ))
}

fn read(clock: ClockId) -> Timestamp {
    // Linux has had both since v2.6.39; a failure would leave us at the beginning of time, where nothing is due.
    clock_gettime(clock).map_or(Timestamp::ZERO, |now| {
        let now = Duration::from(now);
        Timestamp::from_nanos(u64::try_from(now.as_nanos()).unwrap_or(u64::MAX))
    })
}

/// A ring of 4 MiB holds 32,768 records: between two drains it takes 6.5 million records a second.
const DRAIN_EVERY: Duration = Duration::from_millis(5);
/// Records taken from one interface before the next has its turn.
const DRAIN_AT_MOST: usize = 1 << 14;
/// A ring of 4 MiB is full with 6,472 records that have a snapshot.
const FLOOD: usize = 4_096;
/// What an interface that comes waits at most before it is watched.
const CHANGES_EVERY: Duration = Duration::from_millis(50);
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// What is learned in less is learned again.
const SAVE_EVERY: Duration = Duration::from_secs(30);
/// Counters this young are not read again.
const FRESH: Duration = Duration::from_millis(100);
