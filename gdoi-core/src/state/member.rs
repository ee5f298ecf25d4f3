//! Members: their registrations, rekeys and acknowledgements.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::state::id::{GroupId, KekId, KeyServerId};
use crate::state::recent::Recent;
use crate::state::rhythm::Rhythm;
use crate::time::Timestamp;

/// The state of a member. Only messages of a key server create an entry, so forged requests create none.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Member {
    /// Its groups, if rekeys show them; otherwise they follow from its key server.
    pub(crate) groups: [GroupId; 4],
    /// The key server at which it last registered or from which it got a rekey.
    pub(crate) server: Option<KeyServerId>,
    pub(crate) first_seen: Timestamp,
    pub(crate) last_seen: Timestamp,
    /// Completed registrations, the latest first.
    pub(crate) registered: Recent<Option<Timestamp>, 3>,
    pub(crate) rhythm: Rhythm,
    pub(crate) registrations: u32,
    pub(crate) failures: u32,
    /// When it last began to register, in seconds since time zero; 0 if never.
    tried_seconds: u32,
    /// Whether the first message seen then was an answer: its own messages do not pass here.
    pub(crate) was_answered: bool,
    /// The KEK of its last rekey.
    pub(crate) kek: Option<KekId>,
    /// Number and time of the last rekey sent to it.
    pub(crate) rekey: u32,
    pub(crate) rekeyed: Option<Timestamp>,
    /// Message identifier of the last rekey inside its IKE SA.
    pub(crate) inband: u32,
    /// Number and time of the last rekey that it acknowledged.
    pub(crate) acknowledged_rekey: u32,
    pub(crate) acknowledged: Option<Timestamp>,
    /// Number of the last rekey that was reported as not acknowledged.
    pub(crate) unacknowledged_rekey: u32,
    /// Consecutive rekeys that it has not acknowledged.
    pub(crate) unacknowledged: u16,
    /// Rekeys of its group since the last one that was sent to it.
    pub(crate) rekeys_without: u16,
    /// Whether it was reported as lost.
    pub(crate) lost: bool,
    /// The KEK expiry for which a double registration was counted.
    pub(crate) double_expiry: Option<Timestamp>,
}

impl Member {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            groups: [GroupId::NONE; 4],
            server: None,
            first_seen: now,
            last_seen: now,
            registered: Recent::default(),
            rhythm: Rhythm::default(),
            registrations: 0,
            failures: 0,
            tried_seconds: 0,
            was_answered: false,
            kek: None,
            rekey: 0,
            rekeyed: None,
            inband: 0,
            acknowledged_rekey: 0,
            acknowledged: None,
            unacknowledged_rekey: 0,
            unacknowledged: 0,
            rekeys_without: 0,
            lost: false,
            double_expiry: None,
        }
    }

    /// Its group, if it is in only one.
    pub(crate) fn group(&self) -> GroupId {
        match self.groups {
            [one, second, ..] if second == GroupId::NONE => one,
            _ => GroupId::NONE,
        }
    }

    /// Whether rekeys show that it is in this group.
    pub(crate) fn is_in(&self, group: GroupId) -> bool {
        group != GroupId::NONE && self.groups.contains(&group)
    }

    /// Records that a rekey showed it to be in this group.
    pub(crate) fn join(&mut self, group: GroupId) {
        if group == GroupId::NONE || self.groups.contains(&group) {
            return;
        }
        if let Some(free) = self.groups.iter_mut().find(|free| **free == GroupId::NONE) {
            *free = group;
        }
    }

    /// Records that it is not in this group after all.
    pub(crate) fn leave(&mut self, group: GroupId) {
        let others = self.groups.into_iter().filter(|other| *other != group);
        let mut groups = [GroupId::NONE; 4];
        for (slot, other) in groups.iter_mut().zip(others) {
            *slot = other;
        }
        self.groups = groups;
    }

    /// Whether it had keys before now.
    pub(crate) const fn had_keys(&self) -> bool {
        self.registrations > 0 || self.rekeyed.is_some() || self.acknowledged.is_some()
    }

    /// It begins to register. `is_answer`: the first message seen is from the key server.
    pub(crate) fn try_to_register(&mut self, now: Timestamp, is_answer: bool) {
        let seconds = now.since(Timestamp::ZERO).as_secs();
        self.tried_seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
        self.was_answered = is_answer;
    }

    /// Whether it has begun to register since a time, to the second.
    pub(crate) fn has_tried_since(&self, since: Timestamp) -> bool {
        self.tried_seconds > 0 && u64::from(self.tried_seconds) >= since.since(Timestamp::ZERO).as_secs()
    }

    /// It completed a registration.
    pub(crate) fn register(&mut self, now: Timestamp) {
        self.rhythm.register(self.since_registered(now));
        self.registered.push(Some(now));
        self.registrations = self.registrations.saturating_add(1);
        self.failures = 0;
        self.unacknowledged = 0;
        self.rekeys_without = 0;
        self.lost = false;
        self.last_seen = now;
    }

    /// It was sent a rekey under a KEK.
    pub(crate) const fn on_push(&mut self, number: u32, now: Timestamp, kek: KekId, server: KeyServerId) {
        self.rekey = number;
        self.rekeyed = Some(now);
        self.rekeys_without = 0;
        self.kek = Some(kek);
        self.server = Some(server);
    }

    /// It was sent a rekey inside its IKE SA.
    pub(crate) const fn on_inband_request(
        &mut self,
        number: u32,
        now: Timestamp,
        message_id: u32,
        server: KeyServerId,
    ) {
        self.rekey = number;
        self.rekeyed = Some(now);
        self.inband = message_id;
        self.server = Some(server);
    }

    /// It acknowledged a rekey.
    pub(crate) const fn acknowledge(&mut self, number: u32, now: Timestamp) {
        self.acknowledged_rekey = number;
        self.acknowledged = Some(now);
        self.unacknowledged = 0;
        self.lost = false;
    }

    /// Whether it has the keys that a rekey delivered: it acknowledged the rekey, or has registered since.
    pub(crate) fn has_taken(&self, rekey: Timestamp, now: Timestamp) -> bool {
        self.acknowledged.is_some_and(|at| at >= rekey) || self.registered_in(rekey, now).is_some()
    }

    /// The latest registration that was completed in a window.
    pub(crate) fn registered_in(&self, from: Timestamp, until: Timestamp) -> Option<Timestamp> {
        self.registered
            .iter()
            .flatten()
            .copied()
            .find(|&at| from <= at && at <= until)
    }

    /// When it last completed a registration.
    pub(crate) fn last_registered(&self) -> Option<Timestamp> {
        self.registered.newest().copied().flatten()
    }

    /// When the series of regular registrations began to which the latest belongs.
    pub(crate) fn rhythm_since(&self) -> Timestamp {
        self.last_registered()
            .unwrap_or_default()
            .before(self.rhythm.span())
    }

    /// Time since its latest completed registration.
    pub(crate) fn since_registered(&self, now: Timestamp) -> Option<Duration> {
        self.last_registered().map(|at| now.since(at))
    }
}
