//! One rekey: all the messages, to all members and however often, that deliver the same keys.

use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::state::table::Id;
use crate::time::Timestamp;
use crate::transition::{Evidence, RekeyKind};

/// How long a rekey that nothing has classified yet is held back: what follows it tells what it delivered.
pub(crate) const HOLD: Duration = Duration::from_mins(1);

/// Octets up to which a GROUPKEY-PUSH cannot hold a policy: header 28, sequence number 8, signature of RSA-1024 132,
/// deletions 16 to 44 each, against more than 100 for the shortest SA and KD payloads (RFC 6407 §4.2, §5.9).
const LONGEST_DELETE: u32 = 260;

/// A rekey.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Event {
    /// Its number among the rekeys of all groups, from 1.
    pub(crate) number: u32,
    pub(crate) begun: Timestamp,
    pub(crate) last: Timestamp,
    pub(crate) length: u32,
    /// What tells its messages from those of other rekeys. Several where each member got its own.
    digests: Vec<u64>,
    /// The members it was sent to, when unicast.
    pub(crate) members: Vec<Id>,
    pub(crate) recipients: u32,
    pub(crate) retransmissions: u32,
    pub(crate) acknowledged: u32,
    /// Every repeat had the same octets.
    pub(crate) identical: bool,
    pub(crate) server: Id,
    pub(crate) message_id: Option<u32>,
    pub(crate) closed: bool,
    /// What it delivered, once something told.
    pub(crate) kind: Option<(RekeyKind, Evidence)>,
    /// What was said that it delivered.
    pub(crate) told: Option<RekeyKind>,
}

/// Digests that one rekey is recognised by.
const DIGESTS: usize = 64;

impl Event {
    pub(crate) const fn new(number: u32, now: Timestamp, length: u32, server: Id) -> Self {
        Self {
            number,
            begun: now,
            last: now,
            length,
            digests: Vec::new(),
            members: Vec::new(),
            recipients: 0,
            retransmissions: 0,
            acknowledged: 0,
            identical: true,
            server,
            message_id: None,
            closed: false,
            kind: None,
            told: None,
        }
    }

    pub(crate) fn has(&self, digest: u64) -> bool {
        digest != 0 && self.digests.contains(&digest)
    }

    pub(crate) fn learn(&mut self, digest: u64) {
        if digest != 0 && !self.has(digest) && self.digests.len() < DIGESTS {
            self.digests.push(digest);
        }
    }

    /// One more recipient. Whether there was no room to remember which.
    pub(crate) fn add(&mut self, member: Option<Id>, capacity: usize) -> bool {
        self.recipients = self.recipients.saturating_add(1);
        let full = self.members.len() >= capacity;
        if !full {
            self.members.extend(member);
        }
        full && member.is_some()
    }

    pub(crate) const fn is_delete(&self) -> bool {
        matches!(self.kind, Some((RekeyKind::Delete, _)))
    }

    /// What it delivered, now that something tells. The event, when nothing better had told before.
    pub(crate) fn settle(&mut self, kind: RekeyKind, evidence: Evidence) -> Option<Self> {
        let guessed = matches!(self.kind, None | Some((_, Evidence::Length)));
        if !guessed || self.is_delete() {
            return None;
        }
        self.kind = Some((kind, evidence));
        Some(self.clone())
    }

    /// Whether no policy fits into it.
    pub(crate) const fn is_delete_by_length(&self) -> bool {
        self.length <= LONGEST_DELETE && self.message_id.is_none()
    }

    /// Whether it may be said now what it was.
    pub(crate) fn is_ripe(&self, now: Timestamp) -> bool {
        self.closed && self.told.is_none() && (self.kind.is_some() || self.begun.after(HOLD) <= now)
    }

    /// Whether nothing more can happen to it.
    pub(crate) const fn is_done(&self) -> bool {
        self.told.is_some() && self.kind.is_some()
    }
}
