//! The flight recorder of a running agent writes what passed, except for what must not be stored.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use gdoi_lab::{Agent, Frames, Injector, Network, Pace};
use gdoi_monitor::source::pcap::CaptureReader;
use gdoi_wire::isakmp::FLAG_ENCRYPTION;
use gdoi_wire::layers::Found;
use gdoi_wire::{Body, Ports};

use crate::captures;
use crate::kernel::in_network;

/// A message: its header, octets on the wire, and the octets kept after the header.
type Message = (String, u16, Vec<u8>);

#[test]
fn it_writes_the_messages_that_came_by_and_no_payload() {
    let name = "it_writes_the_messages_that_came_by_and_no_payload";
    let capture = captures::recording("gdoid_live_cbc.pcap").path;
    in_network(name, move |_| {
        let flights = tempfile::tempdir().unwrap();
        let path = flights.path().to_str().unwrap();
        let agent = Agent::start(&[
            "--interface",
            Network::WATCH,
            "--log.level",
            "error",
            "--flight-folder",
            path,
        ])
        .unwrap();
        let frames = Frames::read(&capture).unwrap().frames;
        let injector = Injector::open(Network::INJECT).unwrap();
        injector.send(&frames, Pace::Max, 1).unwrap();
        agent.until_counted(frames.len() as u64).unwrap();
        agent.signal(nix::sys::signal::SIGUSR1).unwrap();
        check(&until_written(flights.path()), &capture);
    });
}

/// Waits for a complete recording: it gets its name last.
fn until_written(folder: &Path) -> PathBuf {
    let path = folder.join("gdoi-flight-0.pcapng");
    let since = Instant::now();
    while !path.exists() {
        assert!(since.elapsed() < Duration::from_secs(10), "nothing was written");
        std::thread::sleep(Duration::from_millis(20));
    }
    path
}

fn check(recording: &Path, capture: &Path) {
    let (sent, esp) = messages(capture);
    let (kept, foreign) = messages(recording);
    assert!(
        sent.len() > 10 && esp > 100,
        "{} messages, {esp} others",
        sent.len()
    );
    assert_eq!(foreign, 0, "frames that are no messages");
    assert_eq!(kept.len(), sent.len());
    let mut cut = 0;
    for ((header, octets, body), (sent_header, sent_octets, whole)) in kept.iter().zip(&sent) {
        assert_eq!((header, octets), (sent_header, sent_octets));
        let is_encrypted = header.contains("encrypted");
        let most = if is_encrypted { 16 } else { 512 };
        assert_eq!(body, &whole[..whole.len().min(most)], "{header}");
        cut += usize::from(is_encrypted && whole.len() > body.len());
    }
    assert!(cut > 5, "{cut} encrypted messages were cut");
    if let Some(lines) = tshark(recording) {
        let messages = lines.lines().filter(|line| line.contains("isakmp")).count();
        assert_eq!(messages, sent.len(), "{lines}");
        assert!(!lines.contains("esp"), "{lines}");
    }
}

/// The messages of a capture, in order, and the number of other frames.
fn messages(path: &Path) -> (Vec<Message>, usize) {
    let mut reader = CaptureReader::open(path).unwrap();
    let (mut messages, mut others) = (Vec::new(), 0);
    while let Some(frame) = reader.next_frame().unwrap() {
        let Found::Packet(packet) = frame.unwrap(&Ports::DEFAULT).found else {
            others += 1;
            continue;
        };
        let Body::Isakmp {
            header,
            offset,
            octets,
            ..
        } = packet.body
        else {
            others += 1;
            continue;
        };
        let word = if header.flags() & FLAG_ENCRYPTION == 0 {
            "clear"
        } else {
            "encrypted"
        };
        let body = frame.kept.get(offset + 28..).unwrap_or_default();
        let said = usize::from(octets) - 28;
        messages.push((
            format!("{word} {header:?}"),
            octets,
            body[..body.len().min(said)].to_vec(),
        ));
    }
    (messages, others)
}

/// The protocols of each frame by tshark, if it is installed.
fn tshark(path: &Path) -> Option<String> {
    let output = Command::new("tshark")
        .args([
            "-n",
            "-d",
            "udp.port==848,isakmp",
            "-T",
            "fields",
            "-e",
            "frame.protocols",
            "-r",
        ])
        .arg(path)
        .output()
        .ok()?;
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Some(String::from_utf8(output.stdout).unwrap())
}
