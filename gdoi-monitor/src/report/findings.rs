//! Findings: one for each type of event, group and severity, with its evidence.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use gdoi_core::transition::{FrameId, Severity, Transition};
use serde::Serialize;

use super::contents::SeenDirections;
use super::meaning::meaning;
use super::name_of;
use crate::event::DatedTransition;
use crate::time::{Calendar, Moment};

/// Events in the evidence of a finding.
const MOST_EVIDENCE: usize = 12;
/// Events kept beyond the first of each subject.
const MOST_KEPT: usize = 256;
/// Subjects of one finding that are kept separately: some 2 MB.
const MOST_SUBJECTS: usize = 10_000;

/// The findings so far. Bounded by the types of events times the groups.
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
    /// Its subjects, with their number of events and the first ones.
    subjects: BTreeMap<Subject, SubjectEvents>,
    /// Number of kept events, over all subjects.
    kept: usize,
}

/// Key server and member that an event is about.
type Subject = (Option<IpAddr>, Option<SocketAddr>);

/// The events of one subject.
#[derive(Clone, Debug, Default)]
struct SubjectEvents {
    count: u64,
    kept: Vec<(Transition, Vec<FrameId>)>,
}

/// One event, the frames that prove it, and the number of events of its subject.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Evidence<'a> {
    pub(crate) event: &'a Transition,
    pub(crate) frames: &'a [FrameId],
    pub(crate) count: u64,
}

/// A finding as JSON.
#[derive(Serialize)]
struct FindingObject<'a> {
    severity: Severity,
    #[serde(rename = "type")]
    name: &'static str,
    group: Option<&'a str>,
    count: u64,
    /// Number of members, if it is about members.
    members: u64,
    first: Moment,
    last: Moment,
    meaning: &'static str,
    /// Why it may be wrong.
    doubt: Option<&'static str>,
    evidence: Vec<EvidenceObject<'a>>,
}

#[derive(Serialize)]
struct EvidenceObject<'a> {
    event: DatedTransition<'a>,
    /// Events of the same member and key server.
    count: u64,
    frames: Vec<FrameObject<'a>>,
}

#[derive(Serialize)]
struct FrameObject<'a> {
    file: &'a str,
    frame: u64,
}

impl Findings {
    /// Adds an event and the frames that prove it.
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
            subjects: BTreeMap::new(),
            kept: 0,
        });
        finding.count += 1;
        finding.last = at;
        finding.keep(transition, frames);
    }

    /// The findings, the worst first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.by_kind.values()
    }

    /// Number of events of this severity.
    pub(crate) fn count(&self, severity: Severity) -> u64 {
        let of_severity = self.iter().filter(|finding| finding.severity == severity);
        of_severity.map(|finding| finding.count).sum()
    }

    /// The findings as JSON; frames refer to `files` by number.
    pub(crate) fn objects<'a>(
        &'a self,
        files: &'a [String],
        visibility: &[SeenDirections],
    ) -> impl Serialize + use<'a> {
        let findings = self.iter().map(|finding| finding.object(files, visibility));
        findings.collect::<Vec<_>>()
    }

    /// The worst severity; `None` if there were no events.
    pub(crate) const fn worst(&self) -> Option<Severity> {
        self.worst
    }
}

impl Finding {
    fn keep(&mut self, transition: &Transition, frames: Vec<FrameId>) {
        let subject = (transition.key_server, transition.member);
        if self.subjects.len() >= MOST_SUBJECTS && !self.subjects.contains_key(&subject) {
            return;
        }
        let events = self.subjects.entry(subject).or_default();
        events.count += 1;
        // The first of every subject; more while there are few.
        if events.kept.is_empty() || events.kept.len() < MOST_EVIDENCE && self.kept < MOST_KEPT {
            events.kept.push((transition.clone(), frames));
            self.kept += 1;
        }
    }

    /// The evidence: subjects with the most events first, in time order. Further events are similar, and are in the
    /// list of events.
    pub(crate) fn evidence(&self) -> Vec<Evidence<'_>> {
        let mut subjects: Vec<&SubjectEvents> = self.subjects.values().collect();
        let first = |events: &SubjectEvents| events.kept.first().map(|(event, _)| event.at);
        subjects.sort_by_key(|events| (std::cmp::Reverse(events.count), first(events)));
        // Each subject once before any has several lines.
        let lines = MOST_EVIDENCE.div_ceil(subjects.len().max(1));
        let evidence = subjects.into_iter().flat_map(|events| {
            events.kept.iter().take(lines).map(|(event, frames)| Evidence {
                event,
                frames,
                count: events.count,
            })
        });
        evidence.take(MOST_EVIDENCE).collect()
    }

    /// Number of members it is about.
    pub(crate) fn members(&self) -> u64 {
        self.subjects
            .keys()
            .filter(|(_, member)| member.is_some())
            .count() as u64
    }

    /// Why it may be wrong: it rests on an absence, and not everything was seen.
    pub(crate) fn doubt(&self, visibility: &[SeenDirections]) -> Option<&'static str> {
        self.hidden_direction(visibility).or_else(|| {
            self.is_of_a_gap()
                .then_some("Some traffic of that time was not seen.")
        })
    }

    /// Whether the missing message may have come in a gap of the capture: then it is only a warning.
    fn is_of_a_gap(&self) -> bool {
        self.name == "rekey_overdue" && self.severity == Severity::Warning
    }

    /// The direction of the missing message, if that direction was not seen at all.
    fn hidden_direction(&self, visibility: &[SeenDirections]) -> Option<&'static str> {
        let needs_from_member = matches!(self.name, "rekey_unacknowledged" | "registration_failed");
        let needs_to_member = matches!(self.name, "member_lost" | "rekey_overdue" | "registration_failed");
        let mut servers = self.subjects.keys().filter_map(|(server, _)| *server).peekable();
        servers.peek()?;
        let mut seen = servers.map(|server| visibility.iter().find(|seen| seen.key_server == server));
        let hidden = |from_member: bool, seen: Option<&SeenDirections>| {
            seen.is_some_and(|seen| {
                let others = if from_member {
                    seen.only_to_member
                } else {
                    seen.only_from_member
                };
                seen.is_one_way() && others > 0
            })
        };
        let mut seen: Vec<_> = seen.by_ref().collect();
        seen.dedup();
        if needs_from_member && seen.iter().all(|seen| hidden(true, *seen)) {
            Some("Only key server to member is seen here: what members sent is unknown.")
        } else if needs_to_member && seen.iter().all(|seen| hidden(false, *seen)) {
            Some("Only member to key server is seen here: what the key server sent is unknown.")
        } else {
            None
        }
    }

    fn object<'a>(&'a self, files: &'a [String], visibility: &[SeenDirections]) -> FindingObject<'a> {
        let Self {
            severity,
            name,
            group,
            count,
            first,
            last,
            meaning,
            subjects: _,
            kept: _,
        } = self;
        FindingObject {
            severity: *severity,
            name,
            group: group.as_deref(),
            count: *count,
            members: self.members(),
            first: *first,
            last: *last,
            meaning,
            doubt: self.doubt(visibility),
            evidence: self
                .evidence()
                .iter()
                .map(|evidence| evidence.object(files))
                .collect(),
        }
    }
}

impl<'a> Evidence<'a> {
    fn object(&self, files: &'a [String]) -> EvidenceObject<'a> {
        let frame = |frame: &FrameId| FrameObject {
            file: name_of(frame.file, files),
            frame: frame.number,
        };
        EvidenceObject {
            event: DatedTransition::new(self.event, Calendar::EPOCH),
            count: self.count,
            frames: self.frames.iter().map(frame).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gdoi_core::Timestamp;
    use gdoi_core::transition::{ClockStep, What};

    use super::*;

    fn event(seconds: u64, member: u8) -> Transition {
        Transition {
            at: Timestamp::from_nanos(seconds * 1_000_000_000),
            group: None,
            key_server: None,
            member: Some(([10, 0, 0, member], 0).into()),
            what: What::ClockStep(ClockStep {
                step: Duration::from_secs(1),
            }),
        }
    }

    /// The last octets of the members in the evidence, with their counts.
    fn shown(events: &[(u64, u8)]) -> Vec<(u8, u64)> {
        let mut findings = Findings::default();
        for (seconds, member) in events {
            findings.take(&event(*seconds, *member), Calendar::EPOCH, Vec::new());
        }
        let finding = findings.iter().next().unwrap();
        let octet = |evidence: &Evidence<'_>| match evidence.event.member.unwrap().ip() {
            IpAddr::V4(v4) => v4.octets()[3],
            IpAddr::V6(_) => 0,
        };
        finding
            .evidence()
            .iter()
            .map(|evidence| (octet(evidence), evidence.count))
            .collect()
    }

    #[test]
    fn the_worst_members_come_first_whenever_they_began() {
        let mut events: Vec<(u64, u8)> = (1..=40).map(|member| (u64::from(member), member)).collect();
        events.extend([(100, 77), (101, 77), (102, 77), (103, 50), (104, 50)]);
        let told = shown(&events);
        assert_eq!(told.len(), MOST_EVIDENCE);
        assert_eq!(told[..3], [(77, 3), (50, 2), (1, 1)]);
    }

    #[test]
    fn one_member_has_as_many_lines_as_there_are() {
        let events: Vec<(u64, u8)> = (0..30).map(|second| (second, 1)).collect();
        assert_eq!(shown(&events), [(1, 30); MOST_EVIDENCE]);
        assert_eq!(shown(&[(1, 1), (2, 2), (3, 1)]), [(1, 2), (1, 2), (2, 1)]);
    }
}
