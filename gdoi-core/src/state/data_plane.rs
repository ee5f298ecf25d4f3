//! ESP of one group: which SPIs are sent and which replaced which.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use serde::{Deserialize, Serialize};

use crate::observation::Esp;
use crate::snapshot::{EspTotal, Histogram};
use crate::state::id::GroupId;
use crate::time::Timestamp;

/// An SPI at a site; site 0 means none.
pub(crate) type SpiKey = (u32, u32);

/// Silence after which an SPI with dense traffic is out of use.
const SPI_IDLE_TIMEOUT: Duration = Duration::from_secs(20);

/// Multiple of the usual gap after which an SPI is idle.
const USUAL_GAPS: u32 = 3;

/// The thinnest traffic that is followed: two packets in twenty minutes.
const MAX_USUAL_GAP: Duration = Duration::from_mins(20);

/// Tolerance between two equal intervals of one clock, or a thousandth of them if that is longer. Manual actions are
/// less exact.
const MIN_CLOCK_TOLERANCE: Duration = Duration::from_secs(3);

/// The shortest time between the rekeys of TEKs: the shortest lifetime is five minutes.
const MIN_TEK_INTERVAL: Duration = Duration::from_mins(3);

/// SPIs of one site that are remembered for one group.
const MAX_SPIS_PER_SITE: usize = 16;

/// Replaced SPIs that are remembered for one group.
const MAX_REPLACED_SPIS: usize = 32;

/// ESP of one SPI from one site.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SpiTraffic {
    pub(crate) group: GroupId,
    /// The group of the SPI that it may have replaced, until confirmed.
    pub(crate) suspected: GroupId,
    /// The SPI it replaces.
    pub(crate) replaces: Option<u32>,
    pub(crate) first: Timestamp,
    pub(crate) last: Timestamp,
    pub(crate) total: EspTotal,
    /// The rekey that brought it, or its first packet if none was seen. Its TEK is not older.
    pub(crate) since: Timestamp,
    /// Whether the rekey that brought it was seen.
    pub(crate) is_brought: bool,
    /// Longest recent gap in milliseconds; older gaps fade.
    pub(crate) usual_gap_ms: u32,
    /// Packets after the end of its TEK, counted up to two.
    pub(crate) overtime: u8,
    /// Whether it was reported as stale.
    pub(crate) stale: bool,
}

/// ESP of one group.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct DataPlane {
    pub(crate) total: EspTotal,
    /// Traffic that was counted here and turned out to belong to another group.
    pub(crate) moved: EspTotal,
    pub(crate) changes: u64,
    pub(crate) rollover: Histogram,
    pub(crate) stale_packets: u64,
    /// The longest time for which an SPI was used and nothing had replaced it: TEKs live at least as long.
    pub(crate) longest_life: Duration,
    /// Replaced SPIs: when, and by which one.
    pub(crate) replaced: Vec<(u32, Timestamp, u32)>,
    /// SPIs of each site that belong, or may belong, to this group, the oldest first.
    pub(crate) recent: BTreeMap<u32, Vec<u32>>,
    /// Which rekey brought an SPI, the oldest first.
    brought: VecDeque<(u32, Timestamp)>,
    /// Whether the longest lifetime of a TEK is known, from the configuration or from the rekey interval.
    pub(crate) is_end_known: bool,
    /// Number of SPIs since the latest rekey that may belong to this group.
    pub(crate) suspects: u32,
    /// The latest rekey.
    pub(crate) rekeyed: Option<Timestamp>,
    /// The previous one, of this group or not.
    rekeyed_before: Option<Timestamp>,
    pub(crate) votes: RolloverVotes,
}

impl DataPlane {
    /// New TEKs may come into use.
    pub(crate) const fn on_rekey(&mut self, now: Timestamp) {
        self.rekeyed_before = self.rekeyed.replace(now);
        self.suspects = 0;
    }

    /// When the rekey before the latest one was.
    pub(crate) const fn rekeyed_before(&self) -> Option<Timestamp> {
        self.rekeyed_before
    }

    /// When the latest rekey was.
    pub(crate) const fn rekeyed_at(&self) -> Option<Timestamp> {
        self.rekeyed
    }

    /// The rekey that brought an SPI to some site.
    pub(crate) fn brought(&self, spi: u32) -> Option<Timestamp> {
        self.brought
            .iter()
            .find(|(known, _)| *known == spi)
            .map(|&(_, at)| at)
    }

    /// Records the rekey that brought an SPI.
    pub(crate) fn bring(&mut self, spi: u32, rekeyed: Timestamp) {
        if self.brought(spi).is_some() {
            return;
        }
        if self.brought.len() >= MAX_REPLACED_SPIS {
            self.brought.pop_front();
        }
        self.brought.push_back((spi, rekeyed));
    }

    /// The interval between the latest three rekeys that brought SPIs, if both intervals agree.
    pub(crate) fn rollover_interval(&self) -> Option<Duration> {
        let mut times: Vec<Timestamp> = self.brought.iter().map(|&(_, at)| at).collect();
        times.sort_unstable();
        times.dedup();
        let [.., first, second, third] = times[..] else {
            return None;
        };
        let (one, other) = (second.since(first), third.since(second));
        let (shorter, longer) = (one.min(other), one.max(other));
        let is_exact = one.abs_diff(other) <= MIN_CLOCK_TOLERANCE.max(longer / 1_000);
        (shorter >= MIN_TEK_INTERVAL && is_exact).then_some(longer)
    }

    /// SPIs of a site that belong, or may belong, to this group, the oldest first.
    pub(crate) fn recent_of(&self, site: u32) -> &[u32] {
        self.recent.get(&site).map_or(&[], Vec::as_slice)
    }

    /// Whether a site has sent anything.
    pub(crate) fn is_used(&self, site: u32) -> bool {
        self.recent.contains_key(&site)
    }

    /// Records that an SPI of a site belongs, or may belong, to this group.
    pub(crate) fn remember(&mut self, spi: u32, site: u32) {
        let recent = self.recent.entry(site).or_default();
        if recent.contains(&spi) {
            return;
        }
        if recent.len() >= MAX_SPIS_PER_SITE {
            recent.remove(0);
        }
        recent.push(spi);
    }

    /// When an SPI was replaced, and by which one.
    pub(crate) fn replacement(&self, spi: u32) -> Option<(Timestamp, u32)> {
        self.replaced
            .iter()
            .find(|(old, _, _)| *old == spi)
            .map(|&(_, at, by)| (at, by))
    }

    pub(crate) fn replace(&mut self, old: u32, at: Timestamp, by: u32) {
        if self.replacement(old).is_some() {
            return;
        }
        if self.replaced.len() >= MAX_REPLACED_SPIS {
            self.replaced.remove(0);
        }
        self.replaced.push((old, at, by));
    }
}

impl SpiTraffic {
    /// The rekey that brought it, if one was seen.
    pub(crate) fn brought(&self) -> Option<Timestamp> {
        self.is_brought.then_some(self.since)
    }

    /// How long it must be silent to be out of use: several times its usual gap.
    pub(crate) fn idle_timeout(&self) -> Duration {
        let usual = Duration::from_millis(self.usual_gap_ms.into());
        usual.saturating_mul(USUAL_GAPS).max(SPI_IDLE_TIMEOUT)
    }

    /// Whether it is out of use.
    pub(crate) fn is_idle_at(&self, now: Timestamp) -> bool {
        now.since(self.last) > self.idle_timeout()
    }

    /// Adds packets, and learns the gaps between them.
    pub(crate) fn count(&mut self, esp: &Esp) {
        let gap = esp.first.since(self.last);
        // A longer silence ended its use and says nothing about the usual gap.
        if esp.packets > 0 && gap <= MAX_USUAL_GAP {
            let gap_ms = u32::try_from(gap.as_millis()).unwrap_or(u32::MAX);
            self.usual_gap_ms = gap_ms.max(self.usual_gap_ms - self.usual_gap_ms / 8);
        }
        self.last = self.last.max(esp.last);
        self.total.add(esp);
    }

    /// Moves it to another group.
    pub(crate) fn regroup(&mut self, from: GroupId, to: GroupId) {
        for group in [&mut self.group, &mut self.suspected] {
            if *group == from {
                *group = to;
            }
        }
    }
}

/// Which group the rollovers of a configured group without rekeys match.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct RolloverVotes {
    /// Discovered groups with their votes.
    pub(crate) groups: Vec<(GroupId, u32)>,
    /// The SPI of the last vote: it counts once, however many sites use it.
    pub(crate) counted: Option<u32>,
}
