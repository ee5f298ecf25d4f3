//! Metrics of each interface.

use std::collections::{BTreeMap, BTreeSet};

use gdoi_wire::record::Counters;
use gdoi_wire::{Class, ParseError};

use super::Facts;
use super::family::{Family, Samples, counter, gauge};
use crate::engine::State;
use crate::source::xdp::BlindSpot;

pub(super) static FAMILIES: &[Family] = &[
    gauge(
        "gdoi_capture_up",
        &["interface"],
        "Whether the interface is monitored.",
        |facts, samples| each(facts, samples, |interface| u64::from(!interface.is_down)),
    ),
    gauge(
        "gdoi_capture_info",
        &["interface", "mode", "direction"],
        "Always 1; the labels give attach mode and direction of the interface.",
        |facts, samples| {
            for capture in &facts.state.captures {
                if let Some(attached) = &capture.attached {
                    let mode = attached.attachment.name();
                    samples.count(&[&capture.interface, mode, capture.direction.name()], 1);
                }
            }
        },
    ),
    gauge(
        "gdoi_capture_blind_spot",
        &["interface", "reason"],
        "Always 1; the reason why some packets on the interface are not seen, or not as they were on the wire.",
        |facts, samples| {
            for (name, interface) in &facts.interfaces {
                for spot in &interface.blind_spots {
                    samples.count(&[name, spot.name()], 1);
                }
            }
        },
    ),
    counter(
        "gdoi_packets_total",
        &["interface", "direction", "class"],
        "Packets, by class.",
        |facts, samples| classes(facts, samples, |counters| &counters.packets),
    ),
    counter(
        "gdoi_bytes_total",
        &["interface", "direction", "class"],
        "Bytes of these packets as frames on the wire, by class.",
        |facts, samples| classes(facts, samples, |counters| &counters.octets),
    ),
    counter(
        "gdoi_misses_total",
        &["interface", "reason"],
        "Packets of a monitored protocol that could not be parsed, by reason.",
        |facts, samples| {
            for (name, interface) in &facts.interfaces {
                for (error, count) in ParseError::ALL.iter().zip(interface.counters.parse_errors) {
                    samples.count(&[name, error.name()], count);
                }
            }
        },
    ),
    counter(
        "gdoi_fragments_total",
        &["interface", "kind"],
        "Fragments of packets of a monitored protocol: first fragments are read, later ones are not.",
        |facts, samples| {
            for (name, InterfaceSample { counters, .. }) in &facts.interfaces {
                let later = counters.parse_errors.get(ParseError::LaterFragment as usize);
                samples.count(&[name, "first"], counters.first_fragments);
                samples.count(&[name, "later"], later.copied().unwrap_or_default());
            }
        },
    ),
    gauge(
        "gdoi_ring_pending_bytes",
        &["interface"],
        "Bytes in the ring buffer when the counters were last read.",
        |facts, samples| each(facts, samples, |interface| interface.ring_octets),
    ),
    counter(
        "gdoi_program_run_seconds_total",
        &["interface", "direction"],
        "Run time of the programs in the kernel; with --program-stats.",
        |facts, samples| {
            for capture in &facts.state.captures {
                if let Some(runs) = capture.runs {
                    let labels = [capture.interface.as_str(), capture.direction.name()];
                    samples.value(&labels, runs.time.as_secs_f64());
                }
            }
        },
    ),
    counter(
        "gdoi_program_runs_total",
        &["interface", "direction"],
        "Runs of the programs in the kernel; with --program-stats.",
        |facts, samples| {
            for capture in &facts.state.captures {
                if let Some(runs) = capture.runs {
                    samples.count(&[&capture.interface, capture.direction.name()], runs.count);
                }
            }
        },
    ),
    gauge(
        "gdoi_spi_table_entries",
        &["interface"],
        "Slots in use of the kernel's SPI table.",
        |facts, samples| each(facts, samples, |interface| interface.slots.0),
    ),
    gauge(
        "gdoi_spi_table_capacity",
        &["interface"],
        "Capacity of the kernel's SPI table in slots.",
        |facts, samples| each(facts, samples, |interface| interface.slots.1),
    ),
];

/// Interfaces by name, each in all its directions.
pub(super) type InterfaceSamples<'a> = BTreeMap<&'a str, InterfaceSample>;

/// An interface in all its directions.
#[derive(Default)]
pub(super) struct InterfaceSample {
    is_down: bool,
    blind_spots: BTreeSet<BlindSpot>,
    counters: Counters,
    ring_octets: u64,
    slots: (u64, u64),
}

pub(super) fn interfaces(state: &State) -> InterfaceSamples<'_> {
    let mut sums = InterfaceSamples::new();
    for capture in &state.captures {
        let sum = sums.entry(&capture.interface).or_default();
        sum.is_down |= capture.attached.is_none();
        sum.blind_spots.extend(&capture.blind_spots);
        sum.counters.add(&capture.counters);
        sum.ring_octets += capture.ring_octets;
        sum.slots.0 += capture.slots.0 as u64;
        sum.slots.1 += capture.slots.1 as u64;
    }
    sums
}

fn each(facts: &Facts<'_>, samples: &mut Samples, value: impl Fn(&InterfaceSample) -> u64) {
    for (name, interface) in &facts.interfaces {
        samples.count(&[name], value(interface));
    }
}

fn classes(facts: &Facts<'_>, samples: &mut Samples, counts: impl Fn(&Counters) -> &[u64; Class::ALL.len()]) {
    for capture in &facts.state.captures {
        for (class, count) in Class::ALL.iter().zip(counts(&capture.counters)) {
            samples.count(
                &[&capture.interface, capture.direction.name(), class.name()],
                *count,
            );
        }
    }
}
