//! The programs that are measured.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use aya::maps::{MapData, RingBuf};
use aya::programs::{TestRun as _, TestRunOptions, Xdp};
use aya::{Ebpf, EbpfLoader};
use gdoi_wire::record::{DEFAULT_BUCKETS, MAP_RING, MAP_SPIS};

/// All programs, loaded.
pub(super) struct Loaded {
    ebpf: Ebpf,
    load_times: Vec<(&'static str, Duration)>,
}

/// What does not depend on the moment.
#[derive(Clone, Debug)]
pub(super) struct Fact {
    program: &'static str,
    verified: u32,
    translated_octets: u32,
    jited_octets: u32,
    load: Duration,
}

impl Loaded {
    /// Loads all programs of `object`, for `spis` SPIs in turn.
    pub(super) fn new(object: &[u8], spis: u32) -> Result<Self> {
        let mask = spis - 1;
        let cpus = aya::util::nr_cpus().map_err(|(file, error)| anyhow::anyhow!("{file}: {error}"))?;
        let mut ebpf = EbpfLoader::new()
            .override_global("TURN_MASK", &mask, true)
            .override_global(aya_log::LEVEL, &0_u8, true)
            .map_max_entries(MAP_SPIS, DEFAULT_BUCKETS * u32::try_from(cpus)?)
            .map_max_entries(MAP_RING, 4 << 20)
            .load(object)
            .context("load the object")?;
        let mut load_times = Vec::new();
        for name in PROGRAMS {
            let start = Instant::now();
            program(&mut ebpf, name)?
                .load()
                .with_context(|| format!("load {name}"))?;
            load_times.push((name, start.elapsed()));
        }
        Ok(Self { ebpf, load_times })
    }

    /// The ring, for a reader.
    pub(super) fn take_ring(&mut self) -> Result<RingBuf<MapData>> {
        let map = self.ebpf.take_map(MAP_RING).context("no ring")?;
        Ok(RingBuf::try_from(map)?)
    }

    /// Mean time of one of `repeat` runs of a program.
    pub(super) fn run(&mut self, name: &'static str, frame: &[u8], repeat: u32) -> Result<Duration> {
        let mut options = TestRunOptions::new();
        options.data_in = Some(frame);
        options.repeat = repeat;
        let result = program(&mut self.ebpf, name)?
            .test_run(options)
            .with_context(|| format!("run {name}"))?;
        ensure!(
            result.return_value == XDP_PASS,
            "{name} answered {}",
            result.return_value
        );
        Ok(result.duration)
    }

    /// What does not depend on the moment, of each program.
    pub(super) fn facts(&mut self) -> Result<Vec<Fact>> {
        let mut facts = Vec::new();
        for (name, load) in self.load_times.clone() {
            let about = program(&mut self.ebpf, name)?.info()?;
            facts.push(Fact {
                program: name,
                verified: about.verified_instruction_count().unwrap_or_default(),
                translated_octets: about.size_translated().unwrap_or_default(),
                jited_octets: about.size_jitted(),
                load,
            });
        }
        Ok(facts)
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            program,
            verified,
            translated_octets,
            jited_octets,
            load,
        } = self;
        write!(
            f,
            "{program}: {verified} instructions verified, {translated_octets} octets translated, {jited_octets} JITed, \
             loaded in {load:.1?}"
        )
    }
}

fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut Xdp> {
    Ok(ebpf
        .program_mut(name)
        .with_context(|| format!("no program {name}"))?
        .try_into()?)
}

const PROGRAMS: [&str; 5] = [
    "bench_pass",
    "bench_xdp",
    "bench_turn",
    "bench_turn_xdp",
    "bench_turn_lru",
];
/// Every frame goes on (`enum xdp_action`).
const XDP_PASS: u32 = 2;
