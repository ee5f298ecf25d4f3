//! What each group does: its messages, events, key servers, members and registrations.

use gdoi_core::snapshot::{EspTotal, UNATTRIBUTED};
use gdoi_core::transition::{Anomaly, RegistrationStage, Severity};
use gdoi_wire::Exchange;

use super::Facts;
use super::family::{Family, Samples, counter, gauge, histogram};

pub(super) const GROUP: &[&str] = &["group"];
pub(super) const SERVER: &[&str] = &["group", "key_server"];

pub(super) static FAMILIES: &[Family] = &[
    gauge(
        "gdoi_groups",
        &[],
        "Known groups, configured or learned.",
        |facts, samples| {
            let groups = facts.state.snapshot.groups.keys();
            samples.count(&[], groups.filter(|name| *name != UNATTRIBUTED).count() as u64);
        },
    ),
    counter(
        "gdoi_messages_total",
        &["group", "key_server", "exchange"],
        "ISAKMP messages.",
        messages,
    ),
    counter(
        "gdoi_retransmissions_total",
        &["group", "exchange"],
        "Retransmitted ISAKMP messages.",
        |facts, samples| {
            for (name, group) in facts.groups.iter() {
                for (exchange, count) in &group.retransmissions {
                    samples.count(&[name, exchange.name()], *count);
                }
            }
        },
    ),
    counter(
        "gdoi_anomalies_total",
        &["group", "kind", "severity"],
        "Messages that violate the protocol.",
        |facts, samples| {
            let counted = &facts.state.snapshot.anomalies;
            for (name, _) in facts.groups.iter() {
                for anomaly in Anomaly::ALL {
                    let count = counted.get(&(name.to_owned(), anomaly)).copied();
                    let labels = [name, anomaly.name(), anomaly.severity().name()];
                    samples.count(&labels, count.unwrap_or_default());
                }
            }
        },
    ),
    counter(
        "gdoi_group_events_total",
        &["group", "kind", "severity"],
        "Events by type; warnings and critical events start at 0.",
        events,
    ),
    gauge(
        "gdoi_members",
        GROUP,
        "Known members of the group.",
        |facts, samples| samples.each_group(facts, |group| group.members),
    ),
    gauge(
        "gdoi_key_server_up",
        SERVER,
        "Whether the key server answers, as far as seen; absent while unknown.",
        |facts, samples| {
            facts.groups.each_server(|group, address, server| {
                if let Some(up) = server.up {
                    samples.count(&[group, address], u64::from(up));
                }
            });
        },
    ),
    gauge(
        "gdoi_key_server_last_seen_timestamp_seconds",
        SERVER,
        "Unix time of the last message from the key server.",
        |facts, samples| {
            facts.groups.each_server(|group, address, server| {
                if let Some(at) = server.last_seen {
                    samples.value(&[group, address], facts.seconds(at));
                }
            });
        },
    ),
    counter(
        "gdoi_registrations_total",
        &["group", "key_server", "kind", "result"],
        "Registrations that completed or failed.",
        |facts, samples| {
            facts.groups.each_server(|group, address, server| {
                for (result, counts) in [("completed", &server.completed), ("failed", &server.failed)] {
                    for (kind, count) in counts {
                        samples.count(&[group, address, kind.name(), result], *count);
                    }
                }
            });
        },
    ),
    counter(
        "gdoi_registration_failures_total",
        &["group", "key_server", "stage"],
        "Failed registrations, by the stage they reached.",
        |facts, samples| {
            facts.groups.each_server(|group, address, server| {
                for stage in RegistrationStage::ALL {
                    let count = server.failed_at.get(&stage).copied();
                    samples.count(&[group, address, stage.name()], count.unwrap_or_default());
                }
            });
        },
    ),
    histogram(
        "gdoi_registration_duration_seconds",
        GROUP,
        "Duration of completed registrations.",
        |facts, samples| {
            for (name, group) in facts.groups.iter() {
                samples.histogram(&[name], &group.registration.duration);
            }
        },
    ),
    gauge(
        "gdoi_registrations_in_progress",
        GROUP,
        "Registrations in progress.",
        |facts, samples| samples.each_group(facts, |group| group.registration.in_progress),
    ),
    gauge(
        "gdoi_registration_burst_active",
        GROUP,
        "Whether a registration burst is active: many members register at once.",
        |facts, samples| samples.each_flag(facts, |group| group.registration.burst_active),
    ),
    counter(
        "gdoi_registration_bursts_total",
        GROUP,
        "Registration bursts.",
        |facts, samples| samples.each_group(facts, |group| group.registration.bursts),
    ),
    gauge(
        "gdoi_registration_burst_members",
        GROUP,
        "Members in the current registration burst, or in the last one.",
        |facts, samples| samples.each_group(facts, |group| group.registration.burst_members),
    ),
    counter(
        "gdoi_double_reregistrations_total",
        GROUP,
        "Members that registered both shortly before and shortly after the KEK expired.",
        |facts, samples| samples.each_group(facts, |group| group.registration.double),
    ),
    counter(
        "gdoi_esp_packets_total",
        GROUP,
        "ESP packets; those whose group was found later count for it and stay in unattributed.",
        |facts, samples| esp(facts, samples, |total| total.packets),
    ),
    counter(
        "gdoi_esp_bytes_total",
        GROUP,
        "Bytes of these packets, from the IP header on.",
        |facts, samples| esp(facts, samples, |total| total.octets),
    ),
];

/// Messages. Those that every group lives by exist from the beginning: a series that begins at 1 has not increased.
fn messages(facts: &Facts<'_>, samples: &mut Samples) {
    let counted = &facts.state.snapshot.messages;
    for (name, group) in facts.groups.iter() {
        for address in group.key_servers.keys() {
            for exchange in [Exchange::GroupkeyPull, Exchange::GroupkeyPush] {
                if !counted.contains_key(&(name.to_owned(), *address, exchange)) {
                    samples.count(&[name, &address.to_string(), exchange.name()], 0);
                }
            }
        }
    }
    for ((group, key_server, exchange), count) in counted {
        if facts.groups.has(group) {
            samples.count(&[group, &key_server.to_string(), exchange.name()], *count);
        }
    }
}

/// Events by group. Those that alerts count exist from the beginning: a series that begins at 1 has not increased.
fn events(facts: &Facts<'_>, samples: &mut Samples) {
    let told = &facts.state.tally.events;
    for (group, _) in facts.groups.iter() {
        for (kind, severity) in COUNTED_FROM_ZERO {
            if !told.contains_key(&(group.to_owned(), kind, severity)) {
                samples.count(&[group, kind, severity.name()], 0);
            }
        }
    }
    for ((group, kind, severity), count) in told {
        if facts.groups.has(group) {
            samples.count(&[group, kind, severity.name()], *count);
        }
    }
}

fn esp(facts: &Facts<'_>, samples: &mut Samples, count: impl Fn(EspTotal) -> u64) {
    for (name, _) in facts.groups.iter() {
        let snapshot = &facts.state.snapshot;
        let mut total = snapshot.esp.get(name).copied().unwrap_or_default();
        if name == UNATTRIBUTED {
            // What was unattributed when it was counted stays there as well: counters only grow.
            total = total.plus(snapshot.esp_attributed_later);
        }
        samples.count(&[name], count(total));
    }
}

/// What no family of its own counts, and what a screen shows as a line in time.
const COUNTED_FROM_ZERO: [(&str, Severity); 10] = [
    ("coop_silent", Severity::Warning),
    ("group_ambiguous", Severity::Warning),
    ("kek_behavior", Severity::Warning),
    ("kek_changed", Severity::Info),
    ("kek_expired", Severity::Critical),
    ("kek_split", Severity::Critical),
    ("key_server_changed", Severity::Warning),
    ("member_lost", Severity::Warning),
    ("rekey_overdue", Severity::Critical),
    ("rekey_overdue", Severity::Warning),
];
