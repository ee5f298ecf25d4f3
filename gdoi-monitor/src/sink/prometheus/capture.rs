//! What each interface saw.

use std::collections::{BTreeMap, BTreeSet};

use gdoi_wire::record::Counters;
use gdoi_wire::{Class, ParseError};

use super::catalogue as c;
use super::family::Page;
use crate::engine::{CaptureState, State};
use crate::source::xdp::BlindSpot;

pub(super) fn write(page: &mut Page, state: &State) {
    directions(page, &state.captures);
    programs(page, &state.captures);
    interfaces(page, &InterfaceSample::sums(&state.captures));
}

/// What is told of an interface in one direction.
fn directions(page: &mut Page, captures: &[CaptureState]) {
    page.family(&c::CAPTURE_INFO, |samples| {
        for capture in captures {
            if let Some(attached) = &capture.attached {
                let mode = attached.attachment.name();
                samples.count(&[&capture.interface, mode, capture.direction.name()], 1);
            }
        }
    });
    page.family(&c::PACKETS, |samples| {
        for capture in captures {
            for (class, count) in Class::ALL.iter().zip(capture.counters.packets) {
                samples.count(
                    &[&capture.interface, capture.direction.name(), class.name()],
                    count,
                );
            }
        }
    });
    page.family(&c::BYTES, |samples| {
        for capture in captures {
            for (class, count) in Class::ALL.iter().zip(capture.counters.octets) {
                samples.count(
                    &[&capture.interface, capture.direction.name(), class.name()],
                    count,
                );
            }
        }
    });
}

/// What programs cost, where that is counted.
fn programs(page: &mut Page, captures: &[CaptureState]) {
    let counted = || {
        captures
            .iter()
            .filter_map(|capture| Some((capture, capture.runs?)))
    };
    page.family(&c::PROGRAM_SECONDS, |samples| {
        for (capture, runs) in counted() {
            let labels = [capture.interface.as_str(), capture.direction.name()];
            samples.value(&labels, runs.time.as_secs_f64());
        }
    });
    page.family(&c::PROGRAM_RUNS, |samples| {
        for (capture, runs) in counted() {
            samples.count(&[&capture.interface, capture.direction.name()], runs.count);
        }
    });
}

/// An interface in all its directions.
#[derive(Default)]
struct InterfaceSample {
    is_down: bool,
    blind_spots: BTreeSet<BlindSpot>,
    counters: Counters,
    ring_octets: u64,
    slots: (u64, u64),
}

impl InterfaceSample {
    fn sums(captures: &[CaptureState]) -> BTreeMap<&str, Self> {
        let mut sums: BTreeMap<&str, Self> = BTreeMap::new();
        for capture in captures {
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
}

/// What is told of an interface as a whole.
fn interfaces(page: &mut Page, interfaces: &BTreeMap<&str, InterfaceSample>) {
    page.family(&c::CAPTURE_UP, |samples| {
        for (name, interface) in interfaces {
            samples.count(&[name], u64::from(!interface.is_down));
        }
    });
    page.family(&c::BLIND_SPOT, |samples| {
        for (name, interface) in interfaces {
            for spot in &interface.blind_spots {
                samples.count(&[name, spot.name()], 1);
            }
        }
    });
    page.family(&c::MISSES, |samples| {
        for (name, interface) in interfaces {
            for (miss, count) in ParseError::ALL.iter().zip(interface.counters.parse_errors) {
                samples.count(&[name, miss.name()], count);
            }
        }
    });
    page.family(&c::FRAGMENTS, |samples| {
        for (name, interface) in interfaces {
            let later = interface
                .counters
                .parse_errors
                .get(ParseError::LaterFragment as usize);
            samples.count(&[name, "first"], interface.counters.first_fragments);
            samples.count(&[name, "later"], later.copied().unwrap_or_default());
        }
    });
    page.family(&c::RING_PENDING, |samples| {
        for (name, interface) in interfaces {
            samples.count(&[name], interface.ring_octets);
        }
    });
    page.family(&c::SPI_SLOTS_USED, |samples| {
        for (name, interface) in interfaces {
            samples.count(&[name], interface.slots.0);
        }
    });
    page.family(&c::SPI_SLOTS, |samples| {
        for (name, interface) in interfaces {
            samples.count(&[name], interface.slots.1);
        }
    });
}
