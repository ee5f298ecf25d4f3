//! What writes the state and the log of messages: a thread, which is waited for as long as the disk does its work.
//!
//! Whoever is killed has told nothing of a message that is not in the log. That holds as long as it is written at once;
//! for the sake of a disk that hangs nobody stops to watch.

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

/// One task each drain: five seconds of drains that all have messages.
const MAX_TASKS: usize = 1_024;
/// What a disk that hangs costs, once. Meanwhile a ring takes 6,000 messages; a busy machine needs a moment to let the
/// thread run.
const PATIENCE: Duration = Duration::from_millis(250);
const LAST_WRITES: Duration = Duration::from_secs(2);

/// Writes what it is given, in order.
#[derive(Debug)]
pub(super) struct Writer {
    worker: Worker<Task>,
    /// Octets of messages that are not written yet.
    waiting: Arc<AtomicUsize>,
    /// The disk took too long: it is not waited for until it has done everything.
    is_late: bool,
    /// Messages were left out since the last state: until the next one, none may follow.
    has_gap: bool,
}

#[derive(Debug)]
enum Task {
    /// A state as it was then. With a gap it must not be the log of the one before that goes on when it fails.
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

    /// Whether it takes a state: it has written everything before.
    pub(super) fn is_ready(&self) -> bool {
        self.worker.is_idle()
    }

    /// Whether it had taken too long, and takes a state now.
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

    /// Writes messages that follow the state; they are left out while too many wait already.
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

    /// Waits until all is written; whether it is.
    pub(super) fn finish(&mut self) -> bool {
        self.worker.wait(LAST_WRITES)
    }

    /// A disk that has done everything is waited for again.
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

/// The files, as the thread has them.
struct Files {
    path: PathBuf,
    log_path: PathBuf,
    lock: Option<Lock>,
    /// What was seen since the state was kept; none until it was.
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

    /// Writes a state, unless it failed a short while ago; whether it did.
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
                    tracing::error!(%error, %path, "cannot save the state; tried again with growing intervals");
                }
                if !Path::new(files::folder(&self.path)).exists() {
                    // Where it comes back, it is another folder, with another lock.
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
        // Whoever is killed here leaves a log of another state, which is not read.
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
