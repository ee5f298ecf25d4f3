//! Rekeys, the KEK and the TEKs of each group.

use std::time::Duration;

use super::family::{Family, counter, gauge, histogram};
use super::groups::{GROUP, SERVER};

/// From a single message to a rekey that is too slow: an alert uses the share above the last bound.
const BOUNDS: [Duration; 3] = [
    Duration::from_secs(10),
    Duration::from_mins(1),
    Duration::from_mins(5),
];

pub(super) static FAMILIES: &[Family] = &[
    counter(
        "gdoi_rekeys_total",
        &["group", "key_server", "kind", "transport"],
        "Rekeys; each counts once, regardless of recipients and retransmissions.",
        |facts, samples| {
            facts.groups.each_server(|group, address, server| {
                for ((kind, transport), count) in &server.rekeys {
                    samples.count(&[group, address, kind.name(), transport.name()], *count);
                }
            });
        },
    ),
    counter(
        "gdoi_rekey_messages_total",
        SERVER,
        "Rekey messages, retransmissions included.",
        |facts, samples| {
            facts.groups.each_server(|group, address, server| {
                if server.rekey_messages > 0 {
                    samples.count(&[group, address], server.rekey_messages);
                }
            });
        },
    ),
    counter(
        "gdoi_rekey_retransmissions_total",
        GROUP,
        "Retransmitted rekey messages.",
        |facts, samples| samples.each_trouble(facts, |group| group.rekey.retransmissions),
    ),
    counter(
        "gdoi_rekey_acks_total",
        GROUP,
        "Rekey acknowledgements.",
        |facts, samples| samples.each_group(facts, |group| group.rekey.acknowledgements),
    )
    .starting_at_zero(),
    gauge(
        "gdoi_rekey_unacknowledged_members",
        GROUP,
        "Recipients of the latest rekey that have not acknowledged it; absent if the group does not use acknowledgements.",
        |facts, samples| {
            for (name, group) in facts.groups.iter() {
                if let Some(members) = group.rekey.unacknowledged_members {
                    samples.count(&[name], members);
                }
            }
        },
    ),
    gauge(
        "gdoi_rekey_recipients",
        GROUP,
        "Recipients of the latest rekey.",
        |facts, samples| samples.each_group(facts, |group| group.rekey.recipients),
    )
    .starting_at_zero(),
    histogram(
        "gdoi_rekey_duration_seconds",
        GROUP,
        "Duration of rekeys, from first to last message.",
        |facts, samples| {
            samples.each_histogram(facts, &BOUNDS, |group| &group.rekey.duration);
        },
    )
    .starting_at_zero(),
    gauge(
        "gdoi_rekey_last_timestamp_seconds",
        GROUP,
        "Unix time at which the latest rekey began.",
        |facts, samples| samples.each_moment(facts, |group| group.rekey.last),
    ),
    gauge(
        "gdoi_rekey_next_expected_timestamp_seconds",
        GROUP,
        "Unix time at which the next rekey is expected; absent if it cannot be predicted.",
        |facts, samples| samples.each_moment(facts, |group| group.rekey.next_expected),
    ),
    gauge(
        "gdoi_rekey_overdue",
        GROUP,
        "Whether an expected rekey is overdue.",
        |facts, samples| samples.each_flag(facts, |group| group.rekey.overdue),
    )
    .starting_at_zero(),
    gauge(
        "gdoi_rekey_expectation_known",
        GROUP,
        "Whether the time of the next rekey can be predicted.",
        |facts, samples| samples.each_flag(facts, |group| group.rekey.expectation.unknown.is_none()),
    )
    .starting_at_zero(),
    counter(
        "gdoi_kek_changes_total",
        GROUP,
        "KEK changes.",
        |facts, samples| samples.each_group(facts, |group| group.kek.changes),
    )
    .starting_at_zero(),
    gauge(
        "gdoi_kek_start_timestamp_seconds",
        GROUP,
        "Unix time at which the current KEK was delivered.",
        |facts, samples| samples.each_moment(facts, |group| group.kek.start),
    ),
    gauge(
        "gdoi_kek_expiry_timestamp_seconds",
        GROUP,
        "Unix time at which the current KEK expires.",
        |facts, samples| samples.each_moment(facts, |group| group.kek.expiry),
    ),
    gauge(
        "gdoi_kek_lifetime_seconds",
        GROUP,
        "Lifetime of the KEK, configured or learned.",
        |facts, samples| {
            samples.each_value(facts, |group| {
                group.kek.lifetime.as_ref().map(Duration::as_secs_f64)
            });
        },
    ),
    gauge(
        "gdoi_kek_rekey_lead_seconds",
        GROUP,
        "How long before its expiry the last KEK was renewed; negative if it was renewed after expiry.",
        |facts, samples| samples.each_value(facts, |group| group.kek.lead_seconds),
    ),
    gauge(
        "gdoi_kek_over_age",
        GROUP,
        "Whether the KEK is in use beyond its lifetime.",
        |facts, samples| samples.each_flag(facts, |group| group.kek.over_age),
    )
    .starting_at_zero(),
    gauge(
        "gdoi_kek_expired",
        GROUP,
        "Whether the KEK expired before a rekey replaced it.",
        |facts, samples| samples.each_flag(facts, |group| group.kek.expired),
    )
    .starting_at_zero(),
    gauge(
        "gdoi_kek_split",
        GROUP,
        "Whether key servers use different KEKs for the group (split brain).",
        |facts, samples| samples.each_flag(facts, |group| group.kek.split),
    )
    .starting_at_zero(),
    gauge(
        "gdoi_kek_behavior",
        &["group", "key_server", "verdict"],
        "Always 1; the verdict is the KEK renewal behavior attributed to the key server.",
        |facts, samples| {
            facts.groups.each_server(|group, address, server| {
                if let Some(verdict) = server.behavior {
                    samples.count(&[group, address, verdict.name()], 1);
                }
            });
        },
    ),
    gauge("gdoi_spi_active", GROUP, "ESP SPIs in use.", |facts, samples| {
        samples.each_group(facts, |group| group.esp.active);
    })
    .starting_at_zero(),
    counter(
        "gdoi_spi_changes_total",
        GROUP,
        "Times one ESP SPI replaced another.",
        |facts, samples| samples.each_group(facts, |group| group.esp.changes),
    )
    .starting_at_zero(),
    histogram(
        "gdoi_spi_rollover_seconds",
        GROUP,
        "Time from a rekey to the first packet with the new SPI.",
        |facts, samples| {
            samples.each_histogram(facts, &BOUNDS, |group| &group.esp.rollover);
        },
    )
    .starting_at_zero(),
    counter(
        "gdoi_spi_stale_packets_total",
        GROUP,
        "ESP packets with a replaced SPI after the rollover window.",
        |facts, samples| samples.each_trouble(facts, |group| group.esp.stale_packets),
    ),
    gauge(
        "gdoi_spi_lagging_sites",
        GROUP,
        "Sites that still send with a replaced SPI.",
        |facts, samples| samples.each_group(facts, |group| group.esp.lagging_sites),
    )
    .starting_at_zero(),
];
