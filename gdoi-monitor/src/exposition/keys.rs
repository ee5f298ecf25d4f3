//! Rekeys, the KEK and the TEKs of each group.

use std::time::Duration;

use gdoi_core::transition::{RekeyKind, Transport, Verdict};

use super::Facts;
use super::family::{Family, Samples, counter, gauge, histogram};
use super::groups::{GROUP, SERVER};

pub(super) static FAMILIES: &[Family] = &[
    counter(
        "gdoi_rekeys_total",
        &["group", "key_server", "kind", "transport"],
        "Rekeys; each counts once, regardless of recipients and retransmissions.",
        rekeys,
    ),
    counter(
        "gdoi_rekey_messages_total",
        SERVER,
        "Rekey messages, retransmissions included.",
        |facts, samples| {
            facts.groups.each_server(|group, address, server| {
                samples.count(&[group, address], server.rekey_messages);
            });
        },
    ),
    counter(
        "gdoi_rekey_retransmissions_total",
        GROUP,
        "Retransmitted rekey messages.",
        |facts, samples| samples.each_group(facts, |group| group.rekey.retransmissions),
    ),
    counter(
        "gdoi_rekey_acks_total",
        GROUP,
        "Rekey acknowledgements.",
        |facts, samples| samples.each_group(facts, |group| group.rekey.acknowledgements),
    ),
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
    ),
    histogram(
        "gdoi_rekey_duration_seconds",
        GROUP,
        "Duration of rekeys, from first to last message.",
        |facts, samples| {
            for (name, group) in facts.groups.iter() {
                samples.histogram(&[name], &group.rekey.duration);
            }
        },
    ),
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
    ),
    counter(
        "gdoi_kek_changes_total",
        GROUP,
        "KEK changes.",
        |facts, samples| samples.each_group(facts, |group| group.kek.changes),
    ),
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
    ),
    gauge(
        "gdoi_kek_expired",
        GROUP,
        "Whether the KEK expired before a rekey replaced it.",
        |facts, samples| samples.each_flag(facts, |group| group.kek.expired),
    ),
    gauge(
        "gdoi_kek_split",
        GROUP,
        "Whether key servers use different KEKs for the group (split brain).",
        |facts, samples| samples.each_flag(facts, |group| group.kek.split),
    ),
    gauge(
        "gdoi_kek_behavior",
        &["group", "key_server", "verdict"],
        "1 for the KEK renewal behavior attributed to the key server, 0 for the others.",
        |facts, samples| {
            facts.groups.each_server(|group, address, server| {
                let Some(holds) = server.behavior else { return };
                for verdict in Verdict::ALL {
                    samples.count(&[group, address, verdict.name()], u64::from(verdict == holds));
                }
            });
        },
    ),
    gauge("gdoi_spi_active", GROUP, "ESP SPIs in use.", |facts, samples| {
        samples.each_group(facts, |group| group.esp.active)
    }),
    counter(
        "gdoi_spi_changes_total",
        GROUP,
        "Times one ESP SPI replaced another.",
        |facts, samples| samples.each_group(facts, |group| group.esp.changes),
    ),
    histogram(
        "gdoi_spi_rollover_seconds",
        GROUP,
        "Time from a rekey to the first packet with the new SPI.",
        |facts, samples| {
            for (name, group) in facts.groups.iter() {
                samples.histogram(&[name], &group.esp.rollover);
            }
        },
    ),
    counter(
        "gdoi_spi_stale_packets_total",
        GROUP,
        "ESP packets with a replaced SPI after the rollover window.",
        |facts, samples| samples.each_group(facts, |group| group.esp.stale_packets),
    ),
    gauge(
        "gdoi_spi_lagging_sites",
        GROUP,
        "Sites that still send with a replaced SPI.",
        |facts, samples| samples.each_group(facts, |group| group.esp.lagging_sites),
    ),
];

fn rekeys(facts: &Facts<'_>, samples: &mut Samples) {
    facts.groups.each_server(|group, address, server| {
        for ((kind, transport), count) in &server.rekeys {
            samples.count(&[group, address, kind.name(), transport.name()], *count);
        }
    });
    // A series that begins at 1 has not increased.
    for (name, group) in facts.groups.iter() {
        let transport = group.transport.unwrap_or(Transport::Unicast);
        for (address, server) in &group.key_servers {
            for kind in RekeyKind::ALL {
                if !server.rekeys.contains_key(&(kind, transport)) {
                    samples.count(&[name, &address.to_string(), kind.name(), transport.name()], 0);
                }
            }
        }
    }
}
