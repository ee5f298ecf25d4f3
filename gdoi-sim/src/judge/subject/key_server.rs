//! Key servers and their KEKs: who sends rekeys, who is silent, which KEKs changed, expired or are used too long;
//! also discovered groups and capture loss.

use std::collections::BTreeSet;
use std::time::Duration;

use gdoi_core::observation::LossKind;
use gdoi_core::transition::{Severity, What};

use super::{Told, claim, fact};
use crate::judge::case::{Case, SILENCE, hex};
use crate::judge::rule::{Known, Rule};
use crate::judge::tally::{Claim, Fact, Score, Subject, Sure};
use crate::scenario::Action;
use crate::truth::Kind;

pub(super) fn judge(case: &Case<'_>, score: &mut Score) {
    primaries(case, score);
    silent(case, score);
    splits(case, score);
    expired(case, score);
    over_age(case, score);
    changed(case, score);
    discovered(case, score);
    ambiguous(case, score);
    contradictions(case, score);
}

const fn subject(name: &'static str, severity: Severity) -> Subject {
    Subject {
        name,
        severity,
        needs_certainty: false,
    }
}

/// Another key server sends the rekeys: known with its first.
fn primaries(case: &Case<'_>, score: &mut Score) {
    let mut facts = Vec::new();
    for group in 0..case.scenario.groups.len() {
        for one in case.happened_in(group) {
            if !matches!(one.kind, Kind::Failover { .. } | Kind::Split | Kind::Merged) {
                continue;
            }
            let rekeys = |after: bool| {
                case.rekeys()
                    .filter(move |(_, push)| push.group == group && (push.at >= one.at) == after)
            };
            let seen = |number: &usize| case.witness.pushes.get(*number).and_then(|push| push.first);
            let address = |server: usize| case.rekey_address(server);
            let source = case
                .scenario
                .groups
                .get(group)
                .and_then(|config| config.rekey_source);
            // If all key servers send from one address, no change shows.
            if source.is_some() {
                continue;
            }
            let before = rekeys(false)
                .filter(|(number, push)| seen(number).is_some() && address(push.server) != one.key_server)
                .count();
            let first = rekeys(true)
                .filter(|(_, push)| address(push.server) == one.key_server)
                .find_map(|(number, _)| seen(&number));
            let until = first.unwrap_or(one.at).after(Duration::from_hours(1));
            let known = Known::unless(
                Rule::Dissected,
                &[
                    (before == 0, Rule::NotSeen),
                    (first.is_none(), Rule::NotSeen),
                    // After a merge the rekeys of the first one never stopped for its own members.
                    (one.kind == Kind::Merged, Rule::TwoCauses),
                    (
                        case.ends_before(first.unwrap_or(one.at).after(SILENCE)),
                        Rule::EndOfTime,
                    ),
                ],
            );
            facts.push(Fact {
                key: format!("{} {:?}", case.group_name(group), one.key_server),
                at: first.unwrap_or(one.at),
                from: one.at,
                until,
                known,
            });
        }
    }
    let claims = case.said.iter().filter_map(|one| match &one.what {
        What::KeyServerChanged(change) => Some(claim(
            format!("{} {:?}", case.group_key(one.group.as_ref()), Some(change.to)),
            one.at,
        )),
        _ => None,
    });
    score.judge(
        case.told,
        subject("key_server_changed", Severity::Warning),
        facts,
        claims.collect(),
    );
}

/// A key server whose announcements pass here stops, or a split cuts them off.
fn silent(case: &Case<'_>, score: &mut Score) {
    let mut facts = Vec::new();
    for group in 0..case.scenario.groups.len() {
        let Some(config) = case.scenario.groups.get(group) else {
            continue;
        };
        for one in case.happened_in(group).filter(|_| config.key_servers.len() > 1) {
            let silent = match one.kind {
                Kind::ServerDown => one.key_server,
                Kind::Split => config.key_servers.first().copied(),
                _ => continue,
            };
            let heard = case.heard(group, silent, one.at);
            let known = Known::unless(
                Rule::AnnouncementsSeen,
                &[
                    (heard < 3, Rule::NeverHeard),
                    (
                        case.witness
                            .is_blind(one.at.before(SILENCE), one.at.after(SILENCE)),
                        Rule::NotWatching,
                    ),
                    (case.misses_some(), Rule::HalfSeen),
                    (case.ends_before(one.at.after(SILENCE)), Rule::EndOfTime),
                    (case.is_back(group, silent, one.at, SILENCE), Rule::TwoCauses),
                ],
            );
            facts.push(fact(format!("{silent:?}"), one.at, SILENCE, known));
        }
    }
    let claims = case.said.iter().filter_map(|one| match &one.what {
        What::CoopSilent(silent) => Some(Claim {
            sure: Sure::of(silent.grounds.certainty),
            doubtful: !case.scenario.vantage.is_whole()
                || case.witness.is_blind(one.at.before(SILENCE), one.at),
            ..claim(format!("{:?}", one.key_server), one.at)
        }),
        _ => None,
    });
    score.judge(
        case.told,
        subject("coop_silent", Severity::Warning),
        facts,
        claims.collect(),
    );
}

/// Two KEKs at once: known when both sides have sent two rekeys under theirs.
fn splits(case: &Case<'_>, score: &mut Score) {
    let (mut split, mut merged) = (Vec::new(), Vec::new());
    for group in 0..case.scenario.groups.len() {
        for one in case.happened_in(group) {
            let to = match one.kind {
                Kind::Split => &mut split,
                Kind::Merged => &mut merged,
                _ => continue,
            };
            let sides = case.sides_seen_after(group, one.at);
            let both =
                sides.len() > 1 || one.kind == Kind::Merged && case.sides_seen_before(group, one.at) > 1;
            let at = sides.values().max().copied().unwrap_or(one.at);
            let until = at.after(case.longest_tek(group) * 2 + Duration::from_hours(1));
            let known = Known::unless(
                Rule::BothSidesSeen,
                &[
                    (!both, Rule::NotSeen),
                    (case.witness.is_blind(one.at, until), Rule::NotWatching),
                    (case.ends_before(until), Rule::EndOfTime),
                ],
            );
            to.push(Fact {
                key: case.group_name(group),
                at: one.at,
                from: one.at,
                until,
                known,
            });
        }
    }
    let claims = |wanted: bool| {
        let claims = case.said.iter().filter_map(move |one| match &one.what {
            What::KekSplit(split) if split.merged == wanted => {
                Some(claim(case.group_key(one.group.as_ref()), one.at))
            }
            _ => None,
        });
        claims.collect()
    };
    score.judge(
        case.told,
        subject("kek_split", Severity::Critical),
        split,
        claims(false),
    );
    score.judge(
        case.told,
        subject("kek_merged", Severity::Info),
        merged,
        claims(true),
    );
}

/// The lifetime of a KEK ended and its key server had not replaced it.
fn expired(case: &Case<'_>, score: &mut Score) {
    let mut facts = Vec::new();
    for group in 0..case.scenario.groups.len() {
        for one in case.happened_in(group) {
            let open = match one.kind {
                Kind::KekExpired => false,
                // It remains in use; either "expired" or "over age" is right.
                Kind::KekOverAge => true,
                _ => continue,
            };
            let life = case.kek_lifetime_at(group, one.at);
            let within = SILENCE
                + if case.told == Told::All {
                    Duration::ZERO
                } else {
                    life / 10
                };
            let known = Known::unless(
                Rule::LifetimeKnown,
                &[
                    (open, Rule::TwoCauses),
                    (!case.kek_start_is_seen(group, one.at), Rule::BeginningNotSeen),
                    (!case.kek_lifetime_is_known(group, one.at), Rule::NotLearned),
                    (
                        !case.sees_rekeys(group, one.at.before(life), one.at.after(SILENCE)),
                        Rule::HalfSeen,
                    ),
                    (case.ends_before(one.at.after(within)), Rule::EndOfTime),
                    (case.is_renewed_within(group, one.at, SILENCE), Rule::TwoCauses),
                ],
            );
            facts.push(Fact {
                until: case
                    .renewed_after(group, one.at)
                    .unwrap_or(case.end)
                    .after(SILENCE)
                    .max(one.at.after(within)),
                ..fact(case.group_name(group), one.at, within, known)
            });
        }
    }
    let claims = case.said.iter().filter_map(|one| match &one.what {
        What::KekExpired(expired) => Some(Claim {
            sure: Sure::of(expired.grounds.certainty),
            doubtful: !case.scenario.vantage.is_whole()
                || case.witness.is_blind(one.at.before(expired.lifetime), one.at),
            ..claim(case.group_key(one.group.as_ref()), one.at)
        }),
        _ => None,
    });
    let claims: Vec<Claim> = claims.collect();
    facts.extend(lengthened(case, &claims, &facts));
    score.judge(
        case.told,
        Subject {
            needs_certainty: true,
            ..subject("kek_expired", Severity::Critical)
        },
        facts,
        claims,
    );
}

/// A KEK whose lifetime was made longer looks like one that is not renewed, until members would act: open for a claim
/// that leaves that possible.
fn lengthened(case: &Case<'_>, claims: &[Claim], facts: &[Fact]) -> Vec<Fact> {
    let is_open = |claim: &&Claim| {
        let is_fact = |fact: &Fact| fact.key == claim.key && (fact.from..=fact.until).contains(&claim.at);
        let is_new =
            |group: usize| case.group_name(group) == claim.key && case.is_kek_lifetime_new(group, claim.at);
        claim.sure != Sure::Certain
            && !facts.iter().any(is_fact)
            && (0..case.scenario.groups.len()).any(is_new)
    };
    let open = claims.iter().filter(is_open);
    open.map(|claim| {
        fact(
            claim.key.clone(),
            claim.at,
            Duration::ZERO,
            Known::Open(Rule::TwoCauses),
        )
    })
    .collect()
}

/// A rekey was sent under a KEK whose lifetime had ended.
fn over_age(case: &Case<'_>, score: &mut Score) {
    let mut facts = Vec::new();
    for group in 0..case.scenario.groups.len() {
        for one in case.happened_in(group).filter(|one| one.kind == Kind::KekOverAge) {
            let life = case.kek_lifetime_at(group, one.at);
            let known = Known::unless(
                Rule::LifetimeKnown,
                &[
                    (!case.kek_start_is_seen(group, one.at), Rule::BeginningNotSeen),
                    (!case.kek_lifetime_is_known(group, one.at), Rule::NotLearned),
                    (
                        !case.sees_rekeys(group, one.at.before(life), one.at.after(SILENCE)),
                        Rule::HalfSeen,
                    ),
                    (case.ends_before(one.at.after(SILENCE)), Rule::EndOfTime),
                ],
            );
            facts.push(fact(
                case.group_name(group),
                one.at,
                Duration::from_mins(30),
                known,
            ));
        }
    }
    let claims: Vec<Claim> = case
        .said
        .iter()
        .filter_map(|one| match &one.what {
            What::KekOverAge(over) => Some(Claim {
                sure: Sure::of(over.grounds.certainty),
                ..claim(case.group_key(one.group.as_ref()), one.at)
            }),
            _ => None,
        })
        .collect();
    facts.extend(lengthened(case, &claims, &facts));
    score.judge(
        case.told,
        subject("kek_over_age", Severity::Critical),
        facts,
        claims,
    );
}

/// Rekeys under another KEK: known with the first, or with the second where one alone proves nothing.
fn changed(case: &Case<'_>, score: &mut Score) {
    let mut facts = Vec::new();
    let mut known_before: BTreeSet<usize> = BTreeSet::new();
    let mut seen_keks: BTreeSet<[u8; 16]> = BTreeSet::new();
    for (number, push) in case.rekeys() {
        let Some(at) = case.witness.pushes.get(number).and_then(|seen| seen.first) else {
            continue;
        };
        if !seen_keks.insert(push.under) {
            continue;
        }
        if !known_before.insert(push.group) {
            let again = case
                .rekeys()
                .any(|(other, next)| other > number && next.under == push.under && case.is_push_seen(other));
            let known = Known::unless(
                Rule::Dissected,
                &[
                    (!again, Rule::TwoCauses),
                    (case.witness.is_blind(at, at.after(SILENCE)), Rule::NotWatching),
                    (case.ends_before(at.after(SILENCE)), Rule::EndOfTime),
                ],
            );
            facts.push(Fact {
                until: at.after(case.longest_tek(push.group) * 2 + SILENCE),
                ..fact(hex(push.under), at, SILENCE, known)
            });
        }
    }
    let claims = case.said.iter().filter_map(|one| match &one.what {
        What::KekChanged(change) => Some(claim(hex(change.to.0), one.at)),
        _ => None,
    });
    score.judge(
        case.told,
        subject("kek_changed", Severity::Info),
        facts,
        claims.collect(),
    );
}

/// Each group once: a second discovery splits it, and a discovery without a group is a phantom.
fn discovered(case: &Case<'_>, score: &mut Score) {
    let mut facts = Vec::new();
    for group in 0..case.scenario.groups.len() {
        let first = case
            .rekeys()
            .filter(|(_, push)| push.group == group)
            .find_map(|(number, _)| case.witness.pushes.get(number)?.first);
        let Some(at) = first else {
            continue;
        };
        let known = Known::unless(
            Rule::Dissected,
            &[
                (case.told != Told::Nothing, Rule::TwoCauses),
                (
                    case.rekeys()
                        .filter(|(number, push)| push.group == group && case.is_push_seen(*number))
                        .count()
                        < 3,
                    Rule::TwoCauses,
                ),
                (
                    case.ends_before(at.after(case.longest_tek(group) * 2)),
                    Rule::EndOfTime,
                ),
            ],
        );
        facts.push(Fact {
            key: case.group_name(group),
            at,
            from: at,
            until: case.end,
            known,
        });
    }
    let claims = case.said.iter().filter_map(|one| match &one.what {
        What::GroupDiscovered(found) => {
            let group = case.witness.group_of_kek.get(&found.cookies.0);
            let key = group.map_or_else(
                || format!("phantom {}", hex(found.cookies.0)),
                |group| case.group_name(*group),
            );
            Some(claim(key, one.at))
        }
        _ => None,
    });
    score.judge(
        case.told,
        subject("group_discovered", Severity::Info),
        facts,
        claims.collect(),
    );
}

/// May be claimed where several groups are possible, but never must be.
fn ambiguous(case: &Case<'_>, score: &mut Score) {
    let several = case.scenario.groups.len() > 1;
    let claims: Vec<Claim> = case
        .said
        .iter()
        .filter(|one| matches!(one.what, What::GroupAmbiguous(_)))
        .map(|one| {
            claim(
                one.key_server
                    .map_or_else(String::new, |server| server.to_string()),
                one.at,
            )
        })
        .collect();
    let facts = claims.iter().filter(|_| several).map(|claim| {
        fact(
            claim.key.clone(),
            claim.at,
            Duration::ZERO,
            Known::Open(Rule::TwoCauses),
        )
    });
    let facts = facts.collect();
    score.judge(
        case.told,
        subject("group_ambiguous", Severity::Warning),
        facts,
        claims,
    );
}

/// Capture loss and contradictions of the protocol or the clock; only the scenario can cause them.
fn contradictions(case: &Case<'_>, score: &mut Score) {
    let start = case.scenario.start;
    let blind = case
        .scenario
        .events
        .iter()
        .filter(|event| event.action == Action::Blind);
    let facts: Vec<Fact> = blind
        .map(|event| {
            fact(
                String::new(),
                start.after(event.at),
                Duration::from_secs(1),
                Known::Must(Rule::Dissected),
            )
        })
        .collect();
    let claims = case
        .said
        .iter()
        .filter(|one| matches!(&one.what, What::CaptureLoss(loss) if loss.kind != LossKind::Silence))
        .map(|one| claim(String::new(), one.at));
    // A hole that the capture does not declare may be noticed.
    let holes = case.scenario.vantage.holes.iter().map(|hole| Fact {
        from: start.after(hole.at),
        until: case.end,
        ..fact(
            String::new(),
            start.after(hole.at + hole.lasting),
            SILENCE,
            Known::Open(Rule::NotWatching),
        )
    });
    let facts = facts.into_iter().chain(holes).collect();
    score.judge(
        case.told,
        subject("capture_loss", Severity::Warning),
        facts,
        claims.collect(),
    );
    for (name, severity) in [
        ("malformed", Severity::Warning),
        ("clock_step", Severity::Warning),
    ] {
        let claims = case.claims(name, |one| match &one.what {
            What::Malformed(malformed) => format!("{} from {}", malformed.reason.name(), malformed.source),
            _ => "step".to_owned(),
        });
        let facts = case.said.iter().filter(|one| match &one.what {
            What::Malformed(malformed) => name == "malformed" && case.is_stranger(malformed.source),
            _ => false,
        });
        let facts = facts.map(|one| {
            let key = match &one.what {
                What::Malformed(malformed) => {
                    format!("{} from {}", malformed.reason.name(), malformed.source)
                }
                _ => String::new(),
            };
            fact(key, one.at, Duration::ZERO, Known::Open(Rule::TwoCauses))
        });
        score.judge(case.told, subject(name, severity), facts.collect(), claims);
    }
}
