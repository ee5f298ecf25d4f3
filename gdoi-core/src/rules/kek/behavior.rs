//! How a key server renews its KEK, told from timing alone.
//!
//! Each cycle, from one delivery to the next, is one vote: renewed well before the end of the lifetime, at the end,
//! after it, or neither. Three that agree make a verdict; one makes a provisional one. The latest three that agree make
//! one whatever was before: the key server got other software.

use alloc::vec::Vec;
use core::time::Duration;

use crate::rules::kek::lifetime::KEK_TIMING_SLACK;
use crate::state::id::GroupId;
use crate::state::kek::{KekCycle, MAX_KEK_CYCLES};
use crate::state::table::Id;
use crate::time::Timestamp;
use crate::tracker::{Subject, Tracker};
use crate::transition::{KekBehavior, Transition, Verdict, What};

/// Votes that make a verdict.
const VERDICT_QUORUM: u32 = 3;

/// The new behaviour renews at least this long before the end (Cisco document 116737).
const NEW_BEHAVIOR_LEAD: Duration = Duration::from_secs(200);

/// Lifetimes that people configure, in seconds.
const COMMON_LIFETIMES_SECONDS: [u64; 14] = [
    600, 900, 1_200, 1_800, 3_600, 7_200, 14_400, 21_600, 28_800, 43_200, 86_400, 172_800, 604_800, 2_592_000,
];

/// What one cycle says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CycleVote {
    For(Verdict),
    /// Renewed out of schedule: a change of policy, a failover.
    Forced,
}

impl Tracker {
    /// A cycle ended with a delivery. How long before the end of the lifetime that was, in seconds.
    pub(super) fn on_kek_cycle(
        &mut self,
        id: GroupId,
        delivered: Option<Timestamp>,
        server: Id,
        now: Timestamp,
        out: &mut Vec<Transition>,
    ) -> Option<f64> {
        let delivered = delivered?;
        let start = self.groups.get(id)?.kek.start?;
        let period = delivered.since(start);
        let votes = &mut self.groups.get_mut(id)?.kek.votes;
        if votes.cycles.len() >= MAX_KEK_CYCLES {
            votes.cycles.pop_front();
        }
        votes.cycles.push_back(KekCycle { server, period });
        let configured = self
            .groups
            .config(id, &self.config)
            .and_then(|known| known.kek_lifetime);
        if configured.is_none() {
            let learned = self.learn_lifetime(id);
            self.groups.get_mut(id)?.kek.votes.learned = learned;
        }
        let (lifetime, _) = self.kek_lifetime(id)?;
        let lead = lifetime.as_secs_f64() - period.as_secs_f64();
        self.judge_behavior(id, server, lifetime, lead, now, out);
        Some(lead)
    }

    /// The one round lifetime that explains every cycle, by either behaviour.
    fn learn_lifetime(&self, id: GroupId) -> Option<Duration> {
        let votes = &self.groups.get(id)?.kek.votes;
        if votes.cycles.len() < VERDICT_QUORUM as usize {
            return votes.learned;
        }
        let interval = self.rekey_interval(id).unwrap_or_default();
        let explains = |lifetime: Duration| {
            let lead = self.kek_lead(id, lifetime);
            let renewed_early = |period: Duration| {
                let latest = lifetime.saturating_sub(lead) + KEK_TIMING_SLACK;
                period <= latest && period + lead + interval + KEK_TIMING_SLACK >= lifetime
            };
            let renewed_late = |period: Duration| period.abs_diff(lifetime) <= KEK_TIMING_SLACK;
            let mut periods = votes.cycles.iter().map(|cycle| cycle.period);
            periods.clone().all(renewed_early) || periods.all(renewed_late)
        };
        let mut found = COMMON_LIFETIMES_SECONDS
            .into_iter()
            .map(Duration::from_secs)
            .filter(|&lifetime| explains(lifetime));
        let only = found.next();
        only.filter(|_| found.next().is_none())
    }

    fn judge_behavior(
        &mut self,
        id: GroupId,
        server: Id,
        lifetime: Duration,
        lead: f64,
        now: Timestamp,
        out: &mut Vec<Transition>,
    ) -> Option<()> {
        let votes = self.collect_votes(id, server, lifetime)?;
        let mut tally = [0_u32; Verdict::ALL.len()];
        for verdict in votes {
            if let Some(count) = tally.get_mut(verdict as usize) {
                *count += 1;
            }
        }
        let cycles: u32 = tally.iter().sum();
        let (most, verdict) = tally
            .into_iter()
            .zip(Verdict::ALL)
            .max_by_key(|&(count, verdict)| (count, verdict == Verdict::Indeterminate))?;
        if cycles == 0 {
            return None;
        }
        let agreed = most * 3 >= cycles * 2;
        let verdict = if agreed { verdict } else { Verdict::Indeterminate };
        let provisional = !agreed || most < VERDICT_QUORUM;
        let expected = self.kek_lead(id, lifetime);
        let source = self.kek_lifetime(id).map(|(_, source)| source);
        let said = &mut self.groups.get_mut(id)?.kek.votes.said;
        match said.iter_mut().find(|(at, _, _)| *at == server) {
            Some((_, before, was)) if *before == verdict && *was == provisional => return None,
            Some(entry) => *entry = (server, verdict, provisional),
            None => said.push((server, verdict, provisional)),
        }
        let what = What::KekBehavior(KekBehavior {
            verdict,
            lead_seconds: Some(lead),
            expected_lead: Some(expected),
            votes: if agreed { most } else { 0 },
            cycles,
            provisional,
            lifetime_source: source,
        });
        self.emit(now, Subject::server(id, server), what, out);
        Some(())
    }

    /// What the cycles of a key server say, the latest first, as far as they count.
    fn collect_votes(&self, id: GroupId, server: Id, lifetime: Duration) -> Option<Vec<Verdict>> {
        let cycles = self.groups.get(id)?.kek.votes.cycles.iter().rev();
        let own = cycles.filter(|cycle| cycle.server == server);
        let mut votes: Vec<Verdict> = own
            .filter_map(|cycle| match self.classify_cycle(id, lifetime, cycle.period) {
                CycleVote::For(verdict) => Some(verdict),
                CycleVote::Forced => None,
            })
            .collect();
        let latest = votes.first().copied();
        let agree = votes.iter().take_while(|vote| Some(**vote) == latest).count();
        if agree >= VERDICT_QUORUM as usize {
            votes.truncate(agree);
        }
        Some(votes)
    }

    fn classify_cycle(&self, id: GroupId, lifetime: Duration, period: Duration) -> CycleVote {
        // A rekey of TEKs that falls due earlier takes the KEK with it.
        let interval = self.rekey_interval(id).unwrap_or(lifetime / 2);
        let late = KEK_TIMING_SLACK + self.repeats(id);
        if period > lifetime + KEK_TIMING_SLACK {
            return CycleVote::For(Verdict::Overdue);
        }
        let lead = lifetime.saturating_sub(period);
        if lead > self.kek_lead(id, lifetime).max(NEW_BEHAVIOR_LEAD) + interval + KEK_TIMING_SLACK {
            CycleVote::Forced
        } else if lead + KEK_TIMING_SLACK >= NEW_BEHAVIOR_LEAD {
            CycleVote::For(Verdict::New)
        } else if lead <= late {
            CycleVote::For(Verdict::Legacy)
        } else {
            CycleVote::For(Verdict::Indeterminate)
        }
    }
}
