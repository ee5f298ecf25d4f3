//! What each group does.

mod keys;
mod registration;

use std::collections::BTreeSet;
use std::net::IpAddr;

use gdoi_core::Timestamp;
use gdoi_core::snapshot::{EspTotal, GroupState, KeyServerState, Snapshot, UNATTRIBUTED};
use gdoi_core::transition::{Anomaly, Severity};
use gdoi_wire::Exchange;

use super::catalogue as c;
use super::family::{Page, Samples};
use crate::engine::State;

pub(super) fn write(page: &mut Page, groups: &GroupFamilies<'_>) {
    let snapshot = &groups.state.snapshot;
    page.family(&c::GROUPS, |samples| {
        let named = snapshot.groups.keys().filter(|name| *name != UNATTRIBUTED);
        samples.count(&[], named.count() as u64);
    });
    messages(page, groups);
    anomalies(page, groups);
    events(page, groups);
    page.family(&c::ESP_PACKETS, |samples| {
        groups.each(|name, _| {
            let total = esp_total(snapshot, name);
            samples.count(&[name], total.packets);
        });
    });
    page.family(&c::ESP_BYTES, |samples| {
        groups.each(|name, _| {
            let total = esp_total(snapshot, name);
            samples.count(&[name], total.octets);
        });
    });
    groups.servers(page);
    registration::write(page, groups);
    keys::write(page, groups);
}

/// ESP of a group. What was unattributed when it was counted stays there as well: counters only grow.
fn esp_total(snapshot: &Snapshot, name: &str) -> EspTotal {
    let total = snapshot.esp.get(name).copied().unwrap_or_default();
    if name == UNATTRIBUTED {
        total.plus(snapshot.esp_attributed_later)
    } else {
        total
    }
}

/// Messages. Those that every group lives by exist from the beginning: a series that begins at 1 has not increased.
fn messages(page: &mut Page, groups: &GroupFamilies<'_>) {
    let counted = &groups.state.snapshot.messages;
    page.family(&c::MESSAGES, |samples| {
        groups.each(|name, group| {
            for address in group.key_servers.keys() {
                for exchange in [Exchange::GroupkeyPull, Exchange::GroupkeyPush] {
                    if !counted.contains_key(&(name.to_owned(), *address, exchange)) {
                        samples.count(&[name, &address.to_string(), exchange.name()], 0);
                    }
                }
            }
        });
        for ((group, key_server, exchange), count) in counted {
            if groups.shows(group) {
                samples.count(&[group, &key_server.to_string(), exchange.name()], *count);
            }
        }
    });
}

fn anomalies(page: &mut Page, groups: &GroupFamilies<'_>) {
    let counted = &groups.state.snapshot.anomalies;
    page.family(&c::ANOMALIES, |samples| {
        groups.each(|name, _| {
            for anomaly in Anomaly::ALL {
                let count = counted.get(&(name.to_owned(), anomaly)).copied();
                samples.count(
                    &[name, anomaly.name(), anomaly.severity().name()],
                    count.unwrap_or_default(),
                );
            }
        });
    });
}

/// Events by group. Those that alerts count exist from the beginning: a series that begins at 1 has not increased.
fn events(page: &mut Page, groups: &GroupFamilies<'_>) {
    let told = &groups.state.tally.events;
    page.family(&c::GROUP_EVENTS, |samples| {
        groups.each(|group, _| {
            for (kind, severity) in COUNTED_FROM_ZERO {
                if !told.contains_key(&(group.to_owned(), kind, severity)) {
                    samples.count(&[group, kind, severity.name()], 0);
                }
            }
        });
        for ((group, kind, severity), count) in told {
            if groups.shows(group) {
                samples.count(&[group, kind, severity.name()], *count);
            }
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

/// The groups that are shown, for families with one sample a group or a key server.
pub(super) struct GroupFamilies<'a> {
    state: &'a State,
    /// What was configured comes first: it has room whatever was learned.
    shown: Vec<(&'a str, &'a GroupState)>,
    over: BTreeSet<&'a str>,
}

impl<'a> GroupFamilies<'a> {
    /// All but those that are `over`.
    pub(super) fn new(state: &'a State, over: &BTreeSet<&'a str>) -> Self {
        let groups = state.snapshot.groups.iter();
        let mut shown: Vec<_> = groups
            .map(|(name, group)| (name.as_str(), group))
            .filter(|(name, _)| !over.contains(name))
            .collect();
        shown.sort_by_key(|(name, group)| !(group.configured || *name == UNATTRIBUTED));
        Self {
            state,
            shown,
            over: over.clone(),
        }
    }

    fn shows(&self, name: &str) -> bool {
        !self.over.contains(name)
    }

    fn each(&self, mut one: impl FnMut(&str, &GroupState)) {
        for (name, group) in &self.shown {
            one(name, group);
        }
    }

    fn each_server(&self, mut one: impl FnMut(&str, &str, &KeyServerState)) {
        for (name, group) in &self.shown {
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
