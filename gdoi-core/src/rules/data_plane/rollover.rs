//! Which SPI took the place of which, and who still sends the old one.

use alloc::vec::Vec;

use crate::observation::Esp;
use crate::rules::data_plane::MAX_SUSPECTED_SPIS;
use crate::rules::data_plane::{ROLLOVER_WINDOW, SPI_IDLE_TIMEOUT};
use crate::state::data_plane::SpiKey;
use crate::state::id::GroupId;
use crate::state::table::Id;
use crate::time::Timestamp;
use crate::tracker::{Subject, Tracker};
use crate::transition::{Spi, SpiChanged, SpiStale, Transition, What};

impl Tracker {
    /// The one group whose rekey a new SPI may come from.
    pub(super) fn suspect_group(&self, first: Timestamp) -> GroupId {
        let mut candidates = self.groups.iter().filter(|(id, group)| {
            let rekeyed = group.data.rekeyed;
            let may = rekeyed.is_some_and(|at| at <= first && first.since(at) <= ROLLOVER_WINDOW);
            id.known().is_some() && may && group.data.suspects < MAX_SUSPECTED_SPIS
        });
        match (candidates.next(), candidates.next()) {
            (Some((id, _)), None) => id,
            _ => GroupId::NONE,
        }
    }

    /// What a new SPI of a group may take the place of, at the same site, after a rekey.
    pub(super) fn find_predecessors(&self, group: GroupId, key: SpiKey, first: Timestamp) -> Predecessors {
        let own = self.groups.get(group).and_then(|group| group.data.rekeyed);
        // The rekeys of a configured group may still go by another name.
        let other = || self.recently_rekeyed_group(group, first).map(|(_, at)| at);
        let rekeyed = own.or_else(other);
        let Some(rekeyed) =
            rekeyed.filter(|&at| group != GroupId::NONE && first.since(at) <= ROLLOVER_WINDOW)
        else {
            return Predecessors::default();
        };
        let Some(data) = self.groups.get(group).map(|group| &group.data) else {
            return Predecessors::default();
        };
        let mut found = Predecessors::default();
        for &spi in data.recent.get(&key.1).map_or(&[][..], Vec::as_slice) {
            let Some(sent) = self.spis.find(&(spi, key.1)).and_then(|id| self.spis.get(id)) else {
                continue;
            };
            let ours = spi != key.0 && (sent.group == group || sent.suspected == group);
            let before = sent.first < rekeyed && sent.last.after(ROLLOVER_WINDOW) >= first;
            // Replaced at other sites by an SPI that this one never had: key servers that lost each other.
            let open = data
                .replacement(spi)
                .is_none_or(|(_, by)| by == key.0 || self.spis.find(&(by, key.1)).is_none());
            if ours && before && open {
                found.only = if found.any { None } else { Some(spi) };
                found.any = true;
            }
        }
        found
    }

    /// A suspected succession is confirmed when the old SPI falls silent.
    pub(super) fn confirm_rollover(
        &mut self,
        now: Timestamp,
        id: Id,
        key: SpiKey,
        out: &mut Vec<Transition>,
    ) {
        let Some(sent) = self.spis.get(id) else {
            return;
        };
        let (suspected, first) = (sent.suspected, sent.first);
        if sent.group != GroupId::NONE || suspected == GroupId::NONE {
            return;
        }
        let Some(old) = sent.follows else {
            return;
        };
        let Some(old_id) = self.spis.find(&(old, key.1)) else {
            return;
        };
        let silent = self
            .spis
            .get(old_id)
            .is_some_and(|old| now.since(old.last) > SPI_IDLE_TIMEOUT);
        if !silent {
            return;
        }
        for id in [old_id, id] {
            if let Some(sent) = self.spis.get_mut(id) {
                sent.group = suspected;
            }
        }
        self.on_rollover(now, suspected, key, Some(old), first, out);
    }

    /// A site of a group uses a new SPI.
    pub(super) fn on_rollover(
        &mut self,
        now: Timestamp,
        id: GroupId,
        key: SpiKey,
        old: Option<u32>,
        first: Timestamp,
        out: &mut Vec<Transition>,
    ) {
        let Some(data) = self.groups.get_mut(id).map(|group| &mut group.data) else {
            return;
        };
        data.changes = data.changes.saturating_add(1);
        let roll = data.rekeyed.filter(|&at| at <= first).map(|at| first.since(at));
        if let Some(roll) = roll {
            data.rollover.observe(roll);
        }
        if let Some(old) = old {
            data.replace(old, first, key.0);
        }
        let what = What::SpiChanged(SpiChanged {
            from: old.map(Spi),
            to: Spi(key.0),
            roll,
            site: self.config.site_name(key.1),
        });
        self.emit(now, Subject::group(id), what, out);
    }

    /// A replaced SPI is still sent after both had their time.
    pub(super) fn check_stale_spi(
        &mut self,
        now: Timestamp,
        id: Id,
        key: SpiKey,
        esp: &Esp,
        group: GroupId,
        out: &mut Vec<Transition>,
    ) {
        let allowed = self.overlap(group);
        let ends = self
            .spis
            .get(id)
            .zip(self.tek_lifetime(group))
            .map_or(Timestamp::ZERO, |(sent, lifetime)| sent.since.after(lifetime));
        let Some(data) = self.groups.get_mut(group).map(|group| &mut group.data) else {
            return;
        };
        let Some((at, by)) = data.replacement(key.0) else {
            return;
        };
        // Key servers that lost each other, or were forced, replace an SPI long before its end.
        if esp.first <= at.after(allowed).max(ends) || esp.packets == 0 {
            return;
        }
        data.stale_packets = data.stale_packets.saturating_add(esp.packets);
        let Some(sent) = self.spis.get_mut(id) else {
            return;
        };
        if core::mem::replace(&mut sent.stale, true) {
            return;
        }
        let what = What::SpiStale(SpiStale {
            spi: Spi(key.0),
            current: Spi(by),
            site: self.config.site_name(key.1),
            late: esp.first.since(at),
        });
        self.emit(now, Subject::group(group), what, out);
    }
}

/// SPIs that a new one may take the place of.
#[derive(Clone, Copy, Default)]
pub(super) struct Predecessors {
    pub(super) any: bool,
    /// Which, when there is one alone.
    pub(super) only: Option<u32>,
}
