//! Rekeys: that they were sent, to which group they belong, what they delivered, which members did not receive them,
//! and when none came.

use std::collections::BTreeMap;
use std::time::Duration;

use gdoi_core::Timestamp;
use gdoi_core::transition::{RekeyKind, Severity, What};

use super::{Told, claim, fact};
use crate::journal::{PushEntry, PushKind};
use crate::judge::case::{Case, SILENCE, hex};
use crate::judge::rule::{Known, Rule};
use crate::judge::tally::{Claim, Fact, Score, Subject, Sure};

const SOON: Duration = Duration::from_secs(5);
/// Number of heartbeats from which their time and length are learned.
const HEARTBEATS_SHOW: usize = 3;
/// Rekeys to others only, after which it is clear that a member gets no more.
const LOST_SHOWS: usize = 2;

pub(super) fn judge(case: &Case<'_>, score: &mut Score) {
    let said = said(case);
    sent(case, score, &said);
    kinds(case, score, &said);
    attribution(case, score, &said);
    repeats(case, score);
    unacknowledged(case, score);
    dropped(case, score);
    overdue(case, score);
}

const fn subject(name: &'static str, severity: Severity) -> Subject {
    Subject {
        name,
        severity,
        needs_certainty: false,
    }
}

/// A claimed rekey: counted once, with its final attribution and kind.
struct SaidRekey {
    cookies: [u8; 16],
    began: Timestamp,
    kind: RekeyKind,
    group: Option<String>,
}

fn said(case: &Case<'_>) -> Vec<SaidRekey> {
    let mut said: BTreeMap<([u8; 16], Timestamp), SaidRekey> = BTreeMap::new();
    for one in case.said {
        let (cookies, began, kind) = match &one.what {
            What::Rekey(rekey) => (rekey.cookies.0, one.at.before(rekey.began), rekey.kind),
            What::RekeyClassified(rekey) => (rekey.cookies.0, one.at.before(rekey.began), rekey.kind),
            _ => continue,
        };
        let new = SaidRekey {
            cookies,
            began,
            kind,
            group: one.group.clone(),
        };
        said.entry((cookies, began))
            .and_modify(|known| known.kind = kind)
            .or_insert(new);
    }
    said.into_values().collect()
}

/// The rekeys that passed here, and when.
fn seen<'a>(case: &'a Case<'_>) -> impl Iterator<Item = (usize, &'a PushEntry, Timestamp)> {
    case.rekeys().filter_map(|(number, push)| {
        let seen = case.witness.pushes.get(number)?;
        Some((number, push, seen.first?))
    })
}

/// Whether part of a rekey may have passed unseen.
fn is_cut(case: &Case<'_>, number: usize, push: &PushEntry, first: Timestamp) -> bool {
    let last = case.witness.pushes.get(number).and_then(|seen| seen.last);
    let until = push.end.unwrap_or(first).max(last.unwrap_or(first));
    case.witness.is_blind(push.at, until)
}

fn sent(case: &Case<'_>, score: &mut Score, said: &[SaidRekey]) {
    let facts = seen(case).map(|(number, push, at)| {
        let known = Known::unless(
            Rule::Dissected,
            &[
                (is_cut(case, number, push, at), Rule::NotWatching),
                // One datagram under cookies that never appear again proves nothing.
                (is_alone(case, number), Rule::TwoCauses),
            ],
        );
        fact(hex(push.under), at, SOON, known)
    });
    let mut facts: Vec<Fact> = facts.collect();
    facts.extend(unlearned_heartbeats(case));
    let claims = said.iter().map(|rekey| claim(hex(rekey.cookies), rekey.began));
    score.judge(
        case.told,
        subject("rekey", Severity::Info),
        facts,
        claims.collect(),
    );
}

/// A heartbeat looks like a rekey until three of its group were seen.
fn unlearned_heartbeats(case: &Case<'_>) -> Vec<Fact> {
    let mut before: BTreeMap<usize, usize> = BTreeMap::new();
    let mut facts = Vec::new();
    for (number, push) in case.journal.pushes.iter().enumerate() {
        let first = case.witness.pushes.get(number).and_then(|seen| seen.first);
        if let (PushKind::Heartbeat, Some(at)) = (push.kind, first) {
            let seen = before.entry(push.group).or_default();
            if *seen < HEARTBEATS_SHOW {
                let known = Known::Open(Rule::NotLearned);
                facts.push(fact(hex(push.under), at, SOON, known));
            }
            *seen += 1;
        }
    }
    facts
}

/// Only one datagram of the rekey's KEK ever passed here.
fn is_alone(case: &Case<'_>, number: usize) -> bool {
    let Some(push) = case.journal.pushes.get(number) else {
        return true;
    };
    let same = case.rekeys().filter(|(_, other)| other.under == push.under);
    let datagrams: usize = same
        .filter_map(|(number, _)| case.witness.pushes.get(number))
        .map(|seen| seen.to.values().map(Vec::len).sum::<usize>() + seen.acknowledged.len())
        .sum();
    datagrams <= 1
}

/// The next rekey of its side shows what it delivered, by the same cookies or different ones.
fn kinds(case: &Case<'_>, score: &mut Score, said: &[SaidRekey]) {
    let facts = seen(case).map(|(number, push, at)| {
        let next = case
            .rekeys()
            .find(|(other, next)| *other > number && next.side == push.side);
        let follower = next.and_then(|(number, _)| case.witness.pushes.get(number)?.first);
        let known = Known::unless(
            Rule::FollowerSeen,
            &[
                (is_cut(case, number, push, at), Rule::NotWatching),
                (is_alone(case, number), Rule::TwoCauses),
                (next.is_none(), Rule::EndOfTime),
                (follower.is_none(), Rule::NotSeen),
                (
                    follower.is_some_and(|follower| case.witness.is_blind(at, follower)),
                    Rule::NotWatching,
                ),
                (
                    follower.is_some_and(|follower| case.ends_before(follower.after(SILENCE))),
                    Rule::EndOfTime,
                ),
            ],
        );
        let word = match push.kind {
            PushKind::Delete => "delete",
            PushKind::Heartbeat => "heartbeat",
            PushKind::Kek => "kek",
            PushKind::Tek => "tek",
        };
        fact(format!("{word} {}", hex(push.under)), at, SOON, known)
    });
    // An unknown kind counts as missed.
    let claims = said.iter().filter(|rekey| rekey.kind != RekeyKind::Unknown);
    let claims = claims.map(|rekey| {
        claim(
            format!("{} {}", rekey.kind.name(), hex(rekey.cookies)),
            rekey.began,
        )
    });
    score.judge(
        case.told,
        subject("rekey kind", Severity::Info),
        facts.collect(),
        claims.collect(),
    );
}

/// Rekeys belong to their group, under one name of it.
fn attribution(case: &Case<'_>, score: &mut Score, said: &[SaidRekey]) {
    let mut names: BTreeMap<usize, BTreeMap<&str, u32>> = BTreeMap::new();
    for rekey in said {
        let group = case.witness.group_of_kek.get(&rekey.cookies);
        if let (Some(group), Some(name)) = (group, &rekey.group) {
            *names.entry(*group).or_default().entry(name.as_str()).or_default() += 1;
        }
    }
    let principal: BTreeMap<usize, &str> = names
        .iter()
        .filter_map(|(group, names)| {
            let of_group = names
                .iter()
                .filter(|(name, _)| case.names.get(**name) == Some(group));
            Some((*group, *of_group.max_by_key(|(_, count)| **count)?.0))
        })
        .collect();
    let mut facts = Vec::new();
    let mut claims = Vec::new();
    for rekey in said {
        let Some(group) = case.witness.group_of_kek.get(&rekey.cookies) else {
            claims.push(claim(format!("nobody's {}", hex(rekey.cookies)), rekey.began));
            continue;
        };
        let key = format!("{} {}", case.group_name(*group), hex(rekey.cookies));
        facts.push(fact(key.clone(), rekey.began, SOON, Known::Must(Rule::Dissected)));
        match &rekey.group {
            Some(name) if principal.get(group) == Some(&name.as_str()) => {
                claims.push(claim(key, rekey.began));
            }
            Some(name) if name != gdoi_core::snapshot::UNATTRIBUTED => {
                let key = format!("{name} {}", hex(rekey.cookies));
                claims.push(claim(key, rekey.began));
            }
            _ => {}
        }
    }
    score.judge(
        case.told,
        subject("group of a rekey", Severity::Info),
        facts,
        claims,
    );
}

fn repeats(case: &Case<'_>, score: &mut Score) {
    let facts = seen(case).filter_map(|(number, push, _)| {
        let repeated = push.repeated?;
        let seen = case.witness.pushes.get(number)?;
        let again: Vec<Timestamp> = seen
            .to
            .values()
            .filter_map(|times| times.iter().find(|at| **at >= repeated).copied())
            .collect();
        let twice = seen
            .to
            .values()
            .any(|times| times.iter().any(|at| *at < repeated) && times.iter().any(|at| *at >= repeated));
        let at = again.iter().min().copied().unwrap_or(repeated);
        let known = Known::unless(
            Rule::Dissected,
            &[
                (!twice, Rule::NotSeen),
                (is_cut(case, number, push, at), Rule::NotWatching),
            ],
        );
        Some(Fact {
            from: push.at,
            until: push.end.unwrap_or(at).after(SILENCE),
            ..fact(hex(push.under), at, SILENCE, known)
        })
    });
    let claims = case.said.iter().filter_map(|one| match &one.what {
        What::RekeyRetransmitted(repeat) => Some(claim(hex(repeat.cookies.0), one.at)),
        _ => None,
    });
    score.judge(
        case.told,
        subject("rekey_retransmitted", Severity::Warning),
        facts.collect(),
        claims.collect(),
    );
}

/// A member that never answered, although the key server waited until the last repeat.
fn unacknowledged(case: &Case<'_>, score: &mut Score) {
    let mut facts = Vec::new();
    for (number, push, _) in seen(case) {
        let Some(seen) = case.witness.pushes.get(number) else {
            continue;
        };
        let end = push.end.unwrap_or(case.end);
        let config = case.scenario.groups.get(push.group);
        let wait = config.map_or(SILENCE, |config| SILENCE.max(config.retransmit_interval * 2));
        for member in &push.unacknowledged {
            let sent = seen.to.get(&Some(*member));
            let acknowledging = case.witness.acknowledging.get(&push.group);
            let known = Known::unless(
                Rule::NothingCameBack,
                &[
                    (sent.is_none(), Rule::NotSeen),
                    (
                        !case.sees_both_ways(*member, push.at, end.after(wait)),
                        Rule::HalfSeen,
                    ),
                    (seen.acknowledged.contains_key(member), Rule::LostLater),
                    (
                        acknowledging.is_none_or(|first| *first > push.at),
                        Rule::NoAcknowledgements,
                    ),
                    (case.ends_before(end.after(wait)), Rule::EndOfTime),
                ],
            );
            facts.push(Fact {
                from: push.at,
                until: end.after(wait),
                ..fact(
                    format!("{} {}", case.member(*member), hex(push.under)),
                    end,
                    wait,
                    known,
                )
            });
        }
    }
    let claims = case.said.iter().filter_map(|one| match &one.what {
        What::RekeyUnacknowledged(not) => Some(Claim {
            sure: Sure::of(not.grounds.certainty),
            doubtful: !case.scenario.vantage.is_whole()
                || case.witness.is_blind(one.at.before(SILENCE), one.at),
            ..claim(
                format!("{} {}", case.member_key(one.member), hex(not.cookies.0)),
                one.at,
            )
        }),
        _ => None,
    });
    score.judge(
        case.told,
        subject("rekey_unacknowledged", Severity::Warning),
        facts,
        claims.collect(),
    );
}

/// A member that a key server no longer sends rekeys to: known once it left one unanswered and two more went to others
/// only. After three unanswered rekeys the tracker may report it at once.
fn dropped(case: &Case<'_>, score: &mut Score) {
    let mut facts = Vec::new();
    for (number, push) in case.rekeys() {
        for member in &push.dropped {
            let at = push.end.unwrap_or(push.at);
            let mut others = seen(case)
                .filter(|(_, next, first)| {
                    next.side == push.side && *first > at && !next.recipients.contains(member)
                })
                .map(|(_, _, first)| first);
            let shown = others.nth(LOST_SHOWS - 1);
            let back =
                case.journal.attempts.iter().find(|attempt| {
                    attempt.member == *member && attempt.end.is_some_and(|(end, _)| end > at)
                });
            let back = back.and_then(|attempt| attempt.end).map(|(end, _)| end);
            let until = shown.unwrap_or(case.end).after(SILENCE * 2);
            let sent = case.witness.pushes.get(number).is_some_and(|seen| {
                seen.to.contains_key(&Some(*member)) && !seen.acknowledged.contains_key(member)
            });
            let acknowledging = case.witness.acknowledging.get(&push.group);
            let known = Known::unless(
                Rule::NothingCameBack,
                &[
                    (shown.is_none() || !sent, Rule::NotSeen),
                    (
                        acknowledging.is_none_or(|first| *first > push.at),
                        Rule::NoAcknowledgements,
                    ),
                    (
                        back.zip(shown).is_some_and(|(back, shown)| back <= shown),
                        Rule::TwoCauses,
                    ),
                    (!case.sees_both_ways(*member, push.at, until), Rule::HalfSeen),
                    (case.ends_before(until), Rule::EndOfTime),
                ],
            );
            facts.push(Fact {
                from: push.at,
                until,
                ..fact(case.member(*member), at, SILENCE, known)
            });
        }
    }
    let claims = case.said.iter().filter_map(|one| match &one.what {
        What::MemberLost(lost) => Some(Claim {
            sure: Sure::of(lost.grounds.certainty),
            doubtful: !case.scenario.vantage.is_whole(),
            ..claim(case.member_key(one.member), one.at)
        }),
        _ => None,
    });
    score.judge(
        case.told,
        subject("member_lost", Severity::Warning),
        facts,
        claims.collect(),
    );
}

/// A rekey was due and none was sent: true from then on, known for certain when the TEK has ended.
fn overdue(case: &Case<'_>, score: &mut Score) {
    let mut facts = Vec::new();
    for outage in &case.journal.outages {
        let end = outage.end.unwrap_or(case.end);
        let tek = case
            .journal
            .teks
            .iter()
            .rfind(|tek| tek.side == outage.side && tek.made <= outage.due);
        let Some(tek) = tek else {
            continue;
        };
        let expiry = tek.expiry();
        let learned = case.told == Told::All || case.schedule_is_seen(outage.group, outage.side, outage.due);
        let last_seen = tek
            .push
            .and_then(|push| case.witness.pushes.get(push)?.first)
            .is_some();
        let known = Known::unless(
            Rule::ScheduleKnown,
            &[
                (end <= expiry.after(SILENCE), Rule::EndOfTime),
                (!last_seen, Rule::NotSeen),
                (!learned, Rule::NotLearned),
                (
                    !case.sees_rekeys(outage.group, tek.made, expiry.after(SILENCE)),
                    Rule::HalfSeen,
                ),
            ],
        );
        facts.push(Fact {
            key: case.group_name(outage.group),
            at: outage.due,
            from: outage.due,
            until: end,
            known,
        });
    }
    // Where only some members can be seen, a rekey that reaches none of them is overdue.
    let claims: Vec<Claim> = case
        .said
        .iter()
        .filter_map(|one| match &one.what {
            What::RekeyOverdue(overdue) => Some(Claim {
                sure: Sure::of(overdue.grounds.certainty),
                doubtful: !case.scenario.vantage.is_whole()
                    || case.witness.is_blind(one.at.before(overdue.interval * 2), one.at),
                ..claim(case.group_key(one.group.as_ref()), one.at)
            }),
            _ => None,
        })
        .collect();
    for claim in &claims {
        let absent = (0..case.scenario.groups.len())
            .find(|group| case.group_name(*group) == claim.key)
            .and_then(|group| case.absence_here(group, claim.at));
        let true_anyway = facts
            .iter()
            .any(|fact| fact.key == claim.key && (fact.from..=fact.until).contains(&claim.at));
        // A lengthened lifetime looks like this once, for a claim that leaves that possible; so does a longer time between
        // KEKs where all rekeys deliver one.
        let lengthened = (0..case.scenario.groups.len()).any(|group| {
            case.group_name(group) == claim.key
                && (case.is_tek_lifetime_new(group, claim.at) || case.is_kek_later(group, claim.at))
        });
        let absent = absent.or((lengthened && claim.sure != Sure::Certain).then_some((claim.at, claim.at)));
        if let (Some((from, until)), false) = (absent, true_anyway) {
            facts.push(Fact {
                key: claim.key.clone(),
                at: from,
                from,
                until,
                known: Known::Open(Rule::TwoCauses),
            });
        }
    }
    score.judge(
        case.told,
        Subject {
            needs_certainty: true,
            ..subject("rekey_overdue", Severity::Critical)
        },
        facts,
        claims,
    );
}
