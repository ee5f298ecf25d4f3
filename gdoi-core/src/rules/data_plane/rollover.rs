//! Which SPI replaced which, and who still sends the old one.

use alloc::vec::Vec;
use core::time::Duration;

use crate::observation::Esp;
use crate::rules::data_plane::group_match;
use crate::rules::kek::lead::ROLLOVER_WINDOW;
use crate::rules::{Context, Subject};
use crate::state::State;
use crate::state::data_plane::SpiKey;
use crate::state::id::{GroupId, SpiId};
use crate::time::Timestamp;
use crate::transition::{Spi, SpiChanged, SpiStale, What};

/// Silence after which an SPI is no longer in use.
pub(crate) const SPI_IDLE_TIMEOUT: Duration = Duration::from_secs(20);
/// SPIs without a configured site that may come from one rekey; more is a spray.
const MAX_SUSPECTED_SPIS: u32 = 8;

/// SPIs that a new one may replace.
#[derive(Clone, Copy, Default)]
pub(crate) struct Predecessors {
    pub(crate) any: bool,
    /// Which, when there is only one.
    pub(crate) only: Option<u32>,
}

/// A new SPI, and when it was first seen.
#[derive(Clone, Copy)]
pub(crate) struct NewSpi {
    pub(crate) key: SpiKey,
    pub(crate) first: Timestamp,
}

/// The one group whose rekey a new SPI may come from.
pub(crate) fn suspect_group(state: &State, first: Timestamp) -> GroupId {
    let mut candidates = state.groups.iter().filter(|(id, group)| {
        let rekeyed = group.data.rekeyed_at();
        let is_recent = rekeyed.is_some_and(|at| at <= first && first.since(at) <= ROLLOVER_WINDOW);
        id.known().is_some() && is_recent && group.data.suspects < MAX_SUSPECTED_SPIS
    });
    match (candidates.next(), candidates.next()) {
        (Some((id, _)), None) => id,
        _ => GroupId::NONE,
    }
}

/// What a new SPI of a group may replace, at the same site, after a rekey.
pub(crate) fn find_predecessors(
    state: &State,
    group: GroupId,
    key: SpiKey,
    first: Timestamp,
) -> Predecessors {
    let (new, site) = key;
    let mut found = Predecessors::default();
    let data = &state.groups[group].data;
    // The rekeys of a configured group may still be counted under another name.
    let other = || group_match::recently_rekeyed_group(state, group, first).map(|(_, at)| at);
    let rekeyed = data.rekeyed_at().or_else(other);
    let Some(rekeyed) = rekeyed.filter(|&at| group != GroupId::NONE && first.since(at) <= ROLLOVER_WINDOW)
    else {
        return found;
    };
    for &spi in data.recent.get(&site).map_or(&[][..], Vec::as_slice) {
        let Some(traffic) = state.spis.find(&(spi, site)).map(|id| &state.spis[id]) else {
            continue;
        };
        let is_of_group = spi != new && (traffic.group == group || traffic.suspected == group);
        let was_in_use = traffic.first < rekeyed && traffic.last.after(ROLLOVER_WINDOW) >= first;
        // Replaced at other sites by an SPI that this one never sent: a split brain of the key servers.
        let is_open = data
            .replacement(spi)
            .is_none_or(|(_, by)| by == new || state.spis.find(&(by, site)).is_none());
        if is_of_group && was_in_use && is_open {
            found.only = if found.any { None } else { Some(spi) };
            found.any = true;
        }
    }
    found
}

/// A suspected rollover is confirmed when the old SPI falls silent.
pub(crate) fn confirm_rollover(cx: &mut Context<'_>, id: SpiId, key: SpiKey) {
    let state = &mut *cx.state;
    let traffic = &state.spis[id];
    let (suspected, first) = (traffic.suspected, traffic.first);
    if traffic.group != GroupId::NONE || suspected == GroupId::NONE {
        return;
    }
    let Some(old) = traffic.replaces else {
        return;
    };
    let Some(old_id) = state.spis.find(&(old, key.1)) else {
        return;
    };
    if cx.now.since(state.spis[old_id].last) <= SPI_IDLE_TIMEOUT {
        return;
    }
    for id in [old_id, id] {
        state.spis[id].group = suspected;
    }
    on_rollover(cx, suspected, Some(old), NewSpi { key, first });
}

/// A site of a group uses a new SPI.
pub(crate) fn on_rollover(cx: &mut Context<'_>, id: GroupId, old: Option<u32>, new: NewSpi) {
    let NewSpi {
        key: (spi, site),
        first,
    } = new;
    let data = &mut cx.state.groups[id].data;
    data.changes = data.changes.saturating_add(1);
    let rekeyed = data.rekeyed_at().filter(|&at| at <= first);
    let roll = rekeyed.map(|at| first.since(at));
    if let Some(roll) = roll {
        data.rollover.observe(roll);
    }
    if let Some(old) = old {
        data.replace(old, first, spi);
    }
    let what = What::SpiChanged(SpiChanged {
        from: old.map(Spi),
        to: Spi(spi),
        roll,
        site: cx.config.site_name(site),
    });
    cx.emit(Subject::group(id), what);
}

/// Reports a replaced SPI that is still sent after the time for the change has passed.
pub(crate) fn check_stale_spi(cx: &mut Context<'_>, id: SpiId, key: SpiKey, esp: &Esp) {
    let (spi, site) = key;
    let (group, since) = (cx.state.spis[id].group, cx.state.spis[id].since);
    let Some((at, by)) = cx.state.groups[group].data.replacement(spi) else {
        return;
    };
    let schedule = cx.schedule(group);
    let overlap_end = at.after(schedule.tek_overlap());
    let tek_end = schedule.max_tek_lifetime().map(|lifetime| since.after(lifetime));
    // In a split brain, or when forced, key servers replace an SPI long before its end.
    if esp.first <= overlap_end.max(tek_end.unwrap_or_default()) || esp.packets == 0 {
        return;
    }
    let data = &mut cx.state.groups[group].data;
    data.stale_packets = data.stale_packets.saturating_add(esp.packets);
    if core::mem::replace(&mut cx.state.spis[id].stale, true) {
        return;
    }
    let what = What::SpiStale(SpiStale {
        spi: Spi(spi),
        current: Spi(by),
        site: cx.config.site_name(site),
        late: esp.first.since(at),
    });
    cx.emit(Subject::group(group), what);
}
