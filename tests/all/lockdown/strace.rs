//! Failed system calls of a running agent.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Traces each thread of a process.
pub(super) struct Trace {
    strace: Child,
    said: File,
}

impl Trace {
    /// `None`, with a SKIP line, without strace.
    pub(super) fn of(test: &str, process: u32) -> Option<Self> {
        let said = tempfile::tempfile().unwrap();
        let strace = Command::new("strace")
            .args(["-f", "--status=failed", "--quiet=all", "-p", &process.to_string()])
            .stderr(said.try_clone().unwrap())
            .stdin(Stdio::null())
            .spawn();
        let Ok(strace) = strace else {
            eprintln!("SKIP {test}, in part: strace is not installed");
            return None;
        };
        let traced = format!("TracerPid:\t{}\n", strace.id());
        let start = Instant::now();
        loop {
            let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
            if status.contains(&traced) {
                return Some(Self { strace, said });
            }
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "strace does not attach"
            );
            sleep(Duration::from_millis(10));
        }
    }

    /// After the process has ended: the calls that a filter denied.
    pub(super) fn refused(mut self) -> Vec<String> {
        self.strace.wait().unwrap();
        let mut text = String::new();
        self.said.rewind().unwrap();
        self.said.read_to_string(&mut text).unwrap();
        assert!(text.contains("= -1 "), "nothing failed, not even EAGAIN: {text}");
        let is_refusal = |line: &&str| {
            ["EPERM", "EACCES", "ENOSYS"]
                .iter()
                .any(|error| line.contains(error))
        };
        text.lines()
            .filter(is_refusal)
            // A thread is then started by clone.
            .filter(|line| !line.contains("clone3("))
            .map(str::to_owned)
            .collect()
    }
}
