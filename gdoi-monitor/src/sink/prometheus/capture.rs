//! What each interface saw.

use gdoi_wire::{Class, Miss};

use super::catalogue as c;
use super::family::Page;
use crate::engine::State;

pub(super) fn write(page: &mut Page, state: &State) {
    let captures = &state.captures;
    page.family(&c::CAPTURE_UP, |samples| {
        for capture in captures {
            samples.count(&[&capture.interface], u64::from(capture.attachment.is_some()));
        }
    });
    page.family(&c::CAPTURE_INFO, |samples| {
        for capture in captures {
            if let Some(attachment) = capture.attachment {
                samples.count(&[&capture.interface, attachment.name(), INGRESS], 1);
            }
        }
    });
    page.family(&c::PACKETS, |samples| {
        for capture in captures {
            for (class, count) in Class::ALL.iter().zip(capture.counters.packets) {
                samples.count(&[&capture.interface, INGRESS, class.name()], count);
            }
        }
    });
    page.family(&c::BYTES, |samples| {
        for capture in captures {
            for (class, count) in Class::ALL.iter().zip(capture.counters.octets) {
                samples.count(&[&capture.interface, INGRESS, class.name()], count);
            }
        }
    });
    page.family(&c::MISSES, |samples| {
        for capture in captures {
            for (miss, count) in Miss::ALL.iter().zip(capture.counters.misses) {
                samples.count(&[&capture.interface, miss.name()], count);
            }
        }
    });
    page.family(&c::FRAGMENTS, |samples| {
        for capture in captures {
            let later = capture.counters.misses.get(Miss::LaterFragment as usize);
            samples.count(&[&capture.interface, "first"], capture.counters.first_fragments);
            samples.count(&[&capture.interface, "later"], later.copied().unwrap_or_default());
        }
    });
    page.family(&c::RING_PENDING, |samples| {
        for capture in captures {
            samples.count(&[&capture.interface], capture.ring_octets);
        }
    });
    page.family(&c::SPI_SLOTS_USED, |samples| {
        for capture in captures {
            samples.count(&[&capture.interface], capture.slots.0 as u64);
        }
    });
    page.family(&c::SPI_SLOTS, |samples| {
        for capture in captures {
            samples.count(&[&capture.interface], capture.slots.1 as u64);
        }
    });
}

/// XDP sees what an interface receives.
const INGRESS: &str = "ingress";
