//! The state: plain data and its invariants, without rules.

pub(crate) mod burst;
pub(crate) mod coop;
pub(crate) mod counters;
pub(crate) mod data_plane;
pub(crate) mod estimate;
pub(crate) mod gaps;
pub(crate) mod group;
pub(crate) mod id;
pub(crate) mod ike_sa;
pub(crate) mod kek;
pub(crate) mod key_server;
pub(crate) mod member;
pub(crate) mod recent;
pub(crate) mod rekey;
pub(crate) mod repeats;
pub(crate) mod rhythm;
pub(crate) mod table;
pub(crate) mod timers;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::config::{Config, Limits, NumberedSite};
use crate::state::coop::CoopLink;
use crate::state::counters::{RateLimit, Scan};
use crate::state::data_plane::{SpiKey, SpiTraffic};
use crate::state::gaps::{CaptureGaps, SecondTap};
use crate::state::group::{Group, Groups};
use crate::state::id::{
    AttemptsId, GroupId, IkeSaId, KekId, KeyServerId, MemberId, Peer, SpiId, UnconfirmedId,
};
use crate::state::ike_sa::{IkeSa, RegistrationAttempts};
use crate::state::kek::{Kek, Unconfirmed};
use crate::state::key_server::KeyServers;
use crate::state::member::Member;
use crate::state::table::Table;
use crate::state::timers::Timers;
use crate::time::Timestamp;
use crate::transition::{Anomaly, Cookies};

/// The whole state. It is saved in this order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) now: Timestamp,
    /// The latest message of any kind.
    pub(crate) last_message: Timestamp,
    /// The first observation.
    pub(crate) watched_since: Option<Timestamp>,
    pub(crate) clock_steps: u64,
    pub(crate) clock_is_behind: bool,
    pub(crate) gaps: CaptureGaps,
    pub(crate) second_tap: SecondTap,
    pub(crate) servers: KeyServers,
    pub(crate) groups: Groups,
    pub(crate) members: Table<MemberId, Peer, Member>,
    pub(crate) ike_sas: Table<IkeSaId, [u8; 8], IkeSa>,
    pub(crate) attempts: Table<AttemptsId, (Peer, IpAddr), RegistrationAttempts>,
    pub(crate) keks: Table<KekId, Cookies, Kek>,
    pub(crate) unconfirmed: Table<UnconfirmedId, Cookies, Unconfirmed>,
    pub(crate) spis: Table<SpiId, SpiKey, SpiTraffic>,
    /// Announcements between key servers: from the first to the second.
    pub(crate) coop_links: BTreeMap<(KeyServerId, KeyServerId), CoopLink>,
    pub(crate) anomalies: BTreeMap<(GroupId, Anomaly), u64>,
    /// Reported new SPIs.
    pub(crate) spi_reports: RateLimit,
    /// Unanswered registrations of unknown members: those that were reported, and those that were not.
    pub(crate) stranger_reports: RateLimit,
    pub(crate) unreported_registrations: u64,
    pub(crate) scan: Scan,
    /// Number of the latest rekey of any group.
    pub(crate) last_rekey_number: u32,
    /// The group of each numbered site of the configuration.
    #[serde(skip)]
    pub(crate) site_groups: Vec<GroupId>,
    #[serde(skip)]
    pub(crate) timers: Timers,
}

impl State {
    pub(crate) fn new(limits: &Limits) -> Self {
        let seed = limits.hash_seed;
        Self {
            now: Timestamp::ZERO,
            last_message: Timestamp::ZERO,
            watched_since: None,
            clock_steps: 0,
            clock_is_behind: false,
            gaps: CaptureGaps::default(),
            second_tap: SecondTap::default(),
            servers: KeyServers::new(limits.key_servers, seed),
            groups: Groups::new(limits.groups),
            members: Table::new(limits.members, seed),
            ike_sas: Table::new(limits.associations, seed),
            attempts: Table::new(limits.associations, seed),
            keks: Table::new(limits.keks, seed),
            unconfirmed: Table::new(limits.keks, seed),
            spis: Table::new(limits.spis, seed),
            coop_links: BTreeMap::new(),
            anomalies: BTreeMap::new(),
            spi_reports: RateLimit::default(),
            stranger_reports: RateLimit::default(),
            unreported_registrations: 0,
            scan: Scan::default(),
            last_rekey_number: 0,
            site_groups: Vec::new(),
            timers: Timers::default(),
        }
    }

    /// Applies the configuration to the state.
    pub(crate) fn apply_config(&mut self, config: &Config, limits: &Limits) {
        let Self {
            groups,
            servers,
            site_groups,
            ..
        } = self;
        groups.configure(config, servers, limits.groups);
        let of_config = |index: usize| {
            let found = groups.iter().find(|(_, group)| group.config == Some(index));
            found.map_or(GroupId::NONE, |(id, _)| id)
        };
        let configured: Vec<GroupId> = (0..config.groups.len()).map(of_config).collect();
        let of_site = |site: NumberedSite<'_>| configured.get(site.group).copied().unwrap_or(GroupId::NONE);
        // Sites are numbered from 1.
        *site_groups = core::iter::once(GroupId::NONE)
            .chain(config.numbered_sites().map(of_site))
            .collect();
    }

    /// Bounds and indexes tables that were just read.
    pub(crate) fn reindex(&mut self, limits: &Limits) {
        let Limits {
            members,
            groups: _,
            spis,
            key_servers,
            associations,
            keks,
            hash_seed: seed,
        } = *limits;
        self.members.reindex(members, seed);
        self.spis.reindex(spis, seed);
        self.servers.reindex(key_servers, seed);
        self.ike_sas.reindex(associations, seed);
        self.attempts.reindex(associations, seed);
        self.keks.reindex(keks, seed);
        self.unconfirmed.reindex(keks, seed);
    }

    /// The number of the next rekey, from 1.
    pub(crate) const fn next_rekey_number(&mut self) -> u32 {
        let next = self.last_rekey_number.wrapping_add(1);
        self.last_rekey_number = if next == 0 { 1 } else { next };
        self.last_rekey_number
    }

    /// Whether tables that were just read are well-formed. To be called before [`Self::reindex`].
    pub(crate) fn has_sound_tables(&self) -> bool {
        self.servers.table().is_sound()
            && self.members.is_sound()
            && self.ike_sas.is_sound()
            && self.attempts.is_sound()
            && self.keks.is_sound()
            && self.unconfirmed.is_sound()
            && self.spis.is_sound()
    }

    /// Whether every entry is found by its key, and every referenced group and key server exists. Only then do their
    /// ids index the state.
    pub(crate) fn is_consistent(&self) -> bool {
        let is_indexed = self.servers.table().is_indexed()
            && self.members.is_indexed()
            && self.ike_sas.is_indexed()
            && self.attempts.is_indexed()
            && self.keks.is_indexed()
            && self.unconfirmed.is_indexed()
            && self.spis.is_indexed();
        let known = KnownIds {
            groups: self.groups.iter().map(|(id, _)| id).collect(),
            servers: self.servers.table().ids().into_iter().collect(),
        };
        let links = self.coop_links.keys();
        is_indexed
            && known.has_group(GroupId::NONE)
            && self.groups.iter().all(|(_, group)| known.has_all_of_group(group))
            && self.servers.table().iter().all(|(_, _, server)| {
                let counted = server.all_counters().iter().map(|counters| counters.group);
                server
                    .groups
                    .iter()
                    .copied()
                    .chain(counted)
                    .all(|id| known.has_group(id))
            })
            && self.members.iter().all(|(_, _, member)| {
                member.groups.iter().all(|&id| known.has_group(id)) && known.has_server(member.server)
            })
            && self
                .ike_sas
                .iter()
                .all(|(_, _, ike_sa)| known.has_server(ike_sa.server))
            && self.keks.iter().all(|(_, _, kek)| known.has_all_of_kek(kek))
            && self
                .unconfirmed
                .iter()
                .all(|(_, _, trial)| known.has_group(trial.group))
            && self
                .spis
                .iter()
                .all(|(_, _, spi)| known.has_group(spi.group) && known.has_group(spi.suspected))
            && links
                .copied()
                .all(|(from, to)| known.has_server(from) && known.has_server(to))
            && self.anomalies.keys().all(|&(group, _)| known.has_group(group))
    }
}

/// The ids that index a state.
struct KnownIds {
    groups: BTreeSet<GroupId>,
    servers: BTreeSet<KeyServerId>,
}

impl KnownIds {
    fn has_group(&self, id: GroupId) -> bool {
        self.groups.contains(&id)
    }

    fn has_server(&self, id: impl Into<Option<KeyServerId>>) -> bool {
        id.into().is_none_or(|id| self.servers.contains(&id))
    }

    fn has_all_of_group(&self, group: &Group) -> bool {
        let rekeys = &group.rekeys;
        let behavior = &group.kek.behavior;
        let servers = group.servers.iter().copied().chain(rekeys.server);
        let senders = rekeys.senders.iter().flatten().map(|&(server, _)| server);
        let inband = rekeys.inband.iter().map(|inband| inband.round.server);
        let cycles = behavior.cycles.iter().map(|cycle| cycle.server);
        let reported = behavior.reported.iter().map(|&(server, _, _)| server);
        let mut servers = servers.chain(senders).chain(inband).chain(cycles).chain(reported);
        servers.all(|id| self.has_server(id))
            && group.data.votes.groups.iter().all(|&(id, _)| self.has_group(id))
    }

    fn has_all_of_kek(&self, kek: &Kek) -> bool {
        let rounds = kek.rounds.iter().map(|round| round.server);
        self.has_group(kek.group) && rounds.chain(kek.server).all(|id| self.has_server(id))
    }
}
