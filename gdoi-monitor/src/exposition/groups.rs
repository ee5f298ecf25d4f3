//! Metrics of each group: messages, events, key servers, members and registrations.

use std::time::Duration;

use gdoi_core::snapshot::{EspTotal, UNATTRIBUTED};
use gdoi_core::transition::RegistrationKind;

use super::Facts;
use super::family::{Family, Samples, counter, gauge, histogram};

pub(super) const GROUP: &[&str] = &["group"];
pub(super) const SERVER: &[&str] = &["group", "key_server"];
/// Events that have a family of their own.
const COUNTED_ELSEWHERE: [&str; 16] = [
    "double_reregistration",
    "incident_closed",
    "incident_opened",
    "incident_updated",
    "kek_changed",
    "re_registration",
    "registration_burst_ended",
    "registration_burst_started",
    "registration_completed",
    "registration_failed",
    "registration_started",
    "rekey",
    "rekey_classified",
    "rekey_retransmitted",
    "spi_changed",
    "spi_first_seen",
];
/// From an ordinary registration to one with repeats.
const DURATION_BOUNDS: [Duration; 3] = [
    Duration::from_secs(1),
    Duration::from_secs(10),
    Duration::from_mins(1),
];

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
        |facts, samples| {
            for ((group, key_server, exchange), count) in &facts.state.snapshot.messages {
                if facts.groups.has(group) {
                    samples.count(&[group, &key_server.to_string(), exchange.name()], *count);
                }
            }
        },
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
            for ((group, anomaly), count) in &facts.state.snapshot.anomalies {
                if facts.groups.has(group) {
                    samples.count(&[group, anomaly.name(), anomaly.severity().name()], *count);
                }
            }
        },
    ),
    counter(
        "gdoi_group_events_total",
        &["group", "kind", "severity"],
        "Events by type, without those that another metric counts.",
        |facts, samples| {
            for ((group, kind, severity), count) in &facts.state.tally.events {
                if facts.groups.has(group) && !COUNTED_ELSEWHERE.contains(kind) {
                    samples.count(&[group, kind, severity.name()], *count);
                }
            }
        },
    ),
    gauge(
        "gdoi_incidents_active",
        &["group", "cause", "severity"],
        "Open incidents, by cause.",
        |facts, samples| {
            for ((group, cause, severity), open) in &facts.state.diagnosis.active {
                let group = group.as_deref().unwrap_or(UNATTRIBUTED);
                if facts.groups.has(group) {
                    samples.count(&[group, cause.name(), severity.name()], open.count);
                }
            }
        },
    ),
    gauge(
        "gdoi_incidents_uncertain",
        &["group", "cause", "severity"],
        "Open incidents for whose cause another explanation has evidence.",
        |facts, samples| {
            for ((group, cause, severity), open) in &facts.state.diagnosis.active {
                let group = group.as_deref().unwrap_or(UNATTRIBUTED);
                if facts.groups.has(group) {
                    samples.count(&[group, cause.name(), severity.name()], open.uncertain);
                }
            }
        },
    ),
    counter(
        "gdoi_incidents_total",
        &["group", "cause"],
        "Incidents since the start, by cause.",
        |facts, samples| {
            for ((group, cause), count) in &facts.state.diagnosis.totals {
                let group = group.as_deref().unwrap_or(UNATTRIBUTED);
                if facts.groups.has(group) {
                    samples.count(&[group, cause.name()], *count);
                }
            }
        },
    ),
    gauge(
        "gdoi_members",
        GROUP,
        "Known members of the group.",
        |facts, samples| samples.each_group(facts, |group| group.members),
    )
    .starting_at_zero(),
    gauge(
        "gdoi_key_server_up",
        SERVER,
        "Whether the key server answers, as far as seen; absent while unknown.",
        |facts, samples| {
            facts.groups.each_server_of_its_group(|group, address, server| {
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
            facts.groups.each_server_of_its_group(|group, address, server| {
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
                for (kind, count) in &server.completed {
                    let is_expected = *kind == RegistrationKind::Initial && group != UNATTRIBUTED;
                    if *count > 0 || is_expected {
                        samples.count(&[group, address, kind.name(), "completed"], *count);
                    }
                }
                for (kind, count) in server.failed.iter().filter(|(_, count)| **count > 0) {
                    samples.count(&[group, address, kind.name(), "failed"], *count);
                }
            });
        },
    )
    .starting_at_zero(),
    counter(
        "gdoi_registration_failures_total",
        &["group", "key_server", "stage"],
        "Failed registrations, by the stage they reached.",
        |facts, samples| {
            facts.groups.each_server(|group, address, server| {
                for (stage, count) in server.failed_at.iter().filter(|(_, count)| **count > 0) {
                    samples.count(&[group, address, stage.name()], *count);
                }
            });
        },
    ),
    histogram(
        "gdoi_registration_duration_seconds",
        GROUP,
        "Duration of completed registrations.",
        |facts, samples| {
            samples.each_histogram(facts, &DURATION_BOUNDS, |group| &group.registration.duration);
        },
    )
    .starting_at_zero(),
    gauge(
        "gdoi_registrations_in_progress",
        GROUP,
        "Registrations in progress.",
        |facts, samples| samples.each_group(facts, |group| group.registration.in_progress),
    )
    .starting_at_zero(),
    gauge(
        "gdoi_registration_burst_active",
        GROUP,
        "Whether a registration burst is active: many members register at once.",
        |facts, samples| samples.each_flag(facts, |group| group.registration.burst_active),
    )
    .starting_at_zero(),
    counter(
        "gdoi_registration_bursts_total",
        GROUP,
        "Registration bursts.",
        |facts, samples| samples.each_group(facts, |group| group.registration.bursts),
    )
    .starting_at_zero(),
    gauge(
        "gdoi_registration_burst_members",
        GROUP,
        "Members in the current registration burst, or in the last one.",
        |facts, samples| samples.each_group(facts, |group| group.registration.burst_members),
    )
    .starting_at_zero(),
    counter(
        "gdoi_double_reregistrations_total",
        GROUP,
        "Members that registered both shortly before and shortly after the KEK expired.",
        |facts, samples| samples.each_trouble(facts, |group| group.registration.double),
    ),
    counter(
        "gdoi_esp_packets_total",
        GROUP,
        "ESP packets; those whose group was found later count for it and stay in unattributed.",
        |facts, samples| esp(facts, samples, |total| total.packets),
    )
    .starting_at_zero(),
    counter(
        "gdoi_esp_bytes_total",
        GROUP,
        "Bytes of these packets, from the IP header on.",
        |facts, samples| esp(facts, samples, |total| total.octets),
    )
    .starting_at_zero(),
];

fn esp(facts: &Facts<'_>, samples: &mut Samples, count: impl Fn(EspTotal) -> u64) {
    for (name, _) in facts.groups.iter() {
        let snapshot = &facts.state.snapshot;
        let mut total = snapshot.esp.get(name).copied().unwrap_or_default();
        if name == UNATTRIBUTED {
            // ESP counted as unattributed stays there as well: counters only increase.
            total = total.plus(snapshot.esp_attributed_later);
        }
        samples.count(&[name], count(total));
    }
}
