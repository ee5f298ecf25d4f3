//! SPIs: when they are first seen, which ones they replace, which sites keep an old one, which group they serve.

use std::collections::BTreeMap;
use std::time::Duration;

use gdoi_core::Timestamp;
use gdoi_core::transition::{Severity, What};

use super::{Told, claim, fact};
use crate::judge::case::{Case, SILENCE};
use crate::judge::rule::{Known, Rule};
use crate::judge::tally::{Claim, Fact, Score, Subject};
use crate::truth::Kind;

const SOON: Duration = Duration::from_secs(15);
const STALE_WITHIN: Duration = Duration::from_mins(5);

pub(super) fn judge(case: &Case<'_>, score: &mut Score) {
    let seen = seen(case);
    first_seen(case, score, &seen);
    changed(case, score, &seen);
    stale(case, score);
    attribution(case, score, &seen);
}

const fn subject(name: &'static str, severity: Severity) -> Subject {
    Subject {
        name,
        severity,
        needs_certainty: false,
    }
}

/// When each SPI passed here, and whose it is.
struct Dissected {
    group: Option<usize>,
    first: Timestamp,
    last: Timestamp,
    packets: u64,
}

fn seen(case: &Case<'_>) -> BTreeMap<u32, Dissected> {
    let mut seen: BTreeMap<u32, Dissected> = BTreeMap::new();
    for ((spi, _), esp) in &case.journal.esp {
        let entry = seen.entry(*spi).or_insert(Dissected {
            group: esp.group,
            first: esp.first,
            last: esp.last,
            packets: 0,
        });
        entry.first = entry.first.min(esp.first);
        entry.last = entry.last.max(esp.last);
        entry.packets += esp.packets;
    }
    seen
}

fn first_seen(case: &Case<'_>, score: &mut Score, seen: &BTreeMap<u32, Dissected>) {
    let facts = seen.iter().map(|(spi, seen)| Fact {
        // A single packet proves nothing; with thin traffic the second one comes much later.
        until: seen.last.after(SILENCE),
        ..fact(
            format!("{spi:08x}"),
            seen.first,
            SOON,
            Known::Open(Rule::Dissected),
        )
    });
    let mut once = std::collections::BTreeSet::new();
    let claims = case.said.iter().filter_map(|one| match &one.what {
        // At the first site; it may be claimed again at others.
        What::SpiFirstSeen(first) => once
            .insert(first.spi)
            .then(|| claim(format!("{:08x}", first.spi.0), one.at)),
        _ => None,
    });
    let claims = claims.collect();
    score.judge(
        case.told,
        subject("spi_first_seen", Severity::Info),
        facts.collect(),
        claims,
    );
}

/// The first packet of an SPI that a rekey delivered, after the SPI that it replaces was seen.
fn changed(case: &Case<'_>, score: &mut Score, seen: &BTreeMap<u32, Dissected>) {
    let mut facts = Vec::new();
    for tek in &case.journal.teks {
        let Some(new) = seen.get(&tek.spi) else {
            continue;
        };
        let old = case
            .journal
            .teks
            .iter()
            .filter(|old| old.group == tek.group && old.spi != tek.spi && old.made <= tek.made)
            .filter_map(|old| seen.get(&old.spi))
            .any(|old| old.first < new.first);
        if !old {
            continue;
        }
        let known = attributable(case, seen, tek.spi);
        let until = tek.expiry().after(SILENCE).max(new.first.after(SILENCE));
        facts.push(Fact {
            from: new.first.before(SILENCE),
            until,
            ..fact(format!("{:08x}", tek.spi), new.first, SILENCE, known)
        });
    }
    let mut once = std::collections::BTreeSet::new();
    let claims = case.said.iter().filter_map(|one| match &one.what {
        What::SpiChanged(change) => once
            .insert(change.to)
            .then(|| claim(format!("{:08x}", change.to.0), one.at)),
        _ => None,
    });
    let claims = claims.collect();
    score.judge(case.told, subject("spi_changed", Severity::Info), facts, claims);
}

/// Whether the group of an SPI could be known: by its site if that is configured, else because it follows a rekey of
/// only one group.
fn attributable(case: &Case<'_>, seen: &BTreeMap<u32, Dissected>, spi: u32) -> Known {
    let Some(new) = seen.get(&spi) else {
        return Known::Open(Rule::NotSeen);
    };
    let tek = case.journal.teks.iter().find(|tek| tek.spi == spi);
    let Some(tek) = tek else {
        return Known::Open(Rule::NotSeen);
    };
    if case.told == Told::All && !case.shares_sites(tek.group) {
        return Known::unless(
            Rule::OnlyOneGroup,
            &[
                (case.witness.is_blind(tek.made, new.first), Rule::NotWatching),
                (case.ends_before(new.first.after(SILENCE)), Rule::EndOfTime),
            ],
        );
    }
    let rekey = tek.push.and_then(|push| case.witness.pushes.get(push)?.first);
    let overlap = case.overlap(tek.group);
    let others = case.rekeys().any(|(number, push)| {
        push.group != tek.group
            && case.is_push_seen(number)
            && push.at.after(overlap) >= tek.made
            && push.at <= new.first
    });
    let strangers = seen.values().any(|other| {
        other.group != Some(tek.group) && other.first >= tek.made && other.first <= new.first.after(overlap)
    });
    let two = case.journal.teks.iter().any(|other| {
        other.spi != spi
            && other.group == tek.group
            && other.made.after(overlap) >= tek.made
            && other.made <= new.first
            && other.made != tek.made
    });
    Known::unless(
        Rule::OnlyOneGroup,
        &[
            (rekey.is_none(), Rule::NotSeen),
            (case.witness.is_blind(tek.made, new.first), Rule::NotWatching),
            (others || strangers || two, Rule::TwoCauses),
            // Needs two that followed two rekeys: one may be chance.
            (!case.has_rolled_twice(tek.group, new.first), Rule::NotLearned),
            (new.packets < 3, Rule::TwoCauses),
            (case.ends_before(new.first.after(SILENCE)), Rule::EndOfTime),
        ],
    )
}

/// A site sends with an SPI whose TEK has ended, while others use a newer one.
fn stale(case: &Case<'_>, score: &mut Score) {
    let mut facts = Vec::new();
    for one in case.past.all {
        let Kind::SpiStale { spi, ref site } = one.kind else {
            continue;
        };
        let group = case.witness.group_of_spi.get(&spi).copied();
        let entry = one
            .member
            .zip(group)
            .and_then(|(address, group)| case.number_of(address, group))
            .and_then(|member| case.journal.members.get(member));
        let seen = entry.and_then(|entry| case.journal.esp.get(&(spi, entry.site)));
        let newer = group.is_some_and(|group| {
            case.journal.teks.iter().any(|tek| {
                tek.group == group
                    && tek.spi != spi
                    && tek.made < one.at
                    && case
                        .journal
                        .esp
                        .iter()
                        .any(|((other, _), esp)| *other == tek.spi && esp.first < one.at)
            })
        });
        let learned = match case.told {
            Told::All => true,
            Told::Named | Told::Nothing => group.is_some_and(|group| case.has_rolled_twice(group, one.at)),
        };
        let known = Known::unless(
            Rule::LifetimeKnown,
            &[
                (seen.is_none_or(|seen| seen.last < one.at), Rule::NotSeen),
                (!newer, Rule::NotSeen),
                (!learned, Rule::NotLearned),
                (
                    case.witness
                        .is_blind(one.at.before(SILENCE), one.at.after(SILENCE)),
                    Rule::NotWatching,
                ),
                (case.ends_before(one.at.after(STALE_WITHIN)), Rule::EndOfTime),
            ],
        );
        let key = match case.told {
            Told::All => format!("{spi:08x} {site}"),
            Told::Named | Told::Nothing => format!("{spi:08x}"),
        };
        facts.push(Fact {
            until: one.at.after(Duration::from_mins(15)),
            ..fact(key, one.at, STALE_WITHIN, known)
        });
    }
    let claims: Vec<Claim> = case
        .said
        .iter()
        .filter_map(|one| match &one.what {
            What::SpiStale(stale) => Some(claim(
                match (&stale.site, case.told) {
                    (Some(site), Told::All) => format!("{:08x} {site}", stale.spi.0),
                    _ => format!("{:08x}", stale.spi.0),
                },
                one.at,
            )),
            _ => None,
        })
        .collect();
    if case.told != Told::All {
        // Without configured sites, several that keep the old SPI look like one.
        facts.dedup_by(|one, two| one.key == two.key);
    }
    score.judge(case.told, subject("spi_stale", Severity::Warning), facts, claims);
}

/// The group of each SPI at the end.
fn attribution(case: &Case<'_>, score: &mut Score, seen: &BTreeMap<u32, Dissected>) {
    let mut said: BTreeMap<u32, (Timestamp, Option<String>)> = BTreeMap::new();
    for spi in &case.snapshot.spis {
        let entry = said
            .entry(spi.spi.0)
            .or_insert((spi.first_seen, spi.group.clone()));
        if entry.1.is_none() {
            entry.1.clone_from(&spi.group);
        }
    }
    let mut facts = Vec::new();
    let mut claims = Vec::new();
    for (spi, (at, group)) in said {
        let Some(seen_here) = seen.get(&spi) else {
            continue;
        };
        let named = group.filter(|name| name != gdoi_core::snapshot::UNATTRIBUTED);
        let truth = seen_here.group.map(|group| case.group_name(group));
        if let Some(truth) = &truth {
            facts.push(fact(
                format!("{truth} {spi:08x}"),
                at,
                SOON,
                attributable(case, seen, spi),
            ));
        }
        if let Some(name) = named {
            claims.push(claim(format!("{} {spi:08x}", case.group_key(Some(&name))), at));
        }
    }
    score.judge(
        case.told,
        subject("group of an SPI", Severity::Info),
        facts,
        claims,
    );
}
