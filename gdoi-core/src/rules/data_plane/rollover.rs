//! Which SPI replaced which.
//!
//! A member may use the old TEK until shortly before it ends, so a new SPI may appear any time between a rekey and
//! the end of the old TEK. At a configured site the new SPI itself is the proof; elsewhere the proof is that the old
//! SPI falls silent.

use alloc::vec::Vec;
use core::time::Duration;

use crate::rules::data_plane::{group_match, stale};
use crate::rules::kek::lead::{ROLLOVER_WINDOW, Schedule};
use crate::rules::{Context, Subject};
use crate::state::State;
use crate::state::data_plane::{SpiKey, SpiTraffic};
use crate::state::id::{GroupId, SpiId};
use crate::time::Timestamp;
use crate::transition::{Spi, SpiChanged, What};

/// SPIs without a configured site that may come from one rekey; more are a flood.
const MAX_SUSPECTED_SPIS: u32 = 8;
/// SPIs that one new SPI may replace; if more are in use, the right one cannot be found.
const MAX_CANDIDATES: usize = 8;

/// The one group whose rekey a new SPI may come from.
pub(crate) fn suspect_group(cx: &Context<'_>, first: Timestamp) -> GroupId {
    let mut candidates = cx.state.groups.iter().filter(|(id, group)| {
        let window = cx.schedule(*id).rollover_window();
        let is_recent = |at: Timestamp| at <= first && first.since(at) <= window;
        let sites = group.known_config(cx.config).map_or(0, |known| known.sites.len());
        id.known().is_some()
            // If the sites of a group are configured, an SPI from no site is not the group's.
            && sites == 0
            && group.data.rekeyed_at().is_some_and(is_recent)
            && group.data.suspects < MAX_SUSPECTED_SPIS
    });
    match (candidates.next(), candidates.next()) {
        (Some((id, _)), None) => id,
        _ => GroupId::NONE,
    }
}

/// The rekey of a group that brought a new SPI: the one that already brought it to another site, otherwise the latest
/// one.
pub(crate) fn rekey_that_brought(
    cx: &Context<'_>,
    id: GroupId,
    spi: u32,
    first: Timestamp,
) -> Option<Timestamp> {
    let id = id.known()?;
    let data = &cx.state.groups[id].data;
    let window = cx.schedule(id).rollover_window();
    let is_recent = |at: &Timestamp| *at <= first && first.since(*at) <= window;
    data.brought(spi)
        .or_else(|| data.rekeyed_at().filter(is_recent))
        // Rekeys of a configured group may still be counted under another name.
        .or_else(|| group_match::recently_rekeyed_group(cx.state, id, first).map(|(_, at)| at))
}

/// The SPIs at the same site that a new SPI of a group may replace.
pub(crate) fn find_predecessors(
    state: &State,
    group: GroupId,
    key: SpiKey,
    brought: Option<Timestamp>,
    first: Timestamp,
) -> Vec<u32> {
    let (new, site) = key;
    let (Some(brought), Some(group)) = (brought, group.known()) else {
        return Vec::new();
    };
    let data = &state.groups[group].data;
    let open = |spi: u32| {
        let traffic = state.spis.find(&(spi, site)).map(|id| &state.spis[id]);
        // At other sites it was replaced by an SPI that this site never sent: a split brain of the key servers.
        let is_open = data
            .replacement(spi)
            .is_none_or(|(_, by)| by == new || state.spis.find(&(by, site)).is_none());
        traffic.filter(|traffic| spi != new && is_open && is_before(traffic, group, brought))
    };
    let in_use = |group: GroupId| -> Vec<u32> {
        let candidates = state.groups[group].data.recent_of(site).iter().copied();
        let in_use = |spi: &u32| open(*spi).is_some_and(|traffic| is_in_use(traffic, first));
        candidates.filter(in_use).collect()
    };
    let own = in_use(group);
    if !own.is_empty() {
        return own;
    }
    // An SPI from before the first rekey that was seen belongs to no group yet.
    let unattributed = in_use(GroupId::NONE);
    if !unattributed.is_empty() {
        return if unattributed.len() > MAX_CANDIDATES {
            Vec::new()
        } else {
            unattributed
        };
    }
    // A site that was silent in between used this one last.
    let recent = data.recent_of(site).iter().copied();
    let latest = recent.filter_map(|spi| Some((open(spi)?.last, spi))).max();
    latest
        .filter(|_| site != 0)
        .map(|(_, spi)| spi)
        .into_iter()
        .collect()
}

/// Whether an SPI was in use before a rekey of a group, as far as its own group is known.
fn is_before(traffic: &SpiTraffic, group: GroupId, brought: Timestamp) -> bool {
    let is_unattributed = traffic.group == GroupId::NONE && traffic.suspected == GroupId::NONE;
    let is_of_group = traffic.group == group || traffic.suspected == group;
    (is_of_group || is_unattributed) && traffic.first < brought
}

/// Whether an SPI was in use until about the first packet of another.
fn is_in_use(traffic: &SpiTraffic, first: Timestamp) -> bool {
    traffic.last.after(traffic.idle_timeout().max(ROLLOVER_WINDOW)) >= first
}

/// Confirms a suspected rollover when the old SPI, and no other, has fallen silent, or when its TEK has ended.
pub(crate) fn confirm_rollover(cx: &mut Context<'_>, id: SpiId, key: SpiKey) {
    let (now, state) = (cx.now, &mut *cx.state);
    let traffic = &state.spis[id];
    let (suspected, first, brought) = (traffic.suspected, traffic.first, traffic.brought());
    if traffic.group != GroupId::NONE || suspected == GroupId::NONE {
        return;
    }
    let candidates = find_predecessors(state, suspected, key, brought, first);
    let schedule = Schedule::new(&state.groups[suspected], cx.config);
    let (window, lifetime) = (schedule.rollover_window(), schedule.max_tek_lifetime());
    let data = &state.groups[suspected].data;
    let is_only_suspect = data.suspects == 1 && data.rekeyed_at() == brought;
    let rekey_before = data.rekeyed_before().filter(|_| data.rekeyed_at() == brought);
    let mut silent = candidates.into_iter().filter_map(|spi| {
        let id = state.spis.find(&(spi, key.1))?;
        let old = &state.spis[id];
        let is_silent = old.is_idle_at(now) && old.last.after(old.idle_timeout()) >= first;
        // The group's own SPI, past the end of its TEK: the only SPI that appeared with the rekey replaced it.
        let is_over =
            old.group == suspected && lifetime.is_some_and(|lifetime| old.since.after(lifetime) < now);
        let has_ended = is_silent || (is_only_suspect && is_over);
        let is_early = brought.is_some_and(|at| first.since(at) <= ROLLOVER_WINDOW);
        (has_ended && (is_early || may_come_from(old, rekey_before, window))).then_some((spi, id))
    });
    let (Some((old, old_id)), None) = (silent.next(), silent.next()) else {
        return;
    };
    drop(silent);
    attribute_spi(state, old_id, suspected);
    attribute_spi(state, id, suspected);
    state.spis[id].replaces = Some(old);
    state.groups[suspected].data.remember(old, key.1);
    on_rollover(cx, id, key);
    stale::on_replaced(cx, old_id);
}

/// Whether an SPI may come from the previous rekey; a tunnel of another origin also changes its SPI at other times. A
/// site that has been silent since before that rekey never used the SPI that it brought.
fn may_come_from(old: &SpiTraffic, rekey: Option<Timestamp>, window: Duration) -> bool {
    rekey.is_none_or(|rekey| old.last < rekey || (rekey <= old.first && old.first <= rekey.after(window)))
}

/// An SPI turns out to belong to a group, which now also counts its earlier traffic.
fn attribute_spi(state: &mut State, id: SpiId, group: GroupId) {
    let traffic = &mut state.spis[id];
    if traffic.group == GroupId::NONE {
        traffic.group = group;
        let moved = traffic.total;
        let data = &mut state.groups[group].data;
        data.total = data.total.plus(moved);
        let unattributed = &mut state.groups[GroupId::NONE].data;
        unattributed.total = unattributed.total.minus(moved);
        unattributed.moved = unattributed.moved.plus(moved);
    }
}

/// A site of a group uses a new SPI.
pub(crate) fn on_rollover(cx: &mut Context<'_>, id: SpiId, key: SpiKey) {
    let (spi, site) = key;
    let traffic = &cx.state.spis[id];
    let (group, old, first, brought) = (traffic.group, traffic.replaces, traffic.first, traffic.brought());
    // Until another SPI appeared it was valid. An idle one may have ended long before.
    let life = old.and_then(|old| {
        let traffic = &cx.state.spis[cx.state.spis.find(&(old, key.1))?];
        let is_used = traffic.is_brought && traffic.last.after(traffic.idle_timeout()) >= first;
        is_used.then(|| first.since(traffic.since))
    });
    let data = &mut cx.state.groups[group].data;
    data.changes = data.changes.saturating_add(1);
    let roll = brought.filter(|&at| at <= first).map(|at| first.since(at));
    if let Some(roll) = roll {
        data.rollover.observe(roll);
    }
    if let Some(at) = brought {
        data.bring(spi, at);
    }
    if let Some(old) = old {
        data.replace(old, first, spi);
        if let Some(life) = life {
            data.longest_life = data.longest_life.max(life);
        }
    }
    let what = What::SpiChanged(SpiChanged {
        from: old.map(Spi),
        to: Spi(spi),
        roll,
        site: cx.config.site_name(site),
    });
    cx.emit(Subject::group(group), what);
}
