//! One interface in one direction over its life: it may appear, disappear and come back, and its counts continue.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use gdoi_core::Timestamp;
use gdoi_wire::record::Counters;
use serde::{Deserialize, Serialize};

use super::attach::{AttachMode, Attached, Direction};
use super::error::XdpError;
use super::interface::Interface;
use super::maps::{KeptMaps, Maps};
use super::netlink::NetworkLink;
use super::pins::{self, PinDir};
use super::probe::{Probe, ProbeSettings};
use super::runs::Runs;
use super::spi_table::SpiCount;

/// How long a program stays loaded after its interface disappeared. It holds its ring and tables, some megabytes.
const UNLOAD_AFTER: Duration = Duration::from_secs(10);

/// An interface in one direction that is, was or will be monitored.
///
/// A loaded program outlives its interface for a while: if the interface returns, it is attached again at once.
pub struct InterfaceTap {
    name: String,
    direction: Direction,
    /// Where it is pinned, if it survives the agent.
    pin_dir: Option<PinDir>,
    probe: Option<Probe>,
    /// Maps of replaced programs whose last counts were not read, with the folders they are pinned in.
    old: Vec<(Maps, Option<PathBuf>)>,
    program: Option<TappedInterface>,
    /// When the interface disappeared.
    left: Option<Timestamp>,
    /// Counts of programs that are no longer loaded.
    past: Counters,
    past_runs: Runs,
    latest: Counters,
    /// Reading positions of the previous agent, until the program that continues is loaded.
    kept: Option<SavedTap>,
}

/// Counts and reading positions of a tap, for the next agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SavedTap {
    /// Name of the interface.
    pub interface: String,
    /// The direction of its frames.
    pub direction: Direction,
    /// Total counters, as words.
    totals: Vec<u64>,
    /// Reading positions of the maps, if they are pinned.
    maps: Option<KeptMaps>,
}

/// The attached program and its interface.
struct TappedInterface {
    interface: Interface,
    attached: Attached,
}

/// The result of one poll, apart from ESP counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Counts since the tap began.
    pub counters: Counters,
    /// Counts since the last poll.
    pub delta: Counters,
}

impl InterfaceTap {
    /// An interface that may not exist yet. Its program is pinned at `pin_dir`; it continues from `kept`.
    pub fn new(name: String, direction: Direction, pin_dir: Option<PinDir>, kept: Option<SavedTap>) -> Self {
        Self {
            name,
            direction,
            pin_dir,
            probe: None,
            old: Vec::new(),
            program: None,
            left: None,
            past: Counters::default(),
            past_runs: Runs::default(),
            latest: Counters::default(),
            kept,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The direction of its frames.
    pub const fn direction(&self) -> Direction {
        self.direction
    }

    /// Loads a program for the interface and attaches it.
    pub fn attach(
        &mut self,
        interface: Interface,
        settings: &ProbeSettings,
        mode: AttachMode,
    ) -> Result<&Attached, XdpError> {
        // A program that could not be attached does not stay loaded: not every interface is suitable.
        let mut probe = match self.probe.take() {
            Some(probe) => probe,
            None => self.load(settings)?,
        };
        let attached = match probe.attach_at(&interface, mode, self.pin_dir.as_ref()) {
            Ok(attached) => attached,
            Err(error) => {
                self.past = self.latest;
                self.past_runs = self.past_runs.plus(probe.runs());
                if let Some(pin_dir) = &self.pin_dir {
                    pin_dir.remove();
                }
                return Err(error);
            }
        };
        self.probe = Some(probe);
        self.left = None;
        let program = self.program.insert(TappedInterface { interface, attached });
        Ok(&program.attached)
    }

    /// Loads a program, and takes over the maps pinned at its place.
    fn load(&mut self, settings: &ProbeSettings) -> Result<Probe, XdpError> {
        let pin_dir = self.pin_dir.as_ref();
        let mut probe = Probe::load_at(settings, self.direction, pin_dir)?;
        if let (Some(pin_dir), Some(own)) = (pin_dir, probe.pinned()) {
            for folder in pin_dir.others(own) {
                let maps = Maps::pinned(&folder, settings.spi_idle, probe.now())?;
                self.old.push((maps, Some(folder)));
            }
        }
        if let Some(SavedTap { totals, maps, .. }) = self.kept.take()
            && let Ok(words) = <[u64; Counters::WORDS]>::try_from(totals)
        {
            self.latest = zerocopy::transmute!(words);
            let old = self.old.iter_mut().map(|(maps, _)| maps);
            let resumed = maps
                .as_ref()
                .and_then(|kept| old.chain([probe.maps()]).find_map(|maps| maps.resume(kept)));
            // If the maps are gone, all counts belong to the past.
            self.past = self.latest.since(&resumed.unwrap_or_default());
        }
        Ok(probe)
    }

    /// Counts and reading positions as of the last poll.
    pub fn keep(&self) -> SavedTap {
        let words: &[u64; Counters::WORDS] = zerocopy::transmute_ref!(&self.latest);
        let read = self.latest.since(&self.past);
        SavedTap {
            interface: self.name.clone(),
            direction: self.direction,
            totals: words.to_vec(),
            maps: self
                .probe
                .as_ref()
                .filter(|probe| probe.is_pinned())
                .map(|probe| probe.keep(&read)),
        }
    }

    /// Where the program is attached; `None` while it is not.
    pub fn attached(&self) -> Option<&Attached> {
        self.program.as_ref().map(|program| &program.attached)
    }

    /// The maps in use: of two programs while one is being replaced.
    pub fn maps(&mut self) -> impl Iterator<Item = &mut Maps> {
        let old = self.old.iter_mut().map(|(maps, _)| maps);
        old.chain(self.probe.iter_mut().map(Probe::maps))
    }

    /// Loads a program with other settings, for [`Self::replace`].
    pub fn prepare(&self, settings: &ProbeSettings) -> Result<Probe, XdpError> {
        Probe::load_at(settings, self.direction, self.pin_dir.as_ref())
    }

    /// Replaces the loaded program by `next`; the next poll reads the old program's last counts.
    pub fn replace(&mut self, mut next: Probe) -> Result<(), XdpError> {
        if let Some(mut old) = self.probe.take() {
            let replaced = next.replace(&mut old);
            self.past_runs = self.past_runs.plus(old.runs());
            self.old.push(old.into_maps());
            replaced.inspect_err(|_| self.program = None)?;
        }
        self.probe = Some(next);
        Ok(())
    }

    /// Drops what was replaced, once its last counts were read.
    pub fn retire(&mut self) {
        for (maps, pinned) in std::mem::take(&mut self.old) {
            self.past.add(&maps.counters());
            if let Some(folder) = pinned {
                pins::forget(&folder);
            }
        }
    }

    /// Whether it is attached to the interface that now has this index.
    pub fn is_on(&self, interface: &Interface) -> bool {
        self.program
            .as_ref()
            .is_some_and(|program| program.interface == *interface)
    }

    /// Whether its program is still at the interface.
    pub fn is_held(&self, link: &NetworkLink) -> bool {
        self.probe.as_ref().is_some_and(|probe| probe.is_held(link))
    }

    /// Whether records are waiting in the ring.
    pub fn has_records(&mut self) -> bool {
        // A ring that cannot be queried counts as empty: this decides when to stop.
        self.probe
            .as_mut()
            .is_some_and(|probe| probe.read_clock().is_ok() && probe.pending_octets() > 0)
    }

    /// Octets that were waiting in the ring at the last poll.
    pub fn pending_octets(&self) -> u64 {
        self.probe.as_ref().map_or(0, Probe::pending_octets)
    }

    /// Used slots of the SPI table, and the number of slots.
    pub fn occupancy(&self) -> (usize, usize) {
        self.probe.as_ref().map_or((0, 0), Probe::occupancy)
    }

    /// Reads counters and SPI table; adds ESP counts to `counts`, and returns the time of the poll.
    pub fn read(
        &mut self,
        counts: &mut BTreeMap<(u32, u32), SpiCount>,
    ) -> Result<Option<(Timestamp, Reading)>, XdpError> {
        let Some(probe) = &mut self.probe else {
            return Ok(None);
        };
        // Counters first: an ESP packet between the two readings is in the table now and in the counters next time.
        let mut counters = probe.counters();
        let clock = probe.read_clock()?;
        probe.read_table(counts);
        probe.flush_log();
        for (maps, _) in &mut self.old {
            counters.add(&maps.counters());
            maps.read_table(&clock, counts);
        }
        counters.add(&self.past);
        let reading = Reading {
            counters,
            delta: counters.since(&self.latest),
        };
        self.latest = counters;
        Ok(Some((clock.now(), reading)))
    }

    /// Counts since the last poll, without starting a new one.
    pub fn delta(&self) -> Counters {
        let Some(probe) = &self.probe else {
            return Counters::default();
        };
        let mut counters = probe.counters();
        for (maps, _) in &self.old {
            counters.add(&maps.counters());
        }
        counters.add(&self.past);
        counters.since(&self.latest)
    }

    /// Counts up to the last poll.
    pub fn counters(&self) -> &Counters {
        &self.latest
    }

    /// Run count and run time of its programs, including unloaded ones.
    pub fn runs(&self) -> Runs {
        let loaded = self.probe.iter();
        loaded.fold(self.past_runs, |runs, probe| runs.plus(probe.runs()))
    }

    /// Whether it continues counting when the agent ends.
    pub fn is_pinned(&self) -> bool {
        self.probe.as_ref().is_some_and(Probe::is_pinned)
    }

    /// Removes all its pins.
    pub fn forget(&mut self) {
        self.detach();
        if let Some(pin_dir) = &self.pin_dir {
            pin_dir.remove();
        }
    }

    /// Stops counting, so that the next poll reads final numbers.
    pub fn detach(&mut self) {
        self.program = None;
        if let Some(probe) = &mut self.probe {
            probe.detach();
        }
    }

    /// Handles the disappearance of the interface.
    pub fn leave(&mut self, now: Timestamp) {
        self.detach();
        self.left = Some(now);
    }

    /// Unloads a program whose interface has been gone for a while. Its counts stay.
    pub fn unload_if_gone(&mut self, now: Timestamp) {
        if self.left.is_some_and(|left| now.since(left) >= UNLOAD_AFTER) {
            self.left = None;
            self.past_runs = self.runs();
            self.probe = None;
            self.past = self.latest;
            if let Some(pin_dir) = &self.pin_dir {
                pin_dir.remove();
            }
        }
    }
}
