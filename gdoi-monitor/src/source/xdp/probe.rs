//! One loaded program: its settings, attaching, reading and test runs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aya::maps::lpm_trie::Key;
use aya::maps::{Array, LpmTrie, MapData};
use aya::programs::{TestRun as _, TestRunOptions, Xdp};
use aya::{Ebpf, EbpfLoader, include_bytes_aligned};
use aya_log::EbpfLogger;
use gdoi_core::Timestamp;
use gdoi_core::observation::Site;
use gdoi_wire::Ports;
use gdoi_wire::record::{
    Clocks, Counters, DEFAULT_BUCKETS, GLOBAL_CPUS, GLOBAL_EGRESS, GLOBAL_ISAKMP_PORTS, GLOBAL_NAT_T_PORTS,
    GLOBAL_SITES_ON, GLOBAL_SPI_MASK, MAP_CLOCKS, MAP_CPU_STATE, MAP_RING, MAP_SITES, PROGRAM_CLOCK,
};

use super::attach::{self, AttachMode, Attached, Direction};
use super::attached_program::AttachedProgram;
use super::clock::Clock;
use super::error::{PERMISSION, XdpError, errno, refused};
use super::interface::Interface;
use super::maps::{self, KeptMaps, Maps};
use super::netlink::NetworkLink;
use super::pins::{Entries, MAPS, PinDir};
use super::runs::Runs;
use super::spi_table::{SpiCount, TableSize};

/// 1 MiB of table per CPU; beyond that each packet misses the caches.
const MAX_BUCKETS: u32 = 1 << 14;
/// The smallest ring that the kernel accepts.
const PAGE: u32 = 4096;
const CLOCK_WORDS: usize = size_of::<Clocks>() / size_of::<u64>();

/// Settings of a program. Fixed at load, so that the verifier removes unused code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeSettings {
    /// Ports to monitor.
    pub ports: Ports,
    /// Prefixes of the sites.
    pub sites: Vec<SiteRoute>,
    /// Buckets of two SPIs in the table of each CPU; rounded up to a power of two.
    pub buckets: u32,
    /// A table slot without packets for this long may be given to another SPI.
    pub spi_idle: Duration,
    /// Size of the ring in octets; rounded up to a power of two of pages.
    pub ring_octets: u32,
    /// Whether the kernel counts runs of programs.
    pub count_runs: bool,
    /// Level of the program's own log: 0 is none and costs nothing, 4 is debug.
    pub kernel_log: u8,
}

impl Default for ProbeSettings {
    fn default() -> Self {
        Self {
            ports: Ports::DEFAULT,
            sites: Vec::new(),
            buckets: DEFAULT_BUCKETS,
            spi_idle: Duration::from_mins(10),
            ring_octets: 4 << 20,
            count_runs: false,
            kernel_log: 0,
        }
    }
}

/// A prefix of a site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SiteRoute {
    /// Length and first address of the prefix, in the form of [`gdoi_wire::record::site_key`].
    pub prefix: (u32, [u8; 16]),
    /// The site.
    pub site: Site,
}

/// The program that gets a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// The one at traffic control.
    Tc,
    /// The one at XDP.
    Xdp,
}

/// One loaded program with its maps.
pub struct Probe {
    ebpf: Ebpf,
    maps: Maps,
    /// The folder in which the maps are pinned.
    pinned: Option<PathBuf>,
    clocks: Array<MapData, [u64; CLOCK_WORDS]>,
    clock: Clock,
    pending_octets: u64,
    logger: Option<EbpfLogger<&'static dyn log::Log>>,
    direction: Direction,
    program: Option<AttachedProgram>,
    // aya writes the numbers of maps into the code at load: they must stay open until the last program is loaded.
    _sites: LpmTrie<MapData, [u8; 16], u32>,
}

impl Probe {
    /// Loads the object into the kernel; attaches nothing.
    pub fn load(settings: &ProbeSettings, direction: Direction) -> Result<Self, XdpError> {
        Self::load_at(settings, direction, None)
    }

    /// Loads the object into the kernel, with the maps pinned at `pin_dir`, which are created if necessary.
    pub(super) fn load_at(
        settings: &ProbeSettings,
        direction: Direction,
        pin_dir: Option<&PinDir>,
    ) -> Result<Self, XdpError> {
        let per_cpu = settings.buckets.clamp(1, MAX_BUCKETS).next_power_of_two();
        let size = TableSize::new(maps::cpus()?, per_cpu);
        let entries = Entries {
            ring: settings.ring_octets.next_power_of_two().max(PAGE),
            parts: size.parts(),
        };
        let pinned = pin_dir
            .map(|pin_dir| pin_dir.maps(settings, entries))
            .transpose()?;
        let mut ebpf = load_object(settings, direction, size, entries, pinned.as_deref())?;
        let clocks = Array::try_from(take(&mut ebpf, MAP_CLOCKS)?)?;
        let sites = site_trie(take(&mut ebpf, MAP_SITES)?, &settings.sites)?;
        // Kept even at level 0: the program refers to this map.
        let logger = if settings.kernel_log > 0 {
            Some(EbpfLogger::init(&mut ebpf)?)
        } else {
            None
        };
        clock_program(&mut ebpf)?.load().map_err(refused)?;
        let clock = Clock::new(read_clocks(&mut ebpf, &clocks)?);
        let take = |name| take(&mut ebpf, name);
        let maps = Maps::new(take, Some(size), settings.spi_idle, clock.now())?;
        Ok(Self {
            ebpf,
            maps,
            pinned,
            clocks,
            clock,
            pending_octets: 0,
            logger,
            direction,
            program: None,
            _sites: sites,
        })
    }

    /// Attaches to an interface.
    pub fn attach(&mut self, interface: &Interface, mode: AttachMode) -> Result<Attached, XdpError> {
        self.attach_at(interface, mode, None)
    }

    /// Attaches to an interface, replacing a program pinned at `pin_dir`.
    pub(super) fn attach_at(
        &mut self,
        interface: &Interface,
        mode: AttachMode,
        pin_dir: Option<&PinDir>,
    ) -> Result<Attached, XdpError> {
        let (program, attached) = attach::attach(&mut self.ebpf, interface, mode, self.direction, pin_dir)?;
        self.program = Some(program);
        Ok(attached)
    }

    /// Replaces `old` without a gap.
    pub fn replace(&mut self, old: &mut Self) -> Result<(), XdpError> {
        if let Some(program) = old.program.take() {
            self.program = Some(attach::replace(&mut self.ebpf, program)?);
        }
        Ok(())
    }

    /// Detaches the program, pinned or not: counting stops, so that a last poll reads final numbers.
    pub fn detach(&mut self) {
        if let Some(program) = self.program.take() {
            program.detach();
        }
    }

    /// Whether it is still attached where it was.
    pub(super) fn is_held(&self, link: &NetworkLink) -> bool {
        let Some(program) = &self.program else {
            return false;
        };
        let about = self
            .ebpf
            .program(program.program())
            .map(aya::programs::Program::info);
        about.is_none_or(|about| about.map_or(true, |about| program.holds(about.id(), link, self.direction)))
    }

    /// Whether it continues counting after a drop.
    pub fn is_pinned(&self) -> bool {
        self.program.as_ref().is_some_and(AttachedProgram::is_pinned)
    }

    /// The maps, for a reader that outlives the program, and the folder in which they are pinned.
    pub(super) fn into_maps(self) -> (Maps, Option<PathBuf>) {
        (self.maps, self.pinned)
    }

    /// The folder in which its maps are pinned.
    pub(super) fn pinned(&self) -> Option<&Path> {
        self.pinned.as_deref()
    }

    /// The time of the latest clock reading.
    pub(super) const fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What the agent reads.
    pub fn maps(&mut self) -> &mut Maps {
        &mut self.maps
    }

    /// The reading positions, if `counters` are those of the last poll.
    pub(super) fn keep(&self, counters: &Counters) -> KeptMaps {
        self.maps.keep(counters)
    }

    /// Passes waiting records to `each`, up to `limit`, and returns their number.
    pub fn drain(&mut self, limit: usize, each: impl FnMut(&[u8])) -> usize {
        self.maps.drain(limit, each)
    }

    /// Counters of all CPUs since the maps were created.
    pub fn counters(&self) -> Counters {
        self.maps.counters()
    }

    /// Reads the kernel's clocks, so that times from jiffies stay exact.
    pub fn read_clock(&mut self) -> Result<Clock, XdpError> {
        let reading = read_clocks(&mut self.ebpf, &self.clocks)?;
        self.clock.read(reading);
        self.pending_octets = reading.ring_octets;
        Ok(self.clock)
    }

    /// Adds to `counts` the ESP counted since the last poll, by SPI and site.
    pub fn read_table(&mut self, counts: &mut BTreeMap<(u32, u32), SpiCount>) {
        self.maps.read_table(&self.clock, counts);
    }

    /// Used slots of the SPI table, and the number of slots.
    pub fn occupancy(&self) -> (usize, usize) {
        self.maps.occupancy()
    }

    /// Run count and run time of the program, if the kernel counts them.
    pub fn runs(&self) -> Runs {
        Runs::of(&self.ebpf)
    }

    /// Octets waiting in the ring at the last clock reading.
    pub const fn pending_octets(&self) -> u64 {
        self.pending_octets
    }

    /// Copies the program's log to the log of the agent.
    pub fn flush_log(&mut self) {
        if let Some(logger) = &mut self.logger {
            logger.flush();
        }
    }

    /// Runs a program `repeat` times on a frame that was not received (`BPF_PROG_TEST_RUN`): returns the verdict and
    /// the mean time of one run.
    pub fn test_run(&mut self, hook: Hook, frame: &[u8], repeat: u32) -> Result<(u32, Duration), XdpError> {
        let mut options = TestRunOptions::new();
        options.data_in = Some(frame);
        options.repeat = repeat;
        let result = match hook {
            Hook::Tc => attach::tc(&mut self.ebpf)?.test_run(options)?,
            Hook::Xdp => attach::xdp(&mut self.ebpf)?.test_run(options)?,
        };
        Ok((result.return_value, result.duration))
    }
}

fn load_object(
    settings: &ProbeSettings,
    direction: Direction,
    size: TableSize,
    entries: Entries,
    pinned: Option<&Path>,
) -> Result<Ebpf, XdpError> {
    let mask = size.buckets - 1;
    let egress = u8::from(direction == Direction::Egress);
    let sites_on = u8::from(!settings.sites.is_empty());
    let mut loader = EbpfLoader::new();
    if let Some(folder) = pinned {
        for name in MAPS {
            loader.map_pin_path(name, folder.join(name));
        }
    }
    loader
        .override_global(GLOBAL_CPUS, &size.cpus, true)
        .override_global(GLOBAL_EGRESS, &egress, true)
        .override_global(GLOBAL_ISAKMP_PORTS, &settings.ports.isakmp, true)
        .override_global(GLOBAL_NAT_T_PORTS, &settings.ports.nat_t, true)
        .override_global(GLOBAL_SPI_MASK, &mask, true)
        .override_global(GLOBAL_SITES_ON, &sites_on, true)
        .override_global(aya_log::LEVEL, &settings.kernel_log, true)
        .map_max_entries(MAP_CPU_STATE, entries.parts)
        .map_max_entries(MAP_RING, entries.ring)
        .load(OBJECT)
        .map_err(|error| match errno(&error) {
            Some(number) if PERMISSION.contains(&number) => {
                XdpError::Permission(std::io::Error::from_raw_os_error(number))
            }
            _ => XdpError::Load(error),
        })
}

fn take(ebpf: &mut Ebpf, name: &'static str) -> Result<aya::maps::Map, XdpError> {
    ebpf.take_map(name).ok_or(XdpError::Object(name))
}

fn clock_program(ebpf: &mut Ebpf) -> Result<&mut Xdp, XdpError> {
    let program = ebpf.program_mut(PROGRAM_CLOCK);
    Ok(program.ok_or(XdpError::Object(PROGRAM_CLOCK))?.try_into()?)
}

fn site_trie(map: aya::maps::Map, sites: &[SiteRoute]) -> Result<LpmTrie<MapData, [u8; 16], u32>, XdpError> {
    let mut trie = LpmTrie::try_from(map)?;
    for SiteRoute { prefix, site } in sites {
        let (bits, octets) = *prefix;
        trie.insert(&Key::new(bits, octets), site.0, 0)?;
    }
    Ok(trie)
}

fn read_clocks(ebpf: &mut Ebpf, clocks: &Array<MapData, [u64; CLOCK_WORDS]>) -> Result<Clocks, XdpError> {
    let mut options = TestRunOptions::new();
    // The kernel refuses to test-run XDP on less than an Ethernet header.
    options.data_in = Some(&[0; 14]);
    clock_program(ebpf)?.test_run(options)?;
    Ok(zerocopy::transmute!(clocks.get(&0, 0)?))
}

/// The object that `cargo xtask ebpf` builds from the crate `gdoi-monitor-ebpf`.
static OBJECT: &[u8] = include_bytes_aligned!("../../../ebpf/gdoi-monitor.bpf.o");
