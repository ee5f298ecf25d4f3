//! What each group does.

mod keys;
mod registration;

use std::net::IpAddr;

use gdoi_core::Timestamp;
use gdoi_core::snapshot::{GroupState, KeyServerState};
use gdoi_core::transition::Severity;

use super::catalogue as c;
use super::family::{Page, Samples};
use crate::engine::State;

pub(super) fn write(page: &mut Page, state: &State) {
    let snapshot = &state.snapshot;
    page.family(&c::GROUPS, |samples| {
        samples.count(&[], snapshot.groups.len() as u64);
    });
    page.family(&c::MESSAGES, |samples| {
        for ((group, key_server, exchange), count) in &snapshot.messages {
            samples.count(&[group, &key_server.to_string(), exchange.name()], *count);
        }
    });
    page.family(&c::ANOMALIES, |samples| {
        for ((group, anomaly), count) in &snapshot.anomalies {
            samples.count(&[group, anomaly.name(), anomaly.severity().name()], *count);
        }
    });
    events(page, state);
    page.family(&c::ESP_PACKETS, |samples| {
        for (group, total) in &snapshot.esp {
            samples.count(&[group], total.packets);
        }
    });
    page.family(&c::ESP_BYTES, |samples| {
        for (group, total) in &snapshot.esp {
            samples.count(&[group], total.octets);
        }
    });
    let groups = Groups { state };
    groups.servers(page);
    registration::write(page, &groups);
    keys::write(page, &groups);
}

/// Events by group. Those that alerts count exist from the beginning: a series that begins at 1 has not increased.
fn events(page: &mut Page, state: &State) {
    page.family(&c::GROUP_EVENTS, |samples| {
        let told = &state.tally.events;
        for group in state.snapshot.groups.keys() {
            for (kind, severity) in COUNTED_FROM_ZERO {
                if !told.contains_key(&(group.clone(), kind, severity)) {
                    samples.count(&[group, kind, severity.name()], 0);
                }
            }
        }
        for ((group, kind, severity), count) in told {
            samples.count(&[group, kind, severity.name()], *count);
        }
    });
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

/// The groups of a state, for families with one sample a group or a key server.
struct Groups<'a> {
    state: &'a State,
}

impl Groups<'_> {
    fn each(&self, mut one: impl FnMut(&str, &GroupState)) {
        for (name, group) in &self.state.snapshot.groups {
            one(name, group);
        }
    }

    fn each_server(&self, mut one: impl FnMut(&str, &str, &KeyServerState)) {
        for (name, group) in &self.state.snapshot.groups {
            for (address, server) in &group.key_servers {
                one(name, &IpAddr::to_string(address), server);
            }
        }
    }

    fn count(&self, page: &mut Page, family: &'static c::Family, value: impl Fn(&GroupState) -> u64) {
        page.family(family, |samples| {
            self.each(|name, group| samples.count(&[name], value(group)));
        });
    }

    fn value(&self, page: &mut Page, family: &'static c::Family, value: impl Fn(&GroupState) -> Option<f64>) {
        page.family(family, |samples| {
            self.each(|name, group| {
                if let Some(value) = value(group) {
                    samples.value(&[name], value);
                }
            });
        });
    }

    /// A moment as seconds since the epoch.
    fn moment(
        &self,
        page: &mut Page,
        family: &'static c::Family,
        moment: impl Fn(&GroupState) -> Option<Timestamp>,
    ) {
        self.value(page, family, |group| moment(group).map(|at| self.seconds(at)));
    }

    fn seconds(&self, at: Timestamp) -> f64 {
        self.state.calendar.seconds(at)
    }

    fn servers(&self, page: &mut Page) {
        page.family(&c::KS_UP, |samples: &mut Samples| {
            self.each_server(|group, address, server| {
                if let Some(up) = server.up {
                    samples.count(&[group, address], u64::from(up));
                }
            });
        });
        page.family(&c::KS_SEEN, |samples| {
            self.each_server(|group, address, server| {
                if let Some(at) = server.last_seen {
                    samples.value(&[group, address], self.seconds(at));
                }
            });
        });
        page.family(&c::RETRANSMISSIONS, |samples| {
            self.each(|name, group| {
                for (exchange, count) in &group.retransmissions {
                    samples.count(&[name, exchange.name()], *count);
                }
            });
        });
        self.count(page, &c::MEMBERS, |group| group.members);
    }
}
