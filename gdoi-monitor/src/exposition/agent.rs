//! Metrics of the agent itself and of its HTTP server.

use gdoi_core::observation::LossKind;
use gdoi_core::snapshot::TableState;
use gdoi_wire::record::Counters;

use super::Facts;
use super::family::{Family, Samples, counter, gauge};
use crate::lockdown::Measure;
use crate::sink::output::EventLoss;
use crate::status::Reload;

pub(super) static FAMILIES: &[Family] = &[
    gauge(
        "gdoi_build_info",
        &["version", "target"],
        "Always 1; the labels say what this agent was built from.",
        |_, samples| samples.count(&[env!("CARGO_PKG_VERSION"), std::env::consts::ARCH], 1),
    ),
    counter(
        "gdoi_events_total",
        &[],
        "Events reported, including those that could not be written.",
        |facts, samples| samples.count(&[], facts.state.events.told),
    ),
    counter(
        "gdoi_events_lost_total",
        &["kind", "reason"],
        "Items lost, by kind and reason.",
        lost,
    ),
    gauge(
        "gdoi_write_failing",
        &["kind"],
        "Always 1: what cannot be written now; /-/ready says why.",
        |facts, samples| {
            for (kind, _) in &facts.state.events.troubles {
                samples.count(&[kind], 1);
            }
        },
    ),
    gauge(
        "gdoi_table_entries",
        &["kind"],
        "Entries in use, by table.",
        |facts, samples| tables(facts, samples, |table| table.entries),
    ),
    gauge(
        "gdoi_table_capacity",
        &["kind"],
        "Capacity, by table.",
        |facts, samples| tables(facts, samples, |table| table.capacity),
    ),
    counter(
        "gdoi_table_evictions_total",
        &["kind"],
        "Entries evicted to make space for new ones, by table.",
        |facts, samples| tables(facts, samples, |table| table.evictions),
    ),
    counter(
        "gdoi_messages_tracked_total",
        &[],
        "ISAKMP messages of all groups, those without series included.",
        |facts, samples| samples.count(&[], facts.state.snapshot.messages.values().sum()),
    ),
    counter(
        "gdoi_clock_steps_total",
        &[],
        "Times the wall clock was set, or the source's clock went backwards.",
        |facts, samples| {
            let state = facts.state;
            samples.count(&[], state.snapshot.clock_steps + state.tally.clock_settings);
        },
    ),
    gauge(
        "gdoi_capture_loss_last_timestamp_seconds",
        &["kind"],
        "Unix time of the last capture loss or gap, by kind; 0 if none.",
        |facts, samples| {
            // A silence may be an ordinary quiet night.
            let told = |kind: &LossKind| *kind != LossKind::Silence;
            for kind in LossKind::ALL.into_iter().filter(told) {
                let last = facts.state.tally.losses.get(&kind);
                samples.value(&[kind.name()], last.map_or(0.0, |&at| facts.seconds(at)));
            }
        },
    ),
    gauge(
        "gdoi_http_connections",
        &[],
        "Open HTTP connections.",
        |facts, samples| samples.count(&[], facts.server.connections),
    ),
    counter(
        "gdoi_http_refused_total",
        &["reason"],
        "HTTP connections and requests refused, by reason.",
        |facts, samples| {
            for (why, count) in &facts.server.refused {
                samples.count(&[why.name()], *count);
            }
        },
    ),
    gauge(
        "gdoi_config_last_reload_successful",
        &[],
        "Whether the last reload of the configuration file succeeded.",
        |facts, samples| is_good(samples, facts.server.config_reload),
    ),
    gauge(
        "gdoi_config_last_reload_success_timestamp_seconds",
        &[],
        "Unix time of the last successful reload of the configuration file.",
        |facts, samples| good_at(samples, facts.server.config_reload),
    ),
    gauge(
        "gdoi_lock_down",
        &["kind"],
        "Whether the agent dropped this kind of privilege; /-/ready gives the reason if not.",
        |facts, samples| {
            for Measure { kind, lacks } in &facts.server.measures {
                samples.count(&[kind.name()], u64::from(lacks.is_none()));
            }
        },
    ),
    gauge(
        "gdoi_web_config_last_reload_successful",
        &[],
        "Whether the last reload of the web configuration file succeeded; absent without --web.config.file.",
        |facts, samples| is_good(samples, facts.server.reload),
    ),
    gauge(
        "gdoi_web_config_last_reload_success_timestamp_seconds",
        &[],
        "Unix time of the last successful reload of the web configuration file.",
        |facts, samples| good_at(samples, facts.server.reload),
    ),
];

/// The last of all: only then is the number of omitted samples known.
pub(super) static OVERFLOW: Family = counter(
    "gdoi_label_overflow_total",
    &["kind"],
    "Counts merged into a catch-all series because of too many label values, and samples left out of the page.",
    |facts, samples| {
        for (kind, count) in &facts.state.snapshot.overflow {
            samples.count(&[kind], *count);
        }
        samples.count(&["group_series"], facts.hidden_groups);
        samples.count(&["series"], facts.left_out.get());
    },
);

fn lost(facts: &Facts<'_>, samples: &mut Samples) {
    let state = facts.state;
    let sum = |count: fn(&Counters) -> u64| {
        let captures = state.captures.iter();
        captures.map(|capture| count(&capture.counters)).sum()
    };
    samples.count(&["message", "ring_full"], sum(|counters| counters.lost_messages));
    samples.count(&["message", "unreadable"], state.unread_records);
    samples.count(&["spi_hint", "ring_full"], sum(|counters| counters.lost_hints));
    samples.count(&["spi", "table_full"], sum(|counters| counters.overflow_packets));
    for (why, lost) in EventLoss::ALL.iter().zip(state.events.lost) {
        samples.count(&["event", why.name()], lost);
    }
    samples.count(&["log", EventLoss::QueueFull.name()], state.events.lost_lines);
}

fn tables(facts: &Facts<'_>, samples: &mut Samples, value: impl Fn(&TableState) -> u64) {
    for table in &facts.state.snapshot.tables {
        samples.count(&[table.kind], value(table));
    }
}

fn is_good(samples: &mut Samples, reload: Option<Reload>) {
    if let Some(reload) = reload {
        samples.count(&[], u64::from(reload.is_good));
    }
}

fn good_at(samples: &mut Samples, reload: Option<Reload>) {
    if let Some(reload) = reload {
        samples.value(&[], reload.good_at.as_secs_f64());
    }
}
