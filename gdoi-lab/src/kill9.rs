//! Kills an agent repeatedly at random moments while it works and saves its state.

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

/// Maximum life of an agent in milliseconds.
const LONGEST: u64 = 150;
/// Microseconds after the request to stop.
const LAST_WORDS: u64 = 30_000;

/// How often and when to kill.
#[derive(Clone, Copy, Debug)]
pub struct Kill9 {
    /// Number of kills.
    pub times: u32,
    /// Seed of the moments.
    pub seed: u64,
}

/// The result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kill9Outcome {
    /// Number of kills.
    pub kills: u32,
    /// Kills right after a request to stop, while the agent was saving its state.
    pub while_keeping: u32,
    /// Frames sent meanwhile.
    pub frames: u64,
    /// Messages known to the first agent after the last kill.
    pub messages: u64,
}

impl Kill9 {
    /// Kills the agent repeatedly, in a namespace that the calling thread cannot leave. It is an error if a state
    /// cannot be resumed, or a total decreases.
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
        // The first agent leaves a state, so that every other one has one to lose.
        started(folder, road, 0)?.0.stop()?;
        let mut known = 0;
        while outcome.kills < self.times {
            let (agent, messages) = started(folder, road, known)?;
            known = messages;
            thread::sleep(Duration::from_millis(random.below(LONGEST)));
            // Every second time while it saves its state, which it does on a request to stop.
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

/// Starts an agent, which resumes the existing state; returns the messages that it knows of, at least `known`.
///
/// Nothing is sent meanwhile: what it knows is what was saved.
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
            "killed {kills} times, {while_keeping} of them while it saved its state, among {frames} frames; every state was \
             resumed, no total fell, and {messages} messages are known in the end."
        )
    }
}

/// The traffic past the agent.
struct Traffic {
    is_wanted: AtomicBool,
    frames: AtomicU64,
    /// Its holder is the only sender.
    road: Mutex<()>,
}

impl Traffic {
    /// Sends frames of any kind until stopped.
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
