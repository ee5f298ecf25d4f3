//! ESP, which no key is needed to follow: which SPIs are sent, which replaced which, and who is late.
//!
//! One SPI serves all senders of a group (RFC 5374 §3), so that nothing is said of sequence numbers here. An SPI belongs
//! to a group when a configured site sends it, or when it replaces another of the group after a rekey; until that has
//! been seen it is unattributed, for ESP of other origin looks the same.

pub(crate) mod group_match;
pub(crate) mod rollover;

use crate::observation::{Esp, Site};
use crate::rules::data_plane::rollover::NewSpi;
use crate::rules::kek::lead::ROLLOVER_WINDOW;
use crate::rules::{Context, Subject};
use crate::snapshot::EspTotal;
use crate::state::State;
use crate::state::data_plane::{SpiKey, SpiTraffic};
use crate::state::id::{GroupId, SpiId};
use crate::time::Timestamp;
use crate::transition::{Anomaly, Spi, SpiFirstSeen, What};

/// SPIs below are reserved (RFC 4303 §2.1).
const FIRST_UNRESERVED_SPI: u32 = 256;
/// New SPIs that are reported in ten seconds; more of a spray of forged ones are only counted.
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
        add_esp(&mut cx.state.groups[placed].data.total, esp);
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
    traffic.last = traffic.last.max(esp.last);
    add_esp(&mut traffic.total, esp);
    rollover::confirm_rollover(cx, id, key);
    let group = cx.state.spis[id].group;
    add_esp(&mut cx.state.groups[group].data.total, esp);
    rollover::check_stale_spi(cx, id, key, esp);
}

fn group_of_site(state: &State, site: Option<Site>) -> GroupId {
    let number = site.and_then(|site| usize::try_from(site.0).ok());
    number
        .and_then(|number| state.site_groups.get(number))
        .copied()
        .unwrap_or(GroupId::NONE)
}

/// A site sends an SPI that it had not sent before.
fn on_new_spi(cx: &mut Context<'_>, key: SpiKey, esp: &Esp, placed: GroupId) -> SpiId {
    let (spi, site) = key;
    let suspected = match placed.known() {
        Some(placed) => placed,
        None => rollover::suspect_group(cx.state, esp.first),
    };
    let predecessors = rollover::find_predecessors(cx.state, suspected, key, esp.first);
    if suspected != GroupId::NONE {
        let data = &mut cx.state.groups[suspected].data;
        data.suspects = data.suspects.saturating_add(u32::from(placed == GroupId::NONE));
        data.remember(spi, site);
    }
    let traffic = SpiTraffic {
        group: placed,
        suspected,
        replaces: predecessors.only,
        first: esp.first,
        last: esp.last,
        total: EspTotal::default(),
        since: tek_start(cx.state, suspected, esp.first),
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
    if placed != GroupId::NONE && predecessors.any {
        let new = NewSpi {
            key,
            first: esp.first,
        };
        rollover::on_rollover(cx, placed, predecessors.only, new);
    }
    id
}

/// When the TEK of a new SPI started: the rekey of the group that delivered it, or the moment it was first seen.
fn tek_start(state: &State, id: GroupId, first: Timestamp) -> Timestamp {
    let rekeyed = state.groups[id].data.rekeyed_at();
    rekeyed
        .filter(|&at| id != GroupId::NONE && at <= first && first.since(at) <= ROLLOVER_WINDOW)
        .unwrap_or(first)
}

fn add_esp(total: &mut EspTotal, esp: &Esp) {
    total.packets = total.packets.saturating_add(esp.packets);
    total.octets = total.octets.saturating_add(esp.octets);
}
