//! The programs to measure.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use aya::maps::perf::PerfEventArrayBuffer;
use aya::maps::{MapData, PerfEventArray, RingBuf};
use aya::programs::{TestRun as _, TestRunOptions, Xdp};
use aya::{Ebpf, EbpfLoader};
use gdoi_wire::record::{GLOBAL_CPUS, GLOBAL_SITES_ON, MAP_CPU_STATE, MAP_RING};
use nix::time::{ClockId, clock_gettime};

use crate::Size;

const RING_OCTETS: u32 = 4 << 20;
/// Enough for 30,000 records of 128 octets with perf's headers.
const EVENTS_PAGES: usize = 2048;
/// The verdict for every frame (`enum xdp_action`).
const XDP_PASS: u32 = 2;

/// All programs, loaded.
pub(super) struct Loaded {
    ebpf: Ebpf,
    ring: RingBuf<MapData>,
    /// Perf buffers, the predecessor of the ring: one for each CPU.
    events: Vec<PerfEventArrayBuffer<MapData>>,
}

impl Loaded {
    /// Loads all programs of `object`, for `spis` SPIs in turn.
    pub(super) fn new(object: &[u8], spis: u32, sites: bool) -> Result<Self> {
        let mask = spis - 1;
        let cpus = possible_cpus()?;
        let mut ebpf = EbpfLoader::new()
            .override_global("TURN_MASK", &mask, true)
            .override_global(GLOBAL_CPUS, &cpus, true)
            .override_global(GLOBAL_SITES_ON, &u8::from(sites), true)
            .override_global(aya_log::LEVEL, &0_u8, true)
            .map_max_entries(MAP_CPU_STATE, cpus)
            .map_max_entries(MAP_RING, RING_OCTETS)
            .load(object)
            .context("load the object")?;
        let names: Vec<String> = ebpf.programs().map(|(name, _)| name.to_owned()).collect();
        for name in names {
            program(&mut ebpf, &name)?
                .load()
                .with_context(|| format!("load {name}"))?;
        }
        let ring = RingBuf::try_from(ebpf.take_map(MAP_RING).context("no ring")?)?;
        let mut array = PerfEventArray::try_from(ebpf.take_map("EVENTS").context("no perf buffers")?)?;
        let online = aya::util::online_cpus().map_err(|(file, error)| anyhow::anyhow!("{file}: {error}"))?;
        let events = online.into_iter().map(|cpu| array.open(cpu, Some(EVENTS_PAGES)));
        let events = events
            .collect::<Result<_, _>>()
            .context("open the perf buffers")?;
        Ok(Self { ebpf, ring, events })
    }

    /// The programs.
    pub(super) fn programs(&mut self) -> &mut Ebpf {
        &mut self.ebpf
    }

    /// The programs and the ring, for a thread each.
    pub(super) fn split(self) -> (Ebpf, RingBuf<MapData>) {
        (self.ebpf, self.ring)
    }

    /// Nanoseconds of CPU time of one of `repeat` runs of a program.
    pub(super) fn run(&mut self, name: &'static str, frame: &[u8], repeat: u32) -> Result<f64> {
        run_program(&mut self.ebpf, name, frame, repeat)
    }

    /// Empties the ring and the perf buffers, and returns the number of records in the ring.
    pub(super) fn drain(&mut self) -> u32 {
        for buffer in &mut self.events {
            buffer.for_each(|_event| ());
        }
        let mut records = 0;
        while self.ring.next().is_some() {
            records += 1;
        }
        records
    }

    /// The size of a program.
    pub(super) fn size(&self, name: &str) -> Result<Size> {
        Size::of(&self.ebpf, name)
    }
}

/// Nanoseconds of CPU time of one of `repeat` runs of a program, by the clock of this thread, which excludes other
/// activity on the machine. The kernel's own timer gives whole nanoseconds, which is too coarse for a ratio.
pub(super) fn run_program(ebpf: &mut Ebpf, name: &str, frame: &[u8], repeat: u32) -> Result<f64> {
    let mut options = TestRunOptions::new();
    options.data_in = Some(frame);
    options.repeat = repeat;
    let program = program(ebpf, name)?;
    let before = cpu_time()?;
    let result = program.test_run(options).with_context(|| format!("run {name}"))?;
    let took = cpu_time()?.saturating_sub(before);
    ensure!(
        result.return_value == XDP_PASS,
        "{name} answered {}",
        result.return_value
    );
    Ok(took.as_secs_f64() * 1e9 / f64::from(repeat))
}

/// The time to load a single program, from instructions to machine code.
pub(super) fn time_to_load(object: &[u8], name: &str) -> Result<Duration> {
    let mut ebpf = EbpfLoader::new()
        .override_global(aya_log::LEVEL, &0_u8, true)
        .load(object)
        .context("load the object")?;
    let program = program(&mut ebpf, name)?;
    let start = Instant::now();
    program.load().with_context(|| format!("load {name}"))?;
    Ok(start.elapsed())
}

pub(super) fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut Xdp> {
    Ok(ebpf
        .program_mut(name)
        .with_context(|| format!("no program {name}"))?
        .try_into()?)
}

/// Number of possible CPUs, which is the number of first parts in a map of counters.
pub(super) fn possible_cpus() -> Result<u32> {
    let cpus = aya::util::nr_cpus().map_err(|(file, error)| anyhow::anyhow!("{file}: {error}"))?;
    Ok(u32::try_from(cpus)?)
}

/// CPU time of this thread so far.
pub(super) fn cpu_time() -> Result<Duration> {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).context("read the clock of this thread")?;
    Ok(time.into())
}
