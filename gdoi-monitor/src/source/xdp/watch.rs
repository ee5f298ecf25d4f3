//! One interface, in one direction, over its life: it may be there or not, go and come back, and its counts go on.

use std::collections::BTreeMap;

use gdoi_core::Timestamp;
use gdoi_wire::record::Counters;

use super::attach::{Attached, Direction, Mode};
use super::error::Error;
use super::interface::Interface;
use super::probe::{Probe, Settings};
use super::runs::Runs;
use super::table::Count;

/// One interface that is, was or will be watched, in one direction.
pub struct Watch {
    name: String,
    direction: Direction,
    active: Option<Active>,
    /// What programs counted that are gone with their interface.
    past: Counters,
    past_runs: Runs,
    latest: Counters,
}

struct Active {
    interface: Interface,
    probe: Probe,
    attached: Attached,
}

/// What one look at an interface found, beyond its ESP counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// What was counted since the watch began.
    pub counters: Counters,
    /// What was counted since the last look.
    pub news: Counters,
}

impl Watch {
    /// An interface that is not there yet.
    pub fn new(name: String, direction: Direction) -> Self {
        Self {
            name,
            direction,
            active: None,
            past: Counters::default(),
            past_runs: Runs::default(),
            latest: Counters::default(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which of its frames are watched.
    pub const fn direction(&self) -> Direction {
        self.direction
    }

    /// Loads a program of its own for the interface and attaches it.
    pub fn attach(
        &mut self,
        interface: Interface,
        settings: &Settings,
        mode: Mode,
    ) -> Result<&Attached, Error> {
        let mut probe = Probe::load(settings, self.direction)?;
        let attached = probe.attach(&interface, mode)?;
        let active = self.active.insert(Active {
            interface,
            probe,
            attached,
        });
        Ok(&active.attached)
    }

    /// Where the program sits; `None` while the interface is not watched.
    pub fn attached(&self) -> Option<&Attached> {
        self.active.as_ref().map(|active| &active.attached)
    }

    /// The loaded program; `None` while the interface is not watched.
    pub fn probe(&mut self) -> Option<&mut Probe> {
        self.active.as_mut().map(|active| &mut active.probe)
    }

    /// Whether it is watched as the interface that now has this index.
    pub fn is_on(&self, interface: &Interface) -> bool {
        self.active
            .as_ref()
            .is_some_and(|active| active.interface == *interface)
    }

    /// Whether records wait in the ring.
    pub fn has_records(&mut self) -> bool {
        // A ring that cannot be asked is taken as empty: this decides when to stop.
        self.active
            .as_mut()
            .is_some_and(|active| active.probe.read_clock().is_ok() && active.probe.pending_octets() > 0)
    }

    /// How many octets waited in the ring at the last look.
    pub fn pending_octets(&self) -> u64 {
        self.active
            .as_ref()
            .map_or(0, |active| active.probe.pending_octets())
    }

    /// How many slots of the SPI table are taken, and how many there are.
    pub fn occupancy(&self) -> (usize, usize) {
        self.active
            .as_ref()
            .map_or((0, 0), |active| active.probe.occupancy())
    }

    /// Reads counters and SPI table; adds ESP counts to `counts` and says the time of the look.
    pub fn look(
        &mut self,
        counts: &mut BTreeMap<(u32, u32), Count>,
    ) -> Result<Option<(Timestamp, Look)>, Error> {
        let Some(Active { probe, .. }) = &mut self.active else {
            return Ok(None);
        };
        // Counters first: an ESP packet between the two readings is in the table now and in the counters next time.
        let mut counters = probe.counters()?;
        let clock = probe.read_clock()?;
        probe.read_table(counts);
        probe.flush_log();
        counters.add(&self.past);
        let look = Look {
            counters,
            news: counters.since(&self.latest),
        };
        self.latest = counters;
        Ok(Some((clock.now(), look)))
    }

    /// What was counted up to the last look.
    pub fn counters(&self) -> &Counters {
        &self.latest
    }

    /// How often and how long its programs ran, those that are gone included.
    pub fn runs(&self) -> Runs {
        let active = self.active.as_ref().map(|active| active.probe.runs());
        self.past_runs.plus(active.unwrap_or_default())
    }

    /// Stops counting, so that the next look finds whole and final numbers.
    pub fn detach(&mut self) {
        if let Some(active) = &mut self.active {
            active.probe.detach();
        }
    }

    /// Forgets a program whose interface is gone; its counts stay.
    pub fn leave(&mut self) {
        self.past_runs = self.runs();
        self.active = None;
        self.past = self.latest;
    }
}
