//! How far a long reading has come, on a terminal. Nothing when piped.

use std::fs;
use std::io::{self, IsTerminal as _, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// Says how far the reading of captures has come.
pub(crate) struct Progress {
    /// Where it is said; `None`: nowhere.
    terminal: Option<Box<dyn Write>>,
    path: String,
    /// Octets of the capture, where that is known.
    total: Option<u64>,
    last: Option<Instant>,
}

impl Progress {
    /// Says it on standard error if that is a terminal, and `alone` there: nothing else is being printed meanwhile.
    pub(crate) fn new(alone: bool) -> Self {
        let terminal = alone && io::stderr().is_terminal();
        Self::to(terminal.then(|| Box::new(io::stderr()) as Box<dyn Write>))
    }

    fn to(terminal: Option<Box<dyn Write>>) -> Self {
        Self {
            terminal,
            path: String::new(),
            total: None,
            last: None,
        }
    }

    /// Another capture is being read.
    pub(crate) fn begin(&mut self, path: &Path) {
        if self.terminal.is_some() {
            self.path = path.display().to_string();
            self.total = fs::metadata(path)
                .ok()
                .filter(fs::Metadata::is_file)
                .map(|file| file.len());
            self.last = Some(Instant::now());
        }
    }

    /// So many frames and octets of the capture have been read.
    pub(crate) fn step(&mut self, frames: u64, octets: u64) {
        if !frames.is_multiple_of(FRAMES) || self.terminal.is_none() {
            return;
        }
        if self.last.is_some_and(|last| last.elapsed() >= INTERVAL) {
            self.last = Some(Instant::now());
            self.draw(frames, octets);
        }
    }

    fn draw(&mut self, frames: u64, octets: u64) {
        let Some(terminal) = &mut self.terminal else {
            return;
        };
        let percent = self.total.filter(|total| *total > 0);
        let percent = percent.map(|total| format!(" {} %,", u128::from(octets) * 100 / u128::from(total)));
        let drawn = write!(
            terminal,
            "{CLEAR}{}:{} {frames} frames",
            self.path,
            percent.unwrap_or_default()
        );
        // A terminal that has gone is no reason to stop reading.
        if drawn.and_then(|()| terminal.flush()).is_err() {
            self.terminal = None;
        }
    }

    /// The line is free for something else.
    pub(crate) fn clear(&mut self) {
        if let Some(terminal) = &mut self.terminal
            && terminal.write_all(CLEAR.as_bytes()).is_err()
        {
            self.terminal = None;
        }
    }
}

/// To the first column, and nothing to the right of it.
const CLEAR: &str = "\r\x1b[K";
/// Often enough to be smooth, seldom enough to cost nothing.
const FRAMES: u64 = 65_536;
const INTERVAL: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A terminal that remembers.
    #[derive(Clone, Default)]
    struct Screen(Arc<Mutex<Vec<u8>>>);

    impl Write for Screen {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(octets)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn it_says_how_far_it_is_and_leaves_nothing_behind() {
        let screen = Screen::default();
        let mut progress = Progress::to(Some(Box::new(screen.clone())));
        progress.begin(Path::new("-"));
        // Too soon.
        progress.step(FRAMES, 10);
        assert_eq!(*screen.0.lock().unwrap(), b"");
        progress.draw(7, 10);
        progress.total = Some(40);
        progress.draw(9, 10);
        progress.clear();
        let said = String::from_utf8(screen.0.lock().unwrap().clone()).unwrap();
        assert_eq!(said, format!("{CLEAR}-: 7 frames{CLEAR}-: 25 %, 9 frames{CLEAR}"));
    }

    #[test]
    fn nothing_is_said_where_nobody_looks() {
        let mut progress = Progress::to(None);
        progress.begin(Path::new("-"));
        progress.draw(1, 1);
        progress.clear();
        assert!(progress.last.is_none());
    }
}
