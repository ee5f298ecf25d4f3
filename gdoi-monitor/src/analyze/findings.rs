//! What deserves attention, gathered: one finding for each type of event, group and severity, with its evidence.

use std::collections::BTreeMap;

use gdoi_core::transition::{Severity, Transition};
use serde::Serialize;

use super::seen_message::FrameId;
use crate::event::DatedTransition;
use crate::report::meaning;
use crate::time::{Calendar, Moment};

/// Events that a finding is proved with; the others are alike, and among the events.
const MOST_EVIDENCE: usize = 12;

/// What deserves attention so far. Bounded by the types of events times the groups.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    by_kind: BTreeMap<FindingKind, Finding>,
    worst: Option<Severity>,
}

/// The order of findings: the worst first, then by type and group.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct FindingKind {
    severity: std::cmp::Reverse<Severity>,
    name: &'static str,
    group: Option<String>,
}

/// Events of one type, group and severity.
#[derive(Clone, Debug)]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    pub(crate) name: &'static str,
    pub(crate) group: Option<String>,
    pub(crate) count: u64,
    pub(crate) first: Moment,
    pub(crate) last: Moment,
    pub(crate) meaning: &'static str,
    /// The first of the events.
    pub(crate) evidence: Vec<Evidence>,
}

/// One event, and the frames that prove it.
#[derive(Clone, Debug)]
pub(crate) struct Evidence {
    pub(crate) event: Transition,
    pub(crate) frames: Vec<FrameId>,
}

/// How a finding looks to programs.
#[derive(Serialize)]
struct FindingObject<'a> {
    severity: Severity,
    #[serde(rename = "type")]
    name: &'static str,
    group: Option<&'a str>,
    count: u64,
    first: Moment,
    last: Moment,
    meaning: &'static str,
    evidence: Vec<EvidenceObject<'a>>,
}

#[derive(Serialize)]
struct EvidenceObject<'a> {
    event: DatedTransition<'a>,
    frames: Vec<FrameObject<'a>>,
}

#[derive(Serialize)]
struct FrameObject<'a> {
    file: &'a str,
    frame: u64,
}

impl Findings {
    /// Takes an event, and the frames that prove it.
    pub(crate) fn take(&mut self, transition: &Transition, calendar: Calendar, frames: Vec<FrameId>) {
        let severity = transition.what.severity();
        self.worst = self.worst.max(Some(severity));
        if severity == Severity::Info {
            return;
        }
        let name = transition.what.name();
        let at = calendar.date(transition.at);
        let kind = FindingKind {
            severity: std::cmp::Reverse(severity),
            name,
            group: transition.group.clone(),
        };
        let finding = self.by_kind.entry(kind).or_insert_with(|| Finding {
            severity,
            name,
            group: transition.group.clone(),
            count: 0,
            first: at,
            last: at,
            meaning: meaning(&transition.what),
            evidence: Vec::new(),
        });
        finding.count += 1;
        finding.last = at;
        if finding.evidence.len() < MOST_EVIDENCE {
            let event = transition.clone();
            finding.evidence.push(Evidence { event, frames });
        }
    }

    /// The findings, the worst first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.by_kind.values()
    }

    /// How many events of this severity there were.
    pub(crate) fn count(&self, severity: Severity) -> u64 {
        let of_severity = self.iter().filter(|finding| finding.severity == severity);
        of_severity.map(|finding| finding.count).sum()
    }

    /// The findings as programs read them; `files` are the captures that frames are numbered in.
    pub(crate) fn objects<'a>(&'a self, files: &'a [String]) -> impl Serialize {
        let findings = self.iter().map(|finding| finding.object(files));
        findings.collect::<Vec<_>>()
    }

    /// The severity of the worst event; `None` when there was none at all.
    pub(crate) const fn worst(&self) -> Option<Severity> {
        self.worst
    }
}

impl Finding {
    fn object<'a>(&'a self, files: &'a [String]) -> FindingObject<'a> {
        let Self {
            severity,
            name,
            group,
            count,
            first,
            last,
            meaning,
            evidence,
        } = self;
        FindingObject {
            severity: *severity,
            name,
            group: group.as_deref(),
            count: *count,
            first: *first,
            last: *last,
            meaning,
            evidence: evidence.iter().map(|evidence| evidence.object(files)).collect(),
        }
    }
}

impl Evidence {
    fn object<'a>(&'a self, files: &'a [String]) -> EvidenceObject<'a> {
        let frame = |frame: &FrameId| FrameObject {
            file: file_of(*frame, files),
            frame: frame.number,
        };
        EvidenceObject {
            event: DatedTransition::new(&self.event, Calendar::EPOCH),
            frames: self.frames.iter().map(frame).collect(),
        }
    }
}

/// The capture that a frame is in.
pub(crate) fn file_of(frame: FrameId, files: &[String]) -> &str {
    let place = usize::try_from(frame.file).ok();
    place
        .and_then(|place| files.get(place))
        .map_or("", String::as_str)
}
