//! How a key server renews its KEK, judged from timing alone.
//!
//! Each cycle, from one delivery to the next, is one vote: renewed well before the end of the lifetime, at the end,
//! after it, or neither. Three that agree make a verdict; one makes a provisional one. The latest three that agree
//! override all earlier votes, because the key server may run other software now.

use alloc::vec::Vec;
use core::time::Duration;

use crate::rules::kek::lead::{KEK_TIMING_SLACK, Schedule};
use crate::rules::{Context, Subject};
use crate::state::id::{GroupId, KeyServerId};
use crate::state::kek::{BehaviorVotes, KekCycle};
use crate::time::Timestamp;
use crate::transition::{KekBehavior, Verdict, What};

/// Votes that make a verdict.
const VERDICT_QUORUM: u32 = 3;
/// The new behaviour renews at least this early (Cisco document 116737).
const NEW_BEHAVIOR_LEAD: Duration = Duration::from_secs(200);
/// Lifetimes that people configure, in seconds.
const COMMON_LIFETIMES_SECONDS: [u64; 14] = [
    600, 900, 1_200, 1_800, 3_600, 7_200, 14_400, 21_600, 28_800, 43_200, 86_400, 172_800, 604_800, 2_592_000,
];

/// The vote of one cycle.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CycleVote {
    For(Verdict),
    /// Renewed off schedule: a change of policy, a failover.
    Forced,
}

/// A cycle ended with a delivery. Returns its lead before the end of the lifetime, in seconds.
pub(crate) fn on_kek_cycle(
    cx: &mut Context<'_>,
    id: GroupId,
    delivered: Option<Timestamp>,
    server: KeyServerId,
) -> Option<f64> {
    let history = &mut cx.state.groups[id].kek;
    let period = delivered?.since(history.start?);
    history.behavior.add(KekCycle { server, period });
    let schedule = cx.schedule(id);
    if !schedule.is_kek_lifetime_configured() {
        let learned = learn_lifetime(schedule, &cx.state.groups[id].kek.behavior);
        cx.state.groups[id].kek.behavior.learned = learned;
    }
    let (lifetime, _) = cx.schedule(id).kek_lifetime()?;
    let lead = lifetime.as_secs_f64() - period.as_secs_f64();
    judge_behavior(cx, id, server, lifetime, lead);
    Some(lead)
}

/// The one common lifetime that explains every cycle, by either behaviour. After a key server changed its behaviour,
/// the learned lifetime remains while it explains the latest cycles; after that the latest cycles decide.
fn learn_lifetime(schedule: Schedule<'_>, behavior: &BehaviorVotes) -> Option<Duration> {
    let periods: Vec<Duration> = behavior.cycles.iter().map(|cycle| cycle.period).collect();
    let quorum = VERDICT_QUORUM as usize;
    let Some(latest) = periods
        .len()
        .checked_sub(quorum)
        .and_then(|from| periods.get(from..))
    else {
        return behavior.learned;
    };
    // If there are several TEKs to a KEK, a rekey of TEKs may renew the KEK early.
    let shortest = periods.iter().copied().min().unwrap_or_default();
    let is_between = |interval: &Duration| *interval * 2 <= shortest;
    let interval = schedule.rekey_interval().filter(is_between).unwrap_or_default();
    let is_early = |lifetime: Duration, period: Duration| {
        let lead = schedule.kek_lead(lifetime);
        let latest = lifetime.saturating_sub(lead) + KEK_TIMING_SLACK;
        period <= latest && period + lead + interval + KEK_TIMING_SLACK >= lifetime
    };
    let is_late = |lifetime: Duration, period: Duration| period.abs_diff(lifetime) <= KEK_TIMING_SLACK;
    let only = |periods: &[Duration]| {
        let mut found = COMMON_LIFETIMES_SECONDS
            .into_iter()
            .map(Duration::from_secs)
            .filter(|&lifetime| {
                periods.iter().all(|&period| is_early(lifetime, period))
                    || periods.iter().all(|&period| is_late(lifetime, period))
            });
        let only = found.next();
        only.filter(|_| found.next().is_none())
    };
    let still_explains = |lifetime: &Duration| {
        let explains = |&period: &Duration| is_early(*lifetime, period) || is_late(*lifetime, period);
        latest.iter().all(explains)
    };
    only(&periods)
        .or(behavior.learned.filter(still_explains))
        .or_else(|| only(latest))
}

fn judge_behavior(cx: &mut Context<'_>, id: GroupId, server: KeyServerId, lifetime: Duration, lead: f64) {
    let schedule = cx.schedule(id);
    let mut tally = [0_u32; Verdict::ALL.len()];
    for verdict in collect_votes(schedule, &cx.state.groups[id].kek.behavior, server, lifetime) {
        if let Some(count) = tally.get_mut(verdict as usize) {
            *count += 1;
        }
    }
    let cycles: u32 = tally.iter().sum();
    let most = tally
        .into_iter()
        .zip(Verdict::ALL)
        .max_by_key(|&(count, verdict)| (count, verdict == Verdict::Indeterminate));
    let Some((most, verdict)) = most.filter(|_| cycles > 0) else {
        return;
    };
    let agreed = most * 3 >= cycles * 2;
    let verdict = if agreed { verdict } else { Verdict::Indeterminate };
    let provisional = !agreed || most < VERDICT_QUORUM;
    let what = What::KekBehavior(KekBehavior {
        verdict,
        lead_seconds: Some(lead),
        expected_lead: Some(schedule.kek_lead(lifetime)),
        votes: if agreed { most } else { 0 },
        cycles,
        provisional,
        lifetime_source: schedule.kek_lifetime().map(|(_, source)| source),
    });
    let behavior = &mut cx.state.groups[id].kek.behavior;
    if behavior.set_verdict(server, verdict, provisional) {
        cx.emit(Subject::server(id, server), what);
    }
}

/// The valid votes of a key server's cycles, the latest first.
fn collect_votes(
    schedule: Schedule<'_>,
    behavior: &BehaviorVotes,
    server: KeyServerId,
    lifetime: Duration,
) -> Vec<Verdict> {
    let own = behavior
        .cycles
        .iter()
        .rev()
        .filter(|cycle| cycle.server == server);
    let mut votes: Vec<Verdict> = own
        .filter_map(|cycle| match classify_cycle(schedule, lifetime, cycle.period) {
            CycleVote::For(verdict) => Some(verdict),
            CycleVote::Forced => None,
        })
        .collect();
    let latest = votes.first().copied();
    let agree = votes.iter().take_while(|vote| Some(**vote) == latest).count();
    if agree >= VERDICT_QUORUM as usize {
        votes.truncate(agree);
    }
    votes
}

fn classify_cycle(schedule: Schedule<'_>, lifetime: Duration, period: Duration) -> CycleVote {
    // A rekey of TEKs that is due earlier also renews the KEK.
    let interval = schedule.rekey_interval().unwrap_or(lifetime / 2);
    if period > lifetime + KEK_TIMING_SLACK {
        return CycleVote::For(Verdict::Overdue);
    }
    let lead = lifetime.saturating_sub(period);
    let max_lead = schedule.kek_lead(lifetime).max(NEW_BEHAVIOR_LEAD) + interval + KEK_TIMING_SLACK;
    if lead > max_lead {
        CycleVote::Forced
    } else if lead + KEK_TIMING_SLACK >= NEW_BEHAVIOR_LEAD {
        CycleVote::For(Verdict::New)
    } else if lead <= schedule.kek_slack() {
        CycleVote::For(Verdict::Legacy)
    } else {
        CycleVote::For(Verdict::Indeterminate)
    }
}
