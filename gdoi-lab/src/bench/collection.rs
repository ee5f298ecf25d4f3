//! Cost of collecting the counts by SPI, compared with the kernel's batch lookup.

use std::collections::BTreeMap;
use std::process::Command;
use std::thread;

use anyhow::{Context as _, Result, ensure};
use gdoi_monitor::source::xdp::{Direction, Hook, Probe, ProbeSettings};
use gdoi_wire::craft::{self, ESP, Ethernet};

use super::kernel::median;
use super::objects::cpu_time;
use super::row::{Row, Unit, Wanted, number};
use crate::{c_program, cpu};

const IN_C: &str = include_str!("lookup_batch.c");
const SPIS: u32 = 1024;
const FIRST: u32 = 0x5a00_0000;
const ROUNDS: usize = 101;
const ADDED: &str = "the other only copies; ours includes checking all slots, the difference to the last poll, the \
     times of the packets, and the sum over CPUs in a sorted map";

/// Our table after a packet of each SPI, and after none; a per-CPU map of the same size.
pub(super) fn rows() -> Result<Vec<Row>> {
    // A thread of its own: it stays on the CPU it is pinned to.
    let ours = thread::spawn(collect).join();
    let Looked { spi, slot } = ours.ok().context("the thread that collects ended")??;
    let mut rows = vec![
        Row::new("reading an SPI that had a packet", spi, Unit::Nanoseconds),
        Row::new("reading a slot that had none", slot, Unit::Nanoseconds),
    ];
    if let Some(batch) = lookup_batch()? {
        let to_batch = |what, took: f64| {
            Row::new(
                format!("{what}, relative to an entry of lookup_batch"),
                took / batch,
                Unit::Ratio,
            )
            .aside(format!("{took:.1} and {batch:.1} ns"))
        };
        rows.push(
            to_batch("reading an SPI", spi)
                .goal("P12", Wanted::AtMost(1.0 / 30.0))
                .why(ADDED),
        );
        rows.push(to_batch("reading a slot", slot));
    }
    Ok(rows)
}

/// Nanoseconds of one poll.
struct Looked {
    /// Per SPI, if all had a packet.
    spi: f64,
    /// Per slot, if none had.
    slot: f64,
}

fn collect() -> Result<Looked> {
    let one = cpu::cpus()?.into_iter().next().context("no CPU")?;
    cpu::stay_on(cpu::THIS_THREAD, &[one])?;
    let mut probe = Probe::load(&ProbeSettings::default(), Direction::Ingress)?;
    let frames: Vec<Vec<u8>> = (0..SPIS).map(frame).collect::<Result<_>>()?;
    let mut counts = BTreeMap::new();
    let (mut all, mut none) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for frame in &frames {
            probe.test_run(Hook::Xdp, frame, 1)?;
        }
        probe.read_clock()?;
        for (took, expected) in [(&mut all, SPIS as usize), (&mut none, 0)] {
            let before = cpu_time()?;
            probe.read_table(&mut counts);
            let spent = cpu_time()?.saturating_sub(before);
            ensure!(counts.len() == expected, "{} SPIs were collected", counts.len());
            counts.clear();
            took.push(spent.as_secs_f64() * 1e9);
        }
    }
    let (_, slots) = probe.occupancy();
    Ok(Looked {
        spi: median(&mut all) / f64::from(SPIS),
        slot: median(&mut none) / number(slots as u64),
    })
}

fn frame(spi: u32) -> Result<Vec<u8>> {
    let (source, destination) = ("10.1.13.2".parse()?, "10.1.11.2".parse()?);
    let esp = craft::esp(FIRST + spi, 1, &[0; 40]);
    Ok(craft::packet(
        &Ethernet::default(),
        source,
        destination,
        ESP,
        &esp,
    ))
}

/// Nanoseconds per entry. `None` without a C compiler.
fn lookup_batch() -> Result<Option<f64>> {
    let folder = tempfile::tempdir().context("make a folder")?;
    let Some(program) = c_program::build(folder.path(), "lookup_batch", IN_C, &[])? else {
        return Ok(None);
    };
    let said = Command::new(&program)
        .arg(SPIS.to_string())
        .output()
        .context("start lookup_batch")?;
    ensure!(said.status.success(), "lookup_batch failed");
    let said = String::from_utf8(said.stdout)?;
    Ok(Some(said.trim().parse().context("read what lookup_batch took")?))
}
