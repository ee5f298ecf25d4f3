//! `gdoi-monitor decode` as a user runs it: its output, the streams, and its exit code.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use gdoi_wire::Exchange;
use gdoi_wire::craft::{Ethernet, Message, frame};
use tempfile::TempDir;

use crate::program;

const ETHERNET: u32 = 1;
const USB: u32 = 220;

/// A pcap capture of `frames` equal messages, one per second from the epoch on.
fn capture(link: u32, frames: u32) -> Vec<u8> {
    let push = Message::new(Exchange::GroupkeyPush, [1; 8], [2; 8]).octets(18, &[0; 64]);
    let sent = frame(
        &Ethernet::default(),
        ([10, 0, 0, 1], 848).into(),
        ([239, 0, 1, 2], 848).into(),
        &push,
    );
    let octets = u32::try_from(sent.len()).unwrap();
    let mut capture = Vec::new();
    for field in [0xa1b2_c3d4, 4 << 16 | 2, 0, 0, 262_144, link] {
        capture.extend(u32::to_le_bytes(field));
    }
    for second in 0..frames {
        for field in [second, 0, octets, octets] {
            capture.extend(u32::to_le_bytes(field));
        }
        capture.extend(&sent);
    }
    capture
}

/// The program, and a folder with captures of each kind.
struct Scene {
    program: PathBuf,
    folder: TempDir,
}

impl Scene {
    fn new() -> Option<Self> {
        let program = program::path("the decode command")?;
        let folder = tempfile::tempdir().unwrap();
        let whole = capture(ETHERNET, 2);
        for (name, octets) in [
            ("whole", whole.as_slice()),
            ("truncated", &whole[..whole.len() - 10]),
            ("header", &whole[..12]),
            ("text", b"this is not a capture of anything"),
            ("empty", b""),
            ("usb", &capture(USB, 3)),
            ("long", &capture(ETHERNET, 5000)),
        ] {
            fs::write(folder.path().join(name), octets).unwrap();
        }
        Some(Self { program, folder })
    }

    /// Runs `decode` with `arguments`, where `@name` is a file of the folder.
    fn check(&self, arguments: &[&str], input: &[u8], exit: i32, lines: usize, errors: &str) {
        let at = |text: &str| text.replace('@', &format!("{}/", self.folder.path().display()));
        let arguments: Vec<String> = arguments.iter().map(|argument| at(argument)).collect();
        let mut all = vec!["decode"];
        all.extend(arguments.iter().map(String::as_str));
        let output = program::run(&self.program, &all, input);
        assert_eq!(String::from_utf8(output.stderr).unwrap(), at(errors), "{all:?}");
        let printed = String::from_utf8(output.stdout).unwrap();
        assert_eq!(printed.lines().count(), lines, "{all:?}");
        assert_eq!(output.status.code(), Some(exit), "{all:?}");
    }
}

#[test]
fn a_capture_that_is_whole() {
    let Some(scene) = Scene::new() else { return };
    scene.check(&["@whole"], b"", 0, 2, "");
    scene.check(&["-"], &capture(ETHERNET, 3), 0, 3, "");
    scene.check(&["--isakmp-port", "849", "@whole"], b"", 0, 0, "");
    scene.check(&["--isakmp-port", "849,848", "@whole", "@whole"], b"", 0, 4, "");
}

#[test]
fn a_capture_that_is_not_whole_is_read_as_far_as_it_goes() {
    let Some(scene) = Scene::new() else { return };
    let cut = capture(ETHERNET, 2);
    scene.check(
        &["@truncated"],
        b"",
        1,
        1,
        "gdoi-monitor: @truncated: ends inside frame 2\n",
    );
    scene.check(
        &["-"],
        &cut[..cut.len() - 1],
        1,
        1,
        "gdoi-monitor: -: ends inside frame 2\n",
    );
    scene.check(
        &["@header"],
        b"",
        1,
        0,
        "gdoi-monitor: @header: ends inside its file header\n",
    );
    // An error in one capture does not stop the next.
    let errors = "gdoi-monitor: @truncated: ends inside frame 2\n";
    scene.check(&["@truncated", "@whole"], b"", 1, 3, errors);
}

#[test]
fn what_is_no_capture_is_said_to_be_none() {
    let Some(scene) = Scene::new() else { return };
    let errors = "gdoi-monitor: @missing: cannot be opened: No such file or directory (os error 2)\n";
    scene.check(&["@missing"], b"", 1, 0, errors);
    scene.check(&["@empty"], b"", 1, 0, "gdoi-monitor: @empty: is empty\n");
    scene.check(&["-"], b"", 1, 0, "gdoi-monitor: -: is empty\n");
    let errors = "gdoi-monitor: @text: is neither a pcap nor a pcapng capture\n";
    scene.check(&["@text"], b"", 1, 0, errors);
    let errors = "gdoi-monitor: @usb: 3 frames of USB of Linux (link type 220) not read\n";
    scene.check(&["@usb"], b"", 1, 0, errors);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let Some(scene) = Scene::new() else { return };
    let mut child = Command::new(&scene.program)
        .arg("decode")
        .arg(scene.folder.path().join("long"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::with_capacity(64, child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert!(line.contains(r#""exchange_name":"groupkey_push""#), "{line}");
    let mut errors = String::new();
    child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
    assert_eq!(errors, "");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn wrong_usage_is_two() {
    let Some(scene) = Scene::new() else { return };
    for arguments in [
        &["decode"] as &[&str],
        &["decode", "--isakmp-port", "0", "x"],
        &["decode", "--isakmp-port", "1,2,3,4,5", "x"],
        &["decode", "--isakmp-port", "4500", "x"],
        &["decode", "--no-such-option", "x"],
    ] {
        let output = program::run(&scene.program, arguments, b"");
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stderr.starts_with(b"error: "), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
    assert_eq!(
        program::run(&scene.program, &["--help"], b"").status.code(),
        Some(0)
    );
}

#[test]
fn a_name_that_is_not_utf8_is_a_name() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    let Some(scene) = Scene::new() else { return };
    let odd = scene.folder.path().join(OsStr::from_bytes(b"odd-\xff"));
    fs::write(&odd, capture(ETHERNET, 2)).unwrap();
    let output = Command::new(&scene.program)
        .arg("decode")
        .args([odd, scene.folder.path().join("whole")])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    let lines = String::from_utf8(output.stdout).unwrap();
    assert_eq!((lines.lines().count(), output.status.code()), (4, Some(0)));
    assert!(lines.lines().next().unwrap().contains("odd-\u{fffd}"), "{lines}");
}

#[test]
fn what_is_not_read_is_told_by_name() {
    let Some(scene) = Scene::new() else { return };
    let mut octets = capture(ETHERNET, 2);
    // The Ethertype of the first frame: NSH, of an unknown version.
    octets[24 + 16 + 12..][..2].copy_from_slice(&[0x89, 0x4f]);
    octets[24 + 16 + 14] = 0x80;
    fs::write(scene.folder.path().join("nsh"), octets).unwrap();
    let errors = "gdoi-monitor: @nsh: 1 frame of NSH (0x894f) in an unknown form not read\n";
    scene.check(&["@nsh"], b"", 0, 1, errors);
}
