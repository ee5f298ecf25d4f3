//! The program in Rust compared with the same in C, if there is clang.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use aya::maps::RingBuf;
use aya::{Ebpf, EbpfLoader};

use super::Effort;
use super::frames::{Case, cases};
use super::kernel::median;
use super::objects::{Loaded, possible_cpus, program, run_program};
use super::row::{Row, Unit, Wanted};
use crate::Size;

const SOURCE: &str = include_str!("program.c");
const FAST: &str = "bench_fast";
pub(super) const WHOLE: &str = "bench_xdp";
pub(super) const IN_C: &str = "in_c";
const RING_OCTETS: u32 = 4 << 20;
pub(super) const COMPARED: [&str; 5] = [
    "TCP",
    "other UDP",
    "ESP, 1 SPI",
    "ESP in IPv6, 1 SPI",
    "GDOI message",
];

/// The fast paths of both, in turn, on the frames that the fast path decides.
pub(super) fn run(object: &[u8], effort: Effort) -> Result<Vec<Row>> {
    let Some(in_c) = compiled()? else {
        return Ok(vec![
            Row::new("not measured", f64::NAN, Unit::Ratio).aside("there is no clang that compiles for BPF"),
        ]);
    };
    let mut loaded = Loaded::new(object, 1, false)?;
    let mut in_c = load(&in_c)?;
    let (ours, theirs) = (loaded.size(FAST)?, Size::of(&in_c, IN_C)?);
    let mut rows = vec![
        Row::new(
            "machine code of the fast path, relative to C",
            f64::from(ours.jited_octets) / f64::from(theirs.jited_octets),
            Unit::Ratio,
        )
        .goal("P15", Wanted::AtMost(1.10))
        .aside(format!("{} and {} bytes", ours.jited_octets, theirs.jited_octets)),
        Row::new(
            "instructions that the verifier follows, relative to C",
            f64::from(ours.verified) / f64::from(theirs.verified),
            Unit::Ratio,
        )
        .aside(format!("{} and {}", ours.verified, theirs.verified)),
    ];
    let mut ring = RingBuf::try_from(in_c.take_map("RING").context("no ring")?)?;
    for case in cases().into_iter().filter(|case| COMPARED.contains(&case.name)) {
        let mut empty = || while ring.next().is_some() {};
        rows.push(turns(&mut loaded, &mut in_c, &mut empty, &case, effort.rounds)?);
    }
    Ok(rows)
}

fn turns(
    loaded: &mut Loaded,
    in_c: &mut Ebpf,
    empty: &mut impl FnMut(),
    case: &Case,
    rounds: usize,
) -> Result<Row> {
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    // The first round warms caches and tables.
    for round in 0..=rounds.max(1) {
        let one = run_program(in_c, IN_C, &case.frame, case.repeat)?;
        // The fast path leaves the first packet of an SPI on a CPU, for which the whole program takes a slot; C takes
        // it itself.
        loaded.run(WHOLE, &case.frame, 1)?;
        let other = loaded.run(FAST, &case.frame, case.repeat)?;
        empty();
        loaded.drain();
        if round > 0 {
            theirs.push(one);
            ours.push(other);
            ratios.push(other / one);
        }
    }
    Ok(Row::new(
        format!("{}, relative to C", case.name),
        median(&mut ratios),
        Unit::Ratio,
    )
    .goal("P15", Wanted::AtMost(1.10))
    .aside(format!(
        "{:.1} and {:.1} ns",
        median(&mut ours),
        median(&mut theirs)
    )))
}

/// The object of C's program. `None` without a compiler.
pub(super) fn compiled() -> Result<Option<Vec<u8>>> {
    let folder = tempfile::tempdir().context("make a folder")?;
    let (source, object) = (folder.path().join("program.c"), folder.path().join("program.o"));
    fs::write(&source, SOURCE).with_context(|| format!("write {}", source.display()))?;
    let built = Command::new("clang")
        .args(["-O2", "-g", "-target", "bpf", "-mcpu=v3", "-c", "-o"])
        .args([&object, &source])
        .stderr(Stdio::null())
        .status();
    if !built.is_ok_and(|status| status.success()) {
        return Ok(None);
    }
    Ok(Some(
        fs::read(&object).with_context(|| format!("read {}", object.display()))?,
    ))
}

fn load(object: &[u8]) -> Result<Ebpf> {
    let mut ebpf = EbpfLoader::new()
        .map_max_entries("CPU_STATE", possible_cpus()?)
        .map_max_entries("RING", RING_OCTETS)
        .load(object)
        .context("load C's object")?;
    program(&mut ebpf, IN_C)?.load().context("load C's program")?;
    Ok(ebpf)
}
