//! Key servers and their messages.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use super::{Whole, line};
use crate::client::{KeyServer, Text, counted, seconds};

impl Whole {
    pub(super) fn servers(&self, to: &mut String) -> fmt::Result {
        writeln!(to, "\nKEY SERVERS AND REGISTRATIONS\n")?;
        if self.group.key_servers.is_empty() {
            line(to, "Group Server list", "unknown: none seen or configured")?;
        }
        for (place, server) in self.group.key_servers.iter().enumerate() {
            let label = if place == 0 { "Group Server list" } else { "" };
            line(to, label, &self.server(server))?;
        }
        let (completed, failed) = self.group.registrations();
        let mut registrations = format!("{completed} completed, {failed} failed");
        for (stage, count) in sum(&self.group.key_servers, |server| &server.failed_at) {
            write!(registrations, " ({count} at {stage})")?;
        }
        line(to, "Registrations", &registrations)?;
        let registration = &self.group.registration;
        line(to, "In progress", &registration.in_progress.to_string())?;
        if let Some(mean) = registration.duration.mean_seconds {
            line(to, "Took on average", &format!("{mean:.3} sec"))?;
        }
        if registration.double > 0 {
            let double = format!(
                "{}, before and after the KEK expired",
                counted(registration.double, "member")
            );
            line(to, "Registered twice", &double)?;
        }
        if registration.bursts > 0 {
            let now = if registration.burst_active {
                "one now"
            } else {
                "none now"
            };
            let (bursts, members) = (registration.bursts, counted(registration.burst_members, "member"));
            line(to, "Bursts", &format!("{bursts}, {now}, {members} in the last"))?;
        }
        Ok(())
    }

    fn server(&self, server: &KeyServer) -> String {
        let active = if server.pushes { " (active)" } else { "" };
        let answers = match server.up {
            Some(true) => "answers",
            Some(false) => "SILENT",
            None => "not asked yet",
        };
        let heard = match server.last_seen {
            Some(last) => format!("heard {}", self.ago(last)),
            None => "never heard".to_owned(),
        };
        format!("{}{active}, {answers}, {heard}", server.address)
    }

    pub(super) fn rekeys(&self, to: &mut String) -> fmt::Result {
        let (group, rekey) = (&self.group, &self.group.rekey);
        writeln!(to, "\nREKEYS\n")?;
        let mut received = group.rekeys().to_string();
        let kinds = sum(&group.key_servers, |server| &server.rekeys);
        if !kinds.is_empty() {
            let kinds: Vec<_> = kinds
                .iter()
                .map(|(kind, count)| format!("{count} {kind}"))
                .collect();
            write!(received, " ({})", kinds.join(", "))?;
        }
        line(to, "Rekeys received", &received)?;
        let messages: u64 = group.key_servers.iter().map(|server| server.rekey_messages).sum();
        line(to, "Rekey messages", &messages.to_string())?;
        line(to, "Rekeys retransmitted", &rekey.retransmissions.to_string())?;
        let acknowledged = match rekey.unacknowledged_members {
            None => "unknown: no acknowledgement seen".to_owned(),
            Some(missing) => format!(
                "{} so far; {missing} of {} not for the last rekey",
                rekey.acknowledgements, rekey.recipients
            ),
        };
        line(to, "Acknowledgements", &acknowledged)?;
        let last = match rekey.last {
            None => "none seen".to_owned(),
            Some(last) => format!("{}, {}", self.ago(last), counted(rekey.recipients, "recipient")),
        };
        line(to, "Last rekey", &last)?;
        let next = match (rekey.next_expected, rekey.overdue) {
            (None, _) => "unknown: too few rekeys seen, and no tek_lifetime configured".to_owned(),
            (Some(next), true) => format!("OVERDUE for {}", seconds(self.now.since(next))),
            (Some(next), false) => self.left(next),
        };
        line(to, "Next rekey expected in", &next)
    }
}

/// The sum over the key servers, without keys that were never counted.
fn sum(servers: &[KeyServer], counts: impl Fn(&KeyServer) -> &BTreeMap<Text, u64>) -> BTreeMap<&str, u64> {
    let mut sum = BTreeMap::new();
    for (word, count) in servers.iter().flat_map(counts) {
        *sum.entry(&**word).or_default() += *count;
    }
    sum.retain(|_, count| *count > 0);
    sum
}
