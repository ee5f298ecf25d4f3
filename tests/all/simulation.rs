//! Simulated captures in tshark and `decode`: nothing is malformed, and both agree.

use std::ffi::OsStr;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::process::Command;

use gdoi_monitor::decode;
use gdoi_sim::scenario::{self, Scenario};
use gdoi_sim::{Format, PcapWriter, Simulation};
use gdoi_wire::Ports;
use serde_json::Value;

/// Enough for the registrations, the first rekeys and the faults of most scenarios.
const EMISSIONS: usize = 4_000;

#[test]
fn tshark_reads_every_scenario_and_agrees_with_decode() {
    if !has_tshark("the simulated captures") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for name in scenario::names() {
        let path = folder.path().join(format!("{name}.pcap"));
        write(&scenario::named(name).unwrap(), &path, None);
        let complaints = complaints(&path);
        assert!(complaints.is_empty(), "{name}: {complaints}");
        let (theirs, ours) = (tshark_messages(&path), decoded_messages(&path));
        assert!(!ours.is_empty(), "{name}");
        assert_eq!(theirs, ours, "{name}");
    }
}

/// The same messages at the same nanoseconds, in either format, by `decode` and by tshark.
#[test]
fn either_form_of_a_capture_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let demo = scenario::named("demo").unwrap();
    let paths = ["demo.pcap", "demo.pcapng"].map(|name| folder.path().join(name));
    for path in &paths {
        write(&demo, path, None);
    }
    let [classic, blocks] = &paths;
    let lines = |path: &Path| {
        let mut lines = Vec::new();
        decode::decode(path, None, &Ports::DEFAULT, &mut lines).unwrap();
        String::from_utf8(lines).unwrap()
    };
    assert!(lines(classic).lines().count() > 500);
    assert_eq!(lines(classic), lines(blocks));
    if has_tshark("the simulated capture in blocks") {
        let times = |path| {
            tshark(
                path,
                ["-T", "fields", "-e", "frame.time_epoch", "-e", "isakmp.ispi"],
            )
        };
        assert_eq!(complaints(blocks), "");
        assert_eq!(times(classic), times(blocks));
    }
}

#[test]
fn tshark_would_complain() {
    if !has_tshark("the simulated captures with a lie") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lie.pcap");
    // In the first message: the length of its SA payload, its UDP checksum, its IPv4 checksum.
    for lie in [
        (14 + 20 + 8 + 28 + 2 + 4, &[0x7f, 0xff][..]),
        (14 + 20 + 6 + 4, &[1, 1]),
        (14 + 10 + 4, &[1, 1]),
    ] {
        write(&scenario::named("demo").unwrap(), &path, Some(lie));
        assert!(!complaints(&path).is_empty(), "{lie:?}");
    }
}

fn has_tshark(what: &str) -> bool {
    let found = Command::new("tshark").arg("--version").output().is_ok();
    if !found {
        eprintln!("SKIP {what}: tshark is not installed");
    }
    found
}

fn write(scenario: &Scenario, path: &Path, lie: Option<(usize, &[u8])>) {
    let format = Format::of_name(path.to_str().unwrap());
    let mut capture = PcapWriter::of(format, BufWriter::new(File::create(path).unwrap())).unwrap();
    let mut lie = lie;
    for emission in Simulation::new(scenario, Some(4)).unwrap().take(EMISSIONS) {
        for mut frame in emission.frames(&scenario.vlan) {
            if let Some((at, octets)) = lie.take() {
                frame[at..at + octets.len()].copy_from_slice(octets);
            }
            capture.frame(emission.at(), &frame).unwrap();
        }
    }
    capture.finish().unwrap();
}

fn tshark<S: AsRef<OsStr>>(path: &Path, arguments: impl IntoIterator<Item = S>) -> String {
    let output = Command::new("tshark")
        .args(["-r", path.to_str().unwrap(), "-d", "udp.port==848,isakmp"])
        .args(["-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// Frames that are malformed to tshark, or have wrong checksums.
fn complaints(path: &Path) -> String {
    tshark(
        path,
        [
            "-Y",
            "_ws.malformed || udp.checksum.status == 0 || ip.checksum.status == 0",
        ],
    )
}

/// The fields of every message and every ESP packet, sorted: with fragments the two count frames differently.
fn tshark_messages(path: &Path) -> Vec<String> {
    let fields = [
        "isakmp.ispi",
        "isakmp.rspi",
        "isakmp.nextpayload",
        "isakmp.exchangetype",
        "isakmp.flags",
        "isakmp.messageid",
        "isakmp.length",
        "esp.spi",
        "esp.sequence",
    ];
    let fields = fields.iter().flat_map(|field| ["-e", field]);
    let lines = tshark(
        path,
        ["-T", "fields", "-E", "separator=,", "-E", "occurrence=f"]
            .into_iter()
            .chain(fields),
    );
    let mut messages: Vec<String> = lines
        .lines()
        .filter(|line| line.chars().any(|letter| letter != ','))
        .map(|line| line.split(',').map(plain).collect::<Vec<_>>().join(","))
        .collect();
    messages.sort();
    messages
}

/// A number without the base that tshark chose for it.
fn plain(field: &str) -> String {
    match field.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).unwrap().to_string(),
        None => field.to_owned(),
    }
}

fn decoded_messages(path: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    decode::decode(path, None, &Ports::DEFAULT, &mut lines).unwrap();
    let mut messages: Vec<String> = std::str::from_utf8(&lines)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter_map(|line: Value| message(&line))
        .collect();
    messages.sort();
    messages
}

fn message(line: &Value) -> Option<String> {
    let text = |field: &str| line[field].as_str().unwrap().to_owned();
    let number = |field: &str| line[field].as_u64().unwrap();
    match line["kind"].as_str().unwrap() {
        "isakmp" => Some(format!(
            "{},{},{},{},{},{},{},,",
            text("initiator_cookie"),
            text("responder_cookie"),
            number("next_payload"),
            number("exchange"),
            number("flags"),
            number("message_id"),
            number("length"),
        )),
        "esp" => {
            let spi = u32::from_str_radix(&text("spi"), 16).unwrap();
            Some(format!(",,,,,,,{spi},{}", number("sequence")))
        }
        "miss" => {
            assert_eq!(line["reason"], "later_fragment");
            None
        }
        other => panic!("{other}"),
    }
}
