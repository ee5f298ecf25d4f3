//! An agent that is killed at random moments, again and again, while it is at work and keeps what it has learned.

use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use gdoi_wire::craft::{Generator, Random};
use nix::sys::signal::Signal;

use crate::{Agent, Injector, Network};

/// Milliseconds that an agent lives at the most.
const LONGEST: u64 = 150;
/// Microseconds after it was asked to stop.
const LAST_WORDS: u64 = 30_000;

/// How often, and with what chance.
#[derive(Clone, Copy, Debug)]
pub struct Kill9 {
    /// How often.
    pub times: u32,
    /// Says when.
    pub seed: u64,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kill9Outcome {
    /// Times that it was killed.
    pub kills: u32,
    /// Those of them in which the agent had just been asked to stop, and was keeping its state.
    pub while_keeping: u32,
    /// Frames that were sent meanwhile.
    pub frames: u64,
    /// Messages that the first agent after the last kill knows of.
    pub messages: u64,
}

impl Kill9 {
    /// Kills the agent again and again, in a namespace that the calling thread enters for good. It is an error when a state cannot be taken up,
    /// or a total falls.
    pub fn run(&self) -> Result<Kill9Outcome> {
        let folder = tempfile::tempdir().context("make a folder")?;
        let _network = Network::enter()?;
        let traffic = Traffic {
            is_wanted: AtomicBool::new(true),
            frames: AtomicU64::new(0),
            road: Mutex::new(()),
        };
        let outcome = thread::scope(|scope| {
            let sender = scope.spawn(|| traffic.send());
            let outcome = self.kill_all(folder.path(), &traffic.road);
            traffic.is_wanted.store(false, Ordering::Relaxed);
            let sent = sender
                .join()
                .unwrap_or_else(|_panic| Err(anyhow!("the sender panicked")));
            sent.and(outcome)
        })?;
        Ok(Kill9Outcome {
            frames: traffic.frames.load(Ordering::Relaxed),
            ..outcome
        })
    }

    fn kill_all(&self, folder: &Path, road: &Mutex<()>) -> Result<Kill9Outcome> {
        let mut random = Random::new(self.seed);
        let mut outcome = Kill9Outcome::default();
        // The first leaves a state, so that every other has one to lose.
        started(folder, road, 0)?.0.stop()?;
        let mut known = 0;
        while outcome.kills < self.times {
            let (agent, messages) = started(folder, road, known)?;
            known = messages;
            thread::sleep(Duration::from_millis(random.below(LONGEST)));
            // Every second time while it keeps its state: that is what it does when it is asked to stop.
            if outcome.kills % 2 == 1 {
                agent.signal(Signal::SIGTERM)?;
                thread::sleep(Duration::from_micros(random.below(LAST_WORDS)));
                outcome.while_keeping += 1;
            }
            agent.kill()?;
            outcome.kills += 1;
        }
        let (agent, messages) = started(folder, road, known)?;
        agent.stop()?;
        Ok(Kill9Outcome { messages, ..outcome })
    }
}

/// Starts an agent, which takes up the state that is there; the messages that it knows of, at least `known`.
///
/// Nothing is sent meanwhile: what it knows is what was kept.
fn started(folder: &Path, road: &Mutex<()>, known: u64) -> Result<(Agent, u64)> {
    let _closed = road.lock().unwrap_or_else(PoisonError::into_inner);
    let state = folder.join("state");
    let state = state.to_str().context("the path of the state is not text")?;
    let log = folder.join("log");
    let arguments = [
        "--interface",
        Network::WATCH,
        "--state-file",
        state,
        "--log.level",
        "warn",
    ];
    let agent = Agent::start_logging_to(&arguments, File::create(&log).context("create a log")?)?;
    let mut said = String::new();
    File::open(&log)
        .and_then(|mut log| log.read_to_string(&mut said))
        .context("read the log")?;
    ensure!(!said.contains("saved state"), "the state was damaged: {said}");
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    let messages = agent.metrics()?.sum("gdoi_messages_tracked_total", &[]) as u64;
    ensure!(messages >= known, "{known} messages were known, now {messages}");
    Ok((agent, messages))
}

impl fmt::Display for Kill9Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kills,
            while_keeping,
            frames,
            messages,
        } = self;
        write!(
            f,
            "killed {kills} times, {while_keeping} of them while it kept its state, among {frames} frames; every state was \
             taken up, no total fell, and {messages} messages are known in the end."
        )
    }
}

/// What passes the agent.
struct Traffic {
    is_wanted: AtomicBool,
    frames: AtomicU64,
    /// Whoever holds it is alone on the road.
    road: Mutex<()>,
}

impl Traffic {
    /// Frames of any kind, as long as it is wanted.
    fn send(&self) -> Result<()> {
        let injector = Injector::open(Network::INJECT)?;
        let pool: Vec<_> = Generator::new(0x4b11).take(20_000).collect();
        for batch in pool.chunks(32).cycle() {
            if !self.is_wanted.load(Ordering::Relaxed) {
                break;
            }
            let on_the_road = self.road.lock().unwrap_or_else(PoisonError::into_inner);
            injector.send_batch(batch)?;
            drop(on_the_road);
            self.frames.fetch_add(batch.len() as u64, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}
