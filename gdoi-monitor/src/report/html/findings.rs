//! What deserves attention: the worst first, each with its events and the frames that prove them.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::super::escape::Html;
use super::super::text;
use crate::analyze::{Evidence, Finding, Findings, FrameId, file_of};
use crate::time::Calendar;

pub(super) fn write(out: &mut impl Write, findings: &Findings, files: &[String]) -> io::Result<()> {
    writeln!(out, "<h2>Findings</h2>")?;
    if findings.iter().next().is_none() {
        return writeln!(out, "<p>None.");
    }
    for finding in findings.iter() {
        self::finding(out, finding, files)?;
    }
    Ok(())
}

fn finding(out: &mut impl Write, finding: &Finding, files: &[String]) -> io::Result<()> {
    let Finding {
        severity,
        name,
        group,
        count,
        first,
        last,
        meaning,
        evidence,
    } = finding;
    let severity = severity.name();
    writeln!(
        out,
        "<section class='finding {severity}' data-type={name} data-count={count} data-severity={severity}>\
         <h3>{severity}: {} <span class=faint>{}</span></h3>",
        text::spaced(name),
        Html(group.as_deref().unwrap_or(""))
    )?;
    writeln!(out, "<p>{}", Html(meaning))?;
    if *count == 1 {
        writeln!(out, "<p>Once, at {first:.3}.")?;
    } else {
        writeln!(out, "<p>{count} times, from {first:.3} to {last:.3}.")?;
    }
    write!(out, "<details><summary>Evidence")?;
    if (evidence.len() as u64) < *count {
        write!(out, " of the first {}", evidence.len())?;
    }
    writeln!(out, "</summary><table><tr><th>Time<th>What<th>Frames")?;
    for evidence in evidence {
        self::evidence(out, evidence, files)?;
    }
    writeln!(out, "</table>")?;
    filters(out, evidence, files)?;
    writeln!(out, "</details></section>")
}

fn evidence(out: &mut impl Write, evidence: &Evidence, files: &[String]) -> io::Result<()> {
    let Evidence { event, frames } = evidence;
    let date = Calendar::EPOCH.date(event.at);
    write!(out, "<tr><td>{date:.6}<td>")?;
    for (name, value) in text::fields(event).iter().filter(|(name, _)| name != "group") {
        write!(out, "<b>{}</b> {} ", Html(&text::spaced(name)), Html(value))?;
    }
    write!(out, "<td class=frames>")?;
    for (file, numbers) in by_file(frames) {
        if files.len() > 1 {
            let name = numbers.first().map_or("", |frame| file_of(*frame, files));
            write!(out, "<span data-file={file}>{}:</span> ", Html(name))?;
        }
        writeln!(out, "{}<br>", text::numbers(&numbers, ", "))?;
    }
    Ok(())
}

/// A display filter for each capture, that shows the frames and nothing else.
fn filters(out: &mut impl Write, evidence: &[Evidence], files: &[String]) -> io::Result<()> {
    let mut frames: Vec<FrameId> = evidence
        .iter()
        .flat_map(|one| one.frames.iter().copied())
        .collect();
    frames.sort_unstable();
    frames.dedup();
    for (_, numbers) in by_file(&frames) {
        let name = numbers.first().map_or("", |frame| file_of(*frame, files));
        writeln!(
            out,
            "<p class=faint>Wireshark display filter for {}: <code>frame.number in {{{}}}</code>",
            Html(name),
            text::numbers(&numbers, ", ")
        )?;
    }
    Ok(())
}

fn by_file(frames: &[FrameId]) -> BTreeMap<u32, Vec<FrameId>> {
    let mut by_file: BTreeMap<u32, Vec<FrameId>> = BTreeMap::new();
    for frame in frames {
        by_file.entry(frame.file).or_default().push(*frame);
    }
    by_file
}
