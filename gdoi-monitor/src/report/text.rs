//! Text for terminals.

use std::io::{self, Write};
use std::time::Duration;

use gdoi_core::Transition;
use gdoi_core::transition::FrameId;
use jiff::SignedDuration;

use super::contents::{CaptureObject, SeenDirections};
use super::diagnosis::DiagnosisReport;
use super::findings::{Finding, Findings};
use super::verdict::Opinion;
use super::{Ending, Gathered, KeptEvents, lanes, name_of};
use crate::event::DatedTransition;
use crate::state::{self, DataPlane, Group, Kek, KeyServer, Rekey, Spread};
use crate::text::{Lines, counted, grouped};
use crate::time::Calendar;

/// Events printed per finding; other formats have more.
const MOST_EVIDENCE: usize = 4;
/// Captures that are named; formats for programs name all.
const MOST_NAMED: usize = 4;
const WHO: [&str; 3] = ["group", "key_server", "member"];

pub(super) fn write(
    out: impl Write,
    ending: &Ending<'_>,
    findings: &Findings,
    gathered: &Gathered,
) -> io::Result<()> {
    let out = &mut Lines(out);
    DiagnosisReport::new(&gathered.diagnosis, ending.files).write(out, ending, findings)?;
    capture(out, ending)?;
    out.blank()?;
    out.line("GROUPS")?;
    let opinions = gathered.behaviors.opinions(ending.snapshot);
    for group in state::groups(ending.snapshot, Calendar::EPOCH) {
        self::group(out, &group)?;
        for opinion in opinions.iter().filter(|opinion| *opinion.group == *group.name) {
            self::opinion(out, opinion)?;
        }
    }
    let span = ending.contents.span;
    lanes::write(out, &gathered.timeline.model(ending.snapshot, ending.files, span))?;
    out.blank()?;
    out.line("FINDINGS")?;
    if findings.iter().next().is_none() {
        out.line(format_args!("  {}", nothing_found(ending)))?;
    }
    let visibility = ending.contents.directions.by_key_server(ending.snapshot);
    for finding in findings.iter() {
        self::finding(out, finding, ending.files, &visibility)?;
    }
    events(out, &gathered.kept)
}

/// The text if there are no findings; it says so if there was no GDOI at all.
pub(super) fn nothing_found(ending: &Ending<'_>) -> &'static str {
    if ending.contents.has_gdoi() {
        "none"
    } else {
        "none can be reported: no GDOI message was read; CAPTURE lists what there is"
    }
}

fn events<W: Write>(out: &mut Lines<W>, kept: &KeptEvents) -> io::Result<()> {
    out.blank()?;
    out.line("EVENTS")?;
    for transition in &kept.events {
        event(out, transition)?;
    }
    if kept.beyond > 0 {
        let beyond = grouped(kept.beyond);
        out.line(format_args!("  and {beyond} more: --format jsonl has them all"))?;
    }
    Ok(())
}

fn opinion<W: Write>(out: &mut Lines<W>, opinion: &Opinion<'_>) -> io::Result<()> {
    match opinion.key_server {
        Some(key_server) => out.line(format_args!("      KEK behaviour of {key_server}"))?,
        None => out.line("      KEK behaviour")?,
    }
    for words in &opinion.words {
        out.line(format_args!("                     {words}"))?;
    }
    Ok(())
}

fn finding<W: Write>(
    out: &mut Lines<W>,
    finding: &Finding,
    files: &[String],
    visibility: &[SeenDirections],
) -> io::Result<()> {
    let group = finding.group.as_deref().unwrap_or("-");
    let (severity, name) = (finding.severity.name(), finding.name);
    let count = grouped(finding.count);
    out.line(format_args!(
        "  {severity:<8}  {name}  {group}  {count} x{}",
        of_members(finding)
    ))?;
    out.line(format_args!("            {}", finding.meaning))?;
    if let Some(doubt) = finding.doubt(visibility) {
        out.line(format_args!("            uncertain: {doubt}"))?;
    }
    out.line(format_args!(
        "            {:.3} to {:.3}",
        finding.first, finding.last
    ))?;
    let evidence = finding.evidence();
    for evidence in evidence.iter().take(MOST_EVIDENCE) {
        let event = evidence.event;
        let date = Calendar::EPOCH.date(event.at);
        let mut parts = vec![format!("{date:.3}")];
        parts.extend(event.key_server.map(|address| address.to_string()));
        parts.extend(event.member.map(|address| address.ip().to_string()));
        if evidence.count > 1 && finding.members() > 1 {
            parts.push(format!("{} x", grouped(evidence.count)));
        }
        parts.extend(frames(evidence.frames, files));
        out.line(format_args!("            {}", parts.join("  ")))?;
    }
    let more = finding
        .count
        .saturating_sub(evidence.len().min(MOST_EVIDENCE) as u64);
    if more > 0 {
        out.line(format_args!("            and {} more", grouped(more)))?;
    }
    Ok(())
}

/// The number of members of a finding, if there are several.
pub(super) fn of_members(finding: &Finding) -> String {
    match finding.members() {
        0 | 1 => String::new(),
        members => format!(", {}, the worst first", counted(members, "member")),
    }
}

/// The frames that prove something, capture by capture.
fn frames(frames: &[FrameId], files: &[String]) -> Vec<String> {
    let by_file = frames.chunk_by(|one, other| one.file == other.file);
    by_file
        .map(|of_file| {
            let numbers = numbers(of_file, " ");
            match of_file.first() {
                Some(frame) if files.len() > 1 => {
                    format!("frames {numbers} of {}", name_of(frame.file, files))
                }
                _ => format!("frames {numbers}"),
            }
        })
        .collect()
}

/// The numbers of frames, with a separator.
pub(super) fn numbers(frames: &[FrameId], between: &str) -> String {
    let numbers: Vec<_> = frames.iter().map(|frame| frame.number.to_string()).collect();
    numbers.join(between)
}

/// An identifier of events as people write it.
pub(super) fn spaced(word: &str) -> String {
    word.replace('_', " ")
}

/// The names of captures, up to a limit.
pub(super) fn named(files: &[String]) -> String {
    let beyond = files.len().saturating_sub(MOST_NAMED);
    let named = files.iter().take(MOST_NAMED).map(String::as_str);
    let named = named.collect::<Vec<_>>().join(", ");
    match beyond {
        0 => named,
        _ => format!("{named} and {} more", grouped(beyond as u64)),
    }
}

fn capture<W: Write>(out: &mut Lines<W>, ending: &Ending<'_>) -> io::Result<()> {
    let capture = CaptureObject::new(ending);
    out.line(format_args!("CAPTURE  {}", named(capture.files)))?;
    if let (Some(start), Some(end)) = (capture.start, capture.end) {
        let lasted = length(end.0.since(start.0));
        let frames = counted(capture.frames, "frame");
        out.line(format_args!("  {frames}, {start:.3} to {end:.3}, {lasted}"))?;
    }
    let packets = capture.packets.iter();
    let packets: Vec<String> = packets.map(|(class, count)| format!("{class} {count}")).collect();
    out.line(format_args!("  packets: {}", packets.join(" ")))?;
    for (subject, words) in ending.contents.words(ending.snapshot, ending.files) {
        out.line(format_args!("  {subject}: {words}"))?;
    }
    for error in capture.errors {
        out.line(format_args!("  incomplete: {error}"))?;
    }
    Ok(())
}

fn group<W: Write>(out: &mut Lines<W>, group: &Group) -> io::Result<()> {
    let transport = group.transport.as_deref().unwrap_or("transport unknown");
    let members = counted(group.members, "member");
    out.line(format_args!("  {}  ({transport}, {members})", group.name))?;
    for key_server in &group.key_servers {
        out.line(format_args!(
            "      key server     {}",
            self::key_server(key_server)
        ))?;
    }
    for (subject, words) in group_lines(group) {
        out.line(format_args!("      {subject:<15}{words}"))?;
    }
    Ok(())
}

/// The summary of a group, a line for each subject.
pub(super) fn group_lines(group: &Group) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    if !group.messages.is_empty() {
        let messages = group.messages.iter();
        let messages = messages.map(|(exchange, count)| format!("{exchange} {count}"));
        lines.push(("messages", messages.collect::<Vec<_>>().join(" ")));
    }
    if group.registration.duration.count > 0 {
        lines.push(("registrations", spread(&group.registration.duration)));
    }
    lines.extend(rekey(&group.rekey).map(|words| ("rekeys", words)));
    lines.extend(kek(&group.kek).map(|words| ("KEK", words)));
    lines.extend(data_plane(&group.esp).map(|words| ("ESP", words)));
    lines
}

fn rekey(rekey: &Rekey) -> Option<String> {
    let last = rekey.last?;
    let mut parts = vec![
        format!("last {last:.3}"),
        counted(rekey.recipients, "recipient"),
        format!("{} retransmitted", rekey.retransmissions),
    ];
    parts.extend(
        rekey
            .unacknowledged_members
            .map(|missing| format!("{missing} unacknowledged")),
    );
    parts.extend(rekey.next_expected.map(|next| format!("next {next:.0}")));
    parts.extend(rekey.overdue.then(|| "OVERDUE".to_owned()));
    Some(parts.join(", "))
}

fn kek(kek: &Kek) -> Option<String> {
    let cookies = kek.cookies.as_ref()?;
    let mut parts = vec![
        cookies.to_string(),
        format!("changed {}", counted(kek.changes, "time")),
    ];
    if let (Some(lifetime), Some(source)) = (kek.lifetime_seconds, &kek.lifetime_source) {
        parts.push(format!("lifetime {lifetime} s ({source})"));
    }
    if let Some(lead) = kek.lead_seconds {
        let side = if lead < 0.0 { "after" } else { "before" };
        parts.push(format!("renewed {:.1} s {side} expiry", lead.abs()));
    }
    parts.extend(kek.over_age.then(|| "OVER AGE".to_owned()));
    Some(parts.join(", "))
}

fn data_plane(esp: &DataPlane) -> Option<String> {
    (esp.packets > 0).then(|| {
        format!(
            "{}, {}, {} active, {}, {}",
            counted(esp.packets, "packet"),
            counted(esp.octets, "byte"),
            counted(esp.active, "SPI"),
            counted(esp.changes, "change"),
            counted(esp.stale_packets, "stale packet")
        )
    })
}

fn key_server(key_server: &KeyServer) -> String {
    let sum = |counts: &std::collections::BTreeMap<_, u64>| counts.values().sum::<u64>();
    let stages = key_server.failed_at.iter();
    let stages: Vec<String> = stages
        .map(|(stage, count)| format!(" ({stage} {count})"))
        .collect();
    let mut parts = vec![
        key_server.address.to_string(),
        format!(
            "registrations {} completed {} failed{}",
            sum(&key_server.completed),
            sum(&key_server.failed),
            stages.concat()
        ),
    ];
    let rekeys = key_server.rekeys.iter().filter(|(_, count)| **count > 0);
    parts.extend(rekeys.map(|(kind, count)| counted(*count, &format!("{kind} rekey"))));
    parts.extend(
        key_server
            .behavior
            .as_ref()
            .map(|behavior| format!("KEK behaviour {behavior}")),
    );
    parts.extend((key_server.up == Some(false)).then(|| "DOWN".to_owned()));
    parts.join(", ")
}

fn spread(spread: &Spread) -> String {
    let mean = spread.mean_seconds.unwrap_or_default();
    format!("{} completed, {mean:.3} s on average", spread.count)
}

/// An event in one line: its time, type, and fields as programs name them.
fn event<W: Write>(out: &mut Lines<W>, transition: &Transition) -> io::Result<()> {
    let date = Calendar::EPOCH.date(transition.at);
    let severity = transition.what.severity().name();
    let fields = fields(transition);
    let fields: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("  {name}={value}"))
        .collect();
    out.line(format_args!(
        "  {date:.6}  {severity:<8}  {}{}",
        transition.what.name(),
        fields.concat()
    ))
}

/// The fields of an event except the common ones, for people: the subject first.
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

/// A length of time in its largest units.
pub(super) fn length(duration: Duration) -> String {
    let whole = SignedDuration::from_secs(i64::try_from(duration.as_secs()).unwrap_or(i64::MAX));
    format!("{whole:#}")
}
