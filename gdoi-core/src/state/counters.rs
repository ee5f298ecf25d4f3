//! Counters for one key server of one group, and rate limits.

use gdoi_wire::Exchange;
use serde::{Deserialize, Serialize};

use crate::state::id::GroupId;
use crate::time::Timestamp;
use crate::transition::{RegistrationKind, RegistrationStage, RekeyKind, Transport};

/// Exchanges with their own counter, plus one for the rest.
const EXCHANGE_COUNTERS: usize = Exchange::NAMED.len() + 1;

/// A counter for each exchange.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ExchangeCounters([u64; EXCHANGE_COUNTERS]);

impl Default for ExchangeCounters {
    fn default() -> Self {
        Self([0; EXCHANGE_COUNTERS])
    }
}

impl ExchangeCounters {
    pub(crate) fn add(&mut self, exchange: Exchange) {
        if let Some(count) = self.0.get_mut(exchange.position()) {
            *count += 1;
        }
    }

    /// Every exchange that was counted; unnamed ones have number 0.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Exchange, u64)> {
        let exchanges = Exchange::NAMED.into_iter().chain([Exchange::Unknown(0)]);
        exchanges.zip(self.0).filter(|&(_, count)| count > 0)
    }
}

/// Single unanswered messages of strangers.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Scan {
    /// Those in quick succession, and the first of them.
    pub(crate) since: Timestamp,
    pub(crate) strangers: u32,
    /// All of them, and the number at which they are reported again.
    pub(crate) messages: u64,
    pub(crate) report_at: u64,
}

/// The counters of one key server in one group.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct GroupCounters {
    pub(crate) group: GroupId,
    pub(crate) messages: ExchangeCounters,
    pub(crate) completed: [u64; RegistrationKind::ALL.len()],
    pub(crate) failed: [u64; RegistrationKind::ALL.len()],
    pub(crate) failed_at: [u64; RegistrationStage::ALL.len()],
    pub(crate) rekeys: [[u64; Transport::ALL.len()]; RekeyKind::ALL.len()],
    pub(crate) rekey_messages: u64,
}

impl GroupCounters {
    pub(crate) fn new(group: GroupId) -> Self {
        Self {
            group,
            messages: ExchangeCounters::default(),
            completed: Default::default(),
            failed: Default::default(),
            failed_at: Default::default(),
            rekeys: Default::default(),
            rekey_messages: 0,
        }
    }
}

/// Increments a counter of a closed set, whose members are numbered in order.
pub(crate) fn increment(counters: &mut [u64], at: usize) {
    if let Some(counter) = counters.get_mut(at) {
        *counter = counter.saturating_add(1);
    }
}

/// Limits reports per ten seconds, so that a flood of forged messages does not become a flood of events.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct RateLimit {
    window: u64,
    taken: u32,
}

impl RateLimit {
    /// Whether one more may be reported now, of at most `most` in ten seconds.
    pub(crate) fn allow(&mut self, now: Timestamp, most: u32) -> bool {
        let window = now.as_nanos() / 10_000_000_000;
        if self.window != window {
            *self = Self { window, taken: 0 };
        }
        self.taken = self.taken.saturating_add(1);
        self.taken <= most
    }
}
