//! Groups, and their attribution.
//!
//! The identifier of a group is never visible (RFC 6407 §5.2: it is sent encrypted). A group that is not configured
//! is recognised by its KEKs, its multicast address and its key servers. If several groups remain, none is claimed.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::ops::{Index, IndexMut};

use serde::{Deserialize, Serialize};

use crate::config::{Config, GroupConfig, IpNet};
use crate::snapshot::{Histogram, UNATTRIBUTED};
use crate::state::burst::Burst;
use crate::state::counters::ExchangeCounters;
use crate::state::data_plane::DataPlane;
use crate::state::id::{GroupId, KeyServerId};
use crate::state::kek::KekHistory;
use crate::state::key_server::KeyServers;
use crate::state::member::Member;
use crate::state::rekey::{MissedRekeys, Rekeys};
use crate::time::Timestamp;
use crate::transition::Transport;

/// Key servers that are kept for one group.
const MAX_KEY_SERVERS_PER_GROUP: usize = 64;

/// The state of a group.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) name: String,
    /// Its index in the configuration.
    #[serde(skip)]
    pub(crate) config: Option<usize>,
    /// Configured addresses of its members, sorted and without overlaps.
    #[serde(skip)]
    member_prefixes: Vec<IpNet>,
    pub(crate) transport: Option<Transport>,
    pub(crate) rekey_address: Option<IpAddr>,
    pub(crate) servers: Vec<KeyServerId>,
    pub(crate) retransmissions: ExchangeCounters,
    pub(crate) registration_duration: Histogram,
    pub(crate) double_registrations: u64,
    /// Whether it was reported that its key server serves several groups.
    pub(crate) ambiguity_reported: bool,
    pub(crate) burst: Burst,
    pub(crate) missed: MissedRekeys,
    pub(crate) rekeys: Rekeys,
    pub(crate) kek: KekHistory,
    pub(crate) data: DataPlane,
}

impl Group {
    fn new(name: String) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }

    /// Its configuration.
    pub(crate) fn known_config<'a>(&self, config: &'a Config) -> Option<&'a GroupConfig> {
        config.groups.get(self.config?)
    }

    /// Whether its configuration allows a member at any address.
    pub(crate) const fn is_open(&self) -> bool {
        self.member_prefixes.is_empty()
    }

    /// Whether its configuration names the address of a member.
    pub(crate) fn names_member(&self, address: IpAddr) -> bool {
        let after = self
            .member_prefixes
            .partition_point(|prefix| prefix.network() <= address);
        let before = after.checked_sub(1).and_then(|at| self.member_prefixes.get(at));
        before.is_some_and(|prefix| prefix.contains(&address))
    }

    /// The group is rekeyed: nothing is overdue any more.
    pub(crate) const fn on_rekey(&mut self, started: Timestamp) {
        self.rekeys.last_but_one = self.rekeys.last.replace(started);
        self.rekeys.overdue = None;
        self.rekeys.strayed = false;
    }

    /// Whether its members acknowledge rekeys.
    pub(crate) const fn acknowledges(&self) -> bool {
        self.rekeys.acknowledgements > 0
    }

    /// Adds a key server of this group.
    pub(crate) fn add_key_server(&mut self, server: KeyServerId) {
        if !self.servers.contains(&server) && self.servers.len() < MAX_KEY_SERVERS_PER_GROUP {
            self.servers.push(server);
        }
    }
}

/// The result of an attribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GroupMatch {
    /// This one.
    One(GroupId),
    /// No known group.
    Nothing,
    /// One of several.
    Several,
}

impl GroupMatch {
    /// The group, or none.
    pub(crate) const fn group(self) -> GroupId {
        match self {
            Self::One(group) => group,
            Self::Nothing | Self::Several => GroupId::NONE,
        }
    }
}

/// The groups. They are never forgotten: their counters must not vanish.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Groups {
    list: Vec<Group>,
    capacity: usize,
    /// Groups beyond the limit.
    pub(crate) overflow: u64,
    /// Recipients of rekeys beyond the limit.
    pub(crate) unlisted: u64,
}

impl Groups {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            list: alloc::vec![Group::new(String::from(UNATTRIBUTED))],
            capacity,
            overflow: 0,
            unlisted: 0,
        }
    }

    /// Takes over the groups of a configuration, matching known ones by name, and their key servers.
    pub(crate) fn configure(&mut self, config: &Config, servers: &mut KeyServers, capacity: usize) {
        self.capacity = capacity.max(config.groups.len());
        for group in &mut self.list {
            group.config = None;
            group.member_prefixes.clear();
        }
        for (at, known) in config.groups.iter().enumerate() {
            let id = self.named(known, servers);
            let group = &mut self[id];
            group.config = Some(at);
            group.member_prefixes = IpNet::aggregate(&known.members);
            group.rekey_address = known.rekey_address.or(group.rekey_address);
            if known.rekey_address.is_some() {
                group.transport = Some(Transport::Multicast);
            }
            for &address in &known.key_servers {
                self.join(id, servers.prove(address), servers);
            }
        }
    }

    /// The group of a configuration: known by its name, discovered before it was configured, or new.
    fn named(&mut self, known: &GroupConfig, servers: &KeyServers) -> GroupId {
        let by_name = self
            .iter()
            .find(|(_, group)| group.name == known.name)
            .map(|(id, _)| id);
        let found = by_name.or_else(|| self.discovered(known, servers));
        let Some(id) = found else {
            return self.push(Group::new(known.name.clone()));
        };
        self[id].name.clone_from(&known.name);
        id
    }

    /// The discovered group that a configuration means: by its multicast address or, if unicast, the only one of its
    /// key servers.
    fn discovered(&self, known: &GroupConfig, servers: &KeyServers) -> Option<GroupId> {
        let ours = |group: &Group| {
            let mut addresses = group.servers.iter().map(|&server| servers[server].address);
            !group.servers.is_empty() && addresses.all(|address| known.key_servers.contains(&address))
        };
        let mut candidates = self.iter().filter(|(id, group)| {
            let free = id.known().is_some() && group.config.is_none();
            free && group.rekey_address == known.rekey_address
                && (known.rekey_address.is_some() || ours(group))
        });
        match (candidates.next(), candidates.next()) {
            (Some((id, _)), None) => Some(id),
            _ => None,
        }
    }

    fn push(&mut self, group: Group) -> GroupId {
        self.list.push(group);
        GroupId(u32::try_from(self.list.len() - 1).unwrap_or(0))
    }

    /// Adds a group that is not configured. `None` if there are too many.
    pub(crate) fn discover(&mut self, name: &str) -> Option<GroupId> {
        if self.list.len() > self.capacity {
            self.overflow += 1;
            return None;
        }
        let taken = |name: &str| self.list.iter().any(|group| group.name == name);
        let mut unique = String::from(name);
        let mut number = 2_u32;
        while taken(&unique) {
            unique = format!("{name}-{number}");
            number += 1;
        }
        Some(self.push(Group::new(unique)))
    }

    /// A discovered group turns out to be a configured one, whose name, configuration and data plane it takes. The
    /// former configured entry keeps the discovered name, and has no key server.
    pub(crate) fn merge(&mut self, configured: GroupId, discovered: GroupId, servers: &mut KeyServers) {
        let mut before = core::mem::take(&mut self[configured]);
        for server in core::mem::take(&mut before.servers) {
            servers[server].groups.retain(|group| *group != configured);
        }
        let group = &mut self[discovered];
        core::mem::swap(&mut before.name, &mut group.name);
        core::mem::swap(&mut before.config, &mut group.config);
        core::mem::swap(&mut before.member_prefixes, &mut group.member_prefixes);
        let rekeyed = group.data.rekeyed_at();
        core::mem::swap(&mut before.data, &mut group.data);
        if let Some(at) = rekeyed {
            group.data.on_rekey(at);
        }
        self[configured] = before;
    }

    /// Records that a key server serves a group.
    pub(crate) fn join(&mut self, id: GroupId, server: KeyServerId, servers: &mut KeyServers) {
        self[id].add_key_server(server);
        servers[server].add_group(id);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (GroupId, &Group)> {
        (0..).map(GroupId).zip(&self.list)
    }

    /// Every group, the unknown one included.
    pub(crate) fn ids(&self) -> Vec<GroupId> {
        self.iter().map(|(id, _)| id).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len().saturating_sub(1)
    }

    pub(crate) const fn capacity(&self) -> usize {
        self.capacity
    }

    /// The name of a known group.
    pub(crate) fn name(&self, id: GroupId) -> Option<String> {
        Some(self[id.known()?].name.clone())
    }

    /// The configuration of a group.
    pub(crate) fn config<'a>(&self, id: GroupId, config: &'a Config) -> Option<&'a GroupConfig> {
        self[id].known_config(config)
    }

    /// The candidates in which the configuration allows a member at `address`.
    pub(crate) fn fitting<'a>(
        &'a self,
        candidates: &'a [GroupId],
        address: IpAddr,
    ) -> impl Iterator<Item = GroupId> + 'a {
        let fits = move |id: &GroupId| self[*id].is_open() || self[*id].names_member(address);
        candidates.iter().copied().filter(fits)
    }

    /// The only candidate, if its configuration allows any member.
    pub(crate) fn only(&self, candidates: &[GroupId]) -> Option<GroupId> {
        let &[only] = candidates else {
            return None;
        };
        self[only].is_open().then_some(only)
    }

    /// The group for which a member at `address` manages its keys at a key server of `candidates`.
    pub(crate) fn match_group(
        &self,
        candidates: &[GroupId],
        address: IpAddr,
        member: Option<&Member>,
    ) -> GroupMatch {
        if let Some(group) = member.and_then(|member| member.group().known()) {
            return GroupMatch::One(group);
        }
        let mut by_exclusion = GroupMatch::Nothing;
        let mut by_address = GroupMatch::Nothing;
        for &candidate in candidates {
            let group = &self[candidate];
            if group.is_open() {
                by_exclusion = by_exclusion.or(candidate);
            } else if group.names_member(address) {
                by_address = by_address.or(candidate);
            }
        }
        match by_address {
            GroupMatch::Nothing => by_exclusion,
            GroupMatch::One(_) | GroupMatch::Several => by_address,
        }
    }
}

impl GroupMatch {
    const fn or(self, candidate: GroupId) -> Self {
        match self {
            Self::Nothing => Self::One(candidate),
            Self::One(_) | Self::Several => Self::Several,
        }
    }
}

/// Groups are never forgotten, so their ids stay valid.
impl Index<GroupId> for Groups {
    type Output = Group;

    #[expect(
        clippy::indexing_slicing,
        reason = "groups are never forgotten; State::is_consistent checks restored ids"
    )]
    fn index(&self, id: GroupId) -> &Group {
        &self.list[id.index()]
    }
}

impl IndexMut<GroupId> for Groups {
    #[expect(clippy::indexing_slicing, reason = "as for `index`")]
    fn index_mut(&mut self, id: GroupId) -> &mut Group {
        &mut self.list[id.index()]
    }
}
