//! The status page: what is wrong, what is monitored, the state of the groups, and links.
//!
//! Without JavaScript it shows the state at the time of the request; with it, it updates (`page/`). It loads nothing
//! from elsewhere, and escapes everything that may come from the wire.

use std::fmt::{self, Write};
use std::time::Duration;

use gdoi_core::Timestamp;
use gdoi_core::snapshot::{GroupState, KeyServerState, UNATTRIBUTED};
use serde::Deserialize;

use super::{Status, ready};
use crate::engine::State;
use crate::text::Html;

const SHOWN_GROUPS: usize = 200;
const SHOWN_EVENTS: usize = 10;
const SHOWN_INCIDENTS: usize = 10;
/// `2026-01-02T03:04:05`.
const SECONDS: usize = 19;
const LINKS: &str = "<nav aria-label=\"More\"><ul><li><a href=\"metrics\">Metrics</a><li><a href=\"-/ready\">Readiness</a>\
    <li><a href=\"-/healthy\">Health</a><li>As JSON: <a href=\"api/v1/groups\">groups</a>, \
    <a href=\"api/v1/members\">members</a>, <a href=\"api/v1/spis\">SPIs</a>, \
    <a href=\"api/v1/events\">events</a>, <a href=\"api/v1/incidents\">incidents</a></ul></nav>";

/// The status page as HTML.
pub(super) fn page(state: &State, server: &Status) -> Vec<u8> {
    let mut page = String::new();
    // Writing to a string does not fail.
    match write(&mut page, state, server) {
        Ok(()) | Err(fmt::Error) => page.into_bytes(),
    }
}

fn write(out: &mut String, state: &State, server: &Status) -> fmt::Result {
    let version = env!("CARGO_PKG_VERSION");
    write!(
        out,
        "<!doctype html><html lang=en><head><meta charset=utf-8><title>gdoi-monitor</title>\
         <meta name=viewport content=\"width=device-width,initial-scale=1\"><link rel=icon href=\"data:,\">\
         <link rel=stylesheet href=ui/page.css><script src=ui/page.js defer></script></head><body>\
         <header><h1>gdoi-monitor</h1><p>version {version}</p></header><main>"
    )?;
    if server.reload.is_some_and(|reload| !reload.is_good) {
        write!(
            out,
            "<p class=warning role=status>The web configuration file was rejected; the previous one stays in force."
        )?;
    }
    incidents(out, state)?;
    interfaces(out, state)?;
    write!(out, "<section id=groups>")?;
    groups(out, state)?;
    write!(out, "</section>")?;
    events(out, state)?;
    writeln!(out, "</main><footer>{LINKS}</footer></body></html>")
}

/// Open incidents, the worst first.
fn incidents(out: &mut String, state: &State) -> fmt::Result {
    write!(out, "<section id=incidents><h2>Incidents</h2>")?;
    let incidents = &state.diagnosis.incidents;
    let open = || incidents.iter().filter(|incident| incident.ended.is_none());
    let count = open().count();
    if count == 0 {
        return write!(
            out,
            "<p>No incident is open in what this agent sees.</p></section>"
        );
    }
    write!(
        out,
        "<table><thead><tr><th scope=col>Severity<th scope=col>Group<th scope=col>What happened<th scope=col>Since\
         <th scope=col>Certainty<th scope=col>What to type next</thead><tbody>"
    )?;
    for incident in open().take(SHOWN_INCIDENTS) {
        let class = match &*incident.severity {
            "critical" => "critical",
            "warning" => "warning",
            _ => "unknown",
        };
        write!(
            out,
            "<tr><td class={class}>{}<td>{}<td><strong>{}</strong><br>{}<td>{:.0}<td>{}<td>",
            Html(&incident.severity),
            Html(incident.group.as_deref().unwrap_or_default()),
            Html(&incident.title),
            Html(&incident.summary),
            incident.began,
            Html(&incident.certainty)
        )?;
        if let Some(next) = incident.next.first() {
            write!(
                out,
                "{}: <code>{}</code>: {}",
                Html(&next.place),
                Html(&next.command),
                Html(&next.look_for)
            )?;
        }
    }
    write!(out, "</tbody></table>")?;
    if count > SHOWN_INCIDENTS {
        write!(
            out,
            "<p>And {} more: <a href=\"api/v1/incidents\">all of them</a>.</p>",
            count - SHOWN_INCIDENTS
        )?;
    }
    write!(out, "</section>")
}

fn interfaces(out: &mut String, state: &State) -> fmt::Result {
    write!(
        out,
        "<section id=interfaces><h2>Interfaces</h2><table><thead><tr><th scope=col>Interface<th scope=col>Direction<th scope=col>Monitored\
         <th scope=col>Remark</thead><tbody>"
    )?;
    for capture in &state.captures {
        let (class, watched) = match &capture.attached {
            Some(attached) => ("good", attached.attachment.name()),
            None => ("critical", "not monitored"),
        };
        let remark = ready::reason(capture).unwrap_or_default();
        write!(
            out,
            "<tr><th scope=row>{}<td>{}<td class={class}>{watched}<td>{}",
            Html(&capture.interface),
            capture.direction.name(),
            Html(&remark)
        )?;
    }
    write!(out, "</tbody></table></section>")
}

fn groups(out: &mut String, state: &State) -> fmt::Result {
    let groups = &state.snapshot.groups;
    let named = || groups.iter().filter(|(name, _)| *name != UNATTRIBUTED);
    let count = named().count();
    if count == 0 {
        return write!(
            out,
            "<h2>Groups</h2><p>No group is configured, and none was seen yet.</p>"
        );
    }
    write!(
        out,
        "<h2>Groups</h2><table><thead><tr><th scope=col>Group<th scope=col>State<th scope=col>Members\
         <th scope=col>Key servers<th scope=col>Last rekey<th scope=col>Next rekey<th scope=col>KEK expires</thead><tbody>"
    )?;
    for (name, group) in named().take(SHOWN_GROUPS) {
        self::group(out, name, group, state.now)?;
    }
    write!(out, "</tbody></table>")?;
    match count.checked_sub(SHOWN_GROUPS) {
        None | Some(0) => Ok(()),
        Some(more) => write!(
            out,
            "<p>And {more} more: <a href=\"api/v1/groups\">all of them</a>.</p>"
        ),
    }
}

fn group(out: &mut String, name: &str, group: &GroupState, now: Timestamp) -> fmt::Result {
    let (class, state) = trouble(group);
    let when = |at: Option<Timestamp>| When { at, now };
    write!(
        out,
        "<tr><th scope=row>{}<td class={class}>{state}<td>{}<td>",
        Html(name),
        group.members
    )?;
    for (index, (address, server)) in group.key_servers.iter().enumerate() {
        let comma = if index == 0 { "" } else { "<br>" };
        let (class, up) = is_up(server);
        write!(out, "{comma}{address} <span class={class}>{up}</span>")?;
    }
    write!(
        out,
        "<td>{}<td>{}<td>{}",
        when(group.rekey.last),
        when(group.rekey.next_expected),
        when(group.kek.expiry)
    )
}

const fn is_up(server: &KeyServerState) -> (&'static str, &'static str) {
    match server.up {
        Some(true) => ("good", "up"),
        Some(false) => ("critical", "down"),
        None => ("unknown", "unknown"),
    }
}

/// The most severe state of a group.
fn trouble(group: &GroupState) -> (&'static str, &'static str) {
    let is_down = |server: &KeyServerState| server.up == Some(false);
    let troubles = [
        (group.rekey.overdue, "critical", "rekey overdue"),
        (group.kek.over_age, "critical", "KEK over age"),
        (
            group.key_servers.values().any(is_down),
            "warning",
            "key server down",
        ),
        (group.registration.burst_active, "warning", "registration burst"),
        (group.esp.lagging_sites > 0, "warning", "sites lag behind"),
        (
            group.rekey.unacknowledged_members.unwrap_or_default() > 0,
            "warning",
            "rekey not acknowledged by all",
        ),
    ];
    let worst = troubles.into_iter().find(|(is_so, _, _)| *is_so);
    worst.map_or(("good", "nothing wrong seen"), |(_, class, said)| (class, said))
}

/// The fields of an event that the page shows.
#[derive(Deserialize)]
struct Shown {
    time: String,
    #[serde(rename = "type")]
    kind: String,
    severity: String,
    #[serde(default)]
    group: Option<String>,
}

fn events(out: &mut String, state: &State) -> fmt::Result {
    write!(
        out,
        "<section id=events><h2>Latest warnings</h2><table><thead><tr><th scope=col>Time<th scope=col>Severity<th scope=col>Event\
         <th scope=col>Group</thead><tbody>"
    )?;
    let events = state.recent.iter().rev();
    let events = events.filter_map(|event| serde_json::from_str::<Shown>(event).ok());
    for event in events.filter(|event| event.severity != "info").take(SHOWN_EVENTS) {
        let class = if event.severity == "critical" {
            "critical"
        } else {
            "warning"
        };
        write!(
            out,
            "<tr><td>{}<td class={class}>{}<td>{}<td>{}",
            Html(event.time.get(..SECONDS).unwrap_or(&event.time)),
            Html(&event.severity),
            Html(&event.kind),
            Html(event.group.as_deref().unwrap_or_default())
        )?;
    }
    write!(out, "</tbody></table></section>")
}

/// A time relative to another: `3 min ago`, `in 2 h`.
struct When {
    at: Option<Timestamp>,
    now: Timestamp,
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            None => f.write_str("not known"),
            Some(at) if at > self.now => write!(f, "in {}", About(at.since(self.now))),
            Some(at) => write!(f, "{} ago", About(self.now.since(at))),
        }
    }
}

/// A duration in its largest unit.
struct About(Duration);

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_secs() {
            seconds @ 0..120 => write!(f, "{seconds} s"),
            seconds @ 120..7_200 => write!(f, "{} min", seconds / 60),
            seconds @ 7_200..172_800 => write!(f, "{} h", seconds / 3_600),
            seconds => write!(f, "{} days", seconds / 86_400),
        }
    }
}
