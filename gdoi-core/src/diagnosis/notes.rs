//! Bounded notes on each group between events.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;
use crate::transition::{Cookies, Evidence, ReRegistrationReason, RegistrationKind, Transport};

const MOST_GROUPS: usize = 1_024;
const MOST_SERVERS: usize = 4_096;
const MOST_DELIVERIES: usize = 8;
const MOST_REGISTRATIONS: usize = 1_024;
const MOST_OFF_SCHEDULE: usize = 8;
const MOST_REKEYS: usize = 16;
/// Equal intervals between rekeys that make a schedule.
const REGULAR_INTERVALS: u32 = 2;
/// Two intervals are equal if they differ by less than this fraction.
const TOLERANCE: u32 = 50;

/// All notes.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Notes {
    groups: BTreeMap<String, GroupNotes>,
    /// When each key server last completed a registration.
    completed: BTreeMap<IpAddr, Timestamp>,
    /// Key servers that are asked with version 2.
    version_2: BTreeSet<IpAddr>,
    overflow: u64,
}

/// The notes on a group.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct GroupNotes {
    /// Whether only the senders of rekeys say that there is such a group: it is not configured, no member was seen,
    /// and its rekeys have no schedule.
    is_hearsay: bool,
    pub(super) schedule: RekeyPace,
    pub(super) transport: Option<Transport>,
    /// Recipients of the latest rekey.
    pub(super) recipients: Option<u32>,
    /// How many of them acknowledged it.
    pub(super) acknowledged: Option<u32>,
    /// When rekeys began, the latest last.
    pub(super) rekeys: VecDeque<Timestamp>,
    /// Members that registered again soon after a multicast rekey.
    pub(super) after_rekey: BTreeSet<SocketAddr>,
    /// When KEKs were delivered.
    pub(super) deliveries: VecDeque<Timestamp>,
    /// When members registered because a KEK expired.
    pub(super) expiry_registrations: BTreeMap<SocketAddr, Timestamp>,
    /// When a rekey was last repeated, while that is unexplained.
    pub(super) repeated: Option<Timestamp>,
    /// When the key server last deleted the keys.
    pub(super) deleted: Option<Timestamp>,
    /// Registrations of the present burst.
    pub(super) burst: BurstNotes,
}

/// The schedule of rekeys, while there is one.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct RekeyPace {
    /// When the latest rekey on schedule began.
    pub(super) last: Option<Timestamp>,
    interval: Option<Duration>,
    agreeing: u32,
    /// Rekeys that came early.
    off_schedule: Vec<EarlyRekey>,
}

/// A rekey that came early.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct EarlyRekey {
    began: Timestamp,
    /// The KEK under which it was sent.
    cookies: Cookies,
    evidence: Evidence,
}

/// The reasons of the members that register in a burst.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct BurstNotes {
    pub(super) since: Option<Timestamp>,
    /// When a member's reason was last known.
    pub(super) latest: Option<Timestamp>,
    pub(super) known_before: u32,
    pub(super) new: u32,
    pub(super) missed: u32,
    pub(super) forced: u32,
    pub(super) expired: u32,
    pub(super) reloaded: u32,
    pub(super) unknown: u32,
}

impl BurstNotes {
    /// A burst begins: earlier counts belong to no burst.
    pub(super) fn begin(&mut self, now: Timestamp) {
        *self = Self {
            since: Some(now),
            ..Self::default()
        };
    }

    pub(super) fn start(&mut self, kind: RegistrationKind) {
        let count = match kind {
            RegistrationKind::Initial => &mut self.new,
            RegistrationKind::ReRegistration => &mut self.known_before,
        };
        *count = count.saturating_add(1);
    }

    pub(super) fn add(&mut self, reason: ReRegistrationReason, now: Timestamp) {
        self.latest = Some(now);
        let count = match reason {
            ReRegistrationReason::MissedRekey => &mut self.missed,
            ReRegistrationReason::Forced => &mut self.forced,
            ReRegistrationReason::KekExpiry
            | ReRegistrationReason::TekExpiry
            | ReRegistrationReason::TekOrKekExpiry => &mut self.expired,
            ReRegistrationReason::Reload => &mut self.reloaded,
            ReRegistrationReason::Unknown => &mut self.unknown,
        };
        *count = count.saturating_add(1);
    }

    /// Number of members whose reason is known.
    pub(super) const fn reasons(&self) -> u32 {
        self.missed + self.forced + self.expired + self.reloaded + self.unknown
    }
}

/// Rekeys that turned out to be sent off schedule.
pub(super) struct ForcedRekeys {
    pub(super) regular: Duration,
    pub(super) rekeys: Vec<Evidence>,
}

impl RekeyPace {
    /// The interval between rekeys, if there is a schedule.
    pub(super) fn regular(&self) -> Option<Duration> {
        self.interval.filter(|_| self.agreeing >= REGULAR_INTERVALS)
    }

    /// Adds a rekey. Returns the earlier rekeys that were off schedule, once the next one shows that the schedule
    /// restarted with them. A rekey with a timer of its own leaves the schedule unchanged.
    pub(super) fn add(
        &mut self,
        began: Timestamp,
        cookies: Cookies,
        evidence: Evidence,
    ) -> Option<ForcedRekeys> {
        let Some(last) = self.last else {
            self.last = Some(began);
            return None;
        };
        let since = began.since(last);
        let Some(regular) = self.regular() else {
            match self.interval {
                Some(interval) if is_same(interval, since) => self.agreeing += 1,
                _ => {
                    self.interval = Some(since);
                    self.agreeing = 1;
                }
            }
            self.last = Some(began);
            return None;
        };
        let early = self.off_schedule.last().map(|early| early.began);
        if is_same(regular, since) {
            // On schedule: what was in between has a timer of its own.
            self.off_schedule.clear();
            self.last = Some(began);
        } else if early.is_some_and(|early| is_same(regular, began.since(early))) {
            self.last = Some(began);
            let early = core::mem::take(&mut self.off_schedule);
            // A KEK is renewed at its own time, together with the TEKs. Only a rekey that delivered no KEK is off
            // schedule for certain, and so are those that came with it.
            let next = early.iter().skip(1).map(|next| next.cookies).chain([cookies]);
            let has_kept_kek = early.iter().zip(next).any(|(one, next)| one.cookies == next);
            return has_kept_kek.then(|| ForcedRekeys {
                regular,
                rekeys: early.into_iter().map(|early| early.evidence).collect(),
            });
        } else if since < regular && self.off_schedule.len() < MOST_OFF_SCHEDULE {
            self.off_schedule.push(EarlyRekey {
                began,
                cookies,
                evidence,
            });
        } else {
            // Late, or no schedule any more: learns again.
            *self = Self {
                last: Some(began),
                ..Self::default()
            };
        }
        None
    }

    /// Forgets the schedule.
    pub(super) fn forget(&mut self) {
        let last = self.last;
        *self = Self {
            last,
            ..Self::default()
        };
    }
}

fn is_same(one: Duration, other: Duration) -> bool {
    let larger = one.max(other);
    larger.saturating_sub(one.min(other)) <= larger / TOLERANCE
}

impl GroupNotes {
    /// Adds a registration of a member because a KEK expired.
    pub(super) fn add_expiry_registration(&mut self, member: SocketAddr, now: Timestamp) {
        if self.expiry_registrations.len() < MOST_REGISTRATIONS
            || self.expiry_registrations.contains_key(&member)
        {
            self.expiry_registrations.insert(member, now);
        }
    }

    /// Adds the start of a rekey.
    pub(super) fn add_rekey(&mut self, began: Timestamp) {
        if self.rekeys.len() >= MOST_REKEYS {
            self.rekeys.pop_front();
        }
        self.rekeys.push_back(began);
    }

    /// Adds a member that registered again soon after a multicast rekey.
    pub(super) fn add_after_rekey(&mut self, member: SocketAddr) {
        if self.after_rekey.len() < MOST_REGISTRATIONS {
            self.after_rekey.insert(member);
        }
    }

    /// Adds the delivery of a KEK.
    pub(super) fn add_delivery(&mut self, at: Timestamp) {
        if self.deliveries.len() >= MOST_DELIVERIES {
            self.deliveries.pop_front();
        }
        self.deliveries.push_back(at);
    }

    /// Whether something happened within this time after the delivery of a KEK.
    pub(super) fn follows_delivery(&self, at: Timestamp, within: Duration) -> bool {
        let mut deliveries = self.deliveries.iter();
        deliveries.any(|delivered| *delivered <= at && at.since(*delivered) <= within)
    }
}

impl Notes {
    /// A group was discovered: so far only the sender of a rekey says that there is one.
    pub(super) fn discover_group(&mut self, name: Option<&str>) {
        if self.known(name).is_none()
            && let Some(notes) = self.group(name)
        {
            notes.is_hearsay = true;
        }
    }

    /// A member or a schedule confirms a group.
    pub(super) fn confirm_group(&mut self, name: Option<&str>) {
        if let Some(notes) = name.and_then(|name| self.groups.get_mut(name)) {
            notes.is_hearsay = false;
        }
    }

    /// Whether nothing but its senders says that there is this group.
    pub(super) fn is_hearsay(&self, name: Option<&str>) -> bool {
        self.known(name).is_some_and(|notes| notes.is_hearsay)
    }

    /// The notes on a group, inserted if new; `None` beyond the limit.
    pub(super) fn group(&mut self, name: Option<&str>) -> Option<&mut GroupNotes> {
        let name = name?;
        if !self.groups.contains_key(name) {
            if self.groups.len() >= MOST_GROUPS {
                self.overflow = self.overflow.saturating_add(1);
                let mut groups = self.groups.iter();
                let (hearsay, _) = groups.find(|(_, notes)| notes.is_hearsay)?;
                let hearsay = hearsay.clone();
                self.groups.remove(&hearsay);
            }
            self.groups.insert(name.into(), GroupNotes::default());
        }
        self.groups.get_mut(name)
    }

    /// The existing notes on a group.
    pub(super) fn known(&self, name: Option<&str>) -> Option<&GroupNotes> {
        self.groups.get(name?)
    }

    /// A group gets another name, or is forgotten.
    pub(super) fn forget_group(&mut self, name: Option<&str>) {
        if let Some(name) = name {
            self.groups.remove(name);
        }
    }

    /// A key server completed a registration.
    pub(super) fn add_completed(&mut self, server: IpAddr, now: Timestamp) {
        if self.completed.len() < MOST_SERVERS || self.completed.contains_key(&server) {
            self.completed.insert(server, now);
        } else {
            self.overflow = self.overflow.saturating_add(1);
        }
    }

    /// A key server is asked with version 2.
    pub(super) fn add_version_2(&mut self, server: IpAddr) {
        if self.version_2.len() < MOST_SERVERS {
            self.version_2.insert(server);
        }
    }

    /// Whether both directions of a key server's registrations were fully visible. In version 1 every stage but the
    /// first proves both; in version 2 the answer to a request may have been missed.
    pub(super) fn is_seen_whole(&self, server: Option<IpAddr>) -> bool {
        self.completed(server).is_some() || server.is_none_or(|server| !self.version_2.contains(&server))
    }

    /// When a key server last completed a registration.
    pub(super) fn completed(&self, server: Option<IpAddr>) -> Option<Timestamp> {
        self.completed.get(&server?).copied()
    }

    pub(super) const fn overflow(&self) -> u64 {
        self.overflow
    }
}
