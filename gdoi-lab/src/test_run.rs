//! Runs a capture through the XDP program without any interface: `BPF_PROG_TEST_RUN`.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use gdoi_monitor::source::xdp::{Direction, Hook, Probe, ProbeSettings};
use gdoi_wire::Exchange;
use gdoi_wire::record::{Counters, KIND_MESSAGE, Record};

use crate::Frames;

/// The verdict for every frame (`enum xdp_action`).
const XDP_PASS: u32 = 2;

/// The results of the program.
#[derive(Clone, Debug, Default)]
pub struct TestRun {
    /// Its counters.
    pub counters: Counters,
    /// Messages by exchange.
    pub messages: BTreeMap<Exchange, u64>,
    /// Packets by SPI.
    pub spis: BTreeMap<u32, u64>,
}

/// Runs every frame through the program once.
pub fn test_run(frames: &Frames, settings: &ProbeSettings) -> Result<TestRun> {
    let mut probe = Probe::load(settings, Direction::Ingress)?;
    let mut run = TestRun::default();
    for frame in &frames.frames {
        let (verdict, _) = probe.test_run(Hook::Xdp, &frame.octets, 1)?;
        ensure!(
            verdict == XDP_PASS,
            "the program answered {verdict} instead of XDP_PASS"
        );
        probe.drain(usize::MAX, |octets| {
            if let Some((record, _)) = Record::parse(octets)
                && record.kind == KIND_MESSAGE
            {
                *run.messages.entry(record.isakmp().exchange()).or_default() += 1;
            }
        });
    }
    run.counters = probe.counters();
    probe.read_clock()?;
    let mut counts = BTreeMap::new();
    probe.read_table(&mut counts);
    for ((spi, _), count) in counts {
        *run.spis.entry(spi).or_default() += count.packets;
    }
    Ok(run)
}
