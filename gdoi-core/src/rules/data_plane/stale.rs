//! Sites that still send an SPI after its TEK has ended.
//!
//! The claim needs two things: another SPI replaced it, and its lifetime is over. The lifetime is the configured one
//! or, once rekeys come at equal intervals, at most the interval plus the longest lead. While neither is known,
//! nothing is claimed; once one is, earlier traffic is judged too.
//!
//! Without configured sites, an SPI of another group may seem to be replaced. So the SPI must have replaced one of the
//! group itself, and while nothing had replaced it yet, its use past the estimated end disproves the estimate.

use core::time::Duration;

use crate::observation::Esp;
use crate::rules::{Context, Subject};
use crate::state::data_plane::SpiKey;
use crate::state::id::{GroupId, SpiId};
use crate::time::Timestamp;
use crate::transition::{Spi, SpiStale, What};

/// Packets that make an SPI stale: a single one may have been delayed.
const STALE_PACKETS: u8 = 2;
/// Use after the end of its TEK that makes an SPI stale if its packets were not counted separately.
const STALE_USE: Duration = Duration::from_mins(1);

/// Reports a replaced SPI that is still sent after its TEK has ended.
pub(crate) fn check_stale_spi(cx: &mut Context<'_>, id: SpiId, key: SpiKey, esp: &Esp) {
    let Some(group) = cx.state.spis[id].group.known() else {
        return;
    };
    let Some(lifetime) = cx.schedule(group).max_tek_lifetime() else {
        return;
    };
    judge_what_was_sent_before(cx, group, lifetime);
    if esp.packets == 0 || !is_over(cx, id, key, lifetime, esp.first) {
        return;
    }
    let traffic = &mut cx.state.spis[id];
    let packets = u8::try_from(esp.packets).unwrap_or(u8::MAX);
    traffic.overtime = traffic.overtime.saturating_add(packets);
    let overtime = traffic.overtime;
    let data = &mut cx.state.groups[group].data;
    data.stale_packets = data.stale_packets.saturating_add(esp.packets);
    if overtime >= STALE_PACKETS {
        report_stale(cx, id, key, esp.first);
    }
}

/// An SPI was found to be replaced: was it sent long after the end of its TEK?
pub(crate) fn on_replaced(cx: &mut Context<'_>, id: SpiId) {
    let group = cx.state.spis[id].group;
    if let Some(lifetime) = cx.schedule(group).max_tek_lifetime() {
        judge_replaced(cx, id, lifetime);
    }
}

/// Once the lifetime of TEKs is known, also judges the SPIs that were replaced earlier.
fn judge_what_was_sent_before(cx: &mut Context<'_>, group: GroupId, lifetime: Duration) {
    if core::mem::replace(&mut cx.state.groups[group].data.is_end_known, true) {
        return;
    }
    for id in cx.state.spis.ids() {
        if cx.state.spis[id].group == group {
            judge_replaced(cx, id, lifetime);
        }
    }
}

fn judge_replaced(cx: &mut Context<'_>, id: SpiId, lifetime: Duration) {
    let Some(key) = cx.state.spis.key(id) else {
        return;
    };
    let traffic = &cx.state.spis[id];
    let longest_life = cx.state.groups[traffic.group].data.longest_life;
    let (end, last) = (traffic.since.after(lifetime.max(longest_life)), traffic.last);
    if last > end.after(STALE_USE) && is_over(cx, id, key, lifetime, last) {
        report_stale(cx, id, key, end);
    }
}

/// Whether an SPI was replaced and its TEK had ended at a time.
fn is_over(cx: &Context<'_>, id: SpiId, (spi, site): SpiKey, lifetime: Duration, at: Timestamp) -> bool {
    let traffic = &cx.state.spis[id];
    let data = &cx.state.groups[traffic.group].data;
    let Some((replaced, _)) = data.replacement(spi) else {
        return false;
    };
    let end = traffic.since.after(lifetime.max(data.longest_life));
    let is_of_group = site != 0 || traffic.is_brought && traffic.replaces.is_some();
    // In a split brain or after a forced rekey, key servers replace an SPI long before its end.
    is_of_group && replaced <= end && at > end
}

fn report_stale(cx: &mut Context<'_>, id: SpiId, key: SpiKey, began: Timestamp) {
    let (spi, site) = key;
    let traffic = &mut cx.state.spis[id];
    let group = traffic.group;
    let Some((at, by)) = cx.state.groups[group].data.replacement(spi) else {
        return;
    };
    if core::mem::replace(&mut traffic.stale, true) {
        return;
    }
    let what = What::SpiStale(SpiStale {
        spi: Spi(spi),
        current: Spi(by),
        site: cx.config.site_name(site),
        late: began.since(at),
    });
    cx.emit(Subject::group(group), what);
}
