//! For people, in a browser: one page that needs nothing else.

use std::fmt;
use std::io::{self, Write};

use super::json::Capture;
use super::{Ending, Kept, text};
use crate::analyze::Findings;
use crate::state::{self, Group};
use crate::time::Calendar;

pub(super) fn write(
    out: &mut impl Write,
    ending: &Ending<'_>,
    findings: &Findings,
    kept: &Kept,
) -> io::Result<()> {
    let capture = Capture::new(ending);
    let title = capture.files.join(", ");
    writeln!(out, "<!doctype html><html lang=en><meta charset=utf-8>")?;
    writeln!(out, "<title>GDOI: {}</title><style>{STYLE}</style>", Text(&title))?;
    writeln!(out, "<h1>{}</h1>", Text(&title))?;
    self::capture(out, &capture)?;
    self::findings(out, findings)?;
    writeln!(out, "<h2>Groups</h2><table><tr>{GROUP_HEADINGS}")?;
    for group in state::groups(ending.snapshot, Calendar::EPOCH) {
        self::group(out, &group)?;
    }
    writeln!(out, "</table>")?;
    events(out, kept)
}

fn events(out: &mut impl Write, kept: &Kept) -> io::Result<()> {
    writeln!(
        out,
        "<h2>Events</h2><table><tr><th>Time<th>Severity<th>Type<th>Fields"
    )?;
    for transition in &kept.events {
        let date = Calendar::EPOCH.date(transition.at);
        let severity = transition.what.severity().name();
        let name = transition.what.name();
        write!(
            out,
            "<tr class={severity}><td>{date:.6}<td>{severity}<td>{name}<td>"
        )?;
        for (name, value) in text::fields(transition) {
            write!(out, "<b>{}</b> {} ", Text(&name), Text(&value))?;
        }
        writeln!(out)?;
    }
    writeln!(out, "</table>")?;
    if kept.beyond == 0 {
        return Ok(());
    }
    writeln!(
        out,
        "<p>And {} more: <code>--format jsonl</code> has them all.",
        kept.beyond
    )
}

fn capture(out: &mut impl Write, capture: &Capture<'_>) -> io::Result<()> {
    writeln!(out, "<h2>Capture</h2><p>{} frames", capture.frames)?;
    if let (Some(start), Some(end)) = (capture.start, capture.end) {
        writeln!(
            out,
            ", {start:.3} to {end:.3}, {}",
            text::length(end.0.since(start.0))
        )?;
    }
    for error in capture.errors {
        writeln!(out, "<p class=warning>Incomplete: {}", Text(error))?;
    }
    writeln!(out, "<table><tr><th>Packets<th>Count")?;
    for (class, count) in &capture.packets {
        writeln!(out, "<tr><td>{class}<td>{count}")?;
    }
    for (reason, count) in &capture.misses {
        writeln!(out, "<tr class=warning><td>not readable: {reason}<td>{count}")?;
    }
    writeln!(out, "</table>")
}

fn findings(out: &mut impl Write, findings: &Findings) -> io::Result<()> {
    writeln!(out, "<h2>Findings</h2>")?;
    if findings.iter().next().is_none() {
        return writeln!(out, "<p>None.");
    }
    writeln!(
        out,
        "<table><tr><th>Severity<th>Type<th>Group<th>Count<th>First<th>Last<th>Meaning"
    )?;
    for finding in findings.iter() {
        let severity = finding.severity.name();
        let group = finding.group.as_deref().unwrap_or("-");
        write!(
            out,
            "<tr class={severity}><td>{severity}<td>{}<td>{}",
            finding.name,
            Text(group)
        )?;
        write!(
            out,
            "<td>{}<td>{:.3}<td>{:.3}",
            finding.count, finding.first, finding.last
        )?;
        writeln!(out, "<td>{}", Text(finding.meaning))?;
    }
    writeln!(out, "</table>")
}

fn group(out: &mut impl Write, group: &Group<'_>) -> io::Result<()> {
    let transport = group.transport.map_or("unknown", |transport| transport.name());
    write!(
        out,
        "<tr><td>{}<td>{transport}<td>{}<td>",
        Text(group.name),
        group.members
    )?;
    for key_server in &group.key_servers {
        write!(out, "{} ", key_server.address)?;
    }
    write!(out, "<td>")?;
    for (exchange, count) in &group.messages {
        write!(out, "{exchange} {count}<br>")?;
    }
    write!(out, "<td>{}<td>", group.registration.duration.count)?;
    for key_server in &group.key_servers {
        for (kind, count) in key_server.rekeys.iter().filter(|(_, count)| **count > 0) {
            write!(out, "{kind} {count}<br>")?;
        }
    }
    write!(out, "<td>")?;
    if let Some(cookies) = group.kek.cookies {
        write!(out, "<code>{cookies}</code>, changed {} times", group.kek.changes)?;
    }
    writeln!(out, "<td>{}", group.esp.packets)
}

/// Text that may have come from a file name or from the wire.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            other => write!(f, "{other}"),
        })
    }
}

const GROUP_HEADINGS: &str = "<th>Group<th>Transport<th>Members<th>Key servers<th>Messages<th>Registrations\
<th>Rekeys<th>KEK<th>ESP packets";
const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:75rem;margin:2rem auto;padding:0 1rem}\
table{border-collapse:collapse;margin:1rem 0}th,td{border-bottom:1px solid #ccc;padding:.3rem .7rem;text-align:left;\
vertical-align:top}.warning{background:#fff4d6}.critical{background:#ffdcdc}code{font-size:90%;word-break:break-all}\
@media(prefers-color-scheme:dark){body{background:#161616;color:#ddd}th,td{border-color:#444}\
.warning{background:#4a3b00}.critical{background:#5a1414}}";
