//! Incidents for programs and people: dated, with the sentence and the next steps.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use gdoi_core::Diagnosis;
use gdoi_core::diagnosis::DiagnosisFact;
use gdoi_core::transition::{
    Affected, Alternative, Cause, Evidence, FrameId, Incident, NextStep, StepTarget,
};
use serde::{Deserialize, Serialize};

use crate::text::Text;
use crate::time::{Calendar, Moment};

/// Members that are listed.
const MOST_LISTED: usize = 100;

/// One cause and its effects.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentState {
    /// Its number.
    pub id: u64,
    /// Its cause.
    pub cause: Text,
    /// The cause as a title.
    pub title: Text,
    /// Its severity.
    pub severity: Text,
    /// Its certainty.
    pub certainty: Text,
    /// Its group.
    pub group: Option<Text>,
    /// Its key server.
    pub key_server: Option<IpAddr>,
    /// The affected members.
    pub members: IncidentMembers,
    /// When it began.
    pub began: Moment,
    /// Time of its latest event.
    pub latest: Moment,
    /// When it ended; null while it is open.
    pub ended: Option<Moment>,
    /// What happened, with numbers.
    pub summary: Text,
    /// Events that support it.
    pub evidence: Vec<IncidentEvidence>,
    /// Further events that are not listed.
    pub more_evidence: u64,
    /// Doubts about the cause.
    pub against: Vec<Text>,
    /// Other causes, and why they were ruled out.
    pub considered: Vec<ConsideredCause>,
    /// Number of events that it explains, by type.
    pub effects: BTreeMap<Text, u64>,
    /// What to check next.
    pub next: Vec<NextAction>,
    /// The incident of which it is a part.
    pub parent: Option<u64>,
    /// Events of further incidents of the same cause that are too many to be listed.
    #[serde(default)]
    pub collected: u64,
}

/// Members of an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentMembers {
    /// Number of members.
    pub count: u64,
    /// Number of all members, if known.
    pub of: Option<u64>,
    /// The listed ones.
    pub list: Vec<Text>,
}

/// An event that supports an incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentEvidence {
    /// Type of the event.
    pub event: Text,
    /// When it happened.
    pub time: Moment,
    /// The key server that it concerns.
    pub key_server: Option<IpAddr>,
    /// The member that it concerns.
    pub member: Option<Text>,
    /// The frames that prove it.
    pub frames: Vec<IncidentFrame>,
}

/// A frame of a capture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IncidentFrame {
    /// Name of the capture.
    pub file: Text,
    /// Number of the frame.
    pub frame: u64,
}

/// A cause that was considered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConsideredCause {
    /// The cause.
    pub cause: Text,
    /// Why it was ruled out.
    pub why_not: Text,
}

/// What to check next.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NextAction {
    /// The device, with its address if known.
    #[serde(rename = "where")]
    pub place: Text,
    /// The command.
    pub command: Text,
    /// What to look for.
    pub look_for: Text,
}

/// A notable observation that is no incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FactState {
    /// Its name.
    pub fact: Text,
    /// Its group.
    pub group: Option<Text>,
    /// Its key server.
    pub key_server: Option<IpAddr>,
    /// When it began.
    pub since: Moment,
    /// Description in one sentence.
    pub summary: Text,
}

/// The incidents of a diagnosis: open ones and the most severe first. `files` are the captures in which frames are
/// numbered.
pub fn incidents(diagnosis: &Diagnosis, calendar: Calendar, files: &[String]) -> Vec<IncidentState> {
    let incidents = diagnosis.incidents().into_iter();
    incidents
        .map(|one| IncidentState::new(one, calendar, files))
        .collect()
}

/// The other observations of a diagnosis.
pub fn facts(diagnosis: &Diagnosis, calendar: Calendar) -> Vec<FactState> {
    diagnosis
        .facts()
        .map(|fact| FactState::new(fact, calendar))
        .collect()
}

impl IncidentState {
    /// An incident with times on the clock of `calendar`.
    pub fn new(incident: &Incident, calendar: Calendar, files: &[String]) -> Self {
        let Incident {
            id,
            cause,
            group,
            key_server,
            affected,
            began,
            latest,
            ended,
            severity,
            certainty,
            evidence,
            more_evidence,
            against: _,
            excluded,
            considered,
            effects,
            parent,
            collected,
            measures,
        } = incident;
        Self {
            id: *id,
            cause: Text::own(cause.name()),
            title: Text::own(cause.row().title),
            severity: Text::own(severity.name()),
            certainty: Text::own(certainty.name()),
            group: group.clone().map(Text::own),
            key_server: *key_server,
            members: members(affected, measures.of),
            began: calendar.date(*began),
            latest: calendar.date(*latest),
            ended: ended.map(|ended| calendar.date(ended)),
            summary: Text::own(incident.summary()),
            evidence: dated(evidence, calendar, files),
            more_evidence: *more_evidence,
            against: incident.doubts().map(Text::own).collect(),
            considered: causes_considered(considered, excluded),
            effects: effects
                .iter()
                .map(|(event, count)| (Text::own(event.clone()), *count))
                .collect(),
            next: cause
                .row()
                .next
                .iter()
                .map(|step| NextAction::new(step, incident))
                .collect(),
            parent: *parent,
            collected: *collected,
        }
    }
}

/// The events that prove an incident, in their order.
fn dated(evidence: &[Evidence], calendar: Calendar, files: &[String]) -> Vec<IncidentEvidence> {
    let mut evidence: Vec<&Evidence> = evidence.iter().collect();
    evidence.sort_by_key(|one| one.at);
    let evidence = evidence.into_iter();
    evidence
        .map(|one| IncidentEvidence::new(one, calendar, files))
        .collect()
}

fn members(affected: &Affected, of: Option<u32>) -> IncidentMembers {
    IncidentMembers {
        count: affected.count().into(),
        of: of.map(u64::from),
        list: affected.members().take(MOST_LISTED).map(endpoint).collect(),
    }
}

fn endpoint(member: SocketAddr) -> Text {
    Text::own(match member.port() {
        0 => member.ip().to_string(),
        _ => member.to_string(),
    })
}

/// The causes that were considered, and what a witness excludes.
fn causes_considered(
    considered: &BTreeMap<Cause, std::borrow::Cow<'static, str>>,
    excluded: &std::collections::BTreeSet<Alternative>,
) -> Vec<ConsideredCause> {
    let said = considered.iter().map(|(cause, why)| ConsideredCause {
        cause: Text::own(cause.name()),
        why_not: Text::own(why.clone()),
    });
    let mut all: Vec<_> = said.collect();
    let has_capture = considered.contains_key(&Cause::CaptureIncomplete);
    if excluded.contains(&Alternative::CaptureGap) && !has_capture {
        all.push(ConsideredCause {
            cause: Text::own(Cause::CaptureIncomplete.name()),
            why_not: Text::own("nothing was lost in that time"),
        });
    }
    all
}

impl IncidentEvidence {
    fn new(evidence: &Evidence, calendar: Calendar, files: &[String]) -> Self {
        let Evidence {
            at,
            event,
            key_server,
            member,
            frames,
        } = evidence;
        Self {
            event: Text::own(event.clone()),
            time: calendar.date(*at),
            key_server: *key_server,
            member: member.map(endpoint),
            frames: frames
                .iter()
                .map(|frame| IncidentFrame::new(*frame, files))
                .collect(),
        }
    }
}

impl IncidentFrame {
    fn new(frame: FrameId, files: &[String]) -> Self {
        let file = usize::try_from(frame.file)
            .ok()
            .and_then(|index| files.get(index));
        Self {
            file: Text::own(file.cloned().unwrap_or_default()),
            frame: frame.number,
        }
    }
}

impl NextAction {
    fn new(step: &NextStep, incident: &Incident) -> Self {
        let mut members = incident.affected.members();
        let place = match (step.target, incident.key_server, members.next()) {
            (StepTarget::KeyServer, Some(server), _) => format!("key server {server}"),
            (StepTarget::KeyServer, None, _) => "key server".to_owned(),
            (StepTarget::Member, _, Some(member)) => format!("member {}", member.ip()),
            (StepTarget::Member, _, None) => "a member".to_owned(),
            (StepTarget::Monitor, _, _) => "monitor".to_owned(),
            (StepTarget::Path, _, _) => "a router between".to_owned(),
        };
        let address =
            |address: Option<IpAddr>| address.map_or_else(|| "ADDRESS".to_owned(), |it| it.to_string());
        let member = incident.affected.members().next().map(|member| member.ip());
        let command = step
            .command
            .replace("{server}", &address(incident.key_server))
            .replace("{other}", &address(incident.measures.other_server))
            .replace("{member}", &address(member));
        Self {
            place: Text::own(place),
            command: Text::own(command),
            look_for: Text::own(step.look_for),
        }
    }
}

impl FactState {
    fn new(fact: &DiagnosisFact, calendar: Calendar) -> Self {
        let DiagnosisFact {
            name,
            group,
            key_server,
            since,
            summary,
        } = fact;
        Self {
            fact: Text::own(name.clone()),
            group: group.clone().map(Text::own),
            key_server: *key_server,
            since: calendar.date(*since),
            summary: Text::own(summary.clone()),
        }
    }
}
