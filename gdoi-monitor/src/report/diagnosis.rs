//! What is wrong and why, at the top of the report: the most severe first, a paragraph each.

use std::io::{self, Write};

use gdoi_core::Diagnosis;
use gdoi_core::transition::{Cause, Span};
use maud::{Markup, html};

use super::Ending;
use super::contents::CaptureObject;
use super::findings::Findings;
use crate::state::{self, FactState, IncidentEvidence, IncidentState};
use crate::text::{Lines, Plain, counted, grouped};
use crate::time::Calendar;

/// Events listed per incident in the text; pages and machine-readable formats list more.
const MOST_EVIDENCE: usize = 4;
/// Frames listed per event.
const MOST_FRAMES: usize = 6;
/// Subjects of CAPTURE that limit what can be seen.
const LIMITS: [&str; 4] = ["lost", "not read", "snap length", "unreadable"];
/// Members that are listed.
const MOST_MEMBERS: usize = 8;

/// The incidents of a capture, and other notable facts.
pub(super) struct DiagnosisReport {
    pub(super) incidents: Vec<IncidentState>,
    pub(super) facts: Vec<FactState>,
}

impl DiagnosisReport {
    pub(super) fn new(diagnosis: &Diagnosis, files: &[String]) -> Self {
        Self {
            incidents: state::incidents(diagnosis, Calendar::EPOCH, files),
            facts: state::facts(diagnosis, Calendar::EPOCH),
        }
    }

    /// As text.
    pub(super) fn write<W: Write>(
        &self,
        out: &mut Lines<W>,
        ending: &Ending<'_>,
        findings: &Findings,
    ) -> io::Result<()> {
        out.line("DIAGNOSIS")?;
        for (number, incident) in (1..).zip(&self.incidents) {
            self::incident(out, number, incident, ending)?;
        }
        if self.incidents.is_empty() {
            for words in nothing_wrong(ending, findings) {
                out.line(format_args!("  {words}"))?;
            }
        }
        for fact in &self.facts {
            out.line(format_args!("  note: {}", fact_words(fact)))?;
        }
        out.blank()
    }

    /// As part of a page.
    pub(super) fn page(&self, ending: &Ending<'_>, findings: &Findings) -> Markup {
        html! {
            h2 { "Diagnosis" }
            @for incident in &self.incidents { (section(incident, ending)) }
            @if self.incidents.is_empty() {
                @for words in nothing_wrong(ending, findings) { p { (Plain(words)) } }
            }
            @for fact in &self.facts { p class="faint" { "Note: " (Plain(fact_words(fact))) } }
        }
    }
}

/// States that nothing is wrong, and which part of the traffic that covers.
fn nothing_wrong(ending: &Ending<'_>, findings: &Findings) -> Vec<String> {
    let capture = CaptureObject::new(ending);
    let (true, Some(start), Some(end)) = (ending.contents.has_gdoi(), capture.start, capture.end) else {
        return vec!["None is possible: no GDOI message was read. CAPTURE lists what there is.".to_owned()];
    };
    let mut words = vec![format!(
        "No incident in what was seen: {}, {}.",
        counted(capture.frames, "frame"),
        Span(end.0.since(start.0))
    )];
    let directions = ending.contents.directions.by_key_server(ending.snapshot);
    for hidden in directions
        .iter()
        .filter(|seen| seen.is_one_way() && seen.both == 0)
    {
        words.push(format!(
            "Only one direction of {} was seen: what the other would show is unknown.",
            hidden.key_server
        ));
    }
    let events: u64 = findings.iter().map(|finding| finding.count).sum();
    if events > 0 {
        words.push(format!(
            "FINDINGS lists {} that no incident explains.",
            counted(events, "event")
        ));
    }
    words
}

fn fact_words(fact: &FactState) -> String {
    let of = match (&fact.group, fact.key_server) {
        (Some(group), _) => format!("{group}: "),
        (None, Some(server)) => format!("{server}: "),
        (None, None) => String::new(),
    };
    format!("{of}{}", fact.summary)
}

/// Why not everything was seen, from the contents of the captures.
fn limits(ending: &Ending<'_>, incident: &IncidentState) -> Vec<String> {
    if *incident.cause != *Cause::CaptureIncomplete.name() {
        return Vec::new();
    }
    let words = ending.contents.words(ending.snapshot, ending.files).into_iter();
    words
        .filter(|(subject, _)| LIMITS.contains(subject))
        .map(|(subject, words)| format!("{subject}: {words}"))
        .collect()
}

/// Beginning and end.
fn times(incident: &IncidentState) -> String {
    let began = incident.began;
    match incident.ended {
        Some(ended) if ended == began => format!("{began:.0}"),
        Some(ended) => format!("{began:.0} to {ended:.0} ({})", Span(ended.0.since(began.0))),
        None => format!("since {began:.0}, not known to be over"),
    }
}

/// The events that an incident explains.
fn effects(incident: &IncidentState) -> String {
    let effects = incident.effects.iter();
    let effects: Vec<String> = effects
        .map(|(event, count)| format!("{} {event}", grouped(*count)))
        .collect();
    effects.join(", ")
}

fn members(incident: &IncidentState) -> Option<String> {
    let list = &incident.members.list;
    if list.len() < 2 {
        return None;
    }
    let named: Vec<&str> = list.iter().take(MOST_MEMBERS).map(|one| &**one).collect();
    let beyond = incident.members.count.saturating_sub(named.len() as u64);
    Some(match beyond {
        0 => named.join(", "),
        _ => format!("{} and {} more", named.join(", "), grouped(beyond)),
    })
}

fn evidence_words(evidence: &IncidentEvidence, is_named: bool) -> String {
    let mut parts = vec![format!("{:.3}", evidence.time), evidence.event.to_string()];
    parts.extend(evidence.key_server.map(|server| server.to_string()));
    parts.extend(evidence.member.as_ref().map(ToString::to_string));
    let frames = evidence.frames.iter().rev().take(MOST_FRAMES);
    let mut frames: Vec<String> = frames.map(|frame| frame.frame.to_string()).collect();
    frames.reverse();
    if let Some(first) = evidence.frames.first() {
        let file = if is_named {
            format!(" of {}", first.file)
        } else {
            String::new()
        };
        parts.push(format!("frames {}{file}", frames.join(" ")));
    }
    parts.join("  ")
}

/// Excluded causes and remaining doubts.
fn reasons(incident: &IncidentState) -> Vec<(&'static str, String)> {
    let mut reasons = Vec::new();
    for considered in &incident.considered {
        reasons.push(("not", format!("{}: {}", considered.cause, considered.why_not)));
    }
    for doubt in &incident.against {
        reasons.push(("but", doubt.to_string()));
    }
    reasons
}

fn incident<W: Write>(
    out: &mut Lines<W>,
    number: usize,
    incident: &IncidentState,
    ending: &Ending<'_>,
) -> io::Result<()> {
    let is_named = ending.files.len() > 1;
    let group = incident
        .group
        .as_deref()
        .map_or(String::new(), |group| format!("  {group}"));
    out.line(format_args!(
        "  {number}. {}: {}{group}  [{}, {}]",
        incident.severity, incident.title, incident.cause, incident.certainty
    ))?;
    out.line(format_args!("     {}", incident.summary))?;
    let mut line = |subject: &str, words: &str| out.line(format_args!("       {subject:<9} {words}"));
    line("when", &times(incident))?;
    if let Some(members) = members(incident) {
        line("members", &members)?;
    }
    for words in limits(ending, incident) {
        line("because", &words)?;
    }
    line("explains", &effects(incident))?;
    for evidence in incident.evidence.iter().take(MOST_EVIDENCE) {
        line("evidence", &evidence_words(evidence, is_named))?;
    }
    let shown = incident.evidence.len().min(MOST_EVIDENCE) as u64;
    let all = incident.evidence.len() as u64 + incident.more_evidence;
    if all > shown {
        line("", &format!("and {} more", grouped(all - shown)))?;
    }
    for (subject, words) in reasons(incident) {
        line(subject, &words)?;
    }
    for next in &incident.next {
        line(
            "next",
            &format!("{}: `{}`: {}", next.place, next.command, next.look_for),
        )?;
    }
    Ok(())
}

fn section(incident: &IncidentState, ending: &Ending<'_>) -> Markup {
    let is_named = ending.files.len() > 1;
    let severity = &*incident.severity;
    html! {
        section class={ "incident finding " (severity) } data-cause=(&*incident.cause)
            data-severity=(severity) data-certainty=(&*incident.certainty)
        {
            h3 {
                (severity) ": " (&*incident.title) " "
                span class="faint" { (Plain(incident.group.as_deref().unwrap_or_default())) }
            }
            p { (Plain(&incident.summary)) " " span class="faint" { "(" (&*incident.certainty) ")" } }
            p { (times(incident)) "." }
            @if let Some(members) = members(incident) { p class="faint" { "Members: " (Plain(members)) } }
            @for words in limits(ending, incident) { p class="faint" { "Because: " (Plain(words)) } }
            p class="faint" { "Explains " (Plain(effects(incident))) "." }
            @for (subject, words) in reasons(incident) {
                p class="faint" { @if subject == "not" { "Not " } @else { "But: " } (Plain(words)) }
            }
            ul {
                @for next in &incident.next {
                    li { "On " (Plain(&next.place)) ": " code { (&*next.command) } ": " (&*next.look_for) "." }
                }
            }
            details {
                summary { "Evidence" }
                ul { @for one in &incident.evidence { li { (Plain(evidence_words(one, is_named))) } } }
                @if incident.more_evidence > 0 { p { "And " (grouped(incident.more_evidence)) " more." } }
            }
        }
    }
}
