//! Registrations: that they begin, how they end, why they were needed, and how many begin at once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gdoi_core::Timestamp;
use gdoi_core::transition::{ReRegistrationReason as Said, Severity, What};

use super::{Told, claim, fact};
use crate::journal::{AttemptEnd, AttemptEntry};
use crate::judge::case::{AttemptSeen, Case, SILENCE};
use crate::judge::rule::{Known, Rule};
use crate::judge::tally::{Claim, Fact, Score, Subject, Sure};
use crate::scenario::Direction;
use crate::truth::{Kind, Reason};

const SOON: Duration = Duration::from_secs(5);
/// The last answer may be repeated, if it was lost once.
const LATE_ANSWER: Duration = Duration::from_mins(1);

pub(super) fn judge(case: &Case<'_>, score: &mut Score) {
    started(case, score);
    completed(case, score);
    failed(case, score);
    let repeated = repeated(case);
    re_registration(case, score, &repeated);
    reasons(case, score, &repeated);
    double(case, score);
}

const fn subject(name: &'static str, severity: Severity) -> Subject {
    Subject {
        name,
        severity,
        needs_certainty: false,
    }
}

pub(super) fn attempts<'a>(case: &'a Case<'_>) -> impl Iterator<Item = (&'a AttemptEntry, &'a AttemptSeen)> {
    case.journal.attempts.iter().zip(&case.witness.attempts)
}

/// Key servers have IKE SAs between them. For an unknown peer, only the PULL or the failure shows that it was a
/// registration.
fn started(case: &Case<'_>, score: &mut Score) {
    let mut known_members = BTreeSet::new();
    let facts = attempts(case).filter_map(|(entry, seen)| {
        let at = seen.first?;
        let is_new = !known_members.contains(&entry.member);
        if seen.final_answer.is_some() {
            known_members.insert(entry.member);
        }
        let within = if is_new && case.told != Told::All {
            SILENCE
        } else {
            SOON
        };
        let known = Known::unless(
            Rule::Dissected,
            &[(seen.first_request.is_none_or(|first| first != at), Rule::HalfSeen)],
        );
        Some(fact(case.member(entry.member), at, within, known))
    });
    let claims = case.claims("registration_started", |one| case.member_key(one.member));
    let mut facts: Vec<Fact> = facts.collect();
    facts.extend(strangers(case, "registration_started"));
    score.judge(
        case.told,
        subject("registration_started", Severity::Info),
        facts,
        claims,
    );
}

/// Attempts of strangers may be claimed, as long as they are attributed to no group.
fn strangers<'a>(case: &'a Case<'_>, event: &'a str) -> impl Iterator<Item = Fact> + 'a {
    let said = case.said.iter().filter(move |one| {
        let nobody = one
            .group
            .as_deref()
            .is_none_or(|name| name == gdoi_core::snapshot::UNATTRIBUTED);
        one.what.name() == event && nobody && one.member.is_some_and(|member| case.is_stranger(member.ip()))
    });
    said.map(|one| {
        fact(
            case.member_key(one.member),
            one.at,
            Duration::ZERO,
            Known::Open(Rule::TwoCauses),
        )
    })
}

/// Known from the last answer, if its request was seen too.
fn completed(case: &Case<'_>, score: &mut Score) {
    let facts = attempts(case).filter_map(|(entry, seen)| {
        let completed = entry.end.is_some_and(|(_, end)| end == AttemptEnd::Completed);
        let at = match (seen.final_answer, completed) {
            (Some(at), _) => at,
            (None, true) => entry.end.map(|(at, _)| at)?,
            (None, false) => return None,
        };
        let known = completion(case, entry, seen);
        Some(fact(case.member(entry.member), at, LATE_ANSWER, known))
    });
    let claims = case.claims("registration_completed", |one| case.member_key(one.member));
    score.judge(
        case.told,
        subject("registration_completed", Severity::Info),
        facts.collect(),
        claims,
    );
}

fn completion(case: &Case<'_>, entry: &AttemptEntry, seen: &AttemptSeen) -> Known {
    let ended = entry.end.map_or(entry.began, |(at, _)| at);
    let completed = entry.end.is_some_and(|(_, end)| end == AttemptEnd::Completed);
    Known::unless(
        Rule::SeenWhole,
        &[
            (!completed, Rule::LostLater),
            (seen.final_answer.is_none(), Rule::NotSeen),
            (case.witness.is_blind(entry.began, ended), Rule::NotWatching),
            (
                case.scenario.vantage.direction != Direction::Both
                    || case.misses_some()
                    || seen.first_request.is_none(),
                Rule::HalfSeen,
            ),
        ],
    )
}

/// A member that gave up, or that lost power half way.
fn failed(case: &Case<'_>, score: &mut Score) {
    let facts = attempts(case).filter_map(|(entry, seen)| {
        let first = seen.first?;
        let (ended, end) = entry.end?;
        let gave_up = match end {
            AttemptEnd::Completed => return None,
            AttemptEnd::Failed => true,
            AttemptEnd::Abandoned => false,
        };
        let known = Known::unless(
            Rule::SeenWhole,
            &[
                (!gave_up, Rule::TwoCauses),
                (seen.final_answer.is_some(), Rule::LostLater),
                (seen.first_request.is_none(), Rule::HalfSeen),
                (
                    case.witness.is_blind(first, ended.after(SILENCE)),
                    Rule::NotWatching,
                ),
                (!case.sees_both_ways(entry.member, first, ended), Rule::HalfSeen),
                (case.ends_before(ended.after(SILENCE)), Rule::EndOfTime),
            ],
        );
        Some(Fact {
            from: first,
            until: ended.after(SILENCE),
            ..fact(case.member(entry.member), ended, SILENCE, known)
        })
    });
    let claims = case.said.iter().filter_map(|one| match &one.what {
        What::RegistrationFailed(end) => Some(Claim {
            sure: Sure::of(end.grounds.certainty),
            doubtful: !case.scenario.vantage.is_whole()
                || case.witness.is_blind(one.at.before(SILENCE * 2), one.at),
            ..claim(case.member_key(one.member), one.at)
        }),
        _ => None,
    });
    let mut facts: Vec<Fact> = facts.collect();
    facts.extend(strangers(case, "registration_failed"));
    score.judge(
        case.told,
        subject("registration_failed", Severity::Warning),
        facts,
        claims.collect(),
    );
}

/// A registration of a member that had registered before, and whether that was seen.
#[derive(Clone, Copy)]
struct Repeated {
    entry: AttemptEntry,
    at: Timestamp,
    known: Known,
}

fn repeated(case: &Case<'_>) -> Vec<Repeated> {
    // When each member was first known: by address and group, and by address alone.
    let mut known_in: BTreeMap<(String, usize), Timestamp> = BTreeMap::new();
    let mut known_at: BTreeMap<String, Timestamp> = BTreeMap::new();
    let mut truly: BTreeSet<(String, usize)> = BTreeSet::new();
    for push in &case.witness.pushes {
        for (member, times) in &push.to {
            let (Some(member), Some(first)) = (member, times.first()) else {
                continue;
            };
            let Some(entry) = case.journal.members.get(*member) else {
                continue;
            };
            let at = known_in
                .entry((case.member(*member), entry.group))
                .or_insert(*first);
            *at = (*at).min(*first);
            let at = known_at.entry(case.member(*member)).or_insert(*first);
            *at = (*at).min(*first);
        }
    }
    let mut ordered: Vec<(&AttemptEntry, &AttemptSeen)> = attempts(case)
        .filter(|(entry, _)| entry.end.is_some_and(|(_, end)| end == AttemptEnd::Completed))
        .collect();
    ordered.sort_by_key(|(entry, _)| entry.end.map(|(at, _)| at));
    let mut repeated = Vec::new();
    for (entry, seen) in ordered {
        let Some(member) = case.journal.members.get(entry.member) else {
            continue;
        };
        let (name, Some((ended, _))) = (case.member(entry.member), entry.end) else {
            continue;
        };
        let key = (name.clone(), member.group);
        let before = !truly.insert(key.clone());
        let at = seen.final_answer.unwrap_or(ended);
        let seen_before = known_in.get(&key).is_some_and(|first| *first < at);
        let address_before = known_at.get(&name).is_some_and(|first| *first < at);
        if before || address_before {
            let known = match completion(case, entry, seen) {
                Known::Open(rule) => Known::Open(rule),
                Known::Must(_) => Known::unless(
                    Rule::SeenWhole,
                    &[
                        (!before, Rule::SameAddress),
                        (case.groups_of(entry.member).len() > 1, Rule::SameAddress),
                        (!seen_before, Rule::NotSeen),
                    ],
                ),
            };
            repeated.push(Repeated {
                entry: *entry,
                at,
                known,
            });
        }
        if seen.final_answer.is_some() {
            known_in.entry(key).or_insert(at);
            known_at.entry(name).or_insert(at);
        }
    }
    repeated
}

fn re_registration(case: &Case<'_>, score: &mut Score, repeated: &[Repeated]) {
    let facts = repeated
        .iter()
        .map(|again| fact(case.member(again.entry.member), again.at, SILENCE, again.known));
    let claims = case.claims("re_registration", |one| case.member_key(one.member));
    score.judge(
        case.told,
        subject("re_registration", Severity::Info),
        facts.collect(),
        claims,
    );
}

/// Why members registered again. A wrong reason is always wrong; giving none is wrong only where the reason can be
/// known.
fn reasons(case: &Case<'_>, score: &mut Score, repeated: &[Repeated]) {
    let mut unpaired: BTreeMap<String, Vec<(Timestamp, BTreeSet<Said>, Known)>> = BTreeMap::new();
    for Repeated { entry, at, known } in repeated.iter().copied() {
        let right = right_reasons(case, &entry);
        let known = match known {
            Known::Must(_) => Known::unless(
                Rule::LifetimeKnown,
                &[
                    (case.told != Told::All, Rule::NotLearned),
                    (!case.sees_ends(&entry), Rule::BeginningNotSeen),
                    (entry.reason == Reason::Boot && right.len() > 1, Rule::TwoCauses),
                    (
                        case.witness
                            .is_blind(entry.began.before(case.longest_life(entry.member)), at),
                        Rule::NotWatching,
                    ),
                ],
            ),
            Known::Open(rule) => Known::Open(rule),
        };
        let of = unpaired.entry(case.member(entry.member)).or_default();
        of.push((at, right, known));
    }
    let mut truth: Vec<Fact> = Vec::new();
    let mut claims: Vec<Claim> = Vec::new();
    for one in case.said {
        let What::ReRegistration(again) = &one.what else {
            continue;
        };
        let key = case.member_key(one.member);
        let Some(of_member) = unpaired.get_mut(&key) else {
            continue;
        };
        let near = of_member
            .iter()
            .position(|(at, ..)| one.at.since(*at) + at.since(one.at) <= SILENCE);
        let Some((at, right, known)) = near.map(|at| of_member.remove(at)) else {
            continue;
        };
        let word = again.reason.name();
        let withheld = again.reason == Said::Unknown;
        let names: Vec<&str> = right.iter().map(|reason| reason.name()).collect();
        let wanted = format!("{key} {}", names.join("|"));
        if withheld {
            truth.push(fact(wanted, at, SILENCE, known));
        } else if right.contains(&again.reason) {
            truth.push(fact(wanted.clone(), at, SILENCE, known));
            claims.push(claim(wanted, one.at));
        } else {
            truth.push(fact(wanted, at, SILENCE, known));
            claims.push(claim(format!("{key} {word}"), one.at));
        }
    }
    score.judge(
        case.told,
        subject("re_registration reason", Severity::Info),
        truth,
        claims,
    );
}

/// Every reason that is right for a registration.
fn right_reasons(case: &Case<'_>, entry: &AttemptEntry) -> BTreeSet<Said> {
    let mut right = BTreeSet::new();
    match entry.reason {
        Reason::Boot => right.extend([Said::Reload]),
        Reason::Kek => right.extend([Said::KekExpiry, Said::TekOrKekExpiry]),
        Reason::Tek => right.extend([Said::TekExpiry, Said::TekOrKekExpiry]),
        Reason::Forced => right.extend([Said::Forced]),
    }
    // A rekey that it was sent since it last had keys, and did not receive.
    let long = case.longest_life(entry.member);
    let missed = case.rekeys().any(|(_, push)| {
        push.at <= entry.began
            && entry.began.since(push.at) <= long
            && push.recipients.contains(&entry.member)
            && !push.taken.contains(&entry.member)
    });
    if missed {
        right.insert(Said::MissedRekey);
    }
    let group = case.journal.members.get(entry.member).map(|member| member.group);
    let forced = case.rekeys().any(|(_, push)| {
        push.forced
            && Some(push.group) == group
            && push.at <= entry.began
            && entry.began.since(push.at) <= long
    });
    if forced {
        right.insert(Said::Forced);
    }
    if entry.reason == Reason::Boot {
        // A start at a time when the end of a key would have made it register anyway.
        let ends = case
            .journal
            .teks
            .iter()
            .map(|tek| (tek.group, tek.expiry(), Said::TekExpiry));
        let keks = case
            .journal
            .keks
            .iter()
            .map(|kek| (kek.group, kek.expiry(), Said::KekExpiry));
        for (of, at, word) in ends.chain(keks) {
            let near = entry.began.since(at) + at.since(entry.began) <= long / 20 + SILENCE;
            if Some(of) == group && near {
                right.extend([word, Said::TekOrKekExpiry]);
            }
        }
    }
    right
}

/// Twice per KEK: before it expires, and after.
fn double(case: &Case<'_>, score: &mut Score) {
    let mut facts = Vec::new();
    for group in 0..case.scenario.groups.len() {
        for one in case
            .happened_in(group)
            .filter(|one| one.kind == Kind::DoubleReregistration)
        {
            let life = case.kek_lifetime_at(group, one.at);
            let from = one.at.before(life * 2);
            let near = one
                .member
                .and_then(|address| case.number_of(address, group))
                .is_some_and(|member| case.sees_both_ways(member, from, one.at));
            let known = Known::unless(
                Rule::LifetimeKnown,
                &[
                    (!near, Rule::HalfSeen),
                    (
                        !case.kek_start_is_seen(group, one.at.before(life)),
                        Rule::BeginningNotSeen,
                    ),
                    (!case.kek_lifetime_is_known(group, one.at), Rule::NotLearned),
                    (case.ends_before(one.at.after(SILENCE)), Rule::EndOfTime),
                ],
            );
            facts.push(fact(case.member_key(one.member), one.at, SILENCE, known));
        }
    }
    let claims = case.claims("double_reregistration", |one| case.member_key(one.member));
    score.judge(
        case.told,
        subject("double_reregistration", Severity::Warning),
        facts,
        claims,
    );
}
