//! Where events are written: each place has a thread of its own, so that one that does not take them stops nobody.

pub mod file;
pub mod journal;
pub mod stream;
#[cfg(test)]
mod tests;

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use gdoi_core::transition::Severity;

use super::trouble::Trouble;
use super::worker::Worker;

/// Some 30 MB of events.
const MAX_WAITING: usize = 1 << 16;
/// One parcel each drain: five seconds of drains that all have events.
const MAX_PARCELS: usize = 1_024;
const LAST_WRITES: Duration = Duration::from_secs(2);

/// An event, ready to be written.
#[derive(Clone, Debug)]
pub struct OutputLine {
    /// As JSON, without an end of line.
    pub json: Arc<str>,
    /// Its type.
    pub kind: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Its group, where one is meant.
    pub group: Option<String>,
    /// Its key server, where one is meant.
    pub key_server: Option<IpAddr>,
}

/// A place for events.
pub trait Target: Send + 'static {
    /// Writes all of them, or says why it could not, and how many it did.
    fn write(&mut self, lines: &[OutputLine]) -> Result<(), (usize, io::Error)>;
}

impl Target for Box<dyn Target> {
    fn write(&mut self, lines: &[OutputLine]) -> Result<(), (usize, io::Error)> {
        (**self).write(lines)
    }
}

/// Why an event was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventLoss {
    /// There is no room on the disk.
    DiskFull,
    /// The place takes events more slowly than they come.
    QueueFull,
    /// It takes none.
    WriteFailed,
}

impl EventLoss {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::DiskFull, Self::QueueFull, Self::WriteFailed];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DiskFull => "disk_full",
            Self::QueueFull => "queue_full",
            Self::WriteFailed => "write_failed",
        }
    }

    fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            _ => Self::WriteFailed,
        }
    }
}

/// A place for events, with its thread and what waits for it.
#[derive(Debug)]
pub struct Output {
    worker: Worker<Vec<OutputLine>>,
    shared: Arc<Shared>,
}

/// What both sides of the queue know.
#[derive(Debug)]
struct Shared {
    name: &'static str,
    waiting: AtomicUsize,
    lost: [AtomicU64; EventLoss::ALL.len()],
    trouble: Trouble,
}

impl Output {
    /// Starts to write to `target`, which logs and pages call `name`.
    pub fn start(name: &'static str, mut target: impl Target) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            name,
            waiting: AtomicUsize::new(0),
            lost: Default::default(),
            trouble: Trouble::default(),
        });
        let theirs = Arc::clone(&shared);
        let write = move |lines: Vec<OutputLine>| theirs.write(&mut target, &lines);
        Ok(Self {
            worker: Worker::start(name, MAX_PARCELS, write)?,
            shared,
        })
    }

    /// Hands over events. They are counted as lost when too many wait already.
    pub fn take(&mut self, lines: Vec<OutputLine>) {
        let count = lines.len();
        let waiting = self.shared.waiting.fetch_add(count, Ordering::Relaxed);
        let is_full = waiting + count > MAX_WAITING;
        if is_full || !self.worker.hand_over(lines) {
            self.shared.waiting.fetch_sub(count, Ordering::Relaxed);
            self.shared.lose(EventLoss::QueueFull, count);
        }
    }

    /// Waits a while until everything handed over was written.
    pub fn flush(&self) {
        if !self.worker.wait(LAST_WRITES) {
            tracing::error!(
                output = self.shared.name,
                "timed out writing the remaining events"
            );
        }
    }

    /// How many were lost for this reason.
    pub fn lost(&self, why: EventLoss) -> u64 {
        let count = self.shared.lost.get(why as usize);
        count.map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// What it is called.
    pub fn name(&self) -> &'static str {
        self.shared.name
    }

    /// Why the last attempt to write failed; `None` when it did not.
    pub fn trouble(&self) -> Option<String> {
        self.shared.trouble.why()
    }
}

impl Shared {
    fn write(&self, target: &mut impl Target, lines: &[OutputLine]) {
        match target.write(lines) {
            Ok(()) => {
                if self.trouble.end() {
                    tracing::warn!(output = self.name, "event output recovered");
                }
            }
            Err((written, error)) => {
                self.lose(EventLoss::of(&error), lines.len().saturating_sub(written));
                // Once for each reason, or a full disk fills the log as well.
                if self.trouble.begin(&error) {
                    let output = self.name;
                    tracing::error!(output, %error, "cannot write events; lost events are counted");
                }
            }
        }
        self.waiting.fetch_sub(lines.len(), Ordering::Relaxed);
    }

    fn lose(&self, why: EventLoss, count: usize) {
        if let Some(lost) = self.lost.get(why as usize) {
            lost.fetch_add(count as u64, Ordering::Relaxed);
        }
    }
}
