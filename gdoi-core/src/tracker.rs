//! The only entry points: observations in, transitions out.

use alloc::string::String;
use alloc::vec::Vec;

use crate::observation::{Message, Observation, host};
use crate::snapshot::{EspTotal, Snapshot, UNATTRIBUTED};
use crate::time::Timestamp;
use crate::transition::{Transition, What};

/// What the user knows of the groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {}

/// How much may be remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Key servers and exchanges with a count of their own.
    pub message_counts: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_counts: 65_536,
        }
    }
}

/// Follows every group from what a source observes.
#[derive(Clone, Debug)]
pub struct Tracker {
    limits: Limits,
    snapshot: Snapshot,
}

impl Tracker {
    /// Knows nothing yet.
    pub fn new(_config: Config, limits: Limits) -> Self {
        Self {
            limits,
            snapshot: Snapshot::default(),
        }
    }

    /// Takes one observation made at `now`, after whatever deadlines had passed by then.
    pub fn observe(&mut self, now: Timestamp, seen: &Observation<'_>, out: &mut Vec<Transition>) {
        self.advance(now, out);
        match seen {
            Observation::Message(message) => self.message(message),
            Observation::Esp(esp) => {
                let total = self.snapshot.esp.entry(String::from(UNATTRIBUTED)).or_default();
                let EspTotal { packets, octets } = total;
                *packets = packets.saturating_add(esp.packets);
                *octets = octets.saturating_add(esp.octets);
            }
            Observation::Loss(loss) => {
                out.push(Transition {
                    at: now,
                    group: None,
                    what: What::CaptureLoss(*loss),
                });
            }
        }
    }

    /// Lets every deadline up to `now` pass.
    pub fn advance(&mut self, _now: Timestamp, _out: &mut Vec<Transition>) {}

    /// When [`Self::advance`] has something to do next, if nothing more is observed.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        None
    }

    /// What is known now.
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot.clone()
    }

    fn message(&mut self, message: &Message<'_>) {
        let server = host(message.destination).min(host(message.source));
        let key = (String::from(UNATTRIBUTED), server, message.header.exchange());
        if self.snapshot.messages.len() < self.limits.message_counts
            || self.snapshot.messages.contains_key(&key)
        {
            *self.snapshot.messages.entry(key).or_default() += 1;
        }
    }
}
