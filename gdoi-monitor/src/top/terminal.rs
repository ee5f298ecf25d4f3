//! The terminal: taken, and given back however the program ends.

use std::io;

use anyhow::Context as _;
use ratatui::{DefaultTerminal, Frame};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The terminal while it is ours: it is given back when this is dropped, and before a panic is told.
pub(super) struct Screen(DefaultTerminal);

impl Screen {
    pub(super) fn take() -> io::Result<Self> {
        // Sets up the hook for panics, too.
        ratatui::try_init().map(Self)
    }

    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> anyhow::Result<()> {
        self.0.draw(draw).context("draw on the terminal")?;
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // After a panic the hook has done it; twice would put the cursor back over what the panic said.
        if !std::thread::panicking() {
            // A terminal that is gone needs nothing.
            drop(ratatui::try_restore());
        }
    }
}

/// The signals that end programs.
pub(super) struct Signals([Signal; 3]);

/// Listens for them: before the terminal is taken, so that none can leave it as it is.
pub(super) fn signals() -> anyhow::Result<Signals> {
    let listen = |kind| signal(kind).context("listen for signals");
    Ok(Signals([
        listen(SignalKind::terminate())?,
        listen(SignalKind::interrupt())?,
        listen(SignalKind::hangup())?,
    ]))
}

impl Signals {
    /// Waits for one.
    pub(super) async fn wait(&mut self) {
        let Self([terminate, interrupt, hangup]) = self;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
