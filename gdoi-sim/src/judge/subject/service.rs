//! Whether members are served: key servers that answer nobody, rekeys that reach nobody, members that register
//! instead of being rekeyed, or again and again.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use gdoi_core::Timestamp;
use gdoi_core::transition::{Severity, What};

use super::registration::attempts;
use super::{claim, fact};
use crate::journal::{AttemptEnd, AttemptEntry, PushEntry, PushKind};
use crate::judge::case::{Case, SILENCE};
use crate::judge::rule::{Known, Rule};
use crate::judge::tally::{Claim, Fact, Score, Subject, Sure};
use crate::truth::Kind;

/// Members that give up before a key server can be said to answer nobody.
const GIVE_UP: usize = 3;
/// Registrations of a member at equal intervals from which they can be called regular.
const REGULAR: usize = 5;
/// Consecutive rekeys that at least half of the members miss.
const MISSED: usize = 4;

pub(super) fn judge(case: &Case<'_>, score: &mut Score) {
    silent(case, score);
    answers(case, score);
    pull_only(case, score);
    loops(case, score);
    not_received(case, score);
}

const fn subject(name: &'static str, severity: Severity) -> Subject {
    Subject {
        name,
        severity,
        needs_certainty: false,
    }
}

fn server(case: &Case<'_>, entry: &AttemptEntry) -> Option<IpAddr> {
    case.journal
        .servers
        .get(entry.server)
        .map(|server| server.address)
}

/// When each key server was down.
fn outages(case: &Case<'_>) -> BTreeSet<(IpAddr, Timestamp, Timestamp)> {
    let mut outages = BTreeSet::new();
    for group in 0..case.scenario.groups.len() {
        let mut down: BTreeMap<IpAddr, Timestamp> = BTreeMap::new();
        for one in case.happened_in(group) {
            let Some(address) = one.key_server else { continue };
            match one.kind {
                Kind::ServerDown => {
                    down.entry(address).or_insert(one.at);
                }
                Kind::ServerUp => {
                    outages.extend(down.remove(&address).map(|since| (address, since, one.at)));
                }
                _ => {}
            }
        }
        outages.extend(
            down.into_iter()
                .map(|(address, since)| (address, since, case.end)),
        );
    }
    outages
}

/// A key server that is down, once several members have given up on it.
fn silent(case: &Case<'_>, score: &mut Score) {
    let mut facts = Vec::new();
    for (address, since, until) in outages(case) {
        let mut given_up: BTreeMap<usize, Timestamp> = BTreeMap::new();
        let mut has_answered = false;
        for (entry, seen) in attempts(case).filter(|(entry, _)| server(case, entry) == Some(address)) {
            has_answered |= seen.final_answer.is_some_and(|at| at < since);
            let failed = entry
                .end
                .filter(|(at, end)| *end == AttemptEnd::Failed && *at < until);
            if let (Some((at, _)), Some(first)) = (failed, seen.first_request)
                && first > since
                && case.sees_both_ways(entry.member, first, at)
            {
                given_up.entry(entry.member).or_insert(at);
            }
        }
        let mut times: Vec<Timestamp> = given_up.into_values().collect();
        times.sort_unstable();
        let shown = times.get(GIVE_UP - 1).copied();
        let known = Known::unless(
            Rule::NothingCameBack,
            &[
                (shown.is_none() || !has_answered, Rule::NotSeen),
                (
                    shown.is_some_and(|shown| case.witness.is_blind(since, shown)),
                    Rule::NotWatching,
                ),
                (
                    shown.is_some_and(|shown| case.ends_before(shown.after(SILENCE))),
                    Rule::EndOfTime,
                ),
            ],
        );
        facts.push(Fact {
            key: address.to_string(),
            at: shown.unwrap_or(since),
            from: since,
            until: until.after(SILENCE),
            known,
        });
    }
    let mut claims: Vec<Claim> = Vec::new();
    for one in case.said {
        let (What::KeyServerSilent(said), Some(address)) = (&one.what, one.key_server) else {
            continue;
        };
        let key = address.to_string();
        let explained = facts
            .iter()
            .any(|fact| fact.key == key && (fact.from..=fact.until).contains(&one.at));
        // If the path to it is blocked, it is silent as seen from here.
        let from = one.at.before(said.silence);
        let answered = attempts(case).any(|(entry, seen)| {
            server(case, entry) == Some(address)
                && seen.answered
                && seen.last.is_some_and(|last| from < last && last <= one.at)
        });
        if !explained && !answered {
            facts.push(fact(
                key.clone(),
                one.at,
                Duration::ZERO,
                Known::Open(Rule::TwoCauses),
            ));
        }
        claims.push(Claim {
            sure: Sure::of(said.grounds.certainty),
            doubtful: !case.scenario.vantage.is_whole() || case.witness.is_blind(from, one.at),
            ..claim(key, one.at)
        });
    }
    score.judge(
        case.told,
        Subject {
            needs_certainty: true,
            ..subject("key_server_silent", Severity::Critical)
        },
        facts,
        claims,
    );
}

/// The end of a claimed silence: known with the next registration that it completes.
fn answers(case: &Case<'_>, score: &mut Score) {
    let mut facts = Vec::new();
    for one in case.said {
        let (What::KeyServerSilent(_), Some(address)) = (&one.what, one.key_server) else {
            continue;
        };
        let next = attempts(case)
            .filter(|(entry, _)| server(case, entry) == Some(address))
            .filter_map(|(_, seen)| seen.final_answer)
            .filter(|at| *at > one.at)
            .min();
        let known = Known::unless(
            Rule::Dissected,
            &[
                (next.is_none(), Rule::EndOfTime),
                (case.misses_some(), Rule::HalfSeen),
                (
                    next.is_some_and(|next| case.witness.is_blind(one.at, next)),
                    Rule::NotWatching,
                ),
            ],
        );
        facts.push(Fact {
            key: address.to_string(),
            at: next.unwrap_or(one.at),
            from: one.at,
            until: next.unwrap_or(case.end).after(SILENCE),
            known,
        });
    }
    let claims = case.claims("key_server_answers", |one| {
        one.key_server
            .map_or_else(String::new, |server| server.to_string())
    });
    score.judge(
        case.told,
        subject("key_server_answers", Severity::Info),
        facts,
        claims,
    );
}

/// When each member completed a registration.
fn registrations(case: &Case<'_>) -> BTreeMap<usize, Vec<(Timestamp, IpAddr, bool)>> {
    let mut completed: BTreeMap<usize, Vec<(Timestamp, IpAddr, bool)>> = BTreeMap::new();
    for (entry, seen) in attempts(case) {
        if let (Some((at, AttemptEnd::Completed)), Some(server)) = (entry.end, server(case, entry)) {
            let whole = seen.first_request.is_some() && seen.final_answer.is_some();
            completed
                .entry(entry.member)
                .or_default()
                .push((at, server, whole));
        }
    }
    for of in completed.values_mut() {
        of.sort_unstable();
    }
    completed
}

/// A key server that rekeys in none of its groups, and members that register regularly.
fn pull_only(case: &Case<'_>, score: &mut Score) {
    let completed = registrations(case);
    let mut facts = Vec::new();
    let servers: BTreeSet<IpAddr> = case.journal.servers.iter().map(|server| server.address).collect();
    for address in servers {
        let of = |group: usize| {
            case.scenario
                .groups
                .get(group)
                .is_some_and(|group| group.key_servers.contains(&address))
        };
        let groups: Vec<usize> = (0..case.scenario.groups.len())
            .filter(|group| of(*group))
            .collect();
        if !groups.iter().any(|group| case.is_pull_only(*group)) {
            continue;
        }
        let mut regular: Vec<Timestamp> = completed
            .values()
            .filter_map(|times| {
                let own: Vec<_> = times
                    .iter()
                    .filter(|(_, server, whole)| *server == address && *whole)
                    .collect();
                own.get(REGULAR - 1).map(|(at, ..)| *at)
            })
            .collect();
        regular.sort_unstable();
        let shown = regular.get(2).copied();
        let only = groups.iter().all(|group| case.is_pull_only(*group));
        let known = Known::unless(
            Rule::SeenWhole,
            &[
                (shown.is_none(), Rule::NotLearned),
                (!only, Rule::TwoCauses),
                (case.misses_some(), Rule::HalfSeen),
                // A member of several groups registers for each.
                (
                    groups.len() > 1 || groups.iter().any(|group| has_shared_members(case, *group)),
                    Rule::SameAddress,
                ),
                (
                    case.witness
                        .is_blind(case.scenario.start, shown.unwrap_or(case.end)),
                    Rule::NotWatching,
                ),
                (
                    groups.iter().any(|group| case.is_disturbed(*group)) || case.is_scripted(&groups),
                    Rule::TwoCauses,
                ),
            ],
        );
        let until = case.end;
        let at = shown.unwrap_or(until);
        let fact = |known| Fact {
            key: address.to_string(),
            at,
            from: case.scenario.start,
            until,
            known,
        };
        facts.push(fact(known));
        // It may be claimed again after an interruption.
        let said = case
            .said
            .iter()
            .filter(|one| matches!(one.what, What::PullOnly(_)) && one.key_server == Some(address));
        facts.extend(said.skip(1).map(|_| fact(Known::Open(Rule::SeenWhole))));
    }
    let claims = case.claims("pull_only", |one| {
        one.key_server
            .map_or_else(String::new, |server| server.to_string())
    });
    score.judge(case.told, subject("pull_only", Severity::Info), facts, claims);
}

fn has_shared_members(case: &Case<'_>, group: usize) -> bool {
    let members = case.journal.members.iter().enumerate();
    members
        .filter(|(_, member)| member.group == group)
        .any(|(number, _)| case.groups_of(number).len() > 1)
}

/// A claim that a member registers at equal intervals is right if it did. When that becomes a loop is open, so none
/// is missed.
fn loops(case: &Case<'_>, score: &mut Score) {
    let completed = registrations(case);
    let mut facts = Vec::new();
    let mut claims = Vec::new();
    for one in case.said {
        let What::RegistrationLoop(said) = &one.what else {
            continue;
        };
        let key = case.member_key(one.member);
        let since = one.at.before(said.since + SILENCE);
        let member = one.member.and_then(|address| case.number_at(address));
        let same: Vec<Timestamp> = member
            .into_iter()
            .flat_map(|member| case.same_address(member))
            .filter_map(|member| completed.get(&member))
            .flatten()
            .map(|(at, ..)| *at)
            .filter(|at| (since..=one.at.after(SILENCE)).contains(at))
            .collect();
        let enough = same.len() + 1 >= said.registrations as usize;
        if enough && said.registrations > 2 {
            facts.push(fact(
                key.clone(),
                one.at,
                Duration::ZERO,
                Known::Must(Rule::SeenWhole),
            ));
        }
        claims.push(claim(key, one.at));
    }
    score.judge(
        case.told,
        subject("registration_loop", Severity::Warning),
        facts,
        claims,
    );
}

/// Consecutive rekeys that at least half of the members did not receive, and after which they registered.
fn not_received(case: &Case<'_>, score: &mut Score) {
    let mut facts = Vec::new();
    let missed = |push: &PushEntry| -> BTreeSet<usize> {
        let taken: BTreeSet<&usize> = push.taken.iter().collect();
        let not = push.recipients.iter().filter(|member| !taken.contains(member));
        not.copied().filter(|member| case.is_near(*member)).collect()
    };
    for group in 0..case.scenario.groups.len() {
        let of = || {
            case.journal
                .pushes
                .iter()
                .enumerate()
                .filter(move |(_, push)| push.group == group && push.kind != PushKind::Heartbeat)
        };
        let mut in_a_row = 0;
        for (number, push) in of() {
            let near = push
                .recipients
                .iter()
                .filter(|member| case.is_near(**member))
                .count();
            let missing = missed(push).len();
            let is_missed = missing >= 2 && missing * 2 >= near && case.is_push_seen(number);
            in_a_row = if is_missed { in_a_row + 1 } else { 0 };
            if in_a_row != MISSED {
                continue;
            }
            let long = case.longest_tek(group);
            let begun = push.at.before(long * MISSED as u32);
            let until = push.at.after(long * 2);
            let known = Known::unless(
                Rule::SeenWhole,
                &[
                    (
                        !missed(push)
                            .iter()
                            .all(|member| case.sees_both_ways(*member, begun, until)),
                        Rule::HalfSeen,
                    ),
                    (has_shared_members(case, group), Rule::SameAddress),
                    (case.is_disturbed(group), Rule::TwoCauses),
                    (
                        case.told != super::Told::All && case.shares_servers(group),
                        Rule::TwoCauses,
                    ),
                    (case.ends_before(until), Rule::EndOfTime),
                ],
            );
            facts.push(Fact {
                key: case.group_name(group),
                at: push.at,
                from: begun,
                until,
                known,
            });
        }
    }
    let mut claims: Vec<Claim> = Vec::new();
    for one in case.said {
        let What::RekeyNotReceived(said) = &one.what else {
            continue;
        };
        let key = case.group_key(one.group.as_ref());
        let by_fact = facts
            .iter()
            .any(|fact| fact.key == key && (fact.from..=fact.until).contains(&one.at));
        let group = case.group(one.group.as_ref());
        let last = case
            .rekeys()
            .filter(|(_, push)| Some(push.group) == group && push.at <= one.at);
        let last: Vec<&PushEntry> = last.map(|(_, push)| push).collect();
        let some = last.iter().rev().take(2).any(|push| !missed(push).is_empty());
        if some && !by_fact {
            facts.push(fact(
                key.clone(),
                one.at,
                Duration::ZERO,
                Known::Open(Rule::TwoCauses),
            ));
        }
        claims.push(Claim {
            sure: Sure::of(said.grounds.certainty),
            doubtful: !case.scenario.vantage.is_whole(),
            ..claim(key, one.at)
        });
    }
    score.judge(
        case.told,
        subject("rekey_not_received", Severity::Warning),
        facts,
        claims,
    );
}
