//! When rekeys are due: claims about the interval, its changes, a contradicted configuration, and heartbeats that
//! look like rekeys.

use std::time::Duration;

use gdoi_core::Timestamp;
use gdoi_core::transition::{Severity, What};

use super::{Told, claim, fact};
use crate::journal::{PushEntry, PushKind, TekEntry};
use crate::judge::case::Case;
use crate::judge::rule::{Known, Rule};
use crate::judge::tally::{Claim, Fact, Score, Subject};
use crate::scenario::Action;

/// Batches, repeats and combined rekeys vary the intervals.
const SLACK: Duration = Duration::from_secs(30);
/// Rekeys after which a new interval or a contradicted configuration can be known.
const CHANGE_SHOWS: usize = 5;
/// Heartbeats after which they can be distinguished from rekeys.
const HEARTBEATS_SHOW: usize = 5;

pub(super) fn judge(case: &Case<'_>, score: &mut Score) {
    expectations(case, score);
    changes(case, score);
    contradictions(case, score);
    heartbeats(case, score);
}

const fn subject(name: &'static str, severity: Severity) -> Subject {
    Subject {
        name,
        severity,
        needs_certainty: false,
    }
}

fn is_near(one: Duration, other: Duration) -> bool {
    one.abs_diff(other) <= SLACK + one.max(other) / 50
}

/// From one rekey of a group to the next, and to the next one with the same kind of key; each interval with its end.
fn intervals(case: &Case<'_>, group: usize, until: Timestamp) -> Vec<(Timestamp, Duration)> {
    let of: Vec<&PushEntry> = case
        .rekeys()
        .filter(|(_, push)| push.group == group && push.at <= until)
        .map(|(_, push)| push)
        .collect();
    let mut intervals = Vec::new();
    for (index, push) in of.iter().enumerate() {
        let before = of.get(..index).unwrap_or_default().iter().rev();
        let before = before.filter(|other| other.side == push.side);
        let same = before.clone().find(|other| other.kind == push.kind);
        for earlier in [before.clone().next(), same].into_iter().flatten() {
            intervals.push((push.at, push.at.since(earlier.at)));
        }
    }
    intervals
}

/// A right claim counts as found. A withheld one is judged by when the next rekey is due.
fn expectations(case: &Case<'_>, score: &mut Score) {
    let (mut facts, mut claims) = (Vec::new(), Vec::new());
    for one in case.said {
        let What::RekeyExpectation(said) = &one.what else {
            continue;
        };
        let Some(interval) = said.interval.filter(|_| said.known) else {
            continue;
        };
        let key = format!("{} {} s", case.group_key(one.group.as_ref()), interval.as_secs());
        claims.push(claim(key.clone(), one.at));
        let right = case.group(one.group.as_ref()).is_some_and(|group| {
            // If configured, it is known before the first of them.
            let until = one.at.after(interval * 2);
            let real = intervals(case, group, until);
            real.iter().any(|(_, real)| is_near(*real, interval))
        });
        if right {
            facts.push(fact(
                key,
                one.at,
                Duration::ZERO,
                Known::Must(Rule::ScheduleKnown),
            ));
        }
    }
    score.judge(
        case.told,
        subject("rekey_expectation", Severity::Info),
        facts,
        claims,
    );
}

/// TEKs of a group since its lifetime changed, and whether it changed by more than a quarter.
fn lifetime_changes<'a>(case: &'a Case<'_>) -> impl Iterator<Item = (usize, Timestamp, Vec<&'a TekEntry>)> {
    let changes = case.scenario.events.iter().filter_map(|event| {
        let lifetime = event
            .tek_lifetime
            .filter(|_| event.action == Action::SetLifetimes)?;
        let group = (event.group as usize).checked_sub(1)?;
        let at = case.scenario.start.after(event.at);
        let before = case
            .journal
            .teks
            .iter()
            .rfind(|tek| tek.group == group && tek.made <= at)?;
        let great = before.lifetime.abs_diff(lifetime) > before.lifetime / 4;
        great.then_some((group, at, lifetime))
    });
    changes.map(|(group, at, lifetime)| {
        let since = case
            .journal
            .teks
            .iter()
            .filter(move |tek| tek.group == group && tek.made >= at);
        (
            group,
            at,
            since.take_while(move |tek| tek.lifetime == lifetime).collect(),
        )
    })
}

/// Whether and when a changed lifetime shows here: enough rekeys at the new interval, all of them seen.
fn shows(case: &Case<'_>, group: usize, at: Timestamp, since: &[&TekEntry]) -> (Timestamp, Known) {
    let enough = since.get(CHANGE_SHOWS);
    let shown = enough.map_or(case.end, |tek| tek.made);
    let all_seen = since
        .iter()
        .take(CHANGE_SHOWS + 1)
        .all(|tek| tek.push.is_some_and(|push| case.is_push_seen(push)));
    let before = case
        .rekeys()
        .filter(|(number, push)| push.group == group && push.at < at && case.is_push_seen(*number))
        .count();
    let known = Known::unless(
        Rule::ScheduleKnown,
        &[
            (enough.is_none(), Rule::EndOfTime),
            (!all_seen || before < CHANGE_SHOWS, Rule::NotSeen),
            (
                !case.sees_rekeys(group, case.watched_from(), shown),
                Rule::HalfSeen,
            ),
            // An outage or a forced rekey causes intervals of its own.
            (case.is_disturbed(group), Rule::TwoCauses),
        ],
    );
    (shown, known)
}

fn changes(case: &Case<'_>, score: &mut Score) {
    let mut facts: Vec<Fact> = Vec::new();
    for (group, at, since) in lifetime_changes(case) {
        // With configured lifetimes the contradiction is claimed instead.
        let (shown, known) = shows(case, group, at, &since);
        let known = if case.told == Told::All {
            Known::Open(Rule::TwoCauses)
        } else {
            known
        };
        facts.push(Fact {
            key: case.group_name(group),
            at: shown,
            from: at,
            until: case.end,
            known,
        });
    }
    let mut claims: Vec<Claim> = Vec::new();
    for one in case.said {
        let What::RekeyIntervalChanged(said) = &one.what else {
            continue;
        };
        let key = case.group_key(one.group.as_ref());
        let by_fact = facts
            .iter()
            .any(|fact| fact.key == key && (fact.from..=fact.until).contains(&one.at));
        claims.push(claim(key.clone(), one.at));
        // Other members, another behaviour and a separate timer also change intervals.
        let real = case
            .group(one.group.as_ref())
            .map(|group| intervals(case, group, one.at))
            .unwrap_or_default();
        let was = |wanted: Duration| real.iter().rposition(|(_, real)| is_near(*real, wanted));
        let changed = was(said.to).is_some_and(|to| {
            let earlier = real.get(..to).unwrap_or_default();
            earlier.iter().any(|(_, real)| is_near(*real, said.from))
        });
        if changed && !by_fact {
            facts.push(fact(key, one.at, Duration::ZERO, Known::Open(Rule::TwoCauses)));
        }
    }
    score.judge(
        case.told,
        subject("rekey_interval_changed", Severity::Info),
        facts,
        claims,
    );
}

/// A configured lifetime differs from the one that rekeys show. Only that of TEKs shows.
fn contradictions(case: &Case<'_>, score: &mut Score) {
    let mut facts: Vec<Fact> = Vec::new();
    for (group, at, since) in lifetime_changes(case).filter(|_| case.told == Told::All) {
        let (shown, known) = shows(case, group, at, &since);
        let until = since.last().map_or(at, |tek| tek.expiry());
        facts.push(Fact {
            key: format!("{} tek_lifetime", case.group_name(group)),
            at: shown,
            from: at,
            until,
            known,
        });
    }
    let claims = case.said.iter().filter_map(|one| match &one.what {
        What::ConfigurationContradicted(said) => Some(claim(
            format!("{} {}", case.group_key(one.group.as_ref()), said.key),
            one.at,
        )),
        _ => None,
    });
    score.judge(
        case.told,
        subject("configuration_contradicted", Severity::Warning),
        facts,
        claims.collect(),
    );
}

fn heartbeats(case: &Case<'_>, score: &mut Score) {
    let mut facts = Vec::new();
    for group in 0..case.scenario.groups.len() {
        let pushes = case.journal.pushes.iter().zip(&case.witness.pushes);
        let seen: Vec<Timestamp> = pushes
            .filter(|(push, _)| push.group == group && push.kind == PushKind::Heartbeat)
            .filter_map(|(_, seen)| seen.first)
            .collect();
        let Some(first) = seen.first().copied() else {
            continue;
        };
        let shown = seen.get(HEARTBEATS_SHOW - 1).copied();
        let known = Known::unless(
            Rule::ScheduleKnown,
            &[
                (shown.is_none(), Rule::NotLearned),
                (case.misses_some(), Rule::HalfSeen),
                (
                    shown.is_some_and(|shown| case.witness.is_blind(first, shown)),
                    Rule::NotWatching,
                ),
            ],
        );
        facts.push(Fact {
            key: case.group_name(group),
            at: shown.unwrap_or(first),
            from: first,
            until: case.end,
            known,
        });
    }
    let claims = case.claims("heartbeats", |one| case.group_key(one.group.as_ref()));
    score.judge(case.told, subject("heartbeats", Severity::Info), facts, claims);
}
