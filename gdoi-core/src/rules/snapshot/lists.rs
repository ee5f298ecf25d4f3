//! Members and SPIs, one by one.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use crate::rules::data_plane::{SILENCE, Sent, SpiKey};
use crate::snapshot::{MemberState, Snapshot, SpiState, SpiStatus};
use crate::state::group::GroupId;
use crate::state::member::Member;
use crate::state::peer::Peer;
use crate::time::Timestamp;
use crate::tracker::Tracker;
use crate::transition::Spi;

impl Tracker {
    pub(super) fn add_members(&self, snapshot: &mut Snapshot, listed: bool) {
        let mut counts = vec![0_u64; self.groups.len() + 1];
        for (_, &peer, member) in self.members.iter() {
            let group = match (member.group().known(), member.server) {
                (Some(group), _) => group,
                (None, Some(server)) => self.book(server, peer).group,
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
                *active += u64::from(self.now.since(sent.last) <= SILENCE);
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

    fn spi_status(&self, (spi, _): SpiKey, sent: &Sent) -> SpiStatus {
        let group = self.groups.get(sent.group);
        let replaced = group.and_then(|group| group.data.replacement(spi)).is_some();
        let idle = self.now.since(sent.last) > SILENCE;
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
