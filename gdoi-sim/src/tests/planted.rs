//! Ten plausible errors of a tracker, planted in its reports: the judge notices each.

use gdoi_core::snapshot::Snapshot;
use gdoi_core::transition::{ReRegistrationReason, RekeyKind, Verdict, What};
use gdoi_core::{Timestamp, Transition};

use super::library;
use crate::judge::{Score, Told};

type Change = fn(&mut Vec<Transition>, &mut Snapshot);

/// In this scenario and configuration, this row gets worse when this is done to the reports.
#[track_caller]
fn notices(scenario: &str, told: Told, row: &str, change: Change) {
    let scenario = library(scenario);
    let tally = |score: &Score| {
        let tally = score
            .tallies
            .iter()
            .find(|((of, name), _)| *of == told && *name == row);
        tally
            .map(|(_, tally)| (tally.found, tally.invented + tally.missed))
            .unwrap()
    };
    let right = tally(&Score::of(&scenario, 5, &[told]).unwrap());
    let wrong = tally(&Score::of_changed(&scenario, 5, &[told], change).unwrap());
    assert!(
        wrong.1 > right.1,
        "{row}: found and wrong were {right:?}, are {wrong:?}"
    );
}

fn said(said: &mut [Transition], change: impl Fn(&mut What)) {
    for one in said {
        change(&mut one.what);
    }
}

#[test]
fn a_failure_that_is_not_said() {
    notices("blocked", Told::Nothing, "registration_failed", |said, _| {
        let mut number = 0;
        said.retain(|one| {
            number += usize::from(matches!(one.what, What::RegistrationFailed(_)));
            number % 2 == 0 || !matches!(one.what, What::RegistrationFailed(_))
        });
    });
}

#[test]
fn a_reason_that_is_another() {
    notices("mixed_upgrade", Told::All, "re_registration reason", |all, _| {
        said(all, |what| {
            if let What::ReRegistration(again) = what {
                again.reason = match again.reason {
                    ReRegistrationReason::KekExpiry => ReRegistrationReason::TekExpiry,
                    ReRegistrationReason::TekExpiry => ReRegistrationReason::KekExpiry,
                    other => other,
                };
            }
        });
    });
}

#[test]
fn a_rekey_that_goes_to_the_next_group() {
    notices("two_groups", Told::All, "group of a rekey", |said, _| {
        let mut names: Vec<_> = said.iter().filter_map(|one| one.group.clone()).collect();
        names.sort();
        names.dedup();
        let rekeys = said.iter_mut().filter(|one| matches!(one.what, What::Rekey(_)));
        for one in rekeys.step_by(3) {
            let other = names.iter().find(|name| Some(*name) != one.group.as_ref());
            one.group = other.cloned();
        }
    });
}

#[test]
fn a_kind_that_is_the_other() {
    notices("demo", Told::Nothing, "rekey kind", |all, _| {
        said(all, |what| {
            if let What::Rekey(rekey) = what {
                rekey.kind = match rekey.kind {
                    RekeyKind::Kek => RekeyKind::Tek,
                    RekeyKind::Tek => RekeyKind::Kek,
                    other => other,
                };
            }
        });
    });
}

#[test]
fn an_expiry_that_is_not_said() {
    notices("dead_server", Told::All, "kek_expired", |said, _| {
        said.retain(|one| !matches!(one.what, What::KekExpired(_)));
    });
}

#[test]
fn a_behaviour_that_is_the_other() {
    notices(
        "mixed_upgrade",
        Told::All,
        "KEK behaviour at the end",
        |_, snapshot| {
            let groups = snapshot.groups.values_mut();
            for server in groups.flat_map(|group| group.key_servers.values_mut()) {
                server.behavior = server.behavior.map(|verdict| match verdict {
                    Verdict::New => Verdict::Legacy,
                    _ => Verdict::New,
                });
            }
        },
    );
}

#[test]
fn a_split_that_is_not_said() {
    notices("coop_split", Told::All, "kek_split", |said, _| {
        said.retain(|one| !matches!(&one.what, What::KekSplit(split) if !split.merged));
    });
}

#[test]
fn a_next_rekey_that_is_too_late() {
    notices("healthy_day", Told::Nothing, "next rekey", |_, snapshot| {
        for group in snapshot.groups.values_mut() {
            let late = |at: Timestamp| at.after(std::time::Duration::from_mins(10));
            group.rekey.next_expected = group.rekey.next_expected.map(late);
        }
    });
}

#[test]
fn a_member_that_is_the_neighbour() {
    notices("evicted", Told::Nothing, "rekey_unacknowledged", |said, _| {
        let mut members: Vec<_> = said.iter().filter_map(|one| one.member).collect();
        members.sort_unstable();
        members.dedup();
        let of = |what: &What| matches!(what, What::RekeyUnacknowledged(_));
        for one in said.iter_mut().filter(|one| of(&one.what)) {
            let place = members.iter().position(|member| Some(*member) == one.member);
            one.member = place.map(|place| members[(place + 1) % members.len()]);
        }
    });
}

#[test]
fn a_registration_that_was_none() {
    notices("healthy_day", Told::Nothing, "registration_started", |said, _| {
        let begun = |one: &&Transition| matches!(one.what, What::RegistrationStarted(_));
        let mut second = said.iter().find(begun).cloned().unwrap();
        second.at = second.at.after(std::time::Duration::from_hours(2));
        said.push(second);
    });
}
