//! For people, on a terminal.

use std::io::{self, Write};
use std::time::Duration;

use gdoi_core::Transition;
use jiff::SignedDuration;

use super::escape::Plain;
use super::json::CaptureSummary;
use super::verdict::Opinion;
use super::{Ending, Gathered, KeptEvents, lanes};
use crate::analyze::{Finding, Findings, FrameId, file_of};
use crate::event::DatedTransition;
use crate::state::{self, DataPlane, Group, Kek, KeyServer, Rekey, Spread};
use crate::time::Calendar;

/// Events of a finding that are named; the pages and the forms for programs have more.
const MOST_EVIDENCE: usize = 4;
const WHO: [&str; 3] = ["group", "key_server", "member"];

pub(super) fn write(
    out: &mut impl Write,
    ending: &Ending<'_>,
    findings: &Findings,
    gathered: &Gathered,
) -> io::Result<()> {
    capture(out, &CaptureSummary::new(ending))?;
    writeln!(out, "\nGROUPS")?;
    let opinions = gathered.behaviors.opinions(ending.snapshot);
    for group in state::groups(ending.snapshot, Calendar::EPOCH) {
        self::group(out, &group)?;
        for opinion in opinions.iter().filter(|opinion| *opinion.group == *group.name) {
            self::opinion(out, opinion)?;
        }
    }
    let span = ending.totals.span;
    lanes::write(out, &gathered.timeline.model(ending.snapshot, ending.files, span))?;
    writeln!(out, "\nFINDINGS")?;
    if findings.iter().next().is_none() {
        writeln!(out, "  none")?;
    }
    for finding in findings.iter() {
        self::finding(out, finding, ending.files)?;
    }
    events(out, &gathered.kept)
}

fn events(out: &mut impl Write, kept: &KeptEvents) -> io::Result<()> {
    writeln!(out, "\nEVENTS")?;
    for transition in &kept.events {
        event(out, transition)?;
    }
    if kept.beyond > 0 {
        writeln!(out, "  and {} more: --format jsonl has them all", kept.beyond)?;
    }
    Ok(())
}

fn opinion(out: &mut impl Write, opinion: &Opinion<'_>) -> io::Result<()> {
    write!(out, "      KEK behaviour")?;
    if let Some(key_server) = opinion.key_server {
        write!(out, " of {key_server}")?;
    }
    writeln!(out)?;
    for words in &opinion.words {
        writeln!(out, "                     {words}")?;
    }
    Ok(())
}

fn finding(out: &mut impl Write, finding: &Finding, files: &[String]) -> io::Result<()> {
    let group = Plain(finding.group.as_deref().unwrap_or("-"));
    let (severity, name, count) = (finding.severity.name(), finding.name, finding.count);
    writeln!(out, "  {severity:<8}  {name}  {group}  {count} x")?;
    writeln!(out, "            {}", finding.meaning)?;
    writeln!(out, "            {:.3} to {:.3}", finding.first, finding.last)?;
    for evidence in finding.evidence.iter().take(MOST_EVIDENCE) {
        let date = Calendar::EPOCH.date(evidence.event.at);
        write!(out, "            {date:.3}")?;
        for who in [
            evidence.event.key_server.map(|address| address.to_string()),
            evidence.event.member.map(|address| address.ip().to_string()),
        ] {
            write!(out, "{}", who.map_or_else(String::new, |who| format!("  {who}")))?;
        }
        frames(out, &evidence.frames, files)?;
    }
    let more = finding.count.saturating_sub(MOST_EVIDENCE as u64);
    if more > 0 {
        writeln!(out, "            and {more} more")?;
    }
    Ok(())
}

/// The frames that prove something, capture by capture.
fn frames(out: &mut impl Write, frames: &[FrameId], files: &[String]) -> io::Result<()> {
    for of_file in frames.chunk_by(|one, other| one.file == other.file) {
        write!(out, "  frames {}", numbers(of_file, " "))?;
        if let (Some(frame), true) = (of_file.first(), files.len() > 1) {
            write!(out, " of {}", Plain(file_of(*frame, files)))?;
        }
    }
    writeln!(out)
}

/// The numbers of frames, with something between them.
pub(super) fn numbers(frames: &[FrameId], between: &str) -> String {
    let numbers: Vec<_> = frames.iter().map(|frame| frame.number.to_string()).collect();
    numbers.join(between)
}

/// A word of events as people write it.
pub(super) fn spaced(word: &str) -> String {
    word.replace('_', " ")
}

fn capture(out: &mut impl Write, capture: &CaptureSummary<'_>) -> io::Result<()> {
    writeln!(out, "CAPTURE  {}", Plain(&capture.files.join(", ")))?;
    if let (Some(start), Some(end)) = (capture.start, capture.end) {
        let lasted = length(end.0.since(start.0));
        writeln!(
            out,
            "  {} frames, {start:.3} to {end:.3}, {lasted}",
            capture.frames
        )?;
    }
    write!(out, "  packets:")?;
    for (class, count) in &capture.packets {
        write!(out, " {class} {count}")?;
    }
    writeln!(out)?;
    if !capture.misses.is_empty() {
        write!(out, "  not readable:")?;
        for (reason, count) in &capture.misses {
            write!(out, " {reason} {count}")?;
        }
        writeln!(out)?;
    }
    for error in capture.errors {
        writeln!(out, "  incomplete: {}", Plain(error))?;
    }
    Ok(())
}

fn group(out: &mut impl Write, group: &Group) -> io::Result<()> {
    let transport = group.transport.as_deref().unwrap_or("transport unknown");
    let name = Plain(&group.name);
    writeln!(out, "  {name}  ({transport}, {} members)", group.members)?;
    for key_server in &group.key_servers {
        self::key_server(out, key_server)?;
    }
    group_lines(out, group)
}

/// What there is to say of a group as a whole, a line for each subject.
pub(super) fn group_lines(out: &mut impl Write, group: &Group) -> io::Result<()> {
    if !group.messages.is_empty() {
        write!(out, "      messages      ")?;
        for (exchange, count) in &group.messages {
            write!(out, " {exchange} {count}")?;
        }
        writeln!(out)?;
    }
    if group.registration.duration.count > 0 {
        writeln!(
            out,
            "      registrations  {}",
            spread(&group.registration.duration)
        )?;
    }
    rekey(out, &group.rekey)?;
    kek(out, &group.kek)?;
    data_plane(out, &group.esp)
}

fn rekey(out: &mut impl Write, rekey: &Rekey) -> io::Result<()> {
    let Some(last) = rekey.last else {
        return Ok(());
    };
    let (recipients, again) = (rekey.recipients, rekey.retransmissions);
    write!(
        out,
        "      rekeys         last {last:.3}, {recipients} recipients, {again} retransmitted"
    )?;
    if let Some(missing) = rekey.unacknowledged_members {
        write!(out, ", {missing} unacknowledged")?;
    }
    if let Some(next) = rekey.next_expected {
        write!(out, ", next {next:.0}")?;
    }
    writeln!(out, "{}", if rekey.overdue { ", OVERDUE" } else { "" })
}

fn kek(out: &mut impl Write, kek: &Kek) -> io::Result<()> {
    let Some(cookies) = &kek.cookies else {
        return Ok(());
    };
    write!(
        out,
        "      KEK            {cookies}, changed {} times",
        kek.changes
    )?;
    if let (Some(lifetime), Some(source)) = (kek.lifetime_seconds, &kek.lifetime_source) {
        write!(out, ", lifetime {lifetime} s ({source})")?;
    }
    if let Some(lead) = kek.lead_seconds {
        let side = if lead < 0.0 { "after" } else { "before" };
        write!(out, ", renewed {:.1} s {side} expiry", lead.abs())?;
    }
    writeln!(out, "{}", if kek.over_age { ", OVER AGE" } else { "" })
}

fn data_plane(out: &mut impl Write, esp: &DataPlane) -> io::Result<()> {
    if esp.packets == 0 {
        return Ok(());
    }
    let (packets, octets) = (esp.packets, esp.octets);
    write!(out, "      ESP            {packets} packets, {octets} bytes")?;
    write!(out, ", {} SPIs active, {} changes", esp.active, esp.changes)?;
    writeln!(out, ", {} stale packets", esp.stale_packets)
}

fn key_server(out: &mut impl Write, key_server: &KeyServer) -> io::Result<()> {
    let sum = |counts: &std::collections::BTreeMap<_, u64>| counts.values().sum::<u64>();
    write!(out, "      key server     {}", key_server.address)?;
    write!(out, ", registrations {} completed", sum(&key_server.completed))?;
    write!(out, " {} failed", sum(&key_server.failed))?;
    for (stage, count) in &key_server.failed_at {
        write!(out, " ({stage} {count})")?;
    }
    for (kind, count) in key_server.rekeys.iter().filter(|(_, count)| **count > 0) {
        write!(out, ", {count} {kind} rekeys")?;
    }
    if let Some(behavior) = &key_server.behavior {
        write!(out, ", KEK behaviour {behavior}")?;
    }
    let down = key_server.up == Some(false);
    writeln!(out, "{}", if down { ", DOWN" } else { "" })
}

fn spread(spread: &Spread) -> String {
    let mean = spread.mean_seconds.unwrap_or_default();
    format!("{} completed, {mean:.3} s on average", spread.count)
}

/// An event in one line: its time, what it is, and its fields as they are named for programs.
fn event(out: &mut impl Write, transition: &Transition) -> io::Result<()> {
    let date = Calendar::EPOCH.date(transition.at);
    let severity = transition.what.severity().name();
    write!(out, "  {date:.6}  {severity:<8}  {}", transition.what.name())?;
    for (name, value) in fields(transition) {
        write!(out, "  {name}={}", Plain(&value))?;
    }
    writeln!(out)
}

/// The fields of an event but for those that every event has, as people read them: who is meant, then what.
pub(super) fn fields(transition: &Transition) -> Vec<(String, String)> {
    let event = DatedTransition::new(transition, Calendar::EPOCH);
    let Ok(serde_json::Value::Object(object)) = serde_json::to_value(event) else {
        return Vec::new();
    };
    let mut fields: Vec<_> = object
        .into_iter()
        .filter(|(name, value)| !matches!(name.as_str(), "time" | "type" | "severity") && !value.is_null())
        .map(|(name, value)| match value {
            serde_json::Value::String(text) => (name, text),
            other => (name, other.to_string()),
        })
        .collect();
    fields.sort_by_key(|(name, _)| WHO.iter().position(|who| who == name).unwrap_or(WHO.len()));
    fields
}

pub(super) fn length(duration: Duration) -> String {
    let whole = SignedDuration::from_secs(i64::try_from(duration.as_secs()).unwrap_or(i64::MAX));
    format!("{whole:#}")
}
