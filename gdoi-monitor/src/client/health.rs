//! The health of a group: what needs attention first.

use gdoi_core::snapshot::UNATTRIBUTED;
use gdoi_core::transition::Severity;

use super::{Group, Text, counted};

/// A problem of a group, in a word or two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// How bad it is.
    pub severity: Severity,
    /// What it is.
    pub what: String,
}

impl Group {
    /// Its current problems, the worst first.
    pub fn complaints(&self) -> Vec<Complaint> {
        let states = [
            (self.kek.split, Severity::Critical, "KEK split"),
            (self.kek.expired, Severity::Critical, "KEK expired"),
            (self.kek.over_age, Severity::Critical, "KEK over age"),
            (self.rekey.overdue, Severity::Critical, "rekey overdue"),
            (self.registration.burst_active, Severity::Warning, "burst"),
        ];
        let mut complaints: Vec<_> = states
            .into_iter()
            .filter(|(holds, ..)| *holds)
            .map(|(_, severity, what)| Complaint {
                severity,
                what: what.to_owned(),
            })
            .collect();
        let silent = self.key_servers.iter().filter(|server| server.up == Some(false));
        complaints.extend(silent.map(|server| warning(format!("{} silent", server.address))));
        if self.esp.lagging_sites > 0 {
            complaints.push(warning(format!(
                "{} late",
                counted(self.esp.lagging_sites, "site")
            )));
        }
        if let Some(missing) = self.rekey.unacknowledged_members.filter(|missing| *missing > 0) {
            complaints.push(warning(format!("{missing} unacknowledged")));
        }
        complaints
    }

    /// Its current state, in one line.
    pub fn state(&self) -> String {
        let words: Vec<_> = self.complaints().into_iter().map(|one| one.what).collect();
        match (self.is_unattributed(), words.is_empty(), self.messages.is_empty()) {
            (_, false, _) => words.join(", "),
            (true, true, _) => "-".to_owned(),
            (false, true, true) => "nothing seen".to_owned(),
            (false, true, false) => "ok".to_owned(),
        }
    }

    /// Whether this is unattributed traffic instead of a group.
    pub fn is_unattributed(&self) -> bool {
        &*self.name == UNATTRIBUTED
    }

    /// Rekeys of a kind.
    pub fn rekeys_of(&self, kind: &str) -> u64 {
        self.key_servers
            .iter()
            .filter_map(|server| server.rekeys.get(kind))
            .sum()
    }

    /// Rekeys of all kinds.
    pub fn rekeys(&self) -> u64 {
        self.key_servers
            .iter()
            .flat_map(|server| server.rekeys.values())
            .sum()
    }

    /// Completed and failed registrations.
    pub fn registrations(&self) -> (u64, u64) {
        let sum = |counts: &std::collections::BTreeMap<Text, u64>| counts.values().sum::<u64>();
        self.key_servers
            .iter()
            .fold((0, 0), |(completed, failed), server| {
                (completed + sum(&server.completed), failed + sum(&server.failed))
            })
    }
}

fn warning(what: String) -> Complaint {
    Complaint {
        severity: Severity::Warning,
        what,
    }
}
