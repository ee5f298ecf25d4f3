//! What each group did, and how its key servers renew the KEK.

use std::io::{self, Write};

use super::super::escape::Html;
use super::super::verdict::Opinion;
use super::super::{Ending, Gathered, text};
use crate::state::{self, Group, KeyServer};
use crate::time::Calendar;

pub(super) fn write(out: &mut impl Write, ending: &Ending<'_>, gathered: &Gathered) -> io::Result<()> {
    writeln!(out, "<h2>Groups</h2>")?;
    let opinions = gathered.behaviors.opinions(ending.snapshot);
    for group in state::groups(ending.snapshot, Calendar::EPOCH) {
        let of_group = opinions.iter().filter(|opinion| *opinion.group == *group.name);
        self::group(out, &group, of_group)?;
    }
    Ok(())
}

fn group<'a>(
    out: &mut impl Write,
    group: &Group,
    opinions: impl Iterator<Item = &'a Opinion<'a>>,
) -> io::Result<()> {
    let transport = group.transport.as_deref().unwrap_or("transport unknown");
    writeln!(
        out,
        "<section class=group data-group='{0}' data-members={1}><h3>{0}</h3><p>{transport}, {1} members.",
        Html(&group.name),
        group.members
    )?;
    for opinion in opinions {
        self::opinion(out, opinion)?;
    }
    if !group.key_servers.is_empty() {
        writeln!(
            out,
            "<table><tr><th>Key server<th>Registrations<th>Failed<th>Rekeys<th>Rekey messages<th>State"
        )?;
        for key_server in &group.key_servers {
            self::key_server(out, key_server)?;
        }
        writeln!(out, "</table>")?;
    }
    let mut lines = Vec::new();
    text::group_lines(&mut lines, group)?;
    let lines = String::from_utf8_lossy(&lines);
    for line in lines.lines() {
        writeln!(out, "<p class=faint>{}", Html(line.trim()))?;
    }
    writeln!(out, "</section>")
}

fn opinion(out: &mut impl Write, opinion: &Opinion<'_>) -> io::Result<()> {
    let verdict = opinion.verdict.map_or("none", |verdict| verdict.name());
    write!(out, "<p data-verdict={verdict}><b>KEK behaviour")?;
    if let Some(key_server) = opinion.key_server {
        write!(out, " of {key_server}")?;
    }
    writeln!(out, ":</b> {}", Html(&opinion.words.join(" ")))?;
    if opinion.changes.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "<details><summary>{} KEK changes</summary><table><tr><th>Delivered<th>First used<th>From<th>To\
         <th>Before expiry",
        opinion.changes.len()
    )?;
    for change in &opinion.changes {
        let delivered = change.delivered.map(|at| format!("{at:.3}"));
        let lead = change.lead_seconds.map(|lead| format!("{lead:.1} s"));
        writeln!(
            out,
            "<tr><td>{}<td>{:.3}<td><code>{}</code><td><code>{}</code><td>{}",
            delivered.unwrap_or_else(|| "unknown".to_owned()),
            change.seen,
            change.from,
            change.to,
            lead.unwrap_or_else(|| "unknown".to_owned())
        )?;
    }
    writeln!(out, "</table></details>")
}

fn key_server(out: &mut impl Write, key_server: &KeyServer) -> io::Result<()> {
    let completed: u64 = key_server.completed.values().sum();
    let failed: u64 = key_server.failed.values().sum();
    write!(out, "<tr><td>{}<td>{completed}<td>{failed}", key_server.address)?;
    for (stage, count) in &key_server.failed_at {
        write!(out, "<br>{stage} {count}")?;
    }
    write!(out, "<td>")?;
    for (kind, count) in key_server.rekeys.iter().filter(|(_, count)| **count > 0) {
        write!(out, "{kind} {count}<br>")?;
    }
    let state = match key_server.up {
        Some(true) => "answers",
        Some(false) => "does not answer",
        None => "was not asked",
    };
    writeln!(out, "<td>{}<td>{state}", key_server.rekey_messages)
}
