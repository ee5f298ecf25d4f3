//! One interface, in one direction, over its life: it may be there or not, go and come back, and its counts go on.

use std::collections::BTreeMap;
use std::time::Duration;

use gdoi_core::Timestamp;
use gdoi_wire::record::Counters;

use super::attach::{Attached, Direction, Mode};
use super::error::Error;
use super::interface::Interface;
use super::probe::{Probe, Settings};
use super::runs::Runs;
use super::table::Count;

/// One interface that is, was or will be watched, in one direction.
///
/// A loaded program outlives its interface for a while: one that is put back is then watched again at once.
pub struct Watch {
    name: String,
    direction: Direction,
    probe: Option<Probe>,
    /// One that was replaced, and whose last counts were not read.
    old: Option<Probe>,
    place: Option<Place>,
    /// When the interface went.
    left: Option<Timestamp>,
    /// What programs counted that are no longer loaded.
    past: Counters,
    past_runs: Runs,
    latest: Counters,
}

/// Where the program is attached.
struct Place {
    interface: Interface,
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
            probe: None,
            old: None,
            place: None,
            left: None,
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
        // A program that is loaded for nothing does not stay: not every interface can be attached to.
        let mut probe = match self.probe.take() {
            Some(probe) => probe,
            None => Probe::load(settings, self.direction)?,
        };
        let attached = match probe.attach(&interface, mode) {
            Ok(attached) => attached,
            Err(error) => {
                self.past = self.latest;
                self.past_runs = self.past_runs.plus(probe.runs());
                return Err(error);
            }
        };
        self.probe = Some(probe);
        self.left = None;
        let place = self.place.insert(Place { interface, attached });
        Ok(&place.attached)
    }

    /// Where the program sits; `None` while the interface is not watched.
    pub fn attached(&self) -> Option<&Attached> {
        self.place.as_ref().map(|place| &place.attached)
    }

    /// The loaded programs: two of them while one is being replaced.
    pub fn probes(&mut self) -> impl Iterator<Item = &mut Probe> {
        self.old.iter_mut().chain(&mut self.probe)
    }

    /// Puts `next` in the place of the loaded program, whose last counts are told by the next look.
    pub fn replace(&mut self, mut next: Probe) -> Result<(), Error> {
        if let Some(mut old) = self.probe.take() {
            let replaced = next.replace(&mut old);
            self.old = Some(old);
            replaced.inspect_err(|_| self.place = None)?;
        }
        self.probe = Some(next);
        Ok(())
    }

    /// Unloads the program that was replaced, once its last counts were read.
    pub fn retire(&mut self) -> Result<(), Error> {
        if let Some(old) = self.old.take() {
            self.past.add(&old.counters()?);
            self.past_runs = self.past_runs.plus(old.runs());
        }
        Ok(())
    }

    /// Whether it is watched as the interface that now has this index.
    pub fn is_on(&self, interface: &Interface) -> bool {
        self.place
            .as_ref()
            .is_some_and(|place| place.interface == *interface)
    }

    /// Whether records wait in the ring.
    pub fn has_records(&mut self) -> bool {
        // A ring that cannot be asked is taken as empty: this decides when to stop.
        self.probe
            .as_mut()
            .is_some_and(|probe| probe.read_clock().is_ok() && probe.pending_octets() > 0)
    }

    /// How many octets waited in the ring at the last look.
    pub fn pending_octets(&self) -> u64 {
        self.probe.as_ref().map_or(0, Probe::pending_octets)
    }

    /// How many slots of the SPI table are taken, and how many there are.
    pub fn occupancy(&self) -> (usize, usize) {
        self.probe.as_ref().map_or((0, 0), Probe::occupancy)
    }

    /// Reads counters and SPI table; adds ESP counts to `counts` and says the time of the look.
    pub fn look(
        &mut self,
        counts: &mut BTreeMap<(u32, u32), Count>,
    ) -> Result<Option<(Timestamp, Look)>, Error> {
        let Some(probe) = &mut self.probe else {
            return Ok(None);
        };
        // Counters first: an ESP packet between the two readings is in the table now and in the counters next time.
        let mut counters = probe.counters()?;
        let clock = probe.read_clock()?;
        probe.read_table(counts);
        probe.flush_log();
        if let Some(old) = &mut self.old {
            counters.add(&old.counters()?);
            old.read_clock()?;
            old.read_table(counts);
        }
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
        let loaded = self.old.iter().chain(&self.probe);
        loaded.fold(self.past_runs, |runs, probe| runs.plus(probe.runs()))
    }

    /// Stops counting, so that the next look finds whole and final numbers.
    pub fn detach(&mut self) {
        self.place = None;
        if let Some(probe) = &mut self.probe {
            probe.detach();
        }
    }

    /// The interface is gone.
    pub fn leave(&mut self, now: Timestamp) {
        self.detach();
        self.left = Some(now);
    }

    /// Unloads a program whose interface has not come back for a while. Its counts stay.
    pub fn give_up(&mut self, now: Timestamp) {
        if self.left.is_some_and(|left| now.since(left) >= PUT_BACK) {
            self.left = None;
            self.past_runs = self.runs();
            self.probe = None;
            self.past = self.latest;
        }
    }
}

/// How long an interface may be gone and be watched again at once. A loaded program holds its ring and tables, some
/// megabytes.
const PUT_BACK: Duration = Duration::from_secs(10);
