//! The result of a flood, compared with the guarantees.

use std::fmt;

use anyhow::{Result, ensure};

use super::events::Events;
use super::trial::SentTraffic;
use super::{Kind, Trial};
use crate::Metrics;
use crate::resources::mib;

/// All tables full, with the buffers of the rings; the shipped unit allows 512 MiB.
const MEMORY: u64 = 192 << 20;

/// The result of a flood.
#[derive(Clone, Debug)]
pub struct FloodOutcome {
    pub(super) trial: Trial,
    pub(super) sent: SentTraffic,
    /// Forwarded packets that arrived.
    pub(super) received: u64,
    pub(super) metrics: Metrics,
    pub(super) events: Events,
}

impl FloodOutcome {
    /// Checks all guarantees.
    pub fn check(&self) -> Result<()> {
        self.counts()?;
        self.bounds()?;
        self.group()
    }

    /// Every packet was forwarded and counted; every message was tracked, or counted as lost.
    fn counts(&self) -> Result<()> {
        let SentTraffic {
            living,
            forwarded,
            flood,
            lost_after_a_tick,
            ..
        } = &self.sent;
        let received = self.received;
        ensure!(
            received == *forwarded,
            "{forwarded} packets were to be forwarded, {received} arrived"
        );
        let expect = living.frames + forwarded + flood;
        let counted = self.sum("gdoi_packets_total", &[]);
        ensure!(counted == expect, "{expect} frames were sent, {counted} counted");
        let messages = self.sum("gdoi_packets_total", &[("class", "isakmp")]);
        let (tracked, lost) = (self.sum("gdoi_messages_tracked_total", &[]), self.lost());
        ensure!(
            messages == tracked + lost,
            "{messages} messages came, {tracked} tracked, {lost} lost"
        );
        let (esp, named) = (
            self.sum("gdoi_packets_total", &[("class", "esp")]),
            self.sum("gdoi_esp_packets_total", &[]),
        );
        ensure!(esp == named, "{esp} ESP packets came, {named} are reported");
        ensure!(
            lost == whole(*lost_after_a_tick),
            "messages were lost after the flood was over"
        );
        Ok(())
    }

    /// Memory and tables stay within their bounds.
    fn bounds(&self) -> Result<()> {
        let largest = self.sent.largest;
        ensure!(largest <= MEMORY, "the agent had {largest} octets of memory");
        let entries = self.metrics.by("gdoi_table_entries", "kind");
        let capacity = self.metrics.by("gdoi_table_capacity", "kind");
        for (kind, entries) in entries {
            let capacity = capacity.get(&kind).copied().unwrap_or_default();
            ensure!(entries <= capacity, "{kind}: {entries} entries of {capacity}");
        }
        Ok(())
    }

    /// Each rekey of the group was reported, or fell into a reported gap; nothing was invented.
    fn group(&self) -> Result<()> {
        let Self { sent, events, .. } = self;
        ensure!(
            sent.rekeys.len() >= 8,
            "only {} rekeys happened",
            sent.rekeys.len()
        );
        for rekey in events.untold(&sent.rekeys, sent.late) {
            ensure!(
                events.was_blind(rekey, sent.late),
                "a rekey at {rekey:?} was silently absent; told were {:?}",
                events.types
            );
        }
        ensure!(
            events.rekeys.len() <= sent.rekeys.len(),
            "{} rekeys happened, {} were told",
            sent.rekeys.len(),
            events.rekeys.len()
        );
        let claims = &events.false_claims;
        ensure!(claims.is_empty(), "false claims: {claims:?}");
        Ok(())
    }

    fn lost(&self) -> u64 {
        self.sum("gdoi_events_lost_total", &[("kind", "message")])
    }

    fn sum(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        whole(self.metrics.sum(name, labels))
    }

    /// The table head for outcomes.
    pub const HEADING: &str = "| flood | packets/s | forwarded, arrived | messages | lost in the ring | rekeys, told | \
        of the rest uncertain | events | memory, MiB | evictions |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|";
}

impl fmt::Display for FloodOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            trial: Trial { kinds, time },
            sent,
            received,
            events,
            ..
        } = self;
        let names: Vec<_> = kinds.iter().map(|kind| Kind::name(*kind)).collect();
        let rate = u128::from(sent.flood) * 1_000 / time.as_millis().max(1);
        let untold = events.untold(&sent.rekeys, sent.late);
        write!(
            f,
            "| {} | {rate} | {}, {received} | {} | {} | {}, {} | {} | {} | {:.1} | {} |",
            names.join(", "),
            sent.forwarded,
            self.sum("gdoi_packets_total", &[("class", "isakmp")]),
            self.lost(),
            sent.rekeys.len(),
            events.rekeys.len(),
            untold
                .iter()
                .filter(|at| events.was_blind(**at, sent.late))
                .count(),
            events.types.values().sum::<usize>(),
            mib(sent.largest),
            self.sum("gdoi_table_evictions_total", &[]),
        )
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
const fn whole(count: f64) -> u64 {
    count as u64
}
