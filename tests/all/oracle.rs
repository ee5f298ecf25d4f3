//! `decode` and tshark agree on every frame of every capture, except for the differences in the tables.

mod differences;
mod fact;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use gdoi_monitor::decode;
use gdoi_wire::Ports;
use serde_json::Value;

use crate::captures::{self, Capture};
use differences::{Because, DIFFERENCES, Difference, MISSES};
use fact::{Fact, Facts};

/// IKE on 500 is read as well: the oracle does not know GDOI's own exchanges, and most public captures are of IKE.
const PORTS: Ports = Ports {
    isakmp: [848, 500, 0, 0],
    nat_t: [4500, 0, 0, 0],
};
/// Captures, ISAKMP messages, ESP and AH packets. Over all captures tshark has 735 messages: one is quoted, one has a
/// wrong UDP length, four more have a length of 0. Two of its 2,756 ESP packets are cut; one of its 16 AH is quoted.
const RECORDINGS: [usize; 4] = [28, 616, 2024, 4];
const OTHERS: [usize; 4] = [36, 121, 730, 11];

#[test]
fn decode_says_what_tshark_says() {
    check(&captures::recordings(), RECORDINGS);
    let others = captures::third_party();
    if !others.is_empty() {
        check(&others, OTHERS);
    }
}

fn check(captures: &[Capture], expected: [usize; 4]) {
    let mut tally = Tally::default();
    for capture in captures {
        compare(capture, &mut tally);
    }
    tally.expect_misses(captures);
    assert!(tally.wrong.is_empty(), "{}", tally.wrong.join("\n"));
    assert_eq!([tally.captures, tally.isakmp, tally.esp, tally.ah], expected);
}

#[derive(Default)]
struct Tally {
    captures: usize,
    isakmp: usize,
    esp: usize,
    ah: usize,
    wrong: Vec<String>,
    misses: BTreeMap<(String, String), usize>,
}

impl Tally {
    fn count(&mut self, facts: &Facts) {
        self.captures += 1;
        for fact in facts.values().flatten() {
            match fact {
                Fact::Ah { .. } => self.ah += 1,
                Fact::Esp { .. } => self.esp += 1,
                Fact::Isakmp { .. } => self.isakmp += 1,
                Fact::NatKeepalive => {}
            }
        }
    }

    fn expect_misses(&mut self, captures: &[Capture]) {
        let mut expected = BTreeMap::new();
        let is_read = |name: &str| captures.iter().any(|capture| capture.name == name);
        for &(capture, reason, count) in MISSES.iter().filter(|(capture, ..)| is_read(capture)) {
            expected.insert((capture.to_owned(), reason.to_owned()), count);
        }
        for key in self.misses.keys().chain(expected.keys()) {
            let (said, known) = (self.misses.get(key), expected.get(key));
            if said != known {
                let (capture, reason) = key;
                self.wrong
                    .push(format!("{capture}: {reason} {said:?}, not {known:?}"));
            }
        }
    }
}

fn compare(capture: &Capture, tally: &mut Tally) {
    let name = &*capture.name;
    let lines = decoded(&capture.path);
    let plain = tempfile::NamedTempFile::new().unwrap();
    fs::write(&plain, captures::octets(&capture.path)).unwrap();
    assert!(
        lines == decoded(plain.path()),
        "{name}: compressed and plain differ"
    );
    let frames = lines_of(&capture.oracle());
    let ours = fact::of_lines(&lines);
    let mut theirs = fact::of_frames(&frames);
    tally.count(&ours);
    for line in lines.iter().filter(|line| line["kind"] == "miss") {
        let reason = line["reason"].as_str().unwrap().to_owned();
        *tally.misses.entry((name.to_owned(), reason)).or_default() += 1;
    }
    for difference in DIFFERENCES.iter().filter(|difference| difference.capture == name) {
        if let Err(why) = explain(difference, &ours, &mut theirs) {
            tally
                .wrong
                .push(format!("{name} frame {}: {why}", difference.frame));
        }
    }
    for frame in ours
        .keys()
        .chain(theirs.keys().filter(|frame| !ours.contains_key(frame)))
    {
        if ours.get(frame) != theirs.get(frame) {
            tally.wrong.push(format!(
                "{name} frame {frame}: decode says {:?}, tshark {:?}",
                ours.get(frame),
                theirs.get(frame)
            ));
        }
    }
    tally.wrong.extend(envelopes(name, &lines, &frames));
}

/// Applies a known difference to tshark's output. An error if there is no such difference.
fn explain(difference: &Difference, ours: &Facts, theirs: &mut Facts) -> Result<(), &'static str> {
    let frame = difference.frame;
    match difference.because {
        Because::Reassembled { last } => {
            if !ours.contains_key(&frame) || theirs.contains_key(&frame) {
                return Err("is not a first fragment that only decode reads");
            }
            let message = theirs
                .remove(&last)
                .ok_or("tshark has nothing in its last fragment")?;
            theirs.insert(frame, message);
        }
        Because::OnlyTshark(_) => {
            if ours.contains_key(&frame) {
                return Err("is read by decode too");
            }
            theirs.remove(&frame).ok_or("is not read by tshark either")?;
        }
        Because::OnlyDecode(_) => {
            if theirs.contains_key(&frame) {
                return Err("is read by tshark too");
            }
            let only = ours.get(&frame).ok_or("is not read by decode either")?;
            theirs.insert(frame, only.clone());
        }
        Because::Unsaid(_) => {
            let (Some([ours]), Some([theirs])) = (
                ours.get(&frame).map(Vec::as_slice),
                theirs.get_mut(&frame).map(Vec::as_mut_slice),
            ) else {
                return Err("is not one message to both");
            };
            if !theirs.complete(ours) {
                return Err("is complete in what tshark says");
            }
        }
    }
    Ok(())
}

/// Compares time, addresses, ports and tags of each line with those of its frame.
fn envelopes(name: &str, lines: &[Value], frames: &[Value]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut expect = |line: &Value, field: &str, said: &str, expected: &str| {
        if said != expected {
            wrong.push(format!(
                "{name} frame {}: {field} {said}, not {expected}",
                line["frame"]
            ));
        }
    };
    for line in lines {
        let index = usize::try_from(line["frame"].as_u64().unwrap()).unwrap() - 1;
        let frame = &frames[index];
        let seconds = frame["frame.time_epoch"].as_str().unwrap().replace('.', "");
        expect(
            line,
            "time_ns",
            &line["time_ns"].to_string(),
            seconds.trim_start_matches('0').or_zero(),
        );
        // For a packet in a tunnel the inner addresses; in UDP by RFC 3948 there are no others.
        let layers = line["encapsulation"].as_array();
        let is_inner = layers.is_some_and(|layers| layers.iter().any(|layer| layer != "udp"));
        let outer = |names: [&str; 2]| {
            let field = names
                .iter()
                .find_map(|name| frame[name].as_str())
                .unwrap_or_default();
            let mut all = field.split(',');
            let one = if is_inner { all.next_back() } else { all.next() };
            one.unwrap_or_default().to_owned()
        };
        let text = |field: &str| line[field].as_str().unwrap_or_default().to_owned();
        expect(line, "source", &text("source"), &outer(["ip.src", "ipv6.src"]));
        expect(
            line,
            "destination",
            &text("destination"),
            &outer(["ip.dst", "ipv6.dst"]),
        );
        // tshark has the ports in the last fragment, and an outer 802.1ad tag in another field.
        if line["fragment"].is_null() && !line["source_port"].is_null() {
            expect(
                line,
                "source_port",
                &line["source_port"].to_string(),
                &outer(["udp.srcport"; 2]),
            );
            expect(
                line,
                "destination_port",
                &line["destination_port"].to_string(),
                &outer(["udp.dstport"; 2]),
            );
        }
        let tags = line["vlan"].as_array().unwrap();
        let inner = tags.last().map(Value::to_string).unwrap_or_default();
        let theirs = frame["vlan.id"].as_str().unwrap_or_default();
        expect(
            line,
            "vlan",
            &inner,
            theirs.rsplit(',').next().unwrap_or_default(),
        );
    }
    wrong
}

trait OrZero {
    fn or_zero(&self) -> &str;
}

impl OrZero for str {
    fn or_zero(&self) -> &str {
        if self.is_empty() { "0" } else { self }
    }
}

/// The lines of `decode`, even if the capture ends with an error.
fn decoded(path: &Path) -> Vec<Value> {
    let mut lines = Vec::new();
    decode::decode(path, None, &PORTS, &mut lines).unwrap();
    lines_of(std::str::from_utf8(&lines).unwrap())
}

fn lines_of(text: &str) -> Vec<Value> {
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}
