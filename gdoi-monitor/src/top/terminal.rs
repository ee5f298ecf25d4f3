//! Takes over the terminal, and restores it however the program ends.

use std::io;

use anyhow::Context as _;
use ratatui::{DefaultTerminal, Frame};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The terminal while the program uses it: restored when this is dropped, and before a panic message.
pub(super) struct TerminalScreen(DefaultTerminal);

impl TerminalScreen {
    pub(super) fn take() -> io::Result<Self> {
        // Installs the panic hook, too.
        ratatui::try_init().map(Self)
    }

    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> anyhow::Result<()> {
        self.0.draw(draw).context("draw on the terminal")?;
        Ok(())
    }
}

impl Drop for TerminalScreen {
    fn drop(&mut self) {
        // After a panic the hook has restored it; a second time would move the cursor back over the panic message.
        if !std::thread::panicking() {
            // A terminal that is gone needs no restoring.
            drop(ratatui::try_restore());
        }
    }
}

/// Signals that end programs.
pub(super) struct Signals([Signal; 3]);

/// Listens for them before the terminal is taken over, so that none can leave it unrestored.
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

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::process::Command;

    use super::*;

    /// Set when this test runs again on a terminal: the folder for its results.
    const ON_A_TERMINAL: &str = "GDOI_TEST_ON_A_TERMINAL";
    const WORDS: &str = "a panic in the middle of a picture";

    /// The terminal settings that `stty` prints.
    fn settings(file: &Path) -> String {
        fs::read_to_string(file).unwrap_or_default()
    }

    #[test]
    fn a_panic_gives_the_terminal_back() {
        if let Some(folder) = std::env::var_os(ON_A_TERMINAL) {
            panic_on_the_screen(Path::new(&folder));
        }
        let folder = tempfile::tempdir().unwrap();
        let [before, during, after] = ["before", "during", "after"].map(|name| folder.path().join(name));
        let script = format!(
            "stty -a > {}; {} --exact top::terminal::tests::a_panic_gives_the_terminal_back --nocapture; stty -a > {}",
            before.display(),
            std::env::current_exe().unwrap().display(),
            after.display()
        );
        // `script` of util-linux runs it on its own terminal, and copies the terminal's output to its own.
        let output = Command::new("script")
            .args(["--quiet", "--return", "--command", &script, "/dev/null"])
            .env(ON_A_TERMINAL, folder.path())
            .output();
        let Ok(output) = output else {
            eprintln!(
                "SKIP a_panic_gives_the_terminal_back: script, of the package bsdutils, is not installed"
            );
            return;
        };
        let seen = String::from_utf8_lossy(&output.stdout);
        let [before, during, after] = [before, during, after].map(|file| settings(&file));
        assert!(
            before.contains(" icanon") && during.contains("-icanon"),
            "{before} {during} {seen}"
        );
        assert_eq!(before, after, "{seen}");
        // The panic message is printed after the terminal is restored.
        let (taken, left) = (seen.find(ALTERNATE_SCREEN), seen.find(MAIN_SCREEN));
        let said = seen.find(WORDS);
        assert!(
            taken.is_some() && taken < left && left < said,
            "{taken:?} {left:?} {said:?} {seen}"
        );
        assert_eq!(seen.matches(MAIN_SCREEN).count(), 1, "{seen}");
    }

    fn panic_on_the_screen(folder: &Path) {
        let mut screen = TerminalScreen::take().unwrap();
        screen.draw(|_| {}).unwrap();
        let during = fs::File::create(folder.join("during")).unwrap();
        assert!(
            Command::new("stty")
                .arg("-a")
                .stdout(during)
                .status()
                .unwrap()
                .success()
        );
        screen.draw(|_| panic!("{WORDS}")).unwrap();
    }

    const ALTERNATE_SCREEN: &str = "\u{1b}[?1049h";
    const MAIN_SCREEN: &str = "\u{1b}[?1049l";
}
