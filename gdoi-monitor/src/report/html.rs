//! HTML for browsers: one self-contained page that may load nothing.

use std::collections::BTreeMap;
use std::io::{self, Write};

use gdoi_core::transition::{FrameId, Severity};
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::contents::{CaptureObject, SeenDirections};
use super::diagnosis::DiagnosisReport;
use super::findings::{Evidence, Finding, Findings};
use super::verdict::Opinion;
use super::{Ending, Gathered, KeptEvents, assets, name_of, text};
use crate::state::{self, Group, KeyServer};
use crate::text::{InScript, Json, Plain, counted, grouped};
use crate::time::Calendar;

const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; \
    form-action 'none'";
const MOUNT: &str = "GdoiTimeline.mount(document.getElementById('timeline'),\
    JSON.parse(document.getElementById('model').textContent));</script>\n";

pub(super) fn write(
    out: &mut impl Write,
    ending: &Ending<'_>,
    findings: &Findings,
    gathered: &Gathered,
) -> io::Result<()> {
    let capture = CaptureObject::new(ending);
    put(out, &head(&text::named(ending.files)))?;
    let diagnosis = DiagnosisReport::new(&gathered.diagnosis, ending.files);
    put(out, &diagnosis.page(ending, findings))?;
    put(out, &self::capture(ending, &capture))?;
    put(out, &tiles(ending, findings))?;
    put(out, &self::findings(ending, findings))?;
    timeline(out, ending, gathered)?;
    put(out, &groups(ending, gathered))?;
    put(out, &packets(&capture))?;
    put(out, &events(&gathered.kept))
}

fn put(out: &mut impl Write, markup: &Markup) -> io::Result<()> {
    out.write_all(markup.0.as_bytes())?;
    out.write_all(b"\n")
}

fn head(title: &str) -> Markup {
    html! {
        (DOCTYPE)
        // Without end tags, so that the page can be written piece by piece.
        (PreEscaped("<html lang=en>"))
        meta charset="utf-8";
        // Whatever gets into the page may not load anything, nor send anything anywhere.
        meta http-equiv="Content-Security-Policy" content=(POLICY);
        meta name="viewport" content="width=device-width,initial-scale=1";
        title { "GDOI: " (Plain(title)) }
        style { (PreEscaped(assets::STYLE)) }
        h1 { "GDOI in " (Plain(title)) }
    }
}

/// The contents of the captures, before any finding.
fn capture(ending: &Ending<'_>, capture: &CaptureObject<'_>) -> Markup {
    html! {
        p {
            (counted(capture.frames, "frame"))
            @if let (Some(start), Some(end)) = (capture.start, capture.end) {
                ", " (format!("{start:.3}")) " to " (format!("{end:.3}"))
                ", " (text::length(end.0.since(start.0)))
            }
            "."
        }
        @if ending.files.len() > 1 {
            details {
                summary { (counted(ending.files.len() as u64, "capture")) }
                ul { @for file in ending.files { li { (Plain(file)) } } }
            }
        }
        @for error in capture.errors {
            p class="warning" { "Incomplete: " (Plain(error)) }
        }
        table id="contents" {
            @for (subject, words) in ending.contents.words(ending.snapshot, ending.files) {
                tr { th scope="row" { (subject) } td { (Plain(words)) } }
            }
        }
    }
}

/// The whole report in a few numbers.
fn tiles(ending: &Ending<'_>, findings: &Findings) -> Markup {
    let groups: Vec<_> = state::groups(ending.snapshot, Calendar::EPOCH).collect();
    let servers = || groups.iter().flat_map(|group| &group.key_servers);
    let completed: u64 = servers().flat_map(|server| server.completed.values()).sum();
    let failed: u64 = servers().flat_map(|server| server.failed.values()).sum();
    let rekeys: u64 = servers().flat_map(|server| server.rekeys.values()).sum();
    let keys: u64 = groups.iter().map(|group| group.kek.changes).sum();
    html! {
        ul class="tiles" {
            @for (name, count, class) in [
                ("critical", findings.count(Severity::Critical), "critical"),
                ("warnings", findings.count(Severity::Warning), "warning"),
                ("members", ending.snapshot.members.len() as u64, ""),
                ("registrations", completed, ""),
                ("failed registrations", failed, "warning"),
                ("rekeys", rekeys, ""),
                ("changes of KEK", keys, ""),
            ] {
                li class=(if count > 0 { class } else { "" }) { b { (count) } (name) }
            }
        }
    }
}

/// The findings: the worst first, each with its events and the frames that prove them.
fn findings(ending: &Ending<'_>, findings: &Findings) -> Markup {
    let visibility = ending.contents.directions.by_key_server(ending.snapshot);
    html! {
        h2 { "Findings" }
        @if findings.iter().next().is_none() {
            p { (text::nothing_found(ending)) "." }
        }
        @for finding in findings.iter() {
            (self::finding(finding, ending.files, &visibility))
        }
    }
}

fn finding(finding: &Finding, files: &[String], visibility: &[SeenDirections]) -> Markup {
    let severity = finding.severity.name();
    let evidence = finding.evidence();
    let (first, last) = (finding.first, finding.last);
    html! {
        section class={ "finding " (severity) } data-type=(finding.name) data-count=(finding.count)
            data-severity=(severity) data-members=(finding.members())
        {
            h3 {
                (severity) ": " (text::spaced(finding.name)) " "
                span class="faint" { (Plain(finding.group.as_deref().unwrap_or_default())) }
            }
            p { (finding.meaning) }
            @if let Some(doubt) = finding.doubt(visibility) {
                p class="warning" { "Uncertain: " (doubt) }
            }
            @if finding.count == 1 {
                p { "Once, at " (format!("{first:.3}")) "." }
            } @else {
                p {
                    (grouped(finding.count)) " times, from " (format!("{first:.3}"))
                    " to " (format!("{last:.3}")) (text::of_members(finding)) "."
                }
            }
            details {
                summary {
                    "Evidence"
                    @if (evidence.len() as u64) < finding.count { " of " (evidence.len()) }
                }
                table {
                    tr { th { "Time" } th { "What" } th { "Times" } th { "Frames" } }
                    @for evidence in &evidence { (self::evidence(evidence, files)) }
                }
                (filters(&evidence, files))
            }
        }
    }
}

fn evidence(evidence: &Evidence<'_>, files: &[String]) -> Markup {
    let date = Calendar::EPOCH.date(evidence.event.at);
    html! {
        tr {
            td { (format!("{date:.6}")) }
            td { (fields(text::fields(evidence.event), |name| name != "group")) }
            td { (evidence.count) }
            td class="frames" {
                @for (file, numbers) in by_file(evidence.frames) {
                    @if files.len() > 1 {
                        span data-file=(file) { (Plain(name_of(file, files))) ":" } " "
                    }
                    (text::numbers(&numbers, ", ")) br;
                }
            }
        }
    }
}

fn fields(fields: Vec<(String, String)>, is_wanted: impl Fn(&str) -> bool) -> Markup {
    html! {
        @for (name, value) in fields {
            @if is_wanted(&name) { b { (text::spaced(&name)) } " " (Plain(value)) " " }
        }
    }
}

/// A display filter for each capture that shows exactly these frames.
fn filters(evidence: &[Evidence<'_>], files: &[String]) -> Markup {
    let mut frames: Vec<FrameId> = evidence.iter().flat_map(|one| one.frames).copied().collect();
    frames.sort_unstable();
    frames.dedup();
    html! {
        @for (file, numbers) in by_file(&frames) {
            p class="faint" {
                "Wireshark display filter for " (Plain(name_of(file, files))) ": "
                code { "frame.number in {" (text::numbers(&numbers, ", ")) "}" }
            }
        }
    }
}

fn by_file(frames: &[FrameId]) -> BTreeMap<u32, Vec<FrameId>> {
    let mut by_file: BTreeMap<u32, Vec<FrameId>> = BTreeMap::new();
    for frame in frames {
        by_file.entry(frame.file).or_default().push(*frame);
    }
    by_file
}

fn timeline(out: &mut impl Write, ending: &Ending<'_>, gathered: &Gathered) -> io::Result<()> {
    put(
        out,
        &html! {
            h2 { "Timeline" }
            div id="timeline" {}
            noscript { "The timeline is drawn by a script; everything else on this page is here without it." }
        },
    )?;
    out.write_all(b"<script type=application/json id=model>")?;
    let model = gathered
        .timeline
        .model(ending.snapshot, ending.files, ending.contents.span);
    serde_json::to_writer(InScript(Json(&mut *out)), &model)?;
    out.write_all(b"</script><script>")?;
    for part in assets::SCRIPT {
        out.write_all(part.as_bytes())?;
    }
    out.write_all(MOUNT.as_bytes())
}

/// The groups, and how their key servers renew the KEK.
fn groups(ending: &Ending<'_>, gathered: &Gathered) -> Markup {
    let opinions = gathered.behaviors.opinions(ending.snapshot);
    html! {
        h2 { "Groups" }
        @for group in state::groups(ending.snapshot, Calendar::EPOCH) {
            (self::group(&group, &opinions))
        }
    }
}

fn group(group: &Group, opinions: &[Opinion<'_>]) -> Markup {
    let transport = group.transport.as_deref().unwrap_or("transport unknown");
    let heads = [
        "Key server",
        "Registrations",
        "Failed",
        "Rekeys",
        "Rekey messages",
        "State",
    ];
    html! {
        section class="group" data-group=(Plain(&group.name)) data-members=(group.members) {
            h3 { (Plain(&group.name)) }
            p { (transport) ", " (counted(group.members, "member")) "." }
            @for opinion in opinions.iter().filter(|opinion| *opinion.group == *group.name) {
                (self::opinion(opinion))
            }
            @if !group.key_servers.is_empty() {
                table {
                    tr { @for head in heads { th { (head) } } }
                    @for key_server in &group.key_servers { (self::key_server(key_server)) }
                }
            }
            @for (subject, words) in text::group_lines(group) {
                p class="faint" { (subject) ": " (Plain(words)) }
            }
        }
    }
}

fn opinion(opinion: &Opinion<'_>) -> Markup {
    let verdict = opinion.verdict.map_or("none", |verdict| verdict.name());
    let changes = counted(opinion.changes.len() as u64, "KEK change");
    html! {
        p data-verdict=(verdict) {
            b {
                "KEK behaviour"
                @if let Some(key_server) = opinion.key_server { " of " (key_server.to_string()) }
                ":"
            }
            " " (Plain(opinion.words.join(" ")))
        }
        @if !opinion.changes.is_empty() {
            details {
                summary { (changes) }
                table {
                    tr { @for head in ["Delivered", "First used", "From", "To", "Before expiry"] { th { (head) } } }
                    @for change in &opinion.changes {
                        tr {
                            td { (change.delivered.map_or_else(unknown, |at| format!("{at:.3}"))) }
                            td { (format!("{:.3}", change.seen)) }
                            td { code { (change.from.to_string()) } }
                            td { code { (change.to.to_string()) } }
                            td { (change.lead_seconds.map_or_else(unknown, |lead| format!("{lead:.1} s"))) }
                        }
                    }
                }
            }
        }
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

fn key_server(key_server: &KeyServer) -> Markup {
    let completed: u64 = key_server.completed.values().sum();
    let failed: u64 = key_server.failed.values().sum();
    let state = match key_server.up {
        Some(true) => "answers",
        Some(false) => "does not answer",
        None => "was not asked",
    };
    html! {
        tr {
            td { (key_server.address.to_string()) }
            td { (completed) }
            td { (failed) @for (stage, count) in &key_server.failed_at { br; (stage) " " (count) } }
            td {
                @for (kind, count) in key_server.rekeys.iter().filter(|(_, count)| **count > 0) {
                    (kind) " " (count) br;
                }
            }
            td { (key_server.rekey_messages) }
            td { (state) }
        }
    }
}

fn packets(capture: &CaptureObject<'_>) -> Markup {
    html! {
        h2 { "Capture" }
        table {
            tr { th { "Packets" } th { "Count" } th { "Bytes" } }
            @for (class, count) in &capture.packets {
                tr { td { (class) } td { (count) } td { (capture.bytes.get(class).copied().unwrap_or_default()) } }
            }
            @for (reason, count) in &capture.misses {
                tr class="warning" { td { "unreadable: " (reason) } td { (count) } td {} }
            }
        }
    }
}

fn events(kept: &KeptEvents) -> Markup {
    html! {
        h2 { "Events" }
        details {
            summary { (counted(kept.events.len() as u64, "event")) }
            table id="events" {
                tr { th { "Time" } th { "Severity" } th { "Type" } th { "Fields" } }
                @for transition in &kept.events {
                    @let severity = transition.what.severity().name();
                    tr class=(severity) {
                        td { (format!("{:.6}", Calendar::EPOCH.date(transition.at))) }
                        td { (severity) }
                        td { (transition.what.name()) }
                        td { (fields(text::fields(transition), |_| true)) }
                    }
                }
            }
        }
        @if kept.beyond > 0 {
            p { "And " (grouped(kept.beyond)) " more: " code { "--format jsonl" } " has them all." }
        }
    }
}
