//! Members that register regularly: loops, groups without rekeys, rekeys that reach no member.

use core::time::Duration;
use std::vec::Vec;

use super::script::{KS, MULTICAST, Script, address, group, member, script};
use crate::config::GroupConfig;
use crate::transition::What;

const PATTERNS: [&str; 3] = ["pull_only", "registration_loop", "rekey_not_received"];

/// Three members in a group with hourly rekeys, for this many hours. `registrations` are the additional ones of
/// member 1, in seconds since the beginning.
fn hourly(hours: u32, registrations: impl Fn(u32) -> Vec<(f64, u32)>) -> Script {
    let mut script = script([GroupConfig {
        rekey_address: Some(address(MULTICAST)),
        ..group("G1")
    }]);
    for number in 1..=3 {
        script.register(&member(number), KS);
    }
    for hour in 1..=hours {
        let begin = f64::from(hour) * 3_600.0;
        script.at(begin).push(KS, MULTICAST, 1, u64::from(hour));
        for (after, number) in registrations(hour) {
            script.at(begin + after).register(&member(number), KS);
        }
    }
    script.wait(600.0).advance();
    script
}

#[test]
fn a_member_that_registers_in_a_row_although_it_is_rekeyed_loops() {
    let every_300_s = |_| (0..12).map(|step| (150.0 + f64::from(step) * 300.0, 1)).collect();
    let script = hourly(3, every_300_s);
    assert_eq!(script.names(&PATTERNS), ["registration_loop"]);
    let looping = script.whats().find_map(|what| match what {
        What::RegistrationLoop(looping) => Some(*looping),
        _ => None,
    });
    let looping = looping.unwrap();
    assert_eq!(looping.period.as_secs(), 300);
    assert!(looping.registrations >= 4 && !looping.acknowledges);
}

/// The other members have keys of the same age and do not register.
#[test]
fn a_member_that_registers_in_a_row_between_two_rekeys_loops() {
    for (members, told) in [(1, 1), (2, 0), (3, 0)] {
        let script = hourly(1, |_| {
            let rows = (0..6).flat_map(|step| {
                (1..=members).map(move |number| (900.0 + f64::from(step * 300 + number), number))
            });
            rows.collect()
        });
        assert_eq!(script.count("registration_loop"), told, "{members} members");
    }
}

#[test]
fn registrations_at_any_time_are_no_loop() {
    let script = hourly(4, |hour| {
        let mut registrations: Vec<_> = (1..=6).map(|step| (f64::from(step * step) * 60.0, 1)).collect();
        registrations.truncate(hour as usize + 2);
        registrations
    });
    assert_eq!(script.names(&PATTERNS), [""; 0]);
}

#[test]
fn rekeys_after_which_most_members_register_do_not_reach_them() {
    for (members, told) in [(3, 1), (2, 1), (1, 0), (0, 0)] {
        let script = hourly(3, |_| {
            (1..=members)
                .map(|number| (f64::from(number) * 20.0, number))
                .collect()
        });
        let missed: Vec<_> = script
            .whats()
            .filter_map(|what| match what {
                What::RekeyNotReceived(missed) => Some((missed.members, missed.of, missed.consecutive)),
                _ => None,
            })
            .collect();
        let expected: Vec<_> = (0..told).map(|_| (members, 3, 2)).collect();
        assert_eq!(missed, expected, "{members} members");
        assert_eq!(script.count("registration_loop"), 0);
    }
}

#[test]
fn one_rekey_that_is_missed_is_not_the_way() {
    let script = hourly(4, |hour| {
        let members = if hour % 2 == 0 { 3 } else { 0 };
        (1..=members)
            .map(|number| (f64::from(number) * 20.0, number))
            .collect()
    });
    assert_eq!(script.names(&PATTERNS), [""; 0]);
}

#[test]
fn members_that_nobody_rekeys_register_instead() {
    for (members, told) in [(12, 1), (3, 1), (2, 1), (1, 0)] {
        let mut script = script([]);
        for round in 0..6 {
            for number in 0..members {
                script.at(f64::from(round) * 300.0 + f64::from(number) * 1.5);
                script.register(&member(number), KS);
            }
        }
        let told_now: Vec<_> = script
            .whats()
            .filter_map(|what| match what {
                What::PullOnly(only) => Some(only.interval),
                _ => None,
            })
            .collect();
        assert_eq!(told_now.len(), told, "{members} members");
        let close = |interval: &Duration| interval.abs_diff(Duration::from_mins(5)) < Duration::from_secs(1);
        assert!(told_now.iter().all(close));
    }
}
