//! `gdoi-monitor analyze`: nothing is lost on the way into a report, and exit codes are as documented.

use std::fs;
use std::path::Path;

use clap::Parser as _;
use gdoi_monitor::analyze;
use gdoi_monitor::cli::{Cli, Command};
use gdoi_monitor::decode;
use gdoi_monitor::exit::Exit;
use gdoi_wire::Ports;
use serde_json::Value;

use crate::captures::{self, Capture};
use crate::program;

/// The output of `analyze`, and its exit code.
pub(crate) fn analyzed(arguments: &[&str]) -> (String, Exit) {
    let typed = ["gdoi-monitor", "analyze"].iter().chain(arguments);
    let Command::Analyze(arguments) = Cli::try_parse_from(typed).unwrap().command else {
        panic!("analyze was typed");
    };
    let mut out = Vec::new();
    let exit = analyze::analyze(&arguments, &mut out).unwrap();
    (String::from_utf8(out).unwrap(), exit)
}

pub(crate) fn document(arguments: &[&str]) -> Value {
    let (text, _) = analyzed(&[&["--format", "json"], arguments].concat());
    serde_json::from_str(&text).unwrap()
}

/// Number of `decode` lines of a kind: messages, ESP, AH, keepalives.
fn decoded(path: &Path, kind: &str) -> u64 {
    let ports = Ports {
        isakmp: [848, 500, 0, 0],
        ..Ports::DEFAULT
    };
    let mut lines = Vec::new();
    decode::decode(path, None, &ports, &mut lines).unwrap();
    let lines = String::from_utf8(lines).unwrap();
    let kind = format!(r#""kind":"{kind}""#);
    lines.lines().filter(|line| line.contains(&kind)).count() as u64
}

fn sum(values: &Value) -> u64 {
    values
        .as_object()
        .unwrap()
        .values()
        .map(|value| value.as_u64().unwrap())
        .sum()
}

#[test]
fn every_message_and_esp_packet_is_in_the_report() {
    for Capture { name, path, .. } in captures::all() {
        let report = document(&["--isakmp-port", "848,500", path.to_str().unwrap()]);
        let packets = &report["capture"]["packets"];
        let groups = report["groups"].as_array().unwrap();
        let messages: u64 = groups.iter().map(|group| sum(&group["messages"])).sum();
        let esp: u64 = groups
            .iter()
            .map(|group| group["esp"]["packets"].as_u64().unwrap())
            .sum();
        let (isakmp_lines, esp_lines) = (decoded(&path, "isakmp"), decoded(&path, "esp"));
        let counted = packets["esp"].as_u64().unwrap() + packets["esp_udp"].as_u64().unwrap();
        assert_eq!(packets["isakmp"], isakmp_lines, "{name}");
        assert_eq!(
            (messages, esp, counted),
            (isakmp_lines, esp_lines, esp_lines),
            "{name}"
        );
        assert_eq!(sum(packets), report["capture"]["frames"], "{name}");
        assert_eq!(
            sum(&report["capture"]["misses"]),
            decoded(&path, "miss"),
            "{name}"
        );
    }
}

/// What is wrong is what is looked for: it comes before thousands of events.
#[test]
fn incidents_are_the_first_key_of_the_document() {
    let path = &captures::all()[0].path;
    let (text, _) = analyzed(&["--format", "json", path.to_str().unwrap()]);
    assert!(text.starts_with("{\"incidents\":["));
}

#[test]
fn every_form_tells_the_same_events() {
    let Capture { path, .. } = captures::recording("gdoid_live_cbc.pcap");
    let path = path.to_str().unwrap();
    let events = document(&[path])["events"].as_array().unwrap().clone();
    assert!(events.len() > 20, "{}", events.len());
    let (lines, _) = analyzed(&["--format", "jsonl", path]);
    let lines: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines, events);
    let (text, _) = analyzed(&[path]);
    let (html, _) = analyzed(&["--format", "html", path]);
    for event in &events {
        for field in ["time", "type", "severity"] {
            assert!(event[field].is_string(), "{event}");
        }
        let kind = event["type"].as_str().unwrap();
        assert!(
            text.contains(&format!("  {kind}  ")) && html.contains(&format!("<td>{kind}</td>")),
            "{kind}"
        );
    }
    let (_, table) = html.split_once("<table id=\"events\">").unwrap();
    assert_eq!(table.matches("<tr class=").count(), events.len());
}

#[test]
fn a_configuration_names_what_it_knows() {
    let Capture { path, .. } = captures::recording("gdoid_live_cbc.pcap");
    let work = tempfile::tempdir().unwrap();
    let file = work.path().join("config");
    let text = r#"
        [capture]
        isakmp_ports = [848]
        [[group]]
        name = "G1"
        key_servers = ["10.0.224.44"]
        rekey_address = "239.10.1.1"
        protected = ["10.0.0.0/8"]
        [[group.site]]
        name = "one"
        prefixes = ["10.0.224.37"]
        "#;
    fs::write(&file, text).unwrap();
    let (path, file) = (path.to_str().unwrap(), file.to_str().unwrap());
    let report = document(&["--config", file, path]);
    let groups = report["groups"].as_array().unwrap();
    let group = groups.iter().find(|group| group["name"] == "G1").unwrap();
    // All its messages and all its ESP belong to its only group.
    assert_eq!(
        (sum(&group["messages"]), group["esp"]["packets"].as_u64()),
        (27, Some(975))
    );
    let spis = report["spis"].as_array().unwrap();
    assert!(spis.iter().any(|spi| spi["site"] == "one"), "{spis:?}");
    // The command line takes precedence over the configuration.
    let elsewhere = document(&["--config", file, "--isakmp-port", "849", path]);
    assert_eq!(elsewhere["capture"]["packets"]["isakmp"], 0);
}

/// A little-endian pcap capture in parts: its header, and each of its records.
fn records(path: &Path) -> (Vec<u8>, Vec<Vec<u8>>) {
    let octets = captures::octets(path);
    let (header, mut rest) = octets.split_at(24);
    let mut records = Vec::new();
    while !rest.is_empty() {
        let length = u32::from_le_bytes(rest[8..12].try_into().unwrap());
        let (record, tail) = rest.split_at(16 + length as usize);
        records.push(record.to_vec());
        rest = tail;
    }
    (header.to_vec(), records)
}

/// Writes captures of some of the records, and compares their analysis with that of the whole.
struct Pieces {
    work: tempfile::TempDir,
    header: Vec<u8>,
    records: Vec<Vec<u8>>,
    alone: Value,
}

impl Pieces {
    fn new() -> Self {
        let whole = captures::recording("gdoid_live_cbc.pcap").path;
        let (header, records) = records(&whole);
        Self {
            work: tempfile::tempdir().unwrap(),
            header,
            records,
            alone: document(&[whole.to_str().unwrap()]),
        }
    }

    fn file(&self, name: &str, records: &[Vec<u8>]) -> String {
        self.octets(name, &[self.header.clone(), records.concat()].concat())
    }

    fn octets(&self, name: &str, octets: &[u8]) -> String {
        let path = self.work.path().join(name);
        fs::write(&path, octets).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// These captures give the same report as the whole one.
    fn check(&self, files: &[&str]) {
        let together = document(files);
        for field in ["events", "groups", "members", "spis", "verdicts"] {
            assert_eq!(together[field], self.alone[field], "{field} of {files:?}");
        }
        assert_eq!(together["capture"]["frames"], self.alone["capture"]["frames"]);
        assert_eq!(together["capture"]["errors"], Value::Array(Vec::new()));
    }
}

#[test]
fn captures_in_pieces_are_one() {
    let pieces = Pieces::new();
    let (one, other) = pieces.records.split_at(600);
    let (first, second) = (pieces.file("first", one), pieces.file("second", other));
    pieces.check(&[&first, &second]);
    // Whatever their order on the command line.
    pieces.check(&[&second, &first]);
    // Two that overlap, as from two interfaces, and a third that begins in between.
    let of = |turn: usize| -> Vec<Vec<u8>> {
        let some = one.iter().enumerate().filter(|(at, _)| at % 2 == turn);
        some.map(|(_, record)| record.clone()).collect()
    };
    let (even, odd) = (pieces.file("even", &of(0)), pieces.file("odd", &of(1)));
    pieces.check(&[&second, &odd, &even]);
    let nothing = pieces.file("nothing", &[]);
    pieces.check(&[&nothing, &second, &first, &nothing]);
}

#[test]
fn frames_that_prove_something_are_named_by_their_capture() {
    let pieces = Pieces::new();
    let (one, other) = pieces.records.split_at(600);
    let (first, second) = (pieces.file("first", one), pieces.file("second", other));
    let together = document(&[&first, &second]);
    // Frame n of the second capture is frame n + 600 of the whole.
    let numbers = |report: &Value| -> Vec<u64> {
        let findings = report["findings"].as_array().unwrap().iter();
        let evidence = findings.flat_map(|finding| finding["evidence"].as_array().unwrap());
        let frames = evidence.flat_map(|evidence| evidence["frames"].as_array().unwrap());
        frames
            .map(|frame| {
                let later = if frame["file"] == second { 600 } else { 0 };
                frame["frame"].as_u64().unwrap() + later
            })
            .collect()
    };
    assert_eq!(numbers(&together), numbers(&pieces.alone));
}

#[test]
fn what_is_wrong_with_one_capture_does_not_keep_the_others() {
    let pieces = Pieces::new();
    let (one, other) = pieces.records.split_at(600);
    let second = pieces.file("second", other);
    // What happened after a truncated capture is unknown.
    let whole = [pieces.header.clone(), one.concat()].concat();
    let cut = pieces.octets("cut", &whole[..whole.len() - 1]);
    let report = document(&[&cut, &second]);
    let events = report["events"].as_array().unwrap();
    let losses = events.iter().filter(|event| event["type"] == "capture_loss");
    let kinds: Vec<_> = losses.map(|loss| loss["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["blind"]);
    // A single frame with a time a year later does not move the clock.
    let mut leaping = pieces.records.clone();
    let seconds = u32::from_le_bytes(leaping[500][..4].try_into().unwrap());
    leaping[500][..4].copy_from_slice(&(seconds + 31_536_000).to_le_bytes());
    let report = document(&[&pieces.file("leaping", &leaping)]);
    assert_eq!(report["events"], pieces.alone["events"]);
    assert_eq!(report["capture"]["end"], pieces.alone["capture"]["end"]);
    assert_eq!(report["capture"]["errors"], Value::Array(Vec::new()));
    let notes = report["capture"]["notes"].as_array().unwrap();
    assert!(
        notes[0]
            .as_str()
            .unwrap()
            .contains("1 frame with a time far from its neighbours'"),
        "{notes:?}"
    );
    assert_eq!(report["capture"]["clock"][0]["kind"], "leap");
    // Frames of an unsupported link layer are refused by name, and nothing is concluded.
    let mut usb = pieces.header.clone();
    usb[20] = 220;
    let usb = pieces.octets("usb", &[usb, one.concat()].concat());
    let (text, exit) = analyzed(&[&usb]);
    for expect in [
        "600 frames of USB of Linux (link type 220) not read",
        "FINDINGS\n  none can be reported: no GDOI message was read",
    ] {
        assert!(text.contains(expect), "{text}");
    }
    assert_eq!(exit, Exit::Failed);
}

#[test]
fn compressed_captures_and_standard_input_are_read() {
    let name = "compressed captures and standard input";
    let Some(program) = program::path(name) else {
        return;
    };
    let pieces = Pieces::new();
    let whole = [pieces.header.clone(), pieces.records.concat()].concat();
    let plain = pieces.octets("plain", &whole);
    for (tool, extension) in [("gzip", "gz"), ("zstd", "zst")] {
        match std::process::Command::new(tool)
            .args(["--keep", "--quiet", &plain])
            .status()
        {
            Ok(status) if status.success() => pieces.check(&[&format!("{plain}.{extension}")]),
            _ => eprintln!("SKIP {name}: there is no {tool}"),
        }
    }
    let said = program::run(&program, &["analyze", "--format", "json", "-"], &whole);
    let report: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(report["events"], pieces.alone["events"]);
}

#[test]
fn it_ends_as_it_was_told_to() {
    let Some(program) = program::path("the analyze command") else {
        return;
    };
    let work = tempfile::tempdir().unwrap();
    let snap = captures::recording("der_teklong_snap60.pcap").path;
    let snap = snap.to_str().unwrap();
    let odd = work.path().join("<b>&'\"");
    fs::write(&odd, b"no capture").unwrap();
    let output = work.path().join("report.html");
    let output = output.to_str().unwrap();
    let missing = "/missing/report";
    for (arguments, exit, errors) in [
        (&["analyze", snap] as &[&str], 0, String::new()),
        // All its messages are cut: that is a warning.
        (&["analyze", "--fail-on", "warning", snap], 3, String::new()),
        (&["analyze", "--fail-on", "critical", snap], 0, String::new()),
        (
            &[
                "analyze",
                "--format",
                "html",
                "--output",
                output,
                odd.to_str().unwrap(),
            ],
            1,
            format!(
                "gdoi-monitor: {}: is neither a pcap nor a pcapng capture\n",
                odd.display()
            ),
        ),
        (
            &["analyze", "--output", missing, snap],
            1,
            format!("gdoi-monitor: create {missing}: No such file or directory (os error 2)\n"),
        ),
        (
            &["analyze", "--config", missing, snap],
            2,
            format!("gdoi-monitor: {missing}: cannot be read: No such file or directory (os error 2)\n"),
        ),
    ] {
        let said = program::run(&program, arguments, b"");
        assert_eq!(String::from_utf8(said.stderr).unwrap(), errors, "{arguments:?}");
        assert_eq!(said.status.code(), Some(exit), "{arguments:?}");
    }
    let html = fs::read_to_string(output).unwrap();
    assert!(
        html.contains("&lt;b&gt;&amp;'&quot;") && !html.contains("<b>&"),
        "{html}"
    );
}

#[test]
fn a_report_is_never_written_over_what_it_is_made_of() {
    let Some(program) = program::path("the output of analyze") else {
        return;
    };
    let work = tempfile::tempdir().unwrap();
    let capture = work.path().join("x.pcap");
    fs::copy(captures::data("demo.pcap"), &capture).unwrap();
    let link = work.path().join("link");
    std::os::unix::fs::symlink(&capture, &link).unwrap();
    let before = fs::read(&capture).unwrap();
    for output in [&capture, &link] {
        let output = output.to_str().unwrap();
        let said = program::run(
            &program,
            &["analyze", capture.to_str().unwrap(), "--output", output],
            b"",
        );
        let expect = format!("gdoi-monitor: {output} is also an input: the report would overwrite it\n");
        assert_eq!(String::from_utf8(said.stderr).unwrap(), expect);
        assert_eq!(said.status.code(), Some(1));
        assert_eq!(fs::read(&capture).unwrap(), before);
    }
    assert_eq!(work.path().read_dir().unwrap().count(), 2);
}

#[test]
fn names_of_captures_do_nothing_on_a_terminal() {
    let Some(program) = program::path("names on a terminal") else {
        return;
    };
    let name = "/missing/\x1b]0;owned\x07\u{202e}\u{61c}\u{2060}\u{e0041}\n";
    for command in ["analyze", "decode"] {
        let said = program::run(&program, &[command, name], b"");
        for octets in [said.stdout, said.stderr] {
            let text = String::from_utf8(octets).unwrap();
            let acts = |character: char| {
                character.is_control() && character != '\n'
                    || matches!(character, '\u{202e}' | '\u{61c}' | '\u{2060}' | '\u{e0041}')
            };
            assert!(!text.contains(acts) && !text.contains("\u{61c}\n"), "{text:?}");
        }
    }
}

/// More captures that overlap in time than may be open at once are read like one, closed and reopened in turn.
#[test]
fn any_number_of_captures_of_one_time_are_one() {
    let pieces = Pieces::new();
    let count = 150;
    let of = |turn: usize| -> Vec<Vec<u8>> {
        let some = pieces
            .records
            .iter()
            .enumerate()
            .filter(|(at, _)| at % count == turn);
        some.map(|(_, record)| record.clone()).collect()
    };
    let files: Vec<String> = (0..count)
        .map(|turn| pieces.file(&format!("{turn}"), &of(turn)))
        .collect();
    let names: Vec<&str> = files.iter().map(String::as_str).collect();
    pieces.check(&names);
    // The heading of a page names a few of them.
    let (page, _) = analyzed(&[&["--format", "html"], names.as_slice()].concat());
    let heading = page.split("<h1>").nth(1).unwrap().split("</h1>").next().unwrap();
    assert!(
        heading.ends_with("and 146 more") && heading.len() < 400,
        "{heading}"
    );
}
