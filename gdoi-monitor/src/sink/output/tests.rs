//! Outputs that are small, slow, full, gone, and come back.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::geteuid;

use super::file::{EventFile, Rotation};
use super::journal::Journal;
use super::stream::StreamTarget;
use super::*;

/// One of [`lines`], with its newline.
const LENGTH: u64 = 10;

fn line(text: &str) -> OutputLine {
    OutputLine {
        json: text.into(),
        kind: "rekey",
        severity: Severity::Warning,
        group: Some("a\nb".to_owned()),
        key_server: None,
    }
}

fn lines(numbers: std::ops::Range<usize>) -> Vec<OutputLine> {
    numbers
        .map(|number| line(&format!("{{\"n\":{number:03}}}")))
        .collect()
}

fn number(line: &str) -> usize {
    let number = line.strip_prefix("{\"n\":").unwrap();
    number.trim_end_matches('}').parse().unwrap()
}

#[test]
fn a_full_file_is_renamed_and_the_oldest_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events");
    let rotation = Rotation {
        size: 4 * LENGTH,
        keep: 2,
    };
    let mut file = EventFile::open(&path, rotation).unwrap();
    file.write(&lines(0..3)).unwrap();
    file.write(&lines(3..14)).unwrap();
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap_or_default();
    let numbers = |name: &str| {
        let text = read(name);
        text.lines().map(number).collect::<Vec<_>>()
    };
    assert_eq!(numbers("events"), [12, 13]);
    assert_eq!(numbers("events.1"), [8, 9, 10, 11]);
    assert_eq!(numbers("events.2"), [4, 5, 6, 7]);
    assert_eq!(read("events.3"), "", "the oldest is gone");
    // A line longer than the limit gets a file of its own.
    file.write(&[line(&"x".repeat(100))]).unwrap();
    assert_eq!(read("events").len(), 101);
}

#[test]
fn who_takes_the_file_away_gets_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events");
    fs::write(&path, "{\"cut sho").unwrap();
    let mut file = EventFile::open(&path, Rotation::default()).unwrap();
    file.write(&lines(0..1)).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "{\"cut sho\n{\"n\":000}\n");
    fs::rename(&path, folder.path().join("taken")).unwrap();
    file.write(&lines(1..2)).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "{\"n\":001}\n");
}

#[test]
fn a_link_that_somebody_puts_there_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let (path, other) = (folder.path().join("events"), folder.path().join("other"));
    fs::write(&other, "kept\n").unwrap();
    let rotation = Rotation {
        size: 4 * LENGTH,
        keep: 1,
    };
    let mut file = EventFile::open(&path, rotation).unwrap();
    file.write(&lines(0..5)).unwrap();
    for name in ["events", "events.1"] {
        let mode = fs::metadata(folder.path().join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o007, 0, "{name} is for no others");
    }
    fs::remove_file(&path).unwrap();
    symlink(&other, &path).unwrap();
    let (written, error) = file.write(&lines(5..6)).unwrap_err();
    assert_eq!(written, 0);
    assert!(error.to_string().starts_with("it is a symbolic link"), "{error}");
    assert_eq!(fs::read_to_string(&other).unwrap(), "kept\n");
    fs::remove_file(&path).unwrap();
    file.write(&lines(6..7)).unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "{\"n\":006}\n");
}

#[test]
fn a_full_disk_loses_whole_events_and_is_written_again_when_there_is_room() {
    let name = "a_full_disk_loses_whole_events_and_is_written_again_when_there_is_room";
    if !geteuid().is_root() {
        eprintln!("SKIP {name}: a disk of its own needs root");
        return;
    }
    let test = thread::spawn(|| {
        // The namespace applies to this thread and the threads that it starts.
        unshare(CloneFlags::CLONE_FS | CloneFlags::CLONE_NEWNS).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let disk = folder.path();
        let none: Option<&str> = None;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        mount(
            Some("tmpfs"),
            disk,
            Some("tmpfs"),
            MsFlags::empty(),
            Some("size=64k"),
        )
        .unwrap();
        let path = disk.join("events");
        let mut output = Output::start("file", EventFile::open(&path, Rotation::default()).unwrap()).unwrap();
        let is_whole = || {
            fs::read_to_string(&path)
                .unwrap()
                .lines()
                .all(|line| line.len() == 9)
        };
        fs::write(disk.join("ballast"), vec![0; 48 << 10]).unwrap();
        for _ in 0..4 {
            output.take(lines(0..1_000));
        }
        output.flush();
        assert!(output.lost(EventLoss::DiskFull) >= 2_000);
        assert_eq!(output.lost(EventLoss::WriteFailed), 0);
        assert!(output.trouble().unwrap().contains("No space left"));
        assert!(is_whole());
        fs::remove_file(disk.join("ballast")).unwrap();
        let lost = output.lost(EventLoss::DiskFull);
        output.take(lines(0..1_000));
        output.flush();
        assert_eq!(output.lost(EventLoss::DiskFull), lost);
        assert_eq!(output.trouble(), None);
        let written = fs::read_to_string(&path).unwrap().lines().count() as u64;
        assert_eq!(written + lost, 5_000);
        assert!(is_whole());
    });
    test.join().unwrap();
}

/// Takes a parcel each time the test allows it.
struct Slow(Receiver<()>, Sender<usize>);

impl Target for Slow {
    fn write(&mut self, lines: &[OutputLine]) -> Result<(), (usize, io::Error)> {
        if self.0.recv().is_ok() {
            self.1.send(lines.len()).unwrap();
        }
        Ok(())
    }
}

#[test]
fn one_that_takes_nothing_stops_nobody() {
    let (go, told) = channel();
    let (taken, written) = channel();
    let mut output = Output::start("slow", Slow(told, taken)).unwrap();
    let parcel = MAX_WAITING / 4;
    for _ in 0..10 {
        output.take(vec![line("{}"); parcel]);
    }
    assert_eq!(output.lost(EventLoss::QueueFull), 6 * parcel as u64);
    for _ in 0..4 {
        go.send(()).unwrap();
        assert_eq!(written.recv().unwrap(), parcel);
    }
    go.send(()).unwrap();
    output.flush();
    output.take(lines(0..3));
    assert_eq!(written.recv().unwrap(), 3, "there is room again");
}

#[test]
fn a_reader_that_is_gone_is_said() {
    let (reader, writer) = io::pipe().unwrap();
    let mut output = Output::start("stdout", StreamTarget(writer)).unwrap();
    drop(reader);
    output.take(lines(0..5));
    output.flush();
    assert_eq!(output.lost(EventLoss::WriteFailed), 5);
    assert!(output.trouble().unwrap().contains("Broken pipe"));
}

#[test]
fn the_journal_gets_entries_that_can_be_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    assert!(Journal::open(&path).is_err(), "there is no journal");
    let socket = UnixDatagram::bind(&path).unwrap();
    let mut output = Output::start("journal", Journal::open(&path).unwrap()).unwrap();
    output.take(lines(7..8));
    let fields = entry(&socket);
    let expect = [
        ("MESSAGE", "{\"n\":007}"),
        ("PRIORITY", "4"),
        ("SYSLOG_IDENTIFIER", "gdoi-monitor"),
        ("GDOI_TYPE", "rekey"),
        ("GDOI_SEVERITY", "warning"),
        ("GDOI_GROUP", "a\nb"),
    ];
    assert_eq!(
        fields,
        expect.map(|(name, value)| (name.to_owned(), value.to_owned()))
    );
    // The journal restarts.
    drop(socket);
    fs::remove_file(&path).unwrap();
    output.take(lines(8..10));
    output.flush();
    assert_eq!(output.lost(EventLoss::WriteFailed), 2);
    let socket = UnixDatagram::bind(Path::new(&path)).unwrap();
    output.take(lines(10..11));
    assert_eq!(entry(&socket)[0].1, "{\"n\":010}");
}

/// The fields of the next entry, read as the protocol specifies.
fn entry(socket: &UnixDatagram) -> Vec<(String, String)> {
    let mut octets = vec![0; 1 << 16];
    let length = socket.recv(&mut octets).unwrap();
    let mut rest = &octets[..length];
    let mut fields = Vec::new();
    while !rest.is_empty() {
        let end = rest.iter().position(|octet| *octet == b'\n').unwrap();
        let (name, value) = rest.split_at(end);
        let (length, value) = value[1..].split_first_chunk().unwrap();
        let (value, after) = value.split_at(usize::try_from(u64::from_le_bytes(*length)).unwrap());
        let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
        fields.push((text(name), text(value)));
        rest = after.strip_prefix(b"\n").unwrap();
    }
    fields
}
