//! An incident: one cause, whatever the number of events that it explains.

use alloc::borrow::Cow;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::cause::Cause;
use super::grounds::{Alternative, Certainty};
use super::words::{RegistrationStage, Severity, Transport};
use crate::time::Timestamp;

/// Members that one incident tells apart; more are only said to be more.
const MOST_MEMBERS: usize = 1_024;
/// Events that prove an incident; of more, the first ones and the latest.
const MOST_EVIDENCE: usize = 12;
/// Frames that prove one event.
const MOST_FRAMES: usize = 10;
/// Sites or addresses that are named.
const MOST_SUBJECTS: usize = 16;

/// A frame of a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FrameId {
    /// Which capture, in the order in which they were named.
    pub file: u32,
    /// Which frame in it, from 1.
    pub number: u64,
}

/// One event that an incident rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// When it happened.
    pub at: Timestamp,
    /// The type of the event.
    pub event: Cow<'static, str>,
    /// The key server it concerns.
    pub key_server: Option<IpAddr>,
    /// The member it concerns.
    pub member: Option<SocketAddr>,
    /// The frames that prove it, where they are known.
    pub frames: Vec<FrameId>,
}

/// Whom an incident concerns: how many, and who.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Affected {
    members: BTreeSet<SocketAddr>,
    recovered: BTreeSet<SocketAddr>,
    /// More than are told apart.
    counted: u32,
}

/// The numbers that make the sentence of an incident. Which are known depends on the cause.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measures {
    /// Members of the group, or recipients of its rekeys.
    pub of: Option<u32>,
    /// Rekeys.
    pub rekeys: u32,
    /// The latest of them.
    pub latest_rekey: Option<Timestamp>,
    /// How they are sent.
    pub transport: Option<Transport>,
    /// Messages.
    pub messages: u64,
    /// What something is now: a time between rekeys or registrations, an age, a lateness.
    pub period: Option<Duration>,
    /// What it was, or should be.
    pub expected: Option<Duration>,
    /// How long nothing came.
    pub silence: Option<Duration>,
    /// Seconds before the expiry of the KEK at which it is renewed.
    pub lead_seconds: Option<f64>,
    /// KEK cycles that say so.
    pub cycles: u32,
    /// Registrations a second, at most.
    pub peak_rate: f64,
    /// Registrations that completed, and that failed.
    pub completed: u32,
    /// Registrations that failed.
    pub failed: u32,
    /// The other key server.
    pub other_server: Option<IpAddr>,
    /// The stage at which registrations stop.
    pub stage: Option<RegistrationStage>,
    /// A key of the configuration.
    pub key: Cow<'static, str>,
    /// What is configured.
    pub configured: String,
    /// What is seen.
    pub seen: String,
    /// Sites, or addresses that are neither member nor key server.
    pub subjects: BTreeSet<String>,
}

/// One cause and what it does, from when to when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Its number; never used twice.
    pub id: u64,
    /// Why it happens.
    pub cause: Cause,
    /// In which group; `None` when it concerns none, or an unknown one.
    pub group: Option<String>,
    /// At which key server.
    pub key_server: Option<IpAddr>,
    /// Which members it affects.
    pub affected: Affected,
    /// When it began.
    pub began: Timestamp,
    /// When the latest event that belongs to it happened.
    pub latest: Timestamp,
    /// When it was over; `None` while it lasts.
    pub ended: Option<Timestamp>,
    /// How urgent it is.
    pub severity: Severity,
    /// How certain it is.
    pub certainty: Certainty,
    /// The events it rests on.
    pub evidence: Vec<Evidence>,
    /// Events that are not in that list.
    pub more_evidence: u64,
    /// Other explanations that remain.
    pub against: BTreeSet<Alternative>,
    /// Other explanations that a witness excludes.
    pub excluded: BTreeSet<Alternative>,
    /// Other causes, and why they are not it.
    pub considered: BTreeMap<Cause, Cow<'static, str>>,
    /// The events that it explains, by type.
    pub effects: BTreeMap<Cow<'static, str>, u64>,
    /// The incident that this is a part of.
    pub parent: Option<u64>,
    /// Its numbers.
    pub measures: Measures,
}

impl Affected {
    /// Whom it concerns, as far as they are told apart.
    pub fn members(&self) -> impl ExactSizeIterator<Item = SocketAddr> {
        self.members.iter().copied()
    }

    /// How many it concerns.
    pub fn count(&self) -> u32 {
        let listed = u32::try_from(self.members.len()).unwrap_or(u32::MAX);
        listed.max(self.counted)
    }

    /// How many of them have recovered.
    pub fn recovered(&self) -> u32 {
        u32::try_from(self.recovered.len()).unwrap_or(u32::MAX)
    }

    /// Whether it is one of those that are told apart.
    pub fn contains(&self, member: SocketAddr) -> bool {
        self.members.contains(&member)
    }

    /// Concerns one more. A member that had recovered is affected again.
    pub fn insert(&mut self, member: SocketAddr) {
        self.recovered.remove(&member);
        if self.members.len() < MOST_MEMBERS {
            self.members.insert(member);
        } else if !self.members.contains(&member) {
            self.counted = self.counted.max(self.count()).saturating_add(1);
        }
    }

    /// As many are known to be concerned, whoever they are.
    pub fn at_least(&mut self, count: u32) {
        self.counted = self.counted.max(count);
    }

    /// A member is well again. Whether all are.
    pub fn recover(&mut self, member: SocketAddr) -> bool {
        if self.members.contains(&member) {
            self.recovered.insert(member);
        }
        self.recovered() >= self.count()
    }
}

impl Incident {
    /// Whether it lasts.
    pub const fn is_open(&self) -> bool {
        self.ended.is_none()
    }

    /// How long it lasted, or lasts as of the latest event.
    pub fn lasted(&self) -> Duration {
        self.ended.unwrap_or(self.latest).since(self.began)
    }

    /// How many events of a type it explains.
    pub fn effect(&self, event: &str) -> u64 {
        self.effects.get(event).copied().unwrap_or_default()
    }

    /// Keeps an event among those that prove it.
    pub(crate) fn prove(&mut self, mut evidence: Evidence) {
        evidence.frames.truncate(MOST_FRAMES);
        if self.evidence.len() < MOST_EVIDENCE {
            self.evidence.push(evidence);
            return;
        }
        self.more_evidence = self.more_evidence.saturating_add(1);
        if let Some(latest) = self.evidence.last_mut() {
            *latest = evidence;
        }
    }

    /// Explains one more event.
    pub(crate) fn explain(&mut self, event: Cow<'static, str>) {
        let count = self.effects.entry(event).or_default();
        *count = count.saturating_add(1);
    }

    /// Names a site or an address, unless there are many.
    pub(crate) fn name_subject(&mut self, subject: String) {
        if self.measures.subjects.len() < MOST_SUBJECTS {
            self.measures.subjects.insert(subject);
        }
    }
}
