//! Many registrations at once: when a burst begins and ends.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gdoi_core::Timestamp;
use gdoi_core::transition::Severity;

use super::registration::attempts;
use super::{Told, fact};
use crate::judge::case::{Case, SILENCE};
use crate::judge::rule::{Known, Rule};
use crate::judge::tally::{Claim, Fact, Score, Subject};

const MINUTE: Duration = Duration::from_mins(1);
const BURST: usize = 10;
const BURST_WITHIN: Duration = Duration::from_mins(1);
/// Before this, the usual rate is unknown: in some groups all members register every few minutes.
const USUAL_AFTER: Duration = Duration::from_mins(15);

/// Ten different members of a group begin to register within a minute. A burst ends after a minute in which no minute
/// had half as many beginnings.
pub(super) fn judge(case: &Case<'_>, score: &mut Score) {
    let mut starts: BTreeMap<usize, Vec<(Timestamp, String)>> = BTreeMap::new();
    for (entry, seen) in attempts(case) {
        let group = case.journal.members.get(entry.member).map(|member| member.group);
        if let (Some(group), Some(at)) = (group, seen.first) {
            starts
                .entry(group)
                .or_default()
                .push((at, case.member(entry.member)));
        }
    }
    let (mut facts, mut ends) = (Vec::new(), Vec::new());
    let usual_from = case.watched_from().after(USUAL_AFTER);
    for (group, starts) in &mut starts {
        starts.sort();
        let shared = (0..case.journal.members.len()).any(|member| {
            let groups = case.groups_of(member);
            groups.contains(group) && groups.len() > 1
        });
        for Burst { began: at, over } in bursts(starts) {
            let known = Known::unless(
                Rule::Dissected,
                &[
                    (case.is_pull_only(*group), Rule::TwoCauses),
                    (shared, Rule::SameAddress),
                    (case.misses_some(), Rule::HalfSeen),
                    (at < usual_from, Rule::NotLearned),
                    (is_usual(starts, at), Rule::TwoCauses),
                    // Without configuration, the group is unknown before its first rekey.
                    (
                        case.told == Told::Nothing && !case.has_seen_rekey(*group, at),
                        Rule::NotLearned,
                    ),
                ],
            );
            // Where most of them are usual, the ten unusual ones come later.
            let within = if is_usual(starts, at) {
                SILENCE
            } else {
                BURST_WITHIN
            };
            facts.push(fact(case.group_name(*group), at, within, known));
            let end = match known {
                Known::Must(_) => Known::unless(
                    Rule::Dissected,
                    &[
                        (case.witness.is_blind(at, over), Rule::NotWatching),
                        (case.ends_before(over.after(SILENCE)), Rule::EndOfTime),
                    ],
                ),
                open @ Known::Open(_) => open,
            };
            // If less than half of a burst is attributed to its group, it may end earlier, or with the rest.
            ends.push(Fact {
                from: at,
                ..fact(case.group_name(*group), over, SILENCE, end)
            });
        }
    }
    let started = claims(case, "registration_burst_started", &facts);
    let ended = claims(case, "registration_burst_ended", &ends);
    let subject = |name, severity| Subject {
        name,
        severity,
        needs_certainty: false,
    };
    let row = subject("registration_burst", Severity::Warning);
    score.judge(case.told, row, facts, started);
    let row = subject("registration_burst_ended", Severity::Info);
    score.judge(case.told, row, ends, ended);
}

/// The claims about bursts. A claim without a group counts for any group that has a burst then.
fn claims(case: &Case<'_>, event: &str, facts: &[Fact]) -> Vec<Claim> {
    case.claims(event, |one| {
        let unattributed = one
            .group
            .as_deref()
            .is_none_or(|name| name == gdoi_core::snapshot::UNATTRIBUTED);
        if !unattributed {
            return case.group_key(one.group.as_ref());
        }
        let now = facts
            .iter()
            .find(|fact| (fact.from..=fact.until).contains(&one.at));
        now.map_or_else(|| "no group".to_owned(), |fact| fact.key.clone())
    })
}

/// Whether most members of a burst register regularly and were due: their last three intervals differ by at most a
/// tenth.
fn is_usual(starts: &[(Timestamp, String)], at: Timestamp) -> bool {
    let times = |member: &str| -> Vec<Timestamp> {
        let own = starts.iter().filter(|(when, who)| who == member && *when <= at);
        own.map(|(when, _)| *when).collect()
    };
    let is_regular = |member: &&str| {
        let times = times(member);
        let [.., a, b, c, d] = times[..] else { return false };
        let gaps = [b.since(a), c.since(b), d.since(c)];
        let (shortest, longest) = (gaps.iter().min(), gaps.iter().max());
        shortest
            .zip(longest)
            .is_some_and(|(shortest, longest)| *longest * 9 <= *shortest * 10)
    };
    let within = starts
        .iter()
        .filter(|(when, _)| *when <= at && at.since(*when) < MINUTE);
    let members: BTreeSet<&str> = within.map(|(_, member)| member.as_str()).collect();
    members.iter().filter(|member| is_regular(member)).count() * 2 >= members.len()
}

/// A burst among beginnings of registrations.
#[derive(Clone, Copy, Debug)]
struct Burst {
    began: Timestamp,
    over: Timestamp,
}

fn bursts(starts: &[(Timestamp, String)]) -> Vec<Burst> {
    let mut bursts: Vec<Burst> = Vec::new();
    let mut busy_until: Option<Timestamp> = None;
    let mut from = 0;
    for (index, (now, _)) in starts.iter().enumerate() {
        let minute = |from: usize| starts.get(from..=index).unwrap_or_default();
        while minute(from)
            .first()
            .is_some_and(|(at, _)| now.since(*at) >= MINUTE)
        {
            from += 1;
        }
        let within = minute(from);
        let over = busy_until.is_none_or(|until| now.since(until) >= MINUTE);
        if over {
            busy_until = None;
            let members: BTreeSet<&str> = within.iter().map(|(_, member)| member.as_str()).collect();
            if members.len() < BURST {
                continue;
            }
            bursts.push(Burst {
                began: *now,
                over: *now,
            });
        }
        // The minute stays busy until the fifth beginning from the end leaves it.
        let fifth = within.len().checked_sub(BURST / 2).and_then(|at| within.get(at));
        busy_until = fifth.map(|(at, _)| at.after(MINUTE)).max(busy_until);
        if let (Some(burst), Some(until)) = (bursts.last_mut(), busy_until) {
            burst.over = until.after(MINUTE);
        }
    }
    bursts
}
