//! Event outputs: each has its own thread, so that a blocked output stops nothing.

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
/// One parcel per drain: five seconds of drains that all have events.
const MAX_PARCELS: usize = 1_024;
const LAST_WRITES: Duration = Duration::from_secs(2);

/// An event, ready for the outputs.
#[derive(Clone, Debug)]
pub struct OutputLine {
    /// As JSON, without a newline.
    pub json: Arc<str>,
    /// Its type.
    pub kind: &'static str,
    /// Its severity.
    pub severity: Severity,
    /// Its group, if any.
    pub group: Option<String>,
    /// Its key server, if any.
    pub key_server: Option<IpAddr>,
}

/// A destination of events.
pub trait Target: Send + 'static {
    /// Writes all lines. On failure returns how many were written, and the error.
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
    /// The disk is full.
    DiskFull,
    /// The output is slower than the events.
    QueueFull,
    /// Writing fails.
    WriteFailed,
}

impl EventLoss {
    /// All reasons.
    pub const ALL: [Self; 3] = [Self::DiskFull, Self::QueueFull, Self::WriteFailed];

    /// Its name.
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

/// An output, with its thread and queue.
#[derive(Debug)]
pub struct Output {
    worker: Worker<Vec<OutputLine>>,
    shared: Arc<Shared>,
}

/// State shared by both sides of the queue.
#[derive(Debug)]
struct Shared {
    name: &'static str,
    waiting: AtomicUsize,
    lost: [AtomicU64; EventLoss::ALL.len()],
    trouble: Trouble,
}

impl Output {
    /// Starts to write to `target`; logs and pages call it `name`.
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

    /// Queues events. If too many are waiting, they count as lost.
    pub fn take(&mut self, lines: Vec<OutputLine>) {
        let count = lines.len();
        let waiting = self.shared.waiting.fetch_add(count, Ordering::Relaxed);
        let is_full = waiting + count > MAX_WAITING;
        if is_full || !self.worker.hand_over(lines) {
            self.shared.waiting.fetch_sub(count, Ordering::Relaxed);
            self.shared.lose(EventLoss::QueueFull, count);
        }
    }

    /// Waits a while until all queued events are written.
    pub fn flush(&self) {
        if !self.worker.wait(LAST_WRITES) {
            tracing::error!(
                output = self.shared.name,
                "timed out writing the remaining events"
            );
        }
    }

    /// Number of events lost for this reason.
    pub fn lost(&self, why: EventLoss) -> u64 {
        let count = self.shared.lost.get(why as usize);
        count.map_or(0, |count| count.load(Ordering::Relaxed))
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.shared.name
    }

    /// Why the last attempt to write failed; `None` if it did not.
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
                // Logged once per reason: otherwise a full disk would fill the log as well.
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
