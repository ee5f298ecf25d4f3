//! Key servers: what they sent and which groups they serve.

use alloc::vec::Vec;
use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::snapshot::OTHER_KEY_SERVER;
use crate::state::counters::GroupCounters;
use crate::state::id::GroupId;
use crate::state::table::{Id, Table};
use crate::time::Timestamp;

/// Groups that one key server is counted for; further ones are counted together as unattributed.
const MAX_GROUPS_PER_KEY_SERVER: usize = 1024;

/// A key server, or an address that somebody took for one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct KeyServer {
    pub(crate) address: IpAddr,
    /// It has shown that it speaks GDOI, or the user said so.
    pub(crate) proven: bool,
    /// The groups it serves, as far as known.
    pub(crate) groups: Vec<GroupId>,
    /// The last thing it sent.
    pub(crate) sent: Option<Timestamp>,
    /// The first question since then that is unanswered.
    pub(crate) asked: Option<Timestamp>,
    /// Registrations in a row that it did not answer at all.
    pub(crate) unanswered: u32,
    pairs: Vec<GroupCounters>,
}

impl KeyServer {
    fn new(address: IpAddr) -> Self {
        Self {
            address,
            proven: false,
            groups: Vec::new(),
            sent: None,
            asked: None,
            unanswered: 0,
            pairs: Vec::new(),
        }
    }

    /// Whether it answers. `None` before anything tells.
    pub(crate) const fn is_up(&self) -> Option<bool> {
        match (self.sent, self.unanswered) {
            (_, 1..) => Some(false),
            (Some(_), 0) => Some(true),
            (None, 0) => None,
        }
    }

    /// It sent something.
    pub(crate) const fn spoke(&mut self, now: Timestamp) {
        self.sent = Some(now);
        self.asked = None;
        self.unanswered = 0;
    }

    pub(crate) fn pairs(&self) -> &[GroupCounters] {
        &self.pairs
    }

    /// The counters of one of its groups.
    pub(crate) fn pair(&mut self, group: GroupId) -> Option<&mut GroupCounters> {
        let at = match self.pairs.iter().position(|pair| pair.group == group) {
            Some(at) => at,
            None if self.pairs.len() < MAX_GROUPS_PER_KEY_SERVER => {
                self.pairs.push(GroupCounters::new(group));
                self.pairs.len() - 1
            }
            None => 0,
        };
        self.pairs.get_mut(at)
    }

    /// It serves this group.
    pub(crate) fn serves(&mut self, group: GroupId) -> bool {
        let new = !self.groups.contains(&group) && self.groups.len() < MAX_GROUPS_PER_KEY_SERVER;
        if new {
            self.groups.push(group);
        }
        new
    }
}

/// The key servers. They are never forgotten: their counters must not vanish.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct KeyServers {
    table: Table<IpAddr, KeyServer>,
    other: Option<Id>,
    /// Addresses that found no room.
    pub(crate) overflow: u64,
}

impl KeyServers {
    pub(crate) fn new(capacity: usize, seed: u64) -> Self {
        let mut table = Table::new(capacity.saturating_add(1), seed);
        let other = table
            .insert(OTHER_KEY_SERVER, KeyServer::new(OTHER_KEY_SERVER))
            .id;
        Self {
            table,
            other: Some(other),
            overflow: 0,
        }
    }

    pub(crate) fn reindex(&mut self, capacity: usize, seed: u64) {
        self.table
            .reindex(capacity.saturating_add(1).max(self.table.occupied()), seed);
        self.other = self.table.find(&OTHER_KEY_SERVER);
    }

    pub(crate) const fn table(&self) -> &Table<IpAddr, KeyServer> {
        &self.table
    }

    /// What is counted for nobody in particular.
    pub(crate) fn other(&mut self) -> Id {
        if let Some(other) = self.other {
            return other;
        }
        let other = self
            .table
            .insert(OTHER_KEY_SERVER, KeyServer::new(OTHER_KEY_SERVER))
            .id;
        self.other = Some(other);
        other
    }

    pub(crate) fn find(&self, address: IpAddr) -> Option<Id> {
        self.table.find(&address)
    }

    /// The key server at an address, known or new; the other one when there is no more room.
    pub(crate) fn admit(&mut self, address: IpAddr) -> Id {
        if let Some(known) = self.find(address) {
            return known;
        }
        if self.table.is_full() {
            self.overflow += 1;
            return self.other();
        }
        self.table.insert(address, KeyServer::new(address)).id
    }

    pub(crate) fn get(&self, id: Id) -> Option<&KeyServer> {
        self.table.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: Id) -> Option<&mut KeyServer> {
        self.table.get_mut(id)
    }

    pub(crate) fn address(&self, id: Id) -> Option<IpAddr> {
        self.get(id).map(|server| server.address)
    }
}
