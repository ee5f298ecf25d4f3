//! What deserves attention, gathered: one finding for each type of event, group and severity.

use std::collections::BTreeMap;

use gdoi_core::transition::{Severity, Transition};
use serde::Serialize;

use crate::report::meaning;
use crate::time::{Calendar, Moment};

/// What deserves attention so far. Bounded by the types of events times the groups.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    by_kind: BTreeMap<Kind, Finding>,
    worst: Option<Severity>,
}

/// The order of findings: the worst first, then by type and group.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Kind {
    severity: std::cmp::Reverse<Severity>,
    name: &'static str,
    group: Option<String>,
}

/// Events of one type, group and severity.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    #[serde(rename = "type")]
    pub(crate) name: &'static str,
    pub(crate) group: Option<String>,
    pub(crate) count: u64,
    pub(crate) first: Moment,
    pub(crate) last: Moment,
    pub(crate) meaning: &'static str,
}

impl Findings {
    /// Takes an event.
    pub(crate) fn take(&mut self, transition: &Transition, calendar: Calendar) {
        let severity = transition.what.severity();
        self.worst = self.worst.max(Some(severity));
        if severity == Severity::Info {
            return;
        }
        let name = transition.what.name();
        let at = calendar.date(transition.at);
        let kind = Kind {
            severity: std::cmp::Reverse(severity),
            name,
            group: transition.group.clone(),
        };
        let finding = self.by_kind.entry(kind).or_insert_with(|| Finding {
            severity,
            name,
            group: transition.group.clone(),
            count: 0,
            first: at,
            last: at,
            meaning: meaning(&transition.what),
        });
        finding.count += 1;
        finding.last = at;
    }

    /// The findings, the worst first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Finding> {
        self.by_kind.values()
    }

    /// The severity of the worst event; `None` when there was none at all.
    pub(crate) const fn worst(&self) -> Option<Severity> {
        self.worst
    }
}
