//! The thread that writes the state and the message log; the agent waits for it as long as the disk works.
//!
//! An agent that is killed has reported nothing about a message that is not in the log. That holds while writes are
//! fast; monitoring does not stop for a hanging disk.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use gdoi_core::Timestamp;

use super::log::{AT_MOST, MessageLog};
use super::{LOCK, MESSAGES};
use crate::files::{self, Backoff, Lock, beside};
use crate::sink::trouble::Trouble;
use crate::sink::worker::Worker;

/// One task per drain: five seconds of drains that all have messages.
const MAX_TASKS: usize = 1_024;
/// How long a hanging disk may delay the agent, once. Meanwhile a ring takes 6,000 messages; a busy machine needs a
/// moment to schedule the thread.
const PATIENCE: Duration = Duration::from_millis(250);
const LAST_WRITES: Duration = Duration::from_secs(2);

/// Writes what it is given, in order.
#[derive(Debug)]
pub(super) struct Writer {
    worker: Worker<Task>,
    /// Octets of messages that are not yet written.
    waiting: Arc<AtomicUsize>,
    /// The disk was too slow: the agent does not wait for it until it has caught up.
    is_late: bool,
    /// Messages were dropped since the last state: until the next one, none may follow.
    has_gap: bool,
}

#[derive(Debug)]
enum Task {
    /// A state. With a gap, the log of the previous state must not continue if this write fails.
    State {
        at: Timestamp,
        octets: Vec<u8>,
        behind_gap: bool,
    },
    /// Records of messages that follow the state.
    Messages(Vec<Bytes>),
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(path: PathBuf, lock: Option<Lock>, trouble: Trouble) -> io::Result<Self> {
        let waiting = Arc::new(AtomicUsize::new(0));
        let mut files = Files {
            log_path: beside(&path, MESSAGES),
            path,
            lock,
            log: None,
            trouble,
            backoff: Backoff::default(),
            waiting: Arc::clone(&waiting),
        };
        Ok(Self {
            worker: Worker::start("state", MAX_TASKS, move |task| files.write(task))?,
            waiting,
            is_late: false,
            has_gap: false,
        })
    }

    /// Whether it accepts a state: everything before is written.
    pub(super) fn is_ready(&self) -> bool {
        self.worker.is_idle()
    }

    /// Whether it was too slow, and accepts a state now.
    pub(super) fn is_behind(&self) -> bool {
        (self.is_late || self.has_gap) && self.is_ready()
    }

    /// Writes a state.
    pub(super) fn state(&mut self, at: Timestamp, octets: Vec<u8>) {
        self.catch_up();
        let task = Task::State {
            at,
            octets,
            behind_gap: self.has_gap,
        };
        self.has_gap = !self.worker.hand_over(task);
        self.wait();
    }

    /// Logs messages that follow the state; drops them if too many are waiting.
    pub(super) fn messages(&mut self, records: Vec<Bytes>) {
        if self.has_gap || records.is_empty() {
            return;
        }
        self.catch_up();
        let octets = size(&records);
        let waiting = self.waiting.fetch_add(octets, Ordering::Relaxed);
        self.has_gap = waiting + octets > AT_MOST || !self.worker.hand_over(Task::Messages(records));
        if self.has_gap {
            self.waiting.fetch_sub(octets, Ordering::Relaxed);
            tracing::warn!(
                "the queue of the message log is full; if the agent is killed now, messages are missing from its state"
            );
            return;
        }
        self.wait();
    }

    /// Waits until all is written; returns whether it is.
    pub(super) fn finish(&mut self) -> bool {
        self.worker.wait(LAST_WRITES)
    }

    /// Waits for the disk again once it has caught up.
    fn catch_up(&mut self) {
        if self.is_late && self.worker.is_idle() {
            self.is_late = false;
            tracing::warn!("the disk of the state file recovered");
        }
    }

    fn wait(&mut self) {
        if !self.is_late && !self.worker.wait(PATIENCE) {
            self.is_late = true;
            tracing::warn!(
                "the disk of the state file hangs; continuing without it. If the agent is killed now, messages are missing from its state"
            );
        }
    }
}

/// The files, owned by the thread.
struct Files {
    path: PathBuf,
    log_path: PathBuf,
    lock: Option<Lock>,
    /// The message log; none until a state is saved.
    log: Option<MessageLog>,
    waiting: Arc<AtomicUsize>,
    trouble: Trouble,
    backoff: Backoff,
}

impl Files {
    fn write(&mut self, task: Task) {
        match task {
            Task::State {
                at,
                octets,
                behind_gap,
            } => {
                if !self.keep_state(at, &octets)
                    && let Some(log) = self.log.as_mut().filter(|_| behind_gap)
                {
                    log.end();
                }
            }
            Task::Messages(records) => {
                if let Some(log) = &mut self.log {
                    log.append(&records);
                }
                self.waiting.fetch_sub(size(&records), Ordering::Relaxed);
            }
        }
    }

    /// Writes a state, unless that failed a short while ago; returns whether it did.
    fn keep_state(&mut self, at: Timestamp, octets: &[u8]) -> bool {
        if !self.backoff.is_over(at) {
            return false;
        }
        let written = self.write_state(at, octets);
        let path = self.path.display();
        match &written {
            Ok(()) => {
                if self.backoff.succeeded() | self.trouble.end() {
                    tracing::warn!(%path, "the state is saved again");
                }
            }
            Err(error) => {
                self.backoff.failed(at);
                if self.trouble.begin(error) {
                    tracing::error!(%error, %path, "cannot save the state; retrying at growing intervals");
                }
                if !Path::new(files::folder(&self.path)).exists() {
                    // When the folder comes back, it is another one, with another lock.
                    self.lock = None;
                }
            }
        }
        written.is_ok()
    }

    fn write_state(&mut self, at: Timestamp, octets: &[u8]) -> Result<(), files::FileError> {
        if self.lock.is_none() {
            self.lock = Some(Lock::take(&beside(&self.path, LOCK))?);
        }
        let next: &Path = &beside(&self.path, ".new");
        files::create_new(next)?.write_all(octets)?;
        fs::rename(next, &self.path)?;
        // An agent killed here leaves a log of another state, which is ignored.
        if let Some(log) = &mut self.log {
            Ok(log.begin(at)?)
        } else {
            self.log = Some(MessageLog::create(&self.log_path, at)?);
            Ok(())
        }
    }
}

fn size(records: &[Bytes]) -> usize {
    records.iter().map(Bytes::len).sum()
}
