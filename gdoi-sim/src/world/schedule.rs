//! When a rekey is due (TAC note 116737, as far as it is known).

use std::time::Duration;

use super::member::JUNIPER_ACTIVATION;
use super::rekey::{BATCH, BATCH_TIME};
use super::state::Kek;
use super::{Simulation, WorldEvent};
use crate::message::Content;
use crate::scenario::{Behavior, KekClock, Timers};

/// Not documented by the vendor.
const HPE_LEAD: Duration = Duration::from_mins(1);
const LEAST_KEK_LEAD: Duration = Duration::from_secs(200);
/// Time between two rekeys if both keys are due.
const BETWEEN_KEYS: Duration = Duration::from_secs(3);
const LEAST_TEK_LEAD: Duration = Duration::from_secs(90);
/// A KEK is delivered with a TEK that is due at most this much earlier.
const TOGETHER: Duration = Duration::from_mins(1);

impl Simulation {
    /// How long before expiry a key is renewed (TAC note 116737, as reconstructed): at least 5 % of its lifetime and
    /// at least `least`, and for unicast the time for repeats and batches.
    fn lead(&self, side: usize, lifetime: Duration, least: Duration) -> Duration {
        let row = &self.sides[side];
        let config = &self.groups[row.group].config;
        if config.timers == Timers::Juniper {
            return (4 * JUNIPER_ACTIVATION).min(lifetime * 3 / 4);
        }
        let mut lead = match config.timers {
            Timers::Cisco | Timers::Juniper => least.max(lifetime / 20),
            Timers::Hpe => HPE_LEAD.max(lifetime / 20),
            Timers::Rfc => lifetime / 10,
        };
        if config.is_unicast() {
            let batches = 1 + row.registered.len() as u32 / BATCH;
            lead += config.retransmit_interval * config.retransmit_count + BATCH_TIME * batches;
        }
        lead.min(lifetime * 3 / 4)
    }

    fn kek_due(&self, side: usize) -> gdoi_core::Timestamp {
        let row = &self.sides[side];
        let Kek { expiry, lifetime, .. } = row.plan.kek;
        let due = match self.servers[row.primary].behavior {
            Behavior::New => expiry.before(self.lead(side, lifetime, LEAST_KEK_LEAD)),
            Behavior::Legacy => expiry,
        };
        due.max(row.keeps_kek_until)
    }

    /// Plans the next rekey, replacing the earlier plan.
    pub(super) fn plan_rekey(&mut self, side: usize) {
        let tek = self.sides[side].plan.newest();
        let tek_due = tek.map_or(self.now, |tek| {
            tek.expiry.before(self.lead(side, tek.lifetime, LEAST_TEK_LEAD))
        });
        let config = &self.groups[self.sides[side].group].config;
        // Two keys that are due at once are sent one after the other.
        let soonest = match config.kek_clock {
            KekClock::Own => self.now.after(BETWEEN_KEYS),
            KekClock::Together => self.now,
        };
        let kek_due = if config.pull_only {
            tek_due
        } else {
            self.kek_due(side)
        };
        let due = tek_due.min(kek_due).max(soonest);
        let row = &mut self.sides[side];
        row.generation += 1;
        let generation = row.generation;
        self.agenda.plan(due, WorldEvent::Rekey { side, generation });
        self.record_due(side, due);
    }

    pub(super) fn rekey_due(&mut self, side: usize) {
        let row = &self.sides[side];
        if row.merged {
            return;
        }
        if self.servers[row.primary].down_since.is_some() {
            self.sides[side].overdue = true;
            self.record_outage(side);
            return;
        }
        let own = self.groups[self.sides[side].group].config.kek_clock == KekClock::Own;
        let due = self.kek_due(side);
        // A KEK that is due shortly after a TEK is delivered with it.
        let together = match self.servers[row.primary].behavior {
            Behavior::New if own => self.now,
            Behavior::New => self.now.after(TOGETHER),
            Behavior::Legacy => self.now,
        };
        let content = match due <= together {
            true if own => Content::Kek,
            true => Content::KekAndTek,
            false => Content::Tek,
        };
        self.rekey(side, content, false);
    }
}
