//! ESP, which can be followed without a key: which SPIs are sent, which replaced which, and which sites are late.
//!
//! One SPI serves all senders of a group (RFC 5374 §3), so sequence numbers prove nothing here. An SPI belongs to a
//! group when a configured site sends it, or when it replaces another SPI after a rekey of that group. Until then it
//! is unattributed, because ESP of another origin looks the same.

pub(crate) mod group_match;
pub(crate) mod rollover;
pub(crate) mod stale;

use crate::observation::{Esp, Site};
use crate::rules::{Context, Subject};
use crate::snapshot::EspTotal;
use crate::state::State;
use crate::state::data_plane::{SpiKey, SpiTraffic};
use crate::state::id::{GroupId, SpiId};
use crate::transition::{Anomaly, Spi, SpiFirstSeen, What};

/// Lower SPIs are reserved (RFC 4303 §2.1).
const FIRST_UNRESERVED_SPI: u32 = 256;
/// New SPIs that are reported in ten seconds. Of a flood of forged ones, the rest are only counted.
const NEW_SPI_REPORT_LIMIT: u32 = 256;

/// ESP packets of one SPI were counted.
pub(crate) fn handle_esp(cx: &mut Context<'_>, esp: &Esp) {
    let mut placed = group_of_site(cx.state, esp.site);
    if esp.spi < FIRST_UNRESERVED_SPI {
        let count = cx
            .state
            .anomalies
            .entry((placed, Anomaly::ReservedSpi))
            .or_default();
        *count = count.saturating_add(esp.packets);
        cx.state.groups[placed].data.total.add(esp);
        return;
    }
    let key = (esp.spi, esp.site.map_or(0, |site| site.0));
    let id = if let Some(id) = cx.state.spis.find(&key) {
        id
    } else {
        placed = group_match::match_group_by_rollover(cx.state, placed, key, esp.first);
        on_new_spi(cx, key, esp, placed)
    };
    cx.state.spis.touch(id);
    let traffic = &mut cx.state.spis[id];
    traffic.count(esp);
    let group = traffic.group;
    cx.state.groups[group].data.total.add(esp);
    rollover::confirm_rollover(cx, id, key);
    stale::check_stale_spi(cx, id, key, esp);
}

fn group_of_site(state: &State, site: Option<Site>) -> GroupId {
    let number = site.and_then(|site| usize::try_from(site.0).ok());
    number
        .and_then(|number| state.site_groups.get(number))
        .copied()
        .unwrap_or(GroupId::NONE)
}

/// A site sends an SPI for the first time.
fn on_new_spi(cx: &mut Context<'_>, key: SpiKey, esp: &Esp, placed: GroupId) -> SpiId {
    let (spi, site) = key;
    let suspected = match placed.known() {
        Some(placed) => placed,
        None => rollover::suspect_group(cx, esp.first),
    };
    let brought = rollover::rekey_that_brought(cx, suspected, spi, esp.first);
    let mut replaces = None;
    let mut is_rollover = false;
    if placed != GroupId::NONE {
        let predecessors = rollover::find_predecessors(cx.state, placed, key, brought, esp.first);
        is_rollover = !predecessors.is_empty();
        replaces = predecessors.first().copied().filter(|_| predecessors.len() == 1);
    }
    let data = &mut cx.state.groups[suspected].data;
    if suspected != GroupId::NONE {
        data.suspects = data.suspects.saturating_add(u32::from(placed == GroupId::NONE));
    }
    data.remember(spi, site);
    let traffic = SpiTraffic {
        group: placed,
        suspected,
        replaces,
        first: esp.first,
        last: esp.first,
        total: EspTotal::default(),
        since: brought.unwrap_or(esp.first),
        is_brought: brought.is_some(),
        usual_gap_ms: 0,
        overtime: 0,
        stale: false,
    };
    let id = cx.state.spis.insert(key, traffic).id;
    if cx.state.spi_reports.allow(cx.now, NEW_SPI_REPORT_LIMIT) {
        let what = What::SpiFirstSeen(SpiFirstSeen {
            spi: Spi(spi),
            site: cx.config.site_name(site),
        });
        cx.emit(Subject::group(placed), what);
    }
    if is_rollover {
        rollover::on_rollover(cx, id, key);
    }
    id
}
