//! An incident: one cause, however many events it explains.

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

/// Members that one incident lists; the rest are only counted.
const MOST_MEMBERS: usize = 1_024;
/// Events that prove an incident; of more, the first ones and the latest are kept.
const MOST_EVIDENCE: usize = 12;
/// Frames that prove one event.
const MOST_FRAMES: usize = 10;
/// Sites or addresses that are named.
const MOST_SUBJECTS: usize = 16;

/// A frame of a capture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FrameId {
    /// Index of the capture, in command-line order.
    pub file: u32,
    /// Number of the frame, from 1.
    pub number: u64,
}

/// An event that supports an incident.
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
    /// The frames that prove it, if known.
    pub frames: Vec<FrameId>,
}

/// The members that an incident affects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Affected {
    members: BTreeSet<SocketAddr>,
    recovered: BTreeSet<SocketAddr>,
    /// Number of members, if more than are listed.
    counted: u32,
}

/// The numbers in the sentence of an incident. Which are known depends on the cause.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measures {
    /// Members of the group, or recipients of its rekeys.
    pub of: Option<u32>,
    /// Rekeys.
    pub rekeys: u32,
    /// The latest of these rekeys.
    pub latest_rekey: Option<Timestamp>,
    /// How they are sent.
    pub transport: Option<Transport>,
    /// Messages.
    pub messages: u64,
    /// Present value: an interval between rekeys or registrations, an age, a delay.
    pub period: Option<Duration>,
    /// Previous or expected value.
    pub expected: Option<Duration>,
    /// How long nothing came.
    pub silence: Option<Duration>,
    /// Seconds before the expiry of the KEK at which it is renewed.
    pub lead_seconds: Option<f64>,
    /// KEK cycles that support the verdict.
    pub cycles: u32,
    /// Highest rate of registrations per second.
    pub peak_rate: f64,
    /// Completed registrations.
    pub completed: u32,
    /// Failed registrations.
    pub failed: u32,
    /// The other key server.
    pub other_server: Option<IpAddr>,
    /// The stage at which registrations stop.
    pub stage: Option<RegistrationStage>,
    /// A key of the configuration.
    pub key: Cow<'static, str>,
    /// The configured value.
    pub configured: String,
    /// The observed value.
    pub seen: String,
    /// Sites, or addresses of neither members nor key servers.
    pub subjects: BTreeSet<String>,
}

/// One cause and its effects, from beginning to end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Its number, which is never reused.
    pub id: u64,
    /// Its cause.
    pub cause: Cause,
    /// Its group; `None` if unknown or if it concerns none.
    pub group: Option<String>,
    /// Its key server.
    pub key_server: Option<IpAddr>,
    /// The affected members.
    pub affected: Affected,
    /// When it began.
    pub began: Timestamp,
    /// Time of its latest event.
    pub latest: Timestamp,
    /// When it ended; `None` while it is open.
    pub ended: Option<Timestamp>,
    /// Its severity.
    pub severity: Severity,
    /// Its certainty.
    pub certainty: Certainty,
    /// Events that support it.
    pub evidence: Vec<Evidence>,
    /// Further events that are not listed.
    pub more_evidence: u64,
    /// Other explanations that remain.
    pub against: BTreeSet<Alternative>,
    /// Other explanations that a witness excludes.
    pub excluded: BTreeSet<Alternative>,
    /// Other causes, and why they were ruled out.
    pub considered: BTreeMap<Cause, Cow<'static, str>>,
    /// Number of events that it explains, by type.
    pub effects: BTreeMap<Cow<'static, str>, u64>,
    /// The incident of which it is a part.
    pub parent: Option<u64>,
    /// Events of further incidents of the same cause, if it collects those that are too many to be listed.
    pub collected: u64,
    /// Its numbers.
    pub measures: Measures,
}

impl Affected {
    /// The listed members.
    pub fn members(&self) -> impl ExactSizeIterator<Item = SocketAddr> {
        self.members.iter().copied()
    }

    /// Number of affected members.
    pub fn count(&self) -> u32 {
        let listed = u32::try_from(self.members.len()).unwrap_or(u32::MAX);
        listed.max(self.counted)
    }

    /// Number of recovered members.
    pub fn recovered(&self) -> u32 {
        u32::try_from(self.recovered.len()).unwrap_or(u32::MAX)
    }

    /// Whether a member is listed.
    pub fn contains(&self, member: SocketAddr) -> bool {
        self.members.contains(&member)
    }

    /// Adds a member. One that had recovered is affected again.
    pub fn insert(&mut self, member: SocketAddr) {
        self.recovered.remove(&member);
        if self.members.len() < MOST_MEMBERS {
            self.members.insert(member);
        } else if !self.members.contains(&member) {
            self.counted = self.counted.max(self.count()).saturating_add(1);
        }
    }

    /// At least this many members are affected.
    pub fn at_least(&mut self, count: u32) {
        self.counted = self.counted.max(count);
    }

    /// A member has recovered. Returns whether all have.
    pub fn recover(&mut self, member: SocketAddr) -> bool {
        if self.members.contains(&member) {
            self.recovered.insert(member);
        }
        self.recovered() >= self.count()
    }
}

impl Incident {
    /// Whether it is open.
    pub const fn is_open(&self) -> bool {
        self.ended.is_none()
    }

    /// Its duration, so far if it is open.
    pub fn lasted(&self) -> Duration {
        self.ended.unwrap_or(self.latest).since(self.began)
    }

    /// Number of events of a type that it explains.
    pub fn effect(&self, event: &str) -> u64 {
        self.effects.get(event).copied().unwrap_or_default()
    }

    /// Adds an event that proves it.
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

    /// Counts an event that it explains.
    pub(crate) fn explain(&mut self, event: Cow<'static, str>) {
        let count = self.effects.entry(event).or_default();
        *count = count.saturating_add(1);
    }

    /// Adds a site or an address, up to the limit.
    pub(crate) fn name_subject(&mut self, subject: String) {
        if self.measures.subjects.len() < MOST_SUBJECTS {
            self.measures.subjects.insert(subject);
        }
    }
}
