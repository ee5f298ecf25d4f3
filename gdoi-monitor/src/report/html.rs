//! For people, in a browser: one page that needs nothing else, and may ask for nothing else.

mod findings;
mod groups;

use std::io::{self, Write};

use super::escape::{Html, InScript};
use super::json::CaptureSummary;
use super::{Ending, Gathered, KeptEvents, assets, text};
use crate::analyze::Findings;
use crate::state;
use crate::time::Calendar;

pub(super) fn write(
    out: &mut impl Write,
    ending: &Ending<'_>,
    findings: &Findings,
    gathered: &Gathered,
) -> io::Result<()> {
    let capture = CaptureSummary::new(ending);
    head(out, &capture.files.join(", "))?;
    self::capture(out, &capture)?;
    tiles(out, ending, findings)?;
    findings::write(out, findings, ending.files)?;
    timeline(out, ending, gathered)?;
    groups::write(out, ending, gathered)?;
    octets(out, &capture)?;
    events(out, &gathered.kept)
}

fn head(out: &mut impl Write, title: &str) -> io::Result<()> {
    writeln!(out, "<!doctype html><html lang=en><meta charset=utf-8>")?;
    // Whatever got into the page: it may not load anything, nor send anything anywhere.
    writeln!(
        out,
        "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\">"
    )?;
    writeln!(
        out,
        "<meta name=viewport content='width=device-width,initial-scale=1'>"
    )?;
    writeln!(
        out,
        "<title>GDOI: {}</title><style>{}</style>",
        Html(title),
        assets::STYLE
    )?;
    writeln!(out, "<h1>GDOI in {}</h1>", Html(title))
}

fn capture(out: &mut impl Write, capture: &CaptureSummary<'_>) -> io::Result<()> {
    write!(out, "<p>{} frames", capture.frames)?;
    if let (Some(start), Some(end)) = (capture.start, capture.end) {
        let lasted = text::length(end.0.since(start.0));
        write!(out, ", {start:.3} to {end:.3}, {lasted}")?;
    }
    writeln!(out, ".")?;
    for error in capture.errors {
        writeln!(out, "<p class=warning>Incomplete: {}", Html(error))?;
    }
    Ok(())
}

/// The whole in a few numbers.
fn tiles(out: &mut impl Write, ending: &Ending<'_>, findings: &Findings) -> io::Result<()> {
    let groups: Vec<_> = state::groups(ending.snapshot, Calendar::EPOCH).collect();
    let servers = || groups.iter().flat_map(|group| &group.key_servers);
    let completed: u64 = servers().flat_map(|server| server.completed.values()).sum();
    let failed: u64 = servers().flat_map(|server| server.failed.values()).sum();
    let rekeys: u64 = servers().flat_map(|server| server.rekeys.values()).sum();
    let keys: u64 = groups.iter().map(|group| group.kek.changes).sum();
    let critical = findings.count(gdoi_core::transition::Severity::Critical);
    let warnings = findings.count(gdoi_core::transition::Severity::Warning);
    writeln!(out, "<ul class=tiles>")?;
    for (name, count, class) in [
        ("critical", critical, "critical"),
        ("warnings", warnings, "warning"),
        ("members", ending.snapshot.members.len() as u64, ""),
        ("registrations", completed, ""),
        ("failed registrations", failed, "warning"),
        ("rekeys", rekeys, ""),
        ("changes of KEK", keys, ""),
    ] {
        let class = if count > 0 { class } else { "" };
        writeln!(out, "<li class='{class}'><b>{count}</b>{name}")?;
    }
    writeln!(out, "</ul>")
}

fn timeline(out: &mut impl Write, ending: &Ending<'_>, gathered: &Gathered) -> io::Result<()> {
    writeln!(
        out,
        "<h2>Timeline</h2><div id=timeline></div><noscript>The timeline is drawn by a script; everything else on this \
         page is here without it.</noscript>"
    )?;
    write!(out, "<script type=application/json id=model>")?;
    let model = gathered
        .timeline
        .model(ending.snapshot, ending.files, ending.totals.span);
    serde_json::to_writer(InScript(&mut *out), &model)?;
    writeln!(out, "</script><script>")?;
    for part in assets::SCRIPT {
        out.write_all(part.as_bytes())?;
    }
    writeln!(
        out,
        "GdoiTimeline.mount(document.getElementById('timeline'),\
         JSON.parse(document.getElementById('model').textContent));</script>"
    )
}

fn octets(out: &mut impl Write, capture: &CaptureSummary<'_>) -> io::Result<()> {
    writeln!(out, "<h2>Capture</h2><table><tr><th>Packets<th>Count<th>Bytes")?;
    for (class, count) in &capture.packets {
        let octets = capture.bytes.get(class).copied().unwrap_or_default();
        writeln!(out, "<tr><td>{class}<td>{count}<td>{octets}")?;
    }
    for (reason, count) in &capture.misses {
        writeln!(out, "<tr class=warning><td>unreadable: {reason}<td>{count}<td>")?;
    }
    for (link, count) in &capture.refused {
        writeln!(out, "<tr class=warning><td>unsupported: {link}<td>{count}<td>")?;
    }
    writeln!(out, "</table>")
}

fn events(out: &mut impl Write, kept: &KeptEvents) -> io::Result<()> {
    let count = kept.events.len();
    writeln!(
        out,
        "<h2>Events</h2><details><summary>{count} events</summary>\
         <table id=events><tr><th>Time<th>Severity<th>Type<th>Fields"
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
            write!(out, "<b>{}</b> {} ", Html(&name), Html(&value))?;
        }
        writeln!(out)?;
    }
    writeln!(out, "</table></details>")?;
    if kept.beyond == 0 {
        return Ok(());
    }
    writeln!(
        out,
        "<p>And {} more: <code>--format jsonl</code> has them all.",
        kept.beyond
    )
}
