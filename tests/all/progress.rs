//! Reading long captures shows its progress on a terminal, and nowhere else.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::program;
use crate::top::terminal::{self, Terminal};

#[test]
fn shown_on_a_terminal_and_gone_before_the_report() {
    let name = "shown_on_a_terminal_and_gone_before_the_report";
    let Some(program) = program::path(name) else {
        return;
    };
    if !terminal::is_usable(name) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("capture");
    mkfifo(&pipe, Mode::S_IRWXU).unwrap();
    let command = format!("{} analyze {}", program.display(), pipe.display());
    let mut terminal = Terminal::start((200, 50), &command, &[]);
    // The length of a pipe is unknown: frames are written until their number has been shown.
    let mut capture = OpenOptions::new().write(true).open(&pipe).unwrap();
    capture.write_all(&header()).unwrap();
    let many = frame().repeat(70_000);
    let since = Instant::now();
    while !terminal.screen().contains(" frames") {
        assert!(since.elapsed() < Duration::from_secs(20), "{}", terminal.screen());
        capture.write_all(&many).unwrap();
        thread::sleep(Duration::from_millis(100));
    }
    let line = terminal.until(&["/capture: "]);
    assert!(!line.contains('%'), "the length of a pipe is not known: {line}");
    drop(capture);
    let report = terminal.until(&["ended 0"]);
    assert!(!report.contains("/capture: "), "{report}");
}

#[test]
fn nothing_where_nobody_looks() {
    let Some(program) = program::path("nothing_where_nobody_looks") else {
        return;
    };
    let capture = [header(), frame().repeat(200_000)].concat();
    let output = program::run(&program, &["analyze", "-"], &capture);
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

fn header() -> Vec<u8> {
    let fields = [0xa1b2_3c4d_u32, 0x0004_0002, 0, 0, 262_144, 1];
    fields.map(u32::to_le_bytes).concat()
}

/// The shortest frame, of ARP.
fn frame() -> Vec<u8> {
    let record = [1_700_000_000_u32, 0, 14, 14].map(u32::to_le_bytes).concat();
    [record, vec![0; 12], vec![0x08, 0x06]].concat()
}
