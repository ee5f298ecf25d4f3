//! `gdoi-monitor analyze`: nothing is lost on the way into a report, and it ends as it says it does.

use std::fs;
use std::path::Path;

use clap::Parser as _;
use gdoi_monitor::analyze;
use gdoi_monitor::cli::{Cli, Command};
use gdoi_monitor::decode;
use gdoi_monitor::exit::Exit;
use gdoi_wire::Ports;
use serde_json::Value;

use crate::{captures, program};

/// What `analyze` writes, and how it ends.
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

/// How many lines of each kind `decode` has, of messages, ESP, AH, keepalives.
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
    let Some(folder) = captures::folder("the sums of analyze") else {
        return;
    };
    for name in captures::names(&folder) {
        let path = folder.join("pcap").join(&name);
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

#[test]
fn every_form_tells_the_same_events() {
    let Some(folder) = captures::folder("the forms of analyze") else {
        return;
    };
    let path = folder.join("pcap/gdoid_live_cbc.pcap");
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
            text.contains(&format!("  {kind}  ")) && html.contains(&format!("<td>{kind}<td>")),
            "{kind}"
        );
    }
    let (_, table) = html.split_once("<table id=events>").unwrap();
    assert_eq!(table.matches("<tr class=").count(), events.len());
}

#[test]
fn a_configuration_names_what_it_knows() {
    let Some(folder) = captures::folder("a configuration for analyze") else {
        return;
    };
    let path = folder.join("pcap/gdoid_live_cbc.pcap");
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
    // All its messages and all its ESP are of the one group that there is.
    assert_eq!(
        (sum(&group["messages"]), group["esp"]["packets"].as_u64()),
        (27, Some(975))
    );
    let spis = report["spis"].as_array().unwrap();
    assert!(spis.iter().any(|spi| spi["site"] == "one"), "{spis:?}");
    // What is typed goes before what is configured.
    let elsewhere = document(&["--config", file, "--isakmp-port", "849", path]);
    assert_eq!(elsewhere["capture"]["packets"]["isakmp"], 0);
}

#[test]
fn a_capture_in_two_files_is_one() {
    let Some(folder) = captures::folder("a capture in two files") else {
        return;
    };
    let whole = folder.join("pcap/gdoid_live_cbc.pcap");
    let octets = fs::read(&whole).unwrap();
    let work = tempfile::tempdir().unwrap();
    let file = |name: &str, pieces: &[&[u8]]| {
        let path = work.path().join(name);
        fs::write(&path, pieces.concat()).unwrap();
        path.to_str().unwrap().to_owned()
    };
    // The 600th of its 1,022 records begins here.
    let mut middle = 24;
    for _ in 1..600 {
        let length: [u8; 4] = octets[middle + 8..middle + 12].try_into().unwrap();
        middle += 16 + u32::from_le_bytes(length) as usize;
    }
    let first = file("first", &[&octets[..middle]]);
    let second = file("second", &[&octets[..24], &octets[middle..]]);
    let together = document(&[&first, &second]);
    let alone = document(&[whole.to_str().unwrap()]);
    for field in ["events", "groups", "members", "spis", "findings"] {
        assert_eq!(together[field], alone[field], "{field}");
    }
    // The other way round the second cannot be put in its place.
    let (text, exit) = analyzed(&[&second, &first]);
    assert!(
        text.contains("begins before the capture in front of it ends"),
        "{text}"
    );
    assert_eq!(exit, Exit::Failed);
    // After a capture that was cut nobody knows what happened.
    let cut = file("cut", &[&octets[..middle - 1]]);
    let events = document(&[&cut, &second])["events"].as_array().unwrap().clone();
    let losses = events.iter().filter(|event| event["type"] == "capture_loss");
    assert_eq!(
        losses
            .map(|loss| loss["kind"].as_str().unwrap())
            .collect::<Vec<_>>(),
        ["blind"]
    );
}

#[test]
fn it_ends_as_it_was_told_to() {
    let (Some(program), Some(folder)) = (
        program::path("the analyze command"),
        captures::folder("the analyze command"),
    ) else {
        return;
    };
    let work = tempfile::tempdir().unwrap();
    let snap = folder.join("pcap/der_teklong_snap60.pcap");
    let snap = snap.to_str().unwrap();
    let odd = work.path().join("<b>&'\"");
    fs::write(&odd, b"no capture").unwrap();
    let output = work.path().join("report.html");
    let output = output.to_str().unwrap();
    let missing = "/missing/report";
    for (arguments, exit, errors) in [
        (&["analyze", snap] as &[&str], 0, String::new()),
        // Its messages are all cut off: that is a warning.
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
        html.contains("&lt;b&gt;&amp;&#39;&quot;") && !html.contains("<b>&"),
        "{html}"
    );
}
