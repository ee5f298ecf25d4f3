//! TEKs as the data plane shows them: which SPIs are sent, which took the place of which, and who is late.
//!
//! One SPI serves all senders of a group (RFC 5374 §3), so that nothing is said of sequence numbers here. An SPI belongs
//! to a group when a configured place sends it, or when it follows another of the group after a rekey; until that has
//! been seen it is unattributed, for ESP of other origin looks the same.

pub(crate) mod group_match;
mod rollover;

use alloc::vec::Vec;
use core::time::Duration;

use crate::observation::{Esp, Site};
use crate::snapshot::EspTotal;
use crate::state::data_plane::{SpiKey, SpiTraffic};
use crate::state::id::GroupId;
use crate::state::table::Id;
use crate::time::Timestamp;
use crate::tracker::{Subject, Tracker};
use crate::transition::{Anomaly, Spi, SpiFirstSeen, Transition, What};

/// How long after a rekey its SPIs come into use at the latest, and the old ones stay in use: both SAs are installed for
/// at least 90 s with Cisco, and for as long as repeats and batches take in addition.
pub(crate) const ROLLOVER_WINDOW: Duration = Duration::from_secs(130);

/// Silence after which an SPI is no longer in use.
pub(crate) const SPI_IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// SPIs below are reserved (RFC 4303 §2.1).
const FIRST_UNRESERVED_SPI: u32 = 256;

/// New SPIs that are reported in ten seconds; of a spray of forged ones the rest are only counted.
const NEW_SPI_REPORT_LIMIT: u32 = 256;

/// SPIs without a configured site that may come from one rekey; more is a spray.
pub(crate) const MAX_SUSPECTED_SPIS: u32 = 8;

impl Tracker {
    /// ESP packets of one SPI were counted.
    pub(crate) fn handle_esp(&mut self, now: Timestamp, esp: &Esp, out: &mut Vec<Transition>) {
        let mut placed = self.group_of_site(esp.site);
        if esp.spi < FIRST_UNRESERVED_SPI {
            let count = self.anomalies.entry((placed, Anomaly::ReservedSpi)).or_default();
            *count = count.saturating_add(esp.packets);
            self.total(placed, esp);
            return;
        }
        let key = (esp.spi, esp.site.map_or(0, |site| site.0));
        let id = if let Some(id) = self.spis.find(&key) {
            id
        } else {
            placed = self.match_group_by_rollover(placed, key, esp.first);
            self.on_new_spi(now, key, esp, placed, out)
        };
        self.spis.touch(id);
        if let Some(sent) = self.spis.get_mut(id) {
            sent.last = sent.last.max(esp.last);
            add(&mut sent.total, esp);
        }
        self.confirm_rollover(now, id, key, out);
        let group = self.spis.get(id).map_or(placed, |sent| sent.group);
        self.total(group, esp);
        self.check_stale_spi(now, id, key, esp, group, out);
    }

    fn total(&mut self, group: GroupId, esp: &Esp) {
        if let Some(group) = self.groups.get_mut(group) {
            add(&mut group.data.total, esp);
        }
    }

    fn group_of_site(&self, site: Option<Site>) -> GroupId {
        let at = site.and_then(|site| usize::try_from(site.0).ok());
        at.and_then(|at| self.site_groups.get(at))
            .copied()
            .unwrap_or(GroupId::NONE)
    }

    fn on_new_spi(
        &mut self,
        now: Timestamp,
        key: SpiKey,
        esp: &Esp,
        placed: GroupId,
        out: &mut Vec<Transition>,
    ) -> Id {
        let suspected = if placed == GroupId::NONE {
            self.suspect_group(esp.first)
        } else {
            placed
        };
        let follows = self.find_predecessors(suspected, key, esp.first);
        if let Some(data) = self.groups.get_mut(suspected).map(|group| &mut group.data)
            && suspected != GroupId::NONE
        {
            data.suspects = data.suspects.saturating_add(u32::from(placed == GroupId::NONE));
            data.remember(key.0, key.1);
        }
        let sent = SpiTraffic {
            group: placed,
            suspected,
            follows: follows.only,
            first: esp.first,
            last: esp.last,
            total: EspTotal::default(),
            since: self.tek_start(suspected, esp.first),
            stale: false,
        };
        let id = self.spis.insert(key, sent).id;
        if self.spi_reports.allow(now, NEW_SPI_REPORT_LIMIT) {
            let what = What::SpiFirstSeen(SpiFirstSeen {
                spi: Spi(key.0),
                site: self.config.site_name(key.1),
            });
            self.emit(now, Subject::group(placed), what, out);
        }
        if placed != GroupId::NONE && follows.any {
            self.on_rollover(now, placed, key, follows.only, esp.first, out);
        }
        id
    }

    /// The rekey of a group that brought a new SPI, or the moment it was first seen.
    fn tek_start(&self, id: GroupId, first: Timestamp) -> Timestamp {
        let rekeyed = self.groups.get(id).and_then(|group| group.data.rekeyed);
        rekeyed
            .filter(|&at| id != GroupId::NONE && at <= first && first.since(at) <= ROLLOVER_WINDOW)
            .unwrap_or(first)
    }

    /// How long a TEK of a group lasts: as configured, or at most as rekeys let expect.
    fn tek_lifetime(&self, id: GroupId) -> Option<Duration> {
        let known = self.groups.config(id, &self.config);
        let configured = known.and_then(|known| known.tek_lifetime);
        configured.or_else(|| Some(self.rekey_interval(id)? + ROLLOVER_WINDOW))
    }

    /// How long the old SPI of a group may be used beside the new one.
    fn overlap(&self, id: GroupId) -> Duration {
        let known = self.groups.config(id, &self.config);
        let configured = known
            .and_then(|known| known.tek_lifetime)
            .map(|lifetime| self.tek_lead(id, lifetime));
        configured.unwrap_or(ROLLOVER_WINDOW).max(ROLLOVER_WINDOW)
    }
}

fn add(total: &mut EspTotal, esp: &Esp) {
    total.packets = total.packets.saturating_add(esp.packets);
    total.octets = total.octets.saturating_add(esp.octets);
}
