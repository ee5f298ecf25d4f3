//! What the agent says of itself.

use gdoi_core::observation::LossKind;

use super::catalogue as c;
use super::family::Page;
use crate::engine::State;
use crate::sink::output::EventLoss;

pub(super) fn write(page: &mut Page, state: &State) {
    page.family(&c::BUILD, |samples| {
        samples.count(&[env!("CARGO_PKG_VERSION"), std::env::consts::ARCH], 1);
    });
    page.family(&c::EVENTS, |samples| samples.count(&[], state.events.told));
    page.family(&c::EVENTS_LOST, |samples| {
        let sum = |count: fn(&gdoi_wire::record::Counters) -> u64| {
            state
                .captures
                .iter()
                .map(|capture| count(&capture.counters))
                .sum()
        };
        samples.count(&["message", "ring_full"], sum(|counters| counters.lost_messages));
        samples.count(&["message", "unreadable"], state.unread_records);
        samples.count(&["spi_hint", "ring_full"], sum(|counters| counters.lost_hints));
        samples.count(&["spi", "table_full"], sum(|counters| counters.overflow_packets));
        for (why, lost) in EventLoss::ALL.iter().zip(state.events.lost) {
            samples.count(&["event", why.name()], lost);
        }
        samples.count(&["log", EventLoss::QueueFull.name()], state.events.lost_lines);
    });
    let tables = &state.snapshot.tables;
    page.family(&c::TABLE_ENTRIES, |samples| {
        for table in tables {
            samples.count(&[table.kind], table.entries);
        }
    });
    page.family(&c::TABLE_CAPACITY, |samples| {
        for table in tables {
            samples.count(&[table.kind], table.capacity);
        }
    });
    page.family(&c::TABLE_EVICTIONS, |samples| {
        for table in tables {
            samples.count(&[table.kind], table.evictions);
        }
    });
    page.family(&c::CLOCK_STEPS, |samples| {
        samples.count(&[], state.snapshot.clock_steps + state.tally.clock_settings);
    });
    page.family(&c::LOSS_LAST, |samples| {
        // A silence may be a quiet night.
        for kind in LossKind::ALL
            .into_iter()
            .filter(|kind| *kind != LossKind::Silence)
        {
            let last = state.tally.losses.get(&kind);
            samples.value(&[kind.name()], last.map_or(0.0, |&at| state.calendar.seconds(at)));
        }
    });
}

/// Last, when it is known how many samples had no room.
pub(super) fn write_overflow(page: &mut Page, state: &State, left_out: u64) {
    page.family(&c::LABEL_OVERFLOW, |samples| {
        for (kind, count) in &state.snapshot.overflow {
            samples.count(&[kind], *count);
        }
        samples.count(&["series"], left_out);
    });
}
