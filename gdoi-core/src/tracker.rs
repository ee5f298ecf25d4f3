//! The only entry points: observations in, transitions out.

use alloc::string::String;
use alloc::vec::Vec;

use crate::config::Config;
use crate::limits::Limits;
use crate::observation::{Message, Observation, host};
use crate::snapshot::{EspTotal, Snapshot, UNATTRIBUTED};
use crate::time::Timestamp;
use crate::transition::{Transition, What};

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
                    key_server: None,
                    member: None,
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

    /// Says what a window that is still open would say at its end: for the end of a capture, or before a restart.
    ///
    /// Nothing is said of silences: the end of watching is not a silence.
    pub fn finish(&mut self, now: Timestamp, out: &mut Vec<Transition>) {
        self.advance(now, out);
    }

    /// What is known now.
    pub fn snapshot(&self) -> Snapshot {
        self.snapshot.clone()
    }

    fn message(&mut self, message: &Message<'_>) {
        let server = host(message.destination).min(host(message.source));
        let key = (String::from(UNATTRIBUTED), server, message.header.exchange());
        if self.snapshot.messages.len() < self.limits.key_servers || self.snapshot.messages.contains_key(&key)
        {
            *self.snapshot.messages.entry(key).or_default() += 1;
        }
    }
}
