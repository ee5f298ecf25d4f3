//! One interface over its life: it may be there or not, go and come back, and its counts go on.

use std::collections::BTreeMap;

use gdoi_core::Timestamp;
use gdoi_wire::record::Counters;

use super::error::Error;
use super::interface::Interface;
use super::probe::{Attachment, Mode, Probe, Settings};
use super::table::Count;

/// One interface that is, was or will be watched.
pub struct Watch {
    name: String,
    active: Option<Active>,
    /// What programs counted that are gone with their interface.
    past: Counters,
    latest: Counters,
}

struct Active {
    interface: Interface,
    probe: Probe,
    attachment: Attachment,
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
    pub fn new(name: String) -> Self {
        Self {
            name,
            active: None,
            past: Counters::default(),
            latest: Counters::default(),
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Loads a program of its own for the interface and attaches it.
    pub fn attach(
        &mut self,
        interface: Interface,
        settings: &Settings,
        mode: Mode,
    ) -> Result<Attachment, Error> {
        let mut probe = Probe::load(settings)?;
        let attachment = probe.attach(&interface, mode)?;
        self.active = Some(Active {
            interface,
            probe,
            attachment,
        });
        Ok(attachment)
    }

    /// Where the program sits; `None` while the interface is not watched.
    pub fn attachment(&self) -> Option<Attachment> {
        self.active.as_ref().map(|active| active.attachment)
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

    /// Stops counting, so that the next look finds whole and final numbers.
    pub fn detach(&mut self) -> Result<(), Error> {
        self.active
            .as_mut()
            .map_or(Ok(()), |active| active.probe.detach())
    }

    /// Forgets a program whose interface is gone; its counts stay.
    pub fn leave(&mut self) {
        self.active = None;
        self.past = self.latest;
    }
}
