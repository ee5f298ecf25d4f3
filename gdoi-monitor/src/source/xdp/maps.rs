//! What the agent reads from a program: its ring, counters and SPI table.
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
    /// Kernel id of the CPU state map, unique during a boot.
    id: u32,
    // aya writes the numbers of maps into the code at load: they must stay open until the last program is loaded.
    _parts: Map,
}

/// Reading positions in the maps of a program, for the next agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KeptMaps {
    /// Kernel id of the CPU state map.
    id: u32,
    /// The counters, as words.
    counters: Vec<u64>,
    slots: Vec<KeptSlot>,
    /// Time of the reading, in nanoseconds since boot.
    at_ns: u64,
}

impl Maps {
    /// With the maps that `map` returns by name; without a `size`, all parts. A table slot without packets for `idle`
    /// is freed; what is in it now was counted by `now` at the latest.
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

    /// The maps pinned in a folder that [`super::pins::PinDir::others`] found.
    pub(super) fn pinned(folder: &Path, idle: Duration, now: Timestamp) -> Result<Self, XdpError> {
        let open = |name| {
            let map = MapData::from_pin(folder.join(name))?;
            Ok(Map::from_map_data(map)?)
        };
        Self::new(open, None, idle, now)
    }

    /// Passes waiting records to `each`, up to `limit`, and returns their number.
    pub fn drain(&mut self, limit: usize, mut each: impl FnMut(&[u8])) -> usize {
        let mut drained = 0;
        while drained < limit {
            let Some(record) = self.ring.next() else { break };
            each(&record);
            drained += 1;
        }
        drained
    }

    /// Counters of all CPUs since the maps were created.
    pub fn counters(&self) -> Counters {
        self.table.counters()
    }

    /// Adds to `counts` the ESP counted since the last poll, by SPI and site.
    pub fn read_table(&mut self, clock: &Clock, counts: &mut BTreeMap<(u32, u32), SpiCount>) {
        self.table.read(clock, counts);
    }

    /// Used slots of the SPI table, and the number of slots.
    pub fn occupancy(&self) -> (usize, usize) {
        self.table.occupancy()
    }

    /// The reading positions, if `counters` are those of the last poll.
    pub(super) fn keep(&self, counters: &Counters) -> KeptMaps {
        let words: &[u64; Counters::WORDS] = zerocopy::transmute_ref!(counters);
        KeptMaps {
            id: self.id,
            counters: words.to_vec(),
            slots: self.table.keep(),
            at_ns: self.table.at().as_nanos(),
        }
    }

    /// Continues where another agent stopped, and returns its counters at that time. `None`, without any change, if
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

/// Number of possible CPUs.
pub(super) fn cpus() -> Result<u32, XdpError> {
    let cpus = aya::util::nr_cpus().map_err(|(_, source)| XdpError::Memory(source))?;
    Ok(u32::try_from(cpus).unwrap_or(u32::MAX))
}
