//! The state as a [`Snapshot`].

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;
use core::hash::Hash;

use crate::config::Config;
use crate::rules::attribution::attribution_of;
use crate::rules::kek::lead::Schedule;
use crate::rules::rekey::expectation;
use crate::snapshot::{
    DataPlaneState, Expectation, GroupState, KekState, KeyServerState, MemberState, RegistrationState,
    RekeyState, Snapshot, SpiState, SpiStatus, TableState,
};
use crate::state::State;
use crate::state::counters::GroupCounters;
use crate::state::data_plane::{SpiKey, SpiTraffic};
use crate::state::group::Group;
use crate::state::id::{GroupId, KeyServerId, Peer, TableId};
use crate::state::member::Member;
use crate::state::table::Table;
use crate::time::Timestamp;
use crate::transition::{RegistrationKind, RegistrationStage, RekeyKind, Spi, Transport};

/// The input of a snapshot.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) state: &'a State,
    pub(crate) config: &'a Config,
}

impl View<'_> {
    /// The present state, with or without the lists of members and SPIs; without them it costs a fraction.
    pub(crate) fn snapshot(self, lists: bool) -> Snapshot {
        let mut snapshot = Snapshot {
            messages: BTreeMap::new(),
            esp: BTreeMap::new(),
            esp_attributed_later: self.state.groups[GroupId::NONE].data.moved,
            groups: self
                .state
                .groups
                .iter()
                .map(|(_, group)| (group.name.clone(), self.group_state(group)))
                .collect(),
            members: Vec::new(),
            spis: Vec::new(),
            tables: self.table_states(),
            anomalies: BTreeMap::new(),
            clock_steps: self.state.clock_steps,
            overflow: BTreeMap::from([
                ("group", self.state.groups.overflow),
                ("key_server", self.state.servers.overflow),
                ("recipient", self.state.groups.unlisted),
                ("registration", self.state.unreported_registrations),
            ]),
        };
        for (_, group) in self.state.groups.iter() {
            snapshot.esp.insert(group.name.clone(), group.data.total);
        }
        for (&(group, anomaly), &count) in &self.state.anomalies {
            snapshot.anomalies.insert((self.name(group), anomaly), count);
        }
        self.add_servers(&mut snapshot);
        self.add_members(&mut snapshot, lists);
        self.add_spis(&mut snapshot, lists);
        self.add_in_progress(&mut snapshot);
        snapshot
    }

    fn name(self, id: GroupId) -> String {
        self.state.groups[id].name.clone()
    }

    fn group_of(self, server: KeyServerId, member: Peer) -> GroupId {
        attribution_of(self.state, server, member).group
    }

    fn group_state(self, group: &Group) -> GroupState {
        let schedule = Schedule::new(group, self.config);
        let mut key_servers = BTreeMap::new();
        for &server in &group.servers {
            let address = self.state.servers[server].address;
            key_servers.insert(address, KeyServerState::default());
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
                double: group.double_registrations,
            },
            rekey: rekey_state(group, schedule),
            kek: kek_state(group, schedule),
            esp: DataPlaneState {
                active: 0,
                changes: group.data.changes,
                rollover: group.data.rollover.clone(),
                stale_packets: group.data.stale_packets,
                lagging_sites: 0,
                tek_lifetime: schedule.tek_lifetime(),
            },
        }
    }

    fn add_servers(self, snapshot: &mut Snapshot) {
        for (_, &address, server) in self.state.servers.table().iter() {
            for counters in server.all_counters() {
                let name = self.name(counters.group);
                for (exchange, count) in counters.messages.iter() {
                    snapshot.messages.insert((name.clone(), address, exchange), count);
                }
                if let Some(group) = snapshot.groups.get_mut(&name) {
                    add_counters(group.key_servers.entry(address).or_default(), counters);
                }
            }
        }
        for (group_id, group) in self.state.groups.iter() {
            let Some(state) = snapshot.groups.get_mut(&group.name) else {
                continue;
            };
            for &id in &group.servers {
                let server = &self.state.servers[id];
                let state = state.key_servers.entry(server.address).or_default();
                fill(state);
                state.up = server.is_up();
                state.last_seen = server.sent;
                state.pushes = group.rekeys.server == Some(id) && group_id.known().is_some();
                let reported = group.kek.behavior.verdict_on(id);
                state.behavior = reported.map(|(verdict, _)| verdict);
            }
        }
    }

    fn add_in_progress(self, snapshot: &mut Snapshot) {
        for (_, _, ike_sa) in self.state.ike_sas.iter() {
            if ike_sa.ended || !ike_sa.reported {
                continue;
            }
            let name = self.name(self.group_of(ike_sa.server, ike_sa.member));
            if let Some(state) = snapshot.groups.get_mut(&name) {
                state.registration.in_progress += 1;
            }
        }
    }

    fn table_states(self) -> Vec<TableState> {
        vec![
            of("association", &self.state.ike_sas),
            of("attempt", &self.state.attempts),
            TableState {
                kind: "deadline",
                entries: self.state.timers.len() as u64,
                capacity: (self.state.ike_sas.capacity()
                    + self.state.keks.capacity()
                    + 3 * self.state.groups.capacity()) as u64,
                evictions: 0,
            },
            TableState {
                kind: "group",
                entries: self.state.groups.len() as u64,
                capacity: self.state.groups.capacity() as u64,
                evictions: 0,
            },
            of("kek", &self.state.keks),
            of("key_server", self.state.servers.table()),
            of("member", &self.state.members),
            of("spi", &self.state.spis),
            of("unconfirmed_kek", &self.state.unconfirmed),
        ]
    }
}

fn of<I: TableId, K: Copy + Eq + Hash, V>(kind: &'static str, table: &Table<I, K, V>) -> TableState {
    TableState {
        kind,
        entries: table.len() as u64,
        capacity: table.capacity() as u64,
        evictions: table.evictions(),
    }
}

fn rekey_state(group: &Group, schedule: Schedule<'_>) -> RekeyState {
    let rekeys = &group.rekeys;
    RekeyState {
        retransmissions: rekeys.retransmissions,
        acknowledgements: rekeys.acknowledgements,
        unacknowledged_members: group.acknowledges().then_some(rekeys.unacknowledged),
        recipients: rekeys.recipients,
        duration: rekeys.duration.clone(),
        last: rekeys.last,
        next_expected: schedule.next_rekey(),
        overdue: rekeys.overdue.is_some(),
        expectation: rekey_expectation(group, schedule),
    }
}

/// Whether the time of the next rekey is known, and why not.
fn rekey_expectation(group: &Group, schedule: Schedule<'_>) -> Expectation {
    Expectation {
        unknown: expectation::unknown(group, schedule),
        interval: schedule.rekey_interval(),
    }
}

fn kek_state(group: &Group, schedule: Schedule<'_>) -> KekState {
    let history = &group.kek;
    let lifetime = schedule.kek_lifetime();
    KekState {
        cookies: history.current,
        changes: history.changes,
        start: history.start,
        expiry: schedule.kek_expiry(),
        lifetime: lifetime.map(|(lifetime, _)| lifetime),
        lifetime_source: lifetime.map(|(_, source)| source),
        lead_seconds: history.lead_seconds,
        over_age: history.over_age,
        expired: history.expired,
        split: history.split.is_some(),
        re_registration_window: schedule.re_registration_window(),
        chain: history.chain.iter().copied().collect(),
    }
}

/// Both kinds are always present: a series that starts with its first event hides that event.
fn fill(state: &mut KeyServerState) {
    for kind in RegistrationKind::ALL {
        state.completed.entry(kind).or_default();
        state.failed.entry(kind).or_default();
    }
}

fn add_counters(state: &mut KeyServerState, counters: &GroupCounters) {
    fill(state);
    for (kind, (completed, failed)) in RegistrationKind::ALL
        .into_iter()
        .zip(counters.completed.into_iter().zip(counters.failed))
    {
        state.completed.insert(kind, completed);
        state.failed.insert(kind, failed);
    }
    for (stage, count) in RegistrationStage::ALL.into_iter().zip(counters.failed_at) {
        if count > 0 {
            state.failed_at.insert(stage, count);
        }
    }
    for (kind, by_transport) in RekeyKind::ALL.into_iter().zip(counters.rekeys) {
        for (transport, count) in Transport::ALL.into_iter().zip(by_transport) {
            if count > 0 {
                state.rekeys.insert((kind, transport), count);
            }
        }
    }
    state.rekey_messages = counters.rekey_messages;
}

/// The lists.
impl View<'_> {
    fn add_members(self, snapshot: &mut Snapshot, listed: bool) {
        let mut counts = vec![0_u64; self.state.groups.len() + 1];
        for (_, &peer, member) in self.state.members.iter() {
            let group = match (member.group().known(), member.server) {
                (Some(group), _) => group,
                (None, Some(server)) => self.group_of(server, peer),
                (None, None) => GroupId::NONE,
            };
            if let Some(count) = counts.get_mut(group.index()) {
                *count += 1;
            }
            if listed {
                snapshot.members.push(self.member_state(group, peer, member));
            }
        }
        for (id, group) in self.state.groups.iter().skip(1) {
            if let Some(state) = snapshot.groups.get_mut(&group.name) {
                state.members = counts.get(id.index()).copied().unwrap_or_default();
            }
        }
        let members = &mut snapshot.members;
        members.sort_by_key(|member| (member.first_seen, member.address));
    }

    fn member_state(self, group: GroupId, peer: Peer, member: &Member) -> MemberState {
        let acknowledges = self.state.groups[group].acknowledges();
        MemberState {
            address: peer.socket(),
            group: self.state.groups.name(group),
            key_server: member.server.map(|server| self.state.servers[server].address),
            first_seen: member.first_seen,
            last_seen: member.last_seen,
            registered: member.last_registered(),
            registrations: member.registrations,
            failures: member.failures,
            rekeyed: member.rekeyed,
            acknowledged: member.acknowledged,
            unacknowledged: acknowledges.then_some(member.unacknowledged.into()),
        }
    }

    fn add_spis(self, snapshot: &mut Snapshot, listed: bool) {
        let mut counts = vec![(0_u64, 0_u64); self.state.groups.len() + 1];
        let sites: Vec<Option<&str>> = self.config.site_names().collect();
        for (_, &key, traffic) in self.state.spis.iter() {
            let status = self.spi_status(key, traffic);
            if let Some((active, lagging)) = counts.get_mut(traffic.group.index()) {
                *active += u64::from(!traffic.is_idle_at(self.state.now));
                *lagging += u64::from(status == SpiStatus::Stale);
            }
            if listed {
                let (spi, site) = key;
                snapshot.spis.push(SpiState {
                    spi: Spi(spi),
                    site: sites.get(site as usize).copied().flatten().map(String::from),
                    group: self.state.groups.name(traffic.group),
                    status,
                    replaces: traffic.replaces.map(Spi),
                    total: traffic.total,
                    first_seen: traffic.first,
                    last_seen: traffic.last,
                });
            }
        }
        for (id, group) in self.state.groups.iter() {
            if let Some(state) = snapshot.groups.get_mut(&group.name) {
                let counts = counts.get(id.index()).copied();
                (state.esp.active, state.esp.lagging_sites) = counts.unwrap_or_default();
            }
        }
        snapshot
            .spis
            .sort_by(|one, other| by_age(one).cmp(&by_age(other)));
    }

    fn spi_status(self, (spi, _): SpiKey, traffic: &SpiTraffic) -> SpiStatus {
        let data = &self.state.groups[traffic.group].data;
        let replaced = data.replacement(spi).is_some();
        let idle = traffic.is_idle_at(self.state.now);
        match (replaced, traffic.stale, idle) {
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
