//! The state as a [`Snapshot`].

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::hash::Hash;

use crate::rules::data_plane::SPI_IDLE_TIMEOUT;
use crate::snapshot::{
    DataPlaneState, GroupState, KekState, KeyServerState, MemberState, RegistrationState, RekeyState,
    Snapshot, SpiState, SpiStatus, TableState,
};
use crate::state::counters::GroupCounters;
use crate::state::data_plane::{SpiKey, SpiTraffic};
use crate::state::group::Group;
use crate::state::id::{GroupId, Peer};
use crate::state::member::Member;
use crate::state::table::Table;
use crate::time::Timestamp;
use crate::tracker::Tracker;
use crate::transition::{RegistrationKind, RegistrationStage, RekeyKind, Spi, Transport};

impl Tracker {
    /// What is known now.
    pub fn snapshot(&self) -> Snapshot {
        self.state(true)
    }

    /// What is known now, without the lists of members and of SPIs: all that metrics need, at a fraction of the cost.
    pub fn summary(&self) -> Snapshot {
        self.state(false)
    }

    fn state(&self, lists: bool) -> Snapshot {
        let mut snapshot = Snapshot {
            messages: BTreeMap::new(),
            esp: BTreeMap::new(),
            groups: self
                .groups
                .iter()
                .map(|(id, group)| (group.name.clone(), self.group_state(id, group)))
                .collect(),
            members: Vec::new(),
            spis: Vec::new(),
            tables: self.table_states(),
            anomalies: BTreeMap::new(),
            clock_steps: self.clock_steps,
            overflow: BTreeMap::from([
                ("group", self.groups.overflow),
                ("key_server", self.servers.overflow),
                ("recipient", self.groups.unlisted),
                ("registration", self.unreported_registrations),
            ]),
        };
        for (_, group) in self.groups.iter() {
            snapshot.esp.insert(group.name.clone(), group.data.total);
        }
        for (&(group, anomaly), &count) in &self.anomalies {
            snapshot.anomalies.insert((self.name(group), anomaly), count);
        }
        self.add_servers(&mut snapshot);
        self.add_members(&mut snapshot, lists);
        self.add_spis(&mut snapshot, lists);
        self.add_in_progress(&mut snapshot);
        snapshot
    }

    fn name(&self, id: GroupId) -> String {
        self.groups
            .get(id)
            .map_or_else(String::new, |group| group.name.clone())
    }

    fn group_state(&self, id: GroupId, group: &Group) -> GroupState {
        let mut key_servers = BTreeMap::new();
        for &server in &group.servers {
            if let Some(address) = self.servers.address(server) {
                key_servers.insert(address, KeyServerState::default());
            }
        }
        GroupState {
            configured: group.config.is_some(),
            transport: group.transport,
            rekey_address: group.rekey_address,
            key_servers,
            retransmissions: group.retransmissions.iter().collect(),
            members: 0,
            registration: RegistrationState {
                duration: group.registration_duration.clone(),
                in_progress: 0,
                burst_active: group.burst.active,
                bursts: group.burst.total,
                burst_members: u64::from(group.burst.members),
                double: group.doubles,
            },
            rekey: self.rekey_state(id, group),
            kek: self.kek_state(id, group),
            esp: DataPlaneState {
                active: 0,
                changes: group.data.changes,
                rollover: group.data.rollover.clone(),
                stale_packets: group.data.stale_packets,
                lagging_sites: 0,
                tek_lifetime: self
                    .groups
                    .config(id, &self.config)
                    .and_then(|known| known.tek_lifetime),
            },
        }
    }

    fn rekey_state(&self, id: GroupId, group: &Group) -> RekeyState {
        let rekeys = &group.rekeys;
        RekeyState {
            retransmissions: rekeys.retransmissions,
            acknowledgements: rekeys.acknowledgements,
            unacknowledged_members: (rekeys.acknowledgements > 0).then_some(rekeys.unacknowledged),
            recipients: rekeys.recipients,
            duration: rekeys.duration.clone(),
            last: rekeys.last,
            next_expected: self.next_rekey_expected(id),
            overdue: rekeys.overdue,
        }
    }

    fn kek_state(&self, id: GroupId, group: &Group) -> KekState {
        let line = &group.kek;
        let lifetime = self.kek_lifetime(id);
        KekState {
            cookies: line.current,
            changes: line.changes,
            start: line.start,
            expiry: self.kek_expiry(id),
            lifetime: lifetime.map(|(lifetime, _)| lifetime),
            lifetime_source: lifetime.map(|(_, source)| source),
            lead_seconds: line.lead_seconds,
            over_age: line.over_age,
            expired: line.expired,
            split: line.split.is_some(),
            re_registration_window: self.re_registration_window(id),
            chain: line.chain.iter().copied().collect(),
        }
    }

    fn add_servers(&self, snapshot: &mut Snapshot) {
        for (_, &address, server) in self.servers.table().iter() {
            for pair in server.pairs() {
                let name = self.name(pair.group);
                for (exchange, count) in pair.messages.iter() {
                    snapshot.messages.insert((name.clone(), address, exchange), count);
                }
                if let Some(group) = snapshot.groups.get_mut(&name) {
                    count_pair(group.key_servers.entry(address).or_default(), pair);
                }
            }
        }
        for (group_id, group) in self.groups.iter() {
            let Some(state) = snapshot.groups.get_mut(&group.name) else {
                continue;
            };
            for &id in &group.servers {
                let Some(server) = self.servers.get(id) else {
                    continue;
                };
                let state = state.key_servers.entry(server.address).or_default();
                fill(state);
                state.up = server.is_up();
                state.last_seen = server.sent;
                state.pushes = group.rekeys.server == Some(id) && group_id.known().is_some();
                let said = group.kek.votes.said.iter().find(|(at, _, _)| *at == id);
                state.behavior = said.map(|&(_, verdict, _)| verdict);
            }
        }
    }

    fn add_in_progress(&self, snapshot: &mut Snapshot) {
        for (_, _, association) in self.ike_sas.iter() {
            if association.ended || !association.announced {
                continue;
            }
            let booking = self.attribution_of(association.server, association.member);
            let name = self.name(booking.group);
            if let Some(state) = snapshot.groups.get_mut(&name) {
                state.registration.in_progress += 1;
            }
        }
    }

    fn table_states(&self) -> Vec<TableState> {
        vec![
            of("association", &self.ike_sas),
            of("attempt", &self.attempts),
            TableState {
                kind: "deadline",
                entries: self.timers.len() as u64,
                capacity: (self.ike_sas.capacity() + self.keks.capacity() + 3 * self.groups.capacity())
                    as u64,
                evictions: 0,
            },
            TableState {
                kind: "group",
                entries: self.groups.len() as u64,
                capacity: self.groups.capacity() as u64,
                evictions: 0,
            },
            of("kek", &self.keks),
            of("key_server", self.servers.table()),
            of("member", &self.members),
            of("spi", &self.spis),
            of("unconfirmed_kek", &self.unconfirmed),
        ]
    }
}

fn of<K: Copy + Eq + Hash, V>(kind: &'static str, table: &Table<K, V>) -> TableState {
    TableState {
        kind,
        entries: table.len() as u64,
        capacity: table.capacity() as u64,
        evictions: table.evictions(),
    }
}

/// Both kinds are always there: a series that begins with its first event hides it.
fn fill(state: &mut KeyServerState) {
    for kind in RegistrationKind::ALL {
        state.completed.entry(kind).or_default();
        state.failed.entry(kind).or_default();
    }
}

fn count_pair(state: &mut KeyServerState, pair: &GroupCounters) {
    fill(state);
    for (kind, (completed, failed)) in RegistrationKind::ALL
        .into_iter()
        .zip(pair.completed.into_iter().zip(pair.failed))
    {
        state.completed.insert(kind, completed);
        state.failed.insert(kind, failed);
    }
    for (stage, count) in RegistrationStage::ALL.into_iter().zip(pair.failed_at) {
        if count > 0 {
            state.failed_at.insert(stage, count);
        }
    }
    for (kind, by_transport) in RekeyKind::ALL.into_iter().zip(pair.rekeys) {
        for (transport, count) in Transport::ALL.into_iter().zip(by_transport) {
            if count > 0 {
                state.rekeys.insert((kind, transport), count);
            }
        }
    }
    state.rekey_messages = pair.rekey_messages;
}

impl Tracker {
    pub(super) fn add_members(&self, snapshot: &mut Snapshot, listed: bool) {
        let mut counts = vec![0_u64; self.groups.len() + 1];
        for (_, &peer, member) in self.members.iter() {
            let group = match (member.group().known(), member.server) {
                (Some(group), _) => group,
                (None, Some(server)) => self.attribution_of(server, peer).group,
                (None, None) => GroupId::NONE,
            };
            if let Some(count) = counts.get_mut(group.index()) {
                *count += 1;
            }
            if listed {
                snapshot.members.push(self.member_state(group, peer, member));
            }
        }
        for (id, group) in self.groups.iter().skip(1) {
            if let Some(state) = snapshot.groups.get_mut(&group.name) {
                state.members = counts.get(id.index()).copied().unwrap_or_default();
            }
        }
        let members = &mut snapshot.members;
        members.sort_by_key(|member| (member.first_seen, member.address));
    }

    fn member_state(&self, group: GroupId, peer: Peer, member: &Member) -> MemberState {
        let state = self.groups.get(group);
        let answers = state.is_some_and(|group| group.rekeys.acknowledgements > 0);
        let [registered, ..] = member.registered;
        MemberState {
            address: peer.socket(),
            group: self.groups.name(group),
            key_server: member.server.and_then(|server| self.servers.address(server)),
            first_seen: member.first_seen,
            last_seen: member.last_seen,
            registered,
            registrations: member.registrations,
            failures: member.failures,
            rekeyed: member.rekeyed,
            acknowledged: member.acknowledged,
            unacknowledged: answers.then_some(member.unacknowledged),
        }
    }

    pub(super) fn add_spis(&self, snapshot: &mut Snapshot, listed: bool) {
        let mut counts = vec![(0_u64, 0_u64); self.groups.len() + 1];
        let sites: Vec<Option<&str>> = self.config.site_names().collect();
        for (_, &key, sent) in self.spis.iter() {
            let status = self.spi_status(key, sent);
            if let Some((active, lagging)) = counts.get_mut(sent.group.index()) {
                *active += u64::from(self.now.since(sent.last) <= SPI_IDLE_TIMEOUT);
                *lagging += u64::from(status == SpiStatus::Stale);
            }
            if listed {
                let (spi, site) = key;
                snapshot.spis.push(SpiState {
                    spi: Spi(spi),
                    site: sites.get(site as usize).copied().flatten().map(String::from),
                    group: self.groups.name(sent.group),
                    status,
                    replaces: sent.follows.map(Spi),
                    total: sent.total,
                    first_seen: sent.first,
                    last_seen: sent.last,
                });
            }
        }
        for (id, group) in self.groups.iter() {
            if let Some(state) = snapshot.groups.get_mut(&group.name) {
                let counts = counts.get(id.index()).copied();
                (state.esp.active, state.esp.lagging_sites) = counts.unwrap_or_default();
            }
        }
        snapshot
            .spis
            .sort_by(|one, other| by_age(one).cmp(&by_age(other)));
    }

    fn spi_status(&self, (spi, _): SpiKey, sent: &SpiTraffic) -> SpiStatus {
        let group = self.groups.get(sent.group);
        let replaced = group.and_then(|group| group.data.replacement(spi)).is_some();
        let idle = self.now.since(sent.last) > SPI_IDLE_TIMEOUT;
        match (replaced, sent.stale, idle) {
            (true, true, false) => SpiStatus::Stale,
            (true, _, _) => SpiStatus::Replaced,
            (false, _, true) => SpiStatus::Idle,
            (false, _, false) => SpiStatus::Active,
        }
    }
}

fn by_age(spi: &SpiState) -> (Timestamp, Spi, Option<&str>) {
    (spi.first_seen, spi.spi, spi.site.as_deref())
}
