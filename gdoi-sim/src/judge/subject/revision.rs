//! Corrections: groups that turned out to be one, a KEK that did not change, members at another address. Also
//! duplicate frames and messages of strangers.

use std::time::Duration;

use gdoi_core::transition::{Severity, What};

use super::{claim, fact};
use crate::judge::case::{Case, hex, without_well_known_port};
use crate::judge::rule::{Known, Rule};
use crate::judge::tally::{Claim, Fact, Score, Subject, Sure};
use crate::scenario::Place;

pub(super) fn judge(case: &Case<'_>, score: &mut Score) {
    merged(case, score);
    revoked(case, score);
    readdressed(case, score);
    taps(case, score);
    forgeries(case, score);
}

/// Counts claims that contain everything needed to check them: each is right or invented, and none can be missed.
fn check(case: &Case<'_>, score: &mut Score, name: &'static str, claims: Vec<(Claim, bool)>) {
    let right = claims.iter().filter(|(_, right)| *right);
    let facts = right.map(|(claim, _)| {
        fact(
            claim.key.clone(),
            claim.at,
            Duration::ZERO,
            Known::Must(Rule::Dissected),
        )
    });
    let subject = Subject {
        name,
        severity: Severity::Info,
        needs_certainty: false,
    };
    let facts = facts.collect();
    let claims = claims.into_iter().map(|(claim, _)| claim).collect();
    score.judge(case.told, subject, facts, claims);
}

/// Both names mean the same group. A split group that is never merged shows as the group of its rekeys.
fn merged(case: &Case<'_>, score: &mut Score) {
    let claims = case.said.iter().filter_map(|one| match &one.what {
        What::GroupMerged(said) => {
            let (from, into) = (case.group(one.group.as_ref()), case.group(Some(&said.into)));
            let key = format!("{} into {}", case.group_key(one.group.as_ref()), said.into);
            // A name that no claimed rekey has means nothing yet.
            let right = from == into || from.is_none() || into.is_none();
            Some((claim(key, one.at), right))
        }
        _ => None,
    });
    let claims = claims.collect();
    check(case, score, "group_merged", claims);
}

/// The claimed KEK change did not happen: the KEK belongs to another group, another side or none, or was there
/// before.
fn revoked(case: &Case<'_>, score: &mut Score) {
    let keks = &case.journal.keks;
    let claims = case.said.iter().filter_map(|one| match &one.what {
        What::KekChangeRevoked(said) => {
            let of = |cookies: [u8; 16]| keks.iter().find(|kek| kek.cookies == cookies);
            let followed = of(said.from.0)
                .zip(of(said.to.0))
                .is_some_and(|(from, to)| from.side == to.side && from.made < to.made);
            let key = format!("{} by {}", hex(said.from.0), hex(said.to.0));
            Some((claim(key, one.at), !followed))
        }
        _ => None,
    });
    let claims = claims.collect();
    check(case, score, "kek_change_revoked", claims);
}

/// Both addresses belong to one member.
fn readdressed(case: &Case<'_>, score: &mut Score) {
    let members = |address| case.witness.members.get(&without_well_known_port(address));
    let claims = case.said.iter().filter_map(|one| match &one.what {
        What::MemberReaddressed(said) => {
            let (from, to) = (members(said.from), one.member.and_then(members));
            let same = from.zip(to).is_some_and(|(from, to)| !from.is_disjoint(to));
            let key = format!("{} from {}", case.member_key(one.member), said.from);
            Some((claim(key, one.at), same))
        }
        _ => None,
    });
    let claims = claims.collect();
    check(case, score, "member_readdressed", claims);
}

/// Frames are duplicated at a mirror port, and where both sides of a NAT are visible.
fn taps(case: &Case<'_>, score: &mut Score) {
    let vantage = &case.scenario.vantage;
    let twice = vantage.mirrored || vantage.place == Place::OwnNat;
    let said = case
        .said
        .iter()
        .filter(|one| matches!(one.what, What::MergedTaps(_)));
    let claims = said
        .map(|one| (claim("taps".to_owned(), one.at), twice))
        .collect();
    check(case, score, "merged_taps", claims);
}

/// Strangers that contact key servers may be claimed each time that there are many more, but a few first messages
/// need not be called a scan. Other forgeries do not occur in scenarios.
fn forgeries(case: &Case<'_>, score: &mut Score) {
    let (mut facts, mut claims): (Vec<Fact>, Vec<Claim>) = (Vec::new(), Vec::new());
    for one in case.said {
        let What::Forgery(said) = &one.what else {
            continue;
        };
        let key = format!("{} {}", said.source, said.kind.name());
        if case.is_stranger(said.source) {
            facts.push(fact(
                key.clone(),
                one.at,
                Duration::ZERO,
                Known::Open(Rule::TwoCauses),
            ));
        }
        claims.push(Claim {
            sure: Sure::of(said.grounds.certainty),
            doubtful: !case.scenario.vantage.is_whole() || case.witness.is_blind(case.scenario.start, one.at),
            ..claim(key, one.at)
        });
    }
    let subject = Subject {
        name: "forgery",
        severity: Severity::Warning,
        needs_certainty: false,
    };
    score.judge(case.told, subject, facts, claims);
}
