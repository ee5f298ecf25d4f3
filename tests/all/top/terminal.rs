//! A terminal without a user: tmux.

use std::fs;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::unistd::Pid;

const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(50);

/// Whether there is tmux; otherwise prints a SKIP line.
pub(crate) fn is_usable(test: &str) -> bool {
    let usable = Command::new("tmux").arg("-V").output().is_ok();
    if !usable {
        eprintln!("SKIP {test}: tmux is not installed; `cargo xtask setup` does it");
    }
    usable
}

/// A terminal with a shell that runs a command; closed on drop.
pub(crate) struct Terminal {
    socket: String,
}

impl Terminal {
    /// Starts `command` in a terminal of this size.
    pub(crate) fn start((columns, rows): (u16, u16), command: &str, environment: &[(&str, &str)]) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let socket = format!("gdoi-monitor-test-{}-{number}", std::process::id());
        let terminal = Self { socket };
        let script = format!(
            "echo before; trap : HUP INT TERM; {command}; echo ended $?; \
             stty -a | tr ';' '\\n' | tr ' ' '\\n' | sed -n 's/^icanon$/icanon on/p; s/^echo$/echo on/p'; exec cat"
        );
        let (columns, rows) = (columns.to_string(), rows.to_string());
        let mut start = vec![
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            &columns,
            "-y",
            &rows,
        ];
        let assignments: Vec<_> = environment
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        for assignment in &assignments {
            start.extend(["-e", assignment]);
        }
        start.extend(["sh", "-c", &script]);
        terminal.tmux(&start);
        terminal
    }

    /// Waits until the screen shows all the words; returns its content.
    pub(crate) fn until(&mut self, words: &[&str]) -> String {
        self.wait(
            |screen| words.iter().all(|word| screen.contains(word)),
            &format!("{words:?}"),
        )
    }

    /// The content of the screen.
    pub(crate) fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// Waits until the screen no longer shows the words.
    pub(crate) fn until_gone(&mut self, words: &str) {
        self.wait(|screen| !screen.contains(words), &format!("no {words:?}"));
    }

    /// Presses keys, named as in tmux.
    pub(crate) fn keys(&mut self, keys: &[&str]) {
        self.tmux(&[&["send-keys"], keys].concat());
    }

    /// Another size.
    pub(crate) fn resize(&mut self, (columns, rows): (u16, u16)) {
        let (columns, rows) = (columns.to_string(), rows.to_string());
        self.tmux(&["resize-window", "-x", &columns, "-y", &rows]);
    }

    /// The process that runs in the shell.
    pub(crate) fn program(&self) -> Pid {
        let shell = self.tmux(&["display-message", "-p", "#{pane_pid}"]);
        let shell = shell.trim();
        let children = fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).unwrap();
        Pid::from_raw(children.trim().parse().unwrap())
    }

    /// The colours on the screen, from 0 to 255; one of more is 256.
    pub(crate) fn colours(&self) -> Vec<u16> {
        let screen = self.tmux(&["capture-pane", "-p", "-e"]);
        let mut colours = Vec::new();
        for sequence in screen.split("\u{1b}[").skip(1) {
            let codes = sequence.split('m').next().unwrap();
            let codes: Vec<u16> = codes.split(';').map(|code| code.parse().unwrap_or(0)).collect();
            match codes[..] {
                [38 | 48, 5, colour] => colours.push(colour),
                [38 | 48, ..] => colours.push(256),
                _ => colours.extend(codes.iter().filter_map(|code| match code {
                    30..=37 => Some(code - 30),
                    40..=47 => Some(code - 40),
                    90..=97 => Some(code - 82),
                    100..=107 => Some(code - 92),
                    _ => None,
                })),
            }
        }
        colours
    }

    fn wait(&mut self, wanted: impl Fn(&str) -> bool, what: &str) -> String {
        let since = Instant::now();
        loop {
            let screen = self.screen();
            if wanted(&screen) {
                return screen;
            }
            assert!(since.elapsed() < PATIENCE, "{what} in\n{screen}");
            sleep(POLL);
        }
    }

    fn tmux(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "tmux {arguments:?}: {complaint}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new("tmux")
            .args(["-u", "-L", &self.socket])
            .args(arguments)
            .env_remove("NO_COLOR")
            .env_remove("TMUX")
            .output()
            .unwrap()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.run(&["kill-server"]);
    }
}
