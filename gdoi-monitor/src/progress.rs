//! Progress of reading captures, on a terminal only.

use std::fs;
use std::io::{self, IsTerminal as _, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::text::Plain;

/// Moves to the first column and clears the line.
const CLEAR: &str = "\r\x1b[K";
/// Frames between updates: smooth, at negligible cost.
const FRAMES: u64 = 65_536;
const INTERVAL: Duration = Duration::from_millis(200);
/// Before this, the remaining time is a guess.
const SETTLED: Duration = Duration::from_secs(2);
/// Width of the bar in characters.
const BAR: usize = 30;

/// Shows the progress of reading captures.
pub(crate) struct Progress {
    /// The terminal, if there is one.
    terminal: Option<Box<dyn Write>>,
    what: String,
    /// Octets of all captures, if known.
    total: Option<u64>,
    /// Octets of finished captures.
    ended: u64,
    frames: u64,
    begun: Option<Instant>,
    last: Option<Instant>,
}

impl Progress {
    /// Shows it on standard error if that is a terminal and `alone`: nothing else is printed meanwhile.
    pub(crate) fn new(alone: bool) -> Self {
        let terminal = alone && io::stderr().is_terminal();
        Self::to(terminal.then(|| Box::new(io::stderr()) as Box<dyn Write>))
    }

    fn to(terminal: Option<Box<dyn Write>>) -> Self {
        Self {
            terminal,
            what: String::new(),
            total: None,
            ended: 0,
            frames: 0,
            begun: None,
            last: None,
        }
    }

    /// Starts with these captures.
    pub(crate) fn expect(&mut self, paths: &[impl AsRef<Path>]) {
        if self.terminal.is_none() {
            return;
        }
        self.what = match paths {
            [only] => Plain(only.as_ref().display()).to_string(),
            many => format!("{} captures", many.len()),
        };
        self.total = paths.iter().map(octets).sum();
        (self.ended, self.frames) = (0, 0);
        self.begun = Some(Instant::now());
        self.last = self.begun;
    }

    /// A capture of this size has been read.
    pub(crate) const fn ended(&mut self, octets: u64) {
        self.ended += octets;
    }

    /// This many more frames have been read, at this offset of their capture.
    pub(crate) fn step(&mut self, frames: u64, octets: impl FnOnce() -> u64) {
        let before = self.frames / FRAMES;
        self.frames += frames;
        if self.frames / FRAMES == before || self.terminal.is_none() {
            return;
        }
        if self.last.is_some_and(|last| last.elapsed() >= INTERVAL) {
            self.last = Some(Instant::now());
            self.draw(self.ended + octets());
        }
    }

    fn draw(&mut self, octets: u64) {
        let part = self
            .total
            .filter(|total| *total > 0)
            .map(|total| part(octets, total));
        let Some(terminal) = &mut self.terminal else {
            return;
        };
        let bar = part.map_or_else(String::new, |part| {
            let full = "#".repeat(part * BAR / 100);
            format!(" [{full:-<BAR$}] {part} %,")
        });
        let left = self
            .begun
            .zip(part)
            .and_then(|(begun, part)| left(begun.elapsed(), part));
        let drawn = write!(
            terminal,
            "{CLEAR}{}:{bar} {} frames{}",
            self.what,
            self.frames,
            left.unwrap_or_default()
        );
        // A lost terminal is no reason to stop reading.
        if drawn.and_then(|()| terminal.flush()).is_err() {
            self.terminal = None;
        }
    }

    /// Clears the line for other output.
    pub(crate) fn clear(&mut self) {
        if let Some(terminal) = &mut self.terminal
            && terminal.write_all(CLEAR.as_bytes()).is_err()
        {
            self.terminal = None;
        }
    }
}

/// The size of a file; `None` for a stream.
fn octets(path: &impl AsRef<Path>) -> Option<u64> {
    let file = fs::metadata(path).ok()?;
    file.is_file().then_some(file.len())
}

/// The share in hundredths.
fn part(octets: u64, total: u64) -> usize {
    let hundredths = u128::from(octets) * 100 / u128::from(total.max(1));
    usize::try_from(hundredths.min(100)).unwrap_or(100)
}

/// The remaining time, once it can be estimated.
fn left(elapsed: Duration, part: usize) -> Option<String> {
    let part = u32::try_from(part).ok().filter(|part| *part > 0)?;
    let left = elapsed.saturating_mul(100 - part) / part;
    (elapsed > SETTLED).then(|| format!(", {} s left", left.as_secs()))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A terminal that records its output.
    #[derive(Clone, Default)]
    struct ProgressBuffer(Arc<Mutex<Vec<u8>>>);

    impl Write for ProgressBuffer {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(octets)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn it_says_how_far_it_is_and_leaves_nothing_behind() {
        let screen = ProgressBuffer::default();
        let mut progress = Progress::to(Some(Box::new(screen.clone())));
        progress.expect(&["-"]);
        assert_eq!(progress.total, None);
        // Too soon.
        progress.frames = FRAMES - 1;
        progress.step(1, || 10);
        assert_eq!(*screen.0.lock().unwrap(), b"");
        progress.draw(10);
        progress.total = Some(40);
        progress.ended(10);
        progress.draw(progress.ended + 10);
        progress.clear();
        let said = String::from_utf8(screen.0.lock().unwrap().clone()).unwrap();
        let bar = "[###############---------------] 50 %,";
        assert_eq!(
            said,
            format!("{CLEAR}-: 65536 frames{CLEAR}-: {bar} 65536 frames{CLEAR}")
        );
    }

    #[test]
    fn nothing_is_said_where_nobody_looks() {
        let mut progress = Progress::to(None);
        progress.expect(&["-"]);
        progress.draw(1);
        progress.clear();
        assert!(progress.last.is_none());
    }
}
