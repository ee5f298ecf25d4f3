//! Key servers: the messages that they sent and the groups that they serve.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::ops::{Index, IndexMut};

use serde::{Deserialize, Serialize};

use crate::snapshot::OTHER_KEY_SERVER;
use crate::state::counters::GroupCounters;
use crate::state::id::{GroupId, KeyServerId, Peer};
use crate::state::table::Table;
use crate::time::Timestamp;

/// Groups with counters of their own per key server; the rest are counted together as unattributed.
const MAX_GROUPS_PER_KEY_SERVER: usize = 1024;

/// A key server, or an address to which a request was sent as if it were one.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct KeyServer {
    pub(crate) address: IpAddr,
    /// Whether it has shown that it is a key server, or is configured as one.
    pub(crate) proven: bool,
    /// The groups that it serves, as far as known.
    pub(crate) groups: Vec<GroupId>,
    /// When it last sent a message.
    pub(crate) sent: Option<Timestamp>,
    /// When it first received a message since then.
    pub(crate) asked: Option<Timestamp>,
    /// A member that has since given up without an answer.
    pub(crate) unanswered: Option<Peer>,
    /// Whether it answers nobody.
    pub(crate) silent: bool,
    /// The proven key server that exchanged announcements with this one, which shows that this is one too.
    pub(crate) peer: Option<KeyServerId>,
    /// When it was reported that its members register instead of being rekeyed.
    pub(crate) pull_only: Option<Timestamp>,
    counters: Vec<GroupCounters>,
}

impl KeyServer {
    fn new(address: IpAddr) -> Self {
        Self {
            address,
            proven: false,
            groups: Vec::new(),
            sent: None,
            asked: None,
            unanswered: None,
            silent: false,
            peer: None,
            pull_only: None,
            counters: Vec::new(),
        }
    }

    /// Whether it answers. `None` if it was never asked.
    pub(crate) const fn is_up(&self) -> Option<bool> {
        match (self.sent, self.silent) {
            (_, true) => Some(false),
            (Some(_), false) => Some(true),
            (None, false) => None,
        }
    }

    /// Its group, if it serves only one.
    pub(crate) fn only_group(&self) -> GroupId {
        match self.groups[..] {
            [only] => only,
            _ => GroupId::NONE,
        }
    }

    /// It sent a message.
    pub(crate) const fn on_message_from(&mut self, now: Timestamp) {
        self.sent = Some(now);
        self.asked = None;
        self.unanswered = None;
        self.silent = false;
    }

    pub(crate) fn all_counters(&self) -> &[GroupCounters] {
        &self.counters
    }

    /// The counters of one of its groups.
    pub(crate) fn counters(&mut self, group: GroupId) -> Option<&mut GroupCounters> {
        let at = match self.counters.iter().position(|counters| counters.group == group) {
            Some(at) => at,
            None if self.counters.len() < MAX_GROUPS_PER_KEY_SERVER => {
                self.counters.push(GroupCounters::new(group));
                self.counters.len() - 1
            }
            None => 0,
        };
        self.counters.get_mut(at)
    }

    /// It was sent a message.
    pub(crate) fn on_message_to(&mut self, now: Timestamp) {
        self.asked = self.asked.or(Some(now));
    }

    /// It serves this group.
    pub(crate) fn add_group(&mut self, group: GroupId) {
        if !self.groups.contains(&group) && self.groups.len() < MAX_GROUPS_PER_KEY_SERVER {
            self.groups.push(group);
        }
    }
}

/// The key servers. They are never forgotten: their counters must not vanish.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct KeyServers {
    table: Table<KeyServerId, IpAddr, KeyServer>,
    other: Option<KeyServerId>,
    /// Addresses beyond the limit.
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

    pub(crate) const fn table(&self) -> &Table<KeyServerId, IpAddr, KeyServer> {
        &self.table
    }

    /// The entry for everything beyond the limit.
    pub(crate) fn other(&mut self) -> KeyServerId {
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

    pub(crate) fn find(&self, address: IpAddr) -> Option<KeyServerId> {
        self.table.find(&address)
    }

    /// The key server at an address, inserted if new; the entry for others if the table is full.
    pub(crate) fn admit(&mut self, address: IpAddr) -> KeyServerId {
        if let Some(known) = self.find(address) {
            return known;
        }
        if self.table.is_full() {
            self.overflow += 1;
            return self.other();
        }
        self.table.insert(address, KeyServer::new(address)).id
    }

    /// The key server at an address that only a request names. Half of the table is reserved for those that answer.
    pub(crate) fn admit_unproven(&mut self, address: IpAddr, capacity: usize) -> KeyServerId {
        if let Some(known) = self.find(address) {
            return known;
        }
        if self.table.len() > capacity / 2 {
            self.overflow += 1;
            return self.other();
        }
        self.admit(address)
    }

    /// Marks the key server at an address as proven; inserts it if new.
    pub(crate) fn prove(&mut self, address: IpAddr) -> KeyServerId {
        let id = self.admit(address);
        self[id].proven = true;
        id
    }

    /// Whether an address is proven to be a key server.
    pub(crate) fn is_proven(&self, address: IpAddr) -> bool {
        self.find(address).is_some_and(|id| self[id].proven)
    }

    /// The counters of a key server for one of its groups.
    pub(crate) fn counters(&mut self, id: KeyServerId, group: GroupId) -> Option<&mut GroupCounters> {
        self[id].counters(group)
    }
}

/// Key servers are never forgotten, so their ids stay valid.
impl Index<KeyServerId> for KeyServers {
    type Output = KeyServer;

    fn index(&self, id: KeyServerId) -> &KeyServer {
        &self.table[id]
    }
}

impl IndexMut<KeyServerId> for KeyServers {
    fn index_mut(&mut self, id: KeyServerId) -> &mut KeyServer {
        &mut self.table[id]
    }
}
