//! The agent's log, to standard error, where systemd expects it. A hanging reader blocks nothing.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::worker::Worker;

/// Some 1 MB.
const MAX_LINES: usize = 4_096;
const LAST_WRITES: Duration = Duration::from_secs(2);

/// Where log lines go. There is one log, as there is one standard error.
#[derive(Clone, Copy, Debug)]
pub struct LogLine;

impl Write for LogLine {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match &mut *writer() {
            Some(writer) => {
                if !writer.hand_over(octets.to_vec()) {
                    LOST.fetch_add(1, Ordering::Relaxed);
                }
                Ok(octets.len())
            }
            None => io::stderr().write(octets),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// From here on a thread writes the lines, and nobody waits for it: if too many are waiting, further ones are lost.
pub fn begin() -> io::Result<()> {
    let mut said = 0;
    let write = move |line: Vec<u8>| {
        // There is no other place to report it.
        drop(io::stderr().write_all(&line));
        let lost = lost();
        if lost > said {
            tracing::warn!(lines = lost - said, "log output is blocked: lines were lost");
            said = lost;
        }
    };
    *writer() = Some(Worker::start("log", MAX_LINES, write)?);
    Ok(())
}

/// Waits a while until everything is written; from here on each line is written synchronously again.
pub fn finish() {
    let last = writer().take();
    if let Some(writer) = last {
        writer.wait(LAST_WRITES);
    }
}

/// Lines that were lost.
pub fn lost() -> u64 {
    LOST.load(Ordering::Relaxed)
}

fn writer() -> MutexGuard<'static, Option<Worker<Vec<u8>>>> {
    WRITER.lock().unwrap_or_else(PoisonError::into_inner)
}

static WRITER: Mutex<Option<Worker<Vec<u8>>>> = Mutex::new(None);
static LOST: AtomicU64 = AtomicU64::new(0);
