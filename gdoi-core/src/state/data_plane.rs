//! ESP of one group: which SPIs are sent and which replaced which.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::snapshot::{EspTotal, Histogram};
use crate::state::id::GroupId;
use crate::time::Timestamp;

/// An SPI at a site; site 0 is none.
pub(crate) type SpiKey = (u32, u32);

/// SPIs of one site that are remembered for one group.
const MAX_SPIS_PER_SITE: usize = 16;

/// Replaced SPIs that are remembered for one group.
const MAX_REPLACED_SPIS: usize = 32;

/// ESP of one SPI from one site.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SpiTraffic {
    pub(crate) group: GroupId,
    /// The group it would follow from, while nothing confirms that.
    pub(crate) suspected: GroupId,
    /// The SPI it seems to replace.
    pub(crate) replaces: Option<u32>,
    pub(crate) first: Timestamp,
    pub(crate) last: Timestamp,
    pub(crate) total: EspTotal,
    /// The rekey that brought it, or its first packet when none was seen: its TEK is not older.
    pub(crate) since: Timestamp,
    /// It was reported as stale.
    pub(crate) stale: bool,
}

/// ESP of one group.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct DataPlane {
    pub(crate) total: EspTotal,
    pub(crate) changes: u64,
    pub(crate) rollover: Histogram,
    pub(crate) stale_packets: u64,
    /// Replaced SPIs: when, and by what.
    pub(crate) replaced: Vec<(u32, Timestamp, u32)>,
    /// SPIs of each site that are, or may be, this group's, the oldest first.
    pub(crate) recent: BTreeMap<u32, Vec<u32>>,
    /// How many SPIs that may be this group's have come since the latest rekey.
    pub(crate) suspects: u32,
    /// The latest rekey.
    pub(crate) rekeyed: Option<Timestamp>,
    pub(crate) votes: RolloverVotes,
}

impl DataPlane {
    /// New TEKs may come into use.
    pub(crate) const fn on_rekey(&mut self, now: Timestamp) {
        self.rekeyed = Some(now);
        self.suspects = 0;
    }

    /// When the latest rekey was.
    pub(crate) const fn rekeyed_at(&self) -> Option<Timestamp> {
        self.rekeyed
    }

    /// Whether a site has sent something.
    pub(crate) fn is_used(&self, site: u32) -> bool {
        self.recent.contains_key(&site)
    }

    /// An SPI of a site is, or may be, this group's.
    pub(crate) fn remember(&mut self, spi: u32, site: u32) {
        let recent = self.recent.entry(site).or_default();
        if recent.len() >= MAX_SPIS_PER_SITE {
            recent.remove(0);
        }
        recent.push(spi);
    }

    /// When an SPI was replaced, and by what.
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
    /// Its group turned out to be another.
    pub(crate) fn regroup(&mut self, from: GroupId, to: GroupId) {
        for group in [&mut self.group, &mut self.suspected] {
            if *group == from {
                *group = to;
            }
        }
    }
}

/// What the roll-overs of a configured group without rekeys point to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct RolloverVotes {
    /// Discovered groups, and how often.
    pub(crate) groups: Vec<(GroupId, u32)>,
    /// The SPI that counted last: it counts once, however many sites use it.
    pub(crate) counted: Option<u32>,
}
