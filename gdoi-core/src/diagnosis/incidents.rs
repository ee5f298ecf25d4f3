//! The incidents of a diagnosis: they open, grow, merge and close, all within counted limits.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::basis::{Basis, IncidentKey};
use super::notes::Notes;
use super::pending::{PendingEvent, PendingEvents};
use crate::time::Timestamp;
use crate::transition::{Cause, Certainty, Incident, Measures, Severity, Transition, What};

/// Incidents that are tracked. Beyond it, new ones are collected.
const MOST_TRACKED: usize = 256;
/// Incidents of one cause in one group, or without a group. Beyond it, new ones are collected.
const MOST_PER_GROUP: usize = 8;
/// Incidents of one cause. Beyond it, new ones are collected.
const MOST_PER_CAUSE: usize = 32;
/// Quiet time after which a collecting incident closes.
const COLLECTING_QUIET: Duration = Duration::from_hours(1);
/// How often an incident may open again before it no longer closes at once.
const MOST_REOPENED: u32 = 3;
/// Quiet time after which an incident closes that opens again and again.
const FLAPPING_QUIET: Duration = Duration::from_mins(15);
/// Closed incidents that are kept.
const MOST_CLOSED: usize = 256;
/// Pairs of group and cause that are counted.
pub(super) const MOST_COUNTED: usize = 4_096;
/// Minimum interval between reports of a growing incident.
const UPDATE_INTERVAL: Duration = Duration::from_mins(1);

/// The state of the diagnosis.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct DiagnosisState {
    pub(super) now: Timestamp,
    pub(super) next_id: u64,
    /// Open incidents, and those that closed recently.
    pub(super) incidents: Vec<TrackedIncident>,
    /// Closed incidents, the oldest first.
    pub(super) closed: VecDeque<Incident>,
    pub(super) pending: PendingEvents,
    pub(super) notes: Notes,
    /// Number of incidents, by group and cause.
    pub(super) totals: BTreeMap<(Option<String>, Cause), u64>,
    /// What was dropped because of the limits.
    pub(super) overflow: u64,
    pub(super) facts: BTreeMap<(Cow<'static, str>, Option<String>), DiagnosisFact>,
}

/// A notable observation that is no incident.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DiagnosisFact {
    /// Its name.
    pub name: Cow<'static, str>,
    /// Its group.
    pub group: Option<String>,
    /// Its key server.
    pub key_server: Option<IpAddr>,
    /// When it began.
    pub since: Timestamp,
    /// Description in one sentence.
    pub summary: String,
}

/// An incident with data that is not part of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct TrackedIncident {
    pub(super) incident: Incident,
    /// When it closes without further events; `None` if only an event can end it.
    pub(super) quiet_at: Option<Timestamp>,
    /// How often it opened again.
    reopened: u32,
    /// When it was last reported, and with which content.
    reported: Timestamp,
    reported_as: ReportedState,
}

/// The reported content of an incident: a change of it is reported again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct ReportedState {
    severity: Severity,
    certainty: Certainty,
    /// Power of two of the number of members.
    members: u32,
    evidence: u32,
}

impl ReportedState {
    const fn of(incident: &Incident, members: u32) -> Self {
        Self {
            severity: incident.severity,
            certainty: incident.certainty,
            members: u32::BITS - members.leading_zeros(),
            evidence: usize::BITS - incident.evidence.len().leading_zeros(),
        }
    }
}

impl DiagnosisState {
    /// The incident with this key that is open or closed recently.
    pub(super) fn position(&self, key: &IncidentKey) -> Option<usize> {
        self.incidents.iter().position(|tracked| {
            let incident = &tracked.incident;
            incident.cause == key.cause
                && incident.collected == 0
                && incident.group == key.group
                && incident.key_server == key.key_server
                && (key.stage.is_none() || incident.measures.stage == key.stage)
        })
    }

    /// Opens an incident, or adds to the existing one. Returns its index.
    pub(super) fn open(&mut self, out: &mut Vec<Transition>, key: IncidentKey, basis: Basis) -> usize {
        let index = match self.position(&key) {
            Some(index) => index,
            None if self.is_full(&key) => return self.collect(key.cause, basis),
            None => self.begin(key, &basis),
        };
        let now = self.now;
        if let Some(tracked) = self.incidents.get_mut(index) {
            tracked.rest_on(basis, now);
            if tracked.incident.ended.take().is_some() {
                tracked.reopened = tracked.reopened.saturating_add(1);
                tracked.report(out, now, What::IncidentOpened);
            }
        }
        index
    }

    /// Whether there are too many incidents for another one with this key.
    fn is_full(&mut self, key: &IncidentKey) -> bool {
        let of_cause = |group: Option<&Option<String>>| {
            let incidents = self.incidents.iter().map(|tracked| &tracked.incident);
            let alike = incidents.filter(|one| {
                one.cause == key.cause && one.collected == 0 && group.is_none_or(|group| *group == one.group)
            });
            alike.count()
        };
        if of_cause(Some(&key.group)) >= MOST_PER_GROUP || of_cause(None) >= MOST_PER_CAUSE {
            return true;
        }
        if self.incidents.len() < MOST_TRACKED {
            return false;
        }
        let Some(over) = self.find(|one| !one.is_open()) else {
            return true;
        };
        let gone = self.incidents.remove(over);
        self.keep_closed(gone.incident);
        false
    }

    /// Adds an event to the one incident that collects what is too much of its cause. Returns its index.
    fn collect(&mut self, cause: Cause, basis: Basis) -> usize {
        let collecting = self.find(|one| one.cause == cause && one.collected > 0 && one.is_open());
        let index = collecting.unwrap_or_else(|| self.begin(IncidentKey::new(cause, None, None), &basis));
        let now = self.now;
        if let Some(tracked) = self.incidents.get_mut(index) {
            tracked.incident.collected = tracked.incident.collected.saturating_add(1);
            let quiet = Some(basis.quiet.unwrap_or(COLLECTING_QUIET));
            tracked.rest_on(Basis { quiet, ..basis }, now);
        }
        index
    }

    fn begin(&mut self, key: IncidentKey, basis: &Basis) -> usize {
        let total = (key.group.clone(), key.cause);
        if self.totals.len() < MOST_COUNTED || self.totals.contains_key(&total) {
            let count = self.totals.entry(total).or_default();
            *count = count.saturating_add(1);
        } else {
            self.overflow = self.overflow.saturating_add(1);
        }
        self.next_id += 1;
        let incident = Incident {
            id: self.next_id,
            cause: key.cause,
            group: key.group,
            key_server: key.key_server,
            affected: <_>::default(),
            began: basis.evidence.at,
            latest: basis.evidence.at,
            ended: None,
            severity: Severity::Info,
            certainty: Certainty::Uncertain,
            evidence: Vec::new(),
            more_evidence: 0,
            against: <_>::default(),
            excluded: <_>::default(),
            considered: BTreeMap::new(),
            effects: BTreeMap::new(),
            parent: None,
            collected: 0,
            measures: Measures {
                stage: key.stage,
                ..<_>::default()
            },
        };
        let reported_as = ReportedState::of(&incident, 0);
        self.incidents.push(TrackedIncident {
            incident,
            quiet_at: None,
            reopened: 0,
            reported: self.now,
            reported_as,
        });
        self.incidents.len() - 1
    }

    /// Reports a new incident, and one that has grown enough.
    pub(super) fn report(&mut self, out: &mut Vec<Transition>, index: usize) {
        let now = self.now;
        let Some(tracked) = self.incidents.get_mut(index) else {
            return;
        };
        if tracked.reported_as.evidence == 0 {
            tracked.report(out, now, What::IncidentOpened);
            return;
        }
        let state = ReportedState::of(&tracked.incident, tracked.incident.affected.count());
        let is_worse = state.severity != tracked.reported_as.severity;
        if is_worse || state != tracked.reported_as && now.since(tracked.reported) >= UPDATE_INTERVAL {
            tracked.report(out, now, What::IncidentUpdated);
        }
    }

    /// An event ends an incident. One that opens again and again stays open until it is quiet.
    pub(super) fn close_at(&mut self, out: &mut Vec<Transition>, index: usize, ended: Timestamp) {
        let now = self.now;
        match self.incidents.get_mut(index) {
            Some(tracked) if tracked.reopened >= MOST_REOPENED && tracked.incident.is_open() => {
                tracked.quiet_at = Some(now.after(FLAPPING_QUIET));
            }
            _ => self.end_at(out, index, ended),
        }
    }

    /// Ends an incident.
    pub(super) fn end_at(&mut self, out: &mut Vec<Transition>, index: usize, ended: Timestamp) {
        let now = self.now;
        if let Some(tracked) = self.incidents.get_mut(index)
            && tracked.incident.is_open()
        {
            tracked.incident.ended = Some(ended.max(tracked.incident.began));
            tracked.report(out, now, What::IncidentClosed);
        }
    }

    pub(super) fn keep_closed(&mut self, incident: Incident) {
        if self.closed.len() >= MOST_CLOSED {
            self.closed.pop_front();
            self.overflow = self.overflow.saturating_add(1);
        }
        self.closed.push_back(incident);
    }

    /// Index of the first matching incident.
    pub(super) fn find(&self, is_meant: impl Fn(&Incident) -> bool) -> Option<usize> {
        let mut incidents = self.incidents.iter();
        incidents.position(|tracked| is_meant(&tracked.incident))
    }

    pub(super) fn measure(&mut self, index: usize, set: impl FnOnce(&mut Measures)) {
        if let Some(tracked) = self.incidents.get_mut(index) {
            set(&mut tracked.incident.measures);
        }
    }

    pub(super) fn affect(&mut self, index: usize, member: Option<SocketAddr>) {
        if let (Some(tracked), Some(member)) = (self.incidents.get_mut(index), member) {
            tracked.incident.affected.insert(member);
        }
    }

    pub(super) fn name_subject(&mut self, index: usize, subject: String) {
        if let Some(tracked) = self.incidents.get_mut(index) {
            tracked.incident.name_subject(subject);
        }
    }

    /// Adds waiting events to an incident.
    pub(super) fn rest_on_all(&mut self, index: usize, pending: Vec<PendingEvent>, quiet: Option<Duration>) {
        let now = self.now;
        if let Some(tracked) = self.incidents.get_mut(index) {
            for one in pending {
                let member = one.member;
                tracked.rest_on(one.into_basis(Severity::Warning, quiet), now);
                if let Some(member) = member {
                    tracked.incident.affected.insert(member);
                }
            }
        }
    }

    pub(super) fn close_where(
        &mut self,
        out: &mut Vec<Transition>,
        at: Timestamp,
        is_meant: impl Fn(&Incident) -> bool,
    ) {
        for index in 0..self.incidents.len() {
            let is_meant = |tracked: &TrackedIncident| is_meant(&tracked.incident);
            if self.incidents.get(index).is_some_and(is_meant) {
                self.close_at(out, index, at);
            }
        }
    }

    /// Number of the incident at this index.
    pub(super) fn id_of(&self, index: usize) -> Option<u64> {
        self.incidents.get(index).map(|tracked| tracked.incident.id)
    }

    /// As [`Self::report`], for the incident with this number.
    pub(super) fn report_id(&mut self, out: &mut Vec<Transition>, id: Option<u64>) {
        let place = id.and_then(|id| self.find(|one| one.id == id));
        if let Some(index) = place {
            self.report(out, index);
        }
    }

    /// Other incidents turn out to belong to this one: their events become its effects, and they are removed.
    pub(super) fn absorb(
        &mut self,
        out: &mut Vec<Transition>,
        into: usize,
        is_part: impl Fn(&Incident) -> bool,
    ) -> Option<u64> {
        let id = self.id_of(into)?;
        let mut index = 0;
        while let Some(tracked) = self.incidents.get_mut(index) {
            if tracked.incident.id == id || !is_part(&tracked.incident) {
                index += 1;
                continue;
            }
            tracked.incident.parent = Some(id);
            let at = self.now;
            self.end_at(out, index, at);
            let part = self.incidents.remove(index).incident;
            let whole = self.find(|one| one.id == id)?;
            if let Some(tracked) = self.incidents.get_mut(whole) {
                let incident = &mut tracked.incident;
                for (event, count) in part.effects {
                    let sum = incident.effects.entry(event).or_default();
                    *sum = sum.saturating_add(count);
                }
                for member in part.affected.members() {
                    incident.affected.insert(member);
                }
                incident.began = incident.began.min(part.began);
                for evidence in part.evidence {
                    incident.prove(evidence);
                }
                incident.more_evidence = incident.more_evidence.saturating_add(part.more_evidence);
            }
        }
        Some(id)
    }

    /// A group gets another name.
    pub(super) fn rename(&mut self, from: Option<&str>, to: &str) {
        for tracked in &mut self.incidents {
            if tracked.incident.group.as_deref() == from && from.is_some() {
                tracked.incident.group = Some(to.into());
            }
        }
    }
}

impl TrackedIncident {
    /// Adds an event to the basis of the incident, which can only make it more certain, at most as certain as the
    /// event.
    fn rest_on(&mut self, basis: Basis, now: Timestamp) {
        let Basis {
            evidence,
            mut grounds,
            severity,
            quiet,
        } = basis;
        let incident = &mut self.incident;
        let row = incident.cause.row();
        grounds.certainty = grounds.certainty.max(incident.cause.most_certain());
        incident.began = incident.began.min(evidence.at);
        incident.latest = incident.latest.max(evidence.at);
        if incident.evidence.is_empty() || grounds.certainty < incident.certainty {
            incident.certainty = grounds.certainty;
            incident.against = grounds.open.iter().collect();
        }
        incident.excluded.extend(grounds.excluded.iter());
        let excluded = incident.excluded.clone();
        incident.against.retain(|one| !excluded.contains(one));
        // A critical incident needs critical events; the severity of others depends on their cause.
        incident.severity = match row.severity {
            Severity::Critical => incident.severity.max(severity).max(Severity::Warning),
            other => other,
        };
        incident.explain(evidence.event.clone());
        incident.prove(evidence);
        self.quiet_at = quiet.map(|quiet| now.after(quiet));
    }

    fn report(
        &mut self,
        out: &mut Vec<Transition>,
        now: Timestamp,
        what: impl FnOnce(Box<Incident>) -> What,
    ) {
        self.reported = now;
        self.reported_as = ReportedState::of(&self.incident, self.incident.affected.count());
        out.push(Transition {
            at: now,
            group: self.incident.group.clone(),
            key_server: self.incident.key_server,
            member: None,
            what: what(Box::new(self.incident.clone())),
        });
    }
}
