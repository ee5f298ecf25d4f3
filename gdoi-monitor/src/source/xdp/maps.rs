//! What the agent reads of a program: its ring, its counters, its SPI table.
//!
//! Maps may outlive their program, and with pins ([`super::pins`]) the agent too.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use aya::maps::{Map, MapData, RingBuf};
use gdoi_core::Timestamp;
use gdoi_wire::record::{Counters, MAP_CPU_STATE, MAP_RING};
use serde::{Deserialize, Serialize};

use super::clock::Clock;
use super::error::XdpError;
use super::spi_table::{KeptSlot, SpiCount, SpiTable, TableSize};

/// The maps of one program.
pub struct Maps {
    ring: RingBuf<MapData>,
    table: SpiTable,
    /// Number of the map of parts in the kernel, which no two maps of a boot share.
    id: u32,
    // aya writes the numbers of maps into the code at load: they must stay open until the last program is loaded.
    _parts: Map,
}

/// What was read of the maps of a program, for an agent that reads on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptMaps {
    /// Number of the map of parts in the kernel.
    id: u32,
    /// The counters, as words.
    counters: Vec<u64>,
    slots: Vec<KeptSlot>,
    /// When, in nanoseconds since boot.
    at_ns: u64,
}

impl Maps {
    /// Over the maps that `map` gives by name; without a `size`, all the parts there are. A slot of the table without
    /// packets for `idle` is freed; what is in it now was counted up to `now` at the latest.
    pub(super) fn new(
        mut map: impl FnMut(&'static str) -> Result<Map, XdpError>,
        size: Option<TableSize>,
        idle: Duration,
        now: Timestamp,
    ) -> Result<Self, XdpError> {
        let ring = RingBuf::try_from(map(MAP_RING)?)?;
        let parts = map(MAP_CPU_STATE)?;
        let Map::Array(array) = &parts else {
            return Err(XdpError::Object(MAP_CPU_STATE));
        };
        let info = array.info()?;
        let size = match size {
            Some(size) => size,
            None => TableSize::of_parts(cpus()?, info.max_entries()),
        };
        let table = SpiTable::new(array.fd(), size, idle, now).map_err(XdpError::Memory)?;
        Ok(Self {
            ring,
            table,
            id: info.id(),
            _parts: parts,
        })
    }

    /// Those that are pinned in a folder that [`super::pins::PinDir::others`] found.
    pub(super) fn pinned(folder: &Path, idle: Duration, now: Timestamp) -> Result<Self, XdpError> {
        let open = |name| {
            let map = MapData::from_pin(folder.join(name))?;
            Ok(Map::from_map_data(map)?)
        };
        Self::new(open, None, idle, now)
    }

    /// Hands every waiting record to `each`, at most `limit` of them, and says how many there were.
    pub fn drain(&mut self, limit: usize, mut each: impl FnMut(&[u8])) -> usize {
        let mut drained = 0;
        while drained < limit {
            let Some(record) = self.ring.next() else { break };
            each(&record);
            drained += 1;
        }
        drained
    }

    /// What all CPUs counted since the maps were made.
    pub fn counters(&self) -> Counters {
        self.table.counters()
    }

    /// Adds to `counts` the ESP counted since the last look, by SPI and site.
    pub fn read_table(&mut self, clock: &Clock, counts: &mut BTreeMap<(u32, u32), SpiCount>) {
        self.table.read(clock, counts);
    }

    /// How many slots of the SPI table are taken, and how many there are.
    pub fn occupancy(&self) -> (usize, usize) {
        self.table.occupancy()
    }

    /// What was read so far, if `counters` are those of the last look.
    pub(super) fn keep(&self, counters: &Counters) -> KeptMaps {
        let words: &[u64; Counters::WORDS] = zerocopy::transmute_ref!(counters);
        KeptMaps {
            id: self.id,
            counters: words.to_vec(),
            slots: self.table.keep(),
            at_ns: self.table.at().as_nanos(),
        }
    }

    /// Reads on where another agent stopped, and says what the counters were then. `None`, and nothing is changed, when
    /// that agent read other maps.
    pub(super) fn resume(&mut self, kept: &KeptMaps) -> Option<Counters> {
        if kept.id != self.id {
            return None;
        }
        let words: [u64; Counters::WORDS] = kept.counters.as_slice().try_into().ok()?;
        self.table.resume(&kept.slots, Timestamp::from_nanos(kept.at_ns));
        Some(zerocopy::transmute!(words))
    }
}

/// CPUs that there may be.
pub(super) fn cpus() -> Result<u32, XdpError> {
    let cpus = aya::util::nr_cpus().map_err(|(_, source)| XdpError::Memory(source))?;
    Ok(u32::try_from(cpus).unwrap_or(u32::MAX))
}
