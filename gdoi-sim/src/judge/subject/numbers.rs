//! What is known at the end: KEK, next rekey, behaviour of each key server, group of each member.

use gdoi_core::Timestamp;
use gdoi_core::snapshot::GroupState;
use gdoi_core::transition::{Severity, Verdict};

use super::{Told, claim, fact};
use crate::journal::KekEntry;
use crate::judge::case::{Case, SILENCE};
use crate::judge::rule::{Known, Rule};
use crate::judge::tally::{Number, Score, Subject};
use crate::scenario::{Behavior, Timers};

pub(super) fn judge(case: &Case<'_>, score: &mut Score) {
    for group in 0..case.scenario.groups.len() {
        let state = state_of(case, group);
        if case.has_seen_rekey(group, case.end) {
            kek(case, score, group, state);
            next(case, score, group, state);
            behavior(case, score, group, state);
        }
    }
    members(case, score);
}

/// The observer's state of a group, under the name that covers most of it.
fn state_of<'a>(case: &Case<'a>, group: usize) -> Option<&'a GroupState> {
    let names = case.names.iter().filter(|(_, of)| **of == group);
    let states = names.filter_map(|(name, _)| case.snapshot.groups.get(name));
    states.max_by_key(|state| (state.rekey.last, state.kek.chain.len()))
}

/// Start, expiry and lifetime of the KEK that the latest rekey used, or of the one that it delivered.
fn kek(case: &Case<'_>, score: &mut Score, group: usize, state: Option<&GroupState>) {
    let keks = case.keks_in_use(group);
    let Some(kek) = keks.first().filter(|_| !case.is_split_at_end(group)) else {
        return;
    };
    let state = state.map(|state| &state.kek);
    if case.is_kek_lifetime_new(group, case.end) {
        return;
    }
    let key = case.group_name(group);
    let known = case.kek_lifetime_is_known(group, case.end);
    let life = Known::unless(Rule::LifetimeKnown, &[(!known, Rule::NotLearned)]);
    let seconds = kek.lifetime.as_secs_f64();
    // A configured lifetime is exact; one learned from intervals includes repeats and batches.
    let as_told = case
        .scenario
        .groups
        .get(group)
        .is_some_and(|config| config.kek_lifetime == kek.lifetime);
    let tolerance = if case.told == Told::All && as_told {
        1.0
    } else {
        60.0 + seconds / 50.0
    };
    let lifetime = state.and_then(|state| state.lifetime);
    let error = lifetime.map(|lifetime| lifetime.as_secs_f64() - seconds);
    score.number(
        case.told,
        &Number {
            name: "KEK lifetime",
            key: &key,
            at: case.end,
            known: life,
            error,
            tolerance,
        },
    );
    let seen = kek.push.is_some_and(|push| case.is_push_seen(push));
    let start = Known::unless(
        Rule::Dissected,
        &[
            (!seen, Rule::BeginningNotSeen),
            (keks.len() > 1, Rule::EndOfTime),
            (case.witness.is_blind(kek.made, case.end), Rule::NotWatching),
        ],
    );
    let nearest = |said: Option<Timestamp>, right: fn(&KekEntry) -> Timestamp| {
        let errors = keks.iter().map(|kek| Some(difference(said?, right(kek))));
        errors
            .flatten()
            .min_by(|one, two| one.abs().total_cmp(&two.abs()))
    };
    let begun = nearest(state.and_then(|state| state.start), |kek| kek.made);
    score.number(
        case.told,
        &Number {
            name: "KEK start",
            key: &key,
            at: case.end,
            known: start,
            error: begun,
            tolerance: 5.0,
        },
    );
    let ends = nearest(state.and_then(|state| state.expiry), KekEntry::expiry);
    let end = match start {
        Known::Must(_) => life,
        open @ Known::Open(_) => open,
    };
    score.number(
        case.told,
        &Number {
            name: "KEK expiry",
            key: &key,
            at: case.end,
            known: end,
            error: ends,
            tolerance: tolerance + 5.0,
        },
    );
}

/// When the next rekey is due.
fn next(case: &Case<'_>, score: &mut Score, group: usize, state: Option<&GroupState>) {
    let Some((due, side)) = case.next_rekey(group) else {
        return;
    };
    let last = case.last_rekey(group, side);
    let learned = case.told == Told::All || case.schedule_is_seen(group, side, case.end);
    let known = Known::unless(
        Rule::ScheduleKnown,
        &[
            (!learned, Rule::NotLearned),
            (case.is_split_at_end(group), Rule::TwoCauses),
            (
                !last.is_some_and(|(number, _)| case.is_push_seen(number)),
                Rule::NotSeen,
            ),
            (
                last.is_some_and(|(_, at)| case.witness.is_blind(at, case.end)),
                Rule::NotWatching,
            ),
        ],
    );
    let said = state.and_then(|state| state.rekey.next_expected);
    // A rekey that begins just before the end may not be reported yet: then it is the next one.
    let begun = last.map(|(_, at)| at).filter(|at| case.end.since(*at) < SILENCE);
    let error = said.map(|said| {
        let errors = [Some(due), begun].into_iter().flatten();
        let errors = errors.map(|right| difference(said, right));
        let nearest = errors.min_by(|one, two| one.abs().total_cmp(&two.abs()));
        nearest.unwrap_or_default()
    });
    let interval = last.map_or(0.0, |(_, at)| due.since(at).as_secs_f64());
    // Batches and repeats are part of the lead, and are not configured.
    let tolerance = 30.0 + interval / 50.0;
    if case.is_split_at_end(group)
        || case.is_tek_lifetime_new(group, case.end)
        || case.is_kek_lifetime_new(group, case.end)
    {
        return;
    }
    score.number(
        case.told,
        &Number {
            name: "next rekey",
            key: &case.group_name(group),
            at: case.end,
            known,
            error,
            tolerance,
        },
    );
}

/// How the key server that sends the rekeys renews its KEK, at the end.
fn behavior(case: &Case<'_>, score: &mut Score, group: usize, state: Option<&GroupState>) {
    let Some(config) = case.scenario.groups.get(group) else {
        return;
    };
    let (Some((behavior, since)), Some(server)) = (case.behavior_at_end(group), case.primary_at_end(group))
    else {
        return;
    };
    let right: &[Verdict] = match (config.timers, behavior, case.is_kek_late_at_end(group)) {
        (_, _, true) => &[
            Verdict::Overdue,
            Verdict::New,
            Verdict::Legacy,
            Verdict::Indeterminate,
        ],
        (Timers::Hpe | Timers::Juniper | Timers::Rfc, Behavior::New, _) => {
            &[Verdict::New, Verdict::Indeterminate]
        }
        (_, Behavior::New, _) => &[Verdict::New],
        (_, Behavior::Legacy, _) => &[Verdict::Legacy],
    };
    let cycles = case.kek_cycles_seen(group, since);
    let enough = if case.told == Told::All {
        cycles >= 1
    } else {
        cycles >= 4
    };
    let known = Known::unless(
        Rule::CyclesSeen,
        &[
            (!enough, Rule::NotLearned),
            (right.len() > 1, Rule::TwoCauses),
            (
                case.told != Told::All && !case.is_behavior_decidable(group),
                Rule::TwoCauses,
            ),
            (case.is_split_at_end(group), Rule::TwoCauses),
            (case.has_trouble(group, since), Rule::TwoCauses),
        ],
    );
    let key = format!(
        "{} {server} {}",
        case.group_name(group),
        right.first().map_or("", |verdict| verdict.name())
    );
    let said = state
        .and_then(|state| state.key_servers.get(&server))
        .and_then(|state| state.behavior);
    let claims = match said {
        None | Some(Verdict::Indeterminate) if right.first() != Some(&Verdict::Indeterminate) => Vec::new(),
        Some(verdict) if right.contains(&verdict) => Vec::from([claim(key.clone(), case.end)]),
        // Too few cycles since the change: the earlier behaviour is still right.
        Some(_) if cycles < 3 && since > case.scenario.start => Vec::new(),
        Some(verdict) => Vec::from([claim(
            format!(
                "{} {server} said {}, is {key}",
                case.group_name(group),
                verdict.name()
            ),
            case.end,
        )]),
        None => Vec::new(),
    };
    let facts = Vec::from([fact(key, case.end, std::time::Duration::ZERO, known)]);
    let subject = Subject {
        name: "KEK behaviour at the end",
        severity: Severity::Warning,
        needs_certainty: false,
    };
    score.judge(case.told, subject, facts, claims);
}

/// The group of each member that is in only one.
fn members(case: &Case<'_>, score: &mut Score) {
    let (mut facts, mut claims) = (Vec::new(), Vec::new());
    for member in &case.snapshot.members {
        let key = case.member_key(Some(member.address));
        let number = case.number_at(member.address);
        let groups = number.map(|number| case.groups_of(number)).unwrap_or_default();
        let name = member
            .group
            .as_ref()
            .filter(|name| *name != gdoi_core::snapshot::UNATTRIBUTED);
        if let (Some(number), 1, Some(group)) = (number, groups.len(), groups.first()) {
            let known = Known::unless(
                Rule::OnlyOneGroup,
                &[
                    (
                        case.told != Told::All && !case.has_spoken_for(number, *group),
                        Rule::NotSeen,
                    ),
                    (
                        case.told != Told::All && case.shares_servers(*group),
                        Rule::TwoCauses,
                    ),
                ],
            );
            let key = format!("{key} {}", case.group_name(*group));
            facts.push(fact(key, member.first_seen, std::time::Duration::ZERO, known));
        }
        if let Some(name) = name {
            let said = case.group(Some(name));
            let right = said.is_some_and(|said| groups.contains(&said));
            let several = groups.len() > 1 && right;
            if !several && number.is_some() {
                claims.push(claim(
                    format!("{key} {}", case.group_key(Some(name))),
                    member.first_seen,
                ));
            }
        }
    }
    let subject = Subject {
        name: "group of a member",
        severity: Severity::Info,
        needs_certainty: false,
    };
    score.judge(case.told, subject, facts, claims);
}

fn difference(said: Timestamp, right: Timestamp) -> f64 {
    said.since(right).as_secs_f64() - right.since(said).as_secs_f64()
}
