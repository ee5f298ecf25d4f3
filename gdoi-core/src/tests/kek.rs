//! The life of the KEK: leads, verdicts, double registrations.

use core::time::Duration;
use std::vec::Vec;

use super::script::{KS, MULTICAST, Script, address, group, member, script};
use crate::config::{GroupConfig, Profile};
use crate::transition::{KekBehavior, LifetimeSource, Transport, Verdict, What};

/// How a key server of a scenario renews its KEK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Renewal {
    /// Before the end of the lifetime, by this many seconds.
    Before(u64),
    AtExpiry,
    /// This many seconds late.
    After(u64),
}

#[derive(Clone, Copy, Debug)]
struct Case {
    renewal: Renewal,
    transport: Transport,
    lifetime: u64,
    /// One rekey in this many is lost; 0 for none.
    loses: u64,
    configured: bool,
    cycles: u64,
}

const CASE: Case = Case {
    renewal: Renewal::AtExpiry,
    transport: Transport::Multicast,
    lifetime: 3_600,
    loses: 0,
    configured: true,
    cycles: 5,
};

impl Case {
    fn config(self) -> GroupConfig {
        let multicast = self.transport == Transport::Multicast;
        GroupConfig {
            rekey_address: multicast.then(|| address(MULTICAST)),
            kek_lifetime: self.configured.then(|| Duration::from_secs(self.lifetime)),
            ..group("G1")
        }
    }

    fn period(self) -> u64 {
        match self.renewal {
            Renewal::Before(lead) => self.lifetime - lead,
            Renewal::AtExpiry => self.lifetime,
            Renewal::After(late) => self.lifetime + late,
        }
    }
}

const MEMBERS: u32 = 4;

fn rekey(script: &mut Script, case: Case, kek: u64, sequence: u64) {
    if case.transport == Transport::Multicast {
        for _ in 0..3 {
            script.push(KS, MULTICAST, kek, sequence).wait(0.5);
        }
        return;
    }
    for number in 0..MEMBERS {
        script.push(KS, &member(number), kek, sequence).wait(0.01);
        script.acknowledge(&member(number), KS, kek);
    }
}

/// KEK renewals and TEK rekeys between them, each on its own schedule.
fn run(case: Case) -> Script {
    let mut script = script([case.config()]);
    let tek = case.lifetime.min(3_600) / 3;
    let end = case.period() * (case.cycles + 1);
    let mut lost = 0;
    let (mut kek, mut sequence) = (1, 0);
    let mut next_kek = case.period();
    for second in (0..end).step_by(5) {
        let renew = second >= next_kek;
        if !renew && second % (tek - tek % 5) != 0 {
            continue;
        }
        sequence += 1;
        lost += 1;
        script.at(script_seconds(&script).max(second as f64));
        // The rekey that delivers a KEK, and the first one under it, must not be lost for a cycle to be seen.
        if case.loses == 0 || renew || lost % case.loses != 0 {
            rekey(&mut script, case, kek, sequence);
        }
        if renew {
            (kek, sequence) = (kek + 1, 0);
            next_kek = second + case.period();
        }
    }
    script.wait(60.0).advance();
    script
}

fn script_seconds(script: &Script) -> f64 {
    script.now.as_nanos() as f64 / 1e9 - 1_000.0
}

fn behaviors(script: &Script) -> Vec<KekBehavior> {
    let said = script.whats().filter_map(|what| match what {
        What::KekBehavior(behavior) => Some(*behavior),
        _ => None,
    });
    said.collect()
}

fn check_verdict(case: Case, expected: Verdict) {
    let script = run(case);
    let said = behaviors(&script);
    let Some(last) = said.last() else {
        panic!("{case:?}: nothing was said; {:?}", script.out)
    };
    assert_eq!(
        (last.verdict, last.provisional),
        (expected, false),
        "{case:?}: {said:?}"
    );
    assert!(said[0].provisional, "{case:?}: {said:?}");
    let snapshot = script.snapshot();
    let server = &snapshot.groups["G1"].key_servers[&address(KS)];
    assert_eq!(server.behavior, Some(expected), "{case:?}");
}

/// Cisco's formula: the larger of 5 % and 200 s; for unicast 20 s of repeats and 5 s of a batch are added.
fn cisco_lead(lifetime: u64, transport: Transport) -> u64 {
    (lifetime / 20).max(200) + if transport == Transport::Unicast { 25 } else { 0 }
}

#[test]
fn the_verdict_follows_the_lead() {
    for transport in Transport::ALL {
        for lifetime in [600, 3_600, 86_400] {
            for loses in [0, 20] {
                let case = Case {
                    transport,
                    lifetime,
                    loses,
                    ..CASE
                };
                let new = Renewal::Before(cisco_lead(lifetime, transport));
                check_verdict(Case { renewal: new, ..case }, Verdict::New);
                check_verdict(case, Verdict::Legacy);
            }
        }
    }
}

#[test]
fn other_timers_are_told_apart() {
    let hardly_late = Renewal::After(15);
    check_verdict(
        Case {
            renewal: hardly_late,
            ..CASE
        },
        Verdict::Legacy,
    );
    let late = Renewal::After(60);
    check_verdict(
        Case {
            renewal: late,
            ..CASE
        },
        Verdict::Overdue,
    );
    let juniper = Renewal::Before(60);
    check_verdict(
        Case {
            renewal: juniper,
            ..CASE
        },
        Verdict::Indeterminate,
    );
}

#[test]
fn a_lifetime_that_nobody_configured_is_learned() {
    let case = Case {
        configured: false,
        renewal: Renewal::Before(225),
        transport: Transport::Unicast,
        cycles: 6,
        ..CASE
    };
    let script = run(case);
    let kek = &script.snapshot().groups["G1"].kek;
    assert_eq!(
        (kek.lifetime, kek.lifetime_source),
        (Some(Duration::from_hours(1)), Some(LifetimeSource::Learned)),
        "{:?}",
        script.out
    );
    assert_eq!(behaviors(&script).last().unwrap().verdict, Verdict::New);
}

/// A rekey of TEKs includes the KEK if it is due before the KEK's own rekey, which is at most one interval earlier.
#[test]
fn a_lifetime_is_learned_from_renewals_that_came_a_whole_interval_early() {
    let case = Case {
        configured: false,
        lifetime: 7_200,
        renewal: Renewal::Before(cisco_lead(7_200, Transport::Multicast) + 1_200),
        cycles: 6,
        ..CASE
    };
    let kek = &run(case).snapshot().groups["G1"].kek;
    assert_eq!(kek.lifetime, Some(Duration::from_hours(2)));
}

/// The KEK lifetime is not configured; the key server is upgraded on the second day.
#[test]
fn the_verdict_follows_an_upgrade() {
    let config = Case {
        configured: false,
        ..CASE
    };
    let mut script = script([config.config()]);
    let (mut kek, mut sequence, mut start) = (1, 0, 0.0);
    for period in [3_600.0; 5].into_iter().chain([3_400.0; 5]) {
        for number in 1..6 {
            sequence += 1;
            script.at(start + 600.0 * f64::from(number));
            rekey(&mut script, config, kek, sequence);
        }
        (sequence, start) = (sequence + 1, start + period);
        script.at(start);
        rekey(&mut script, config, kek, sequence);
        kek += 1;
    }
    script.wait(600.0);
    rekey(&mut script, config, kek, 1);
    let said: Vec<_> = behaviors(&script)
        .iter()
        .filter(|said| !said.provisional)
        .map(|said| said.verdict)
        .collect();
    assert_eq!(said.first(), Some(&Verdict::Legacy), "{said:?}");
    assert_eq!(said.last(), Some(&Verdict::New), "{said:?}");
    let kek = &script.snapshot().groups["G1"].kek;
    assert_eq!(kek.lifetime, Some(Duration::from_hours(1)));
}

#[test]
fn a_lifetime_that_nothing_round_explains_stays_unknown() {
    let case = Case {
        configured: false,
        lifetime: 2_345,
        cycles: 6,
        ..CASE
    };
    let script = run(case);
    assert_eq!(script.snapshot().groups["G1"].kek.lifetime, None);
    assert_eq!(behaviors(&script), []);
}

#[test]
fn a_forced_rekey_does_not_vote() {
    let mut script = script([Case {
        lifetime: 86_400,
        ..CASE
    }
    .config()]);
    for (kek, seconds) in [
        (1, 10.0),
        (1, 3_600.0),
        (2, 7_200.0),
        (2, 9_000.0),
        (3, 10_800.0),
        (3, 14_400.0),
    ] {
        script.at(seconds).push(KS, MULTICAST, kek, seconds as u64);
    }
    script.wait(100.0).advance();
    assert_eq!(script.count("kek_changed"), 2);
    assert_eq!(behaviors(&script), []);
}

#[test]
fn a_hole_in_the_capture_makes_no_cycle() {
    let mut script = script([CASE.config()]);
    for (kek, seconds) in [(1, 10.0), (1, 1_800.0), (2, 3_600.0), (2, 5_400.0)] {
        script.at(seconds).push(KS, MULTICAST, kek, seconds as u64);
    }
    script.at(6_000.0).blind(300.0);
    script.at(7_200.0).push(KS, MULTICAST, 3, 1).wait(60.0).advance();
    assert_eq!(script.count("kek_changed"), 2);
    assert_eq!(behaviors(&script), []);
    assert_eq!(script.snapshot().groups["G1"].kek.start, None);
}

/// A KEK of an hour, and rekeys under it long after.
#[test]
fn a_kek_used_beyond_its_life_is_over_age_once() {
    let mut script = script([CASE.config()]);
    for (kek, seconds) in [(1, 10.0), (1, 1_200.0), (2, 2_400.0), (2, 3_600.0), (2, 4_780.0)] {
        script.at(seconds).push(KS, MULTICAST, kek, seconds as u64);
    }
    assert_eq!(script.count("kek_over_age"), 0);
    script.at(4_860.0).push(KS, MULTICAST, 2, 9);
    script.at(6_060.0).push(KS, MULTICAST, 2, 10);
    assert_eq!(script.count("kek_over_age"), 1);
    assert!(script.snapshot().groups["G1"].kek.over_age);
}

#[test]
fn a_kek_that_nothing_renews_expires() {
    let mut script = script([CASE.config()]);
    for (kek, seconds) in [(1, 10.0), (1, 1_200.0), (2, 1_300.0)] {
        script.at(seconds).push(KS, MULTICAST, kek, seconds as u64);
    }
    // It may have been delivered just before its first use.
    script.at(4_900.0).advance();
    assert_eq!(script.count("kek_expired"), 0);
    script.at(5_000.0).advance();
    assert_eq!(script.count("kek_expired"), 1);
}

/// New members with a legacy key server: each registers before the expiry and again after it.
fn cycle_with_members(legacy: bool) -> Script {
    let mut script = script([Case {
        transport: Transport::Unicast,
        ..CASE
    }
    .config()]);
    let unicast = Case {
        transport: Transport::Unicast,
        ..CASE
    };
    for number in 0..MEMBERS {
        script.register(&member(number), KS);
    }
    script.at(100.0);
    rekey(&mut script, unicast, 1, 1);
    script.at(300.0);
    rekey(&mut script, unicast, 1, 2);
    script.at(400.0);
    rekey(&mut script, unicast, 2, 1);
    script.at(2_000.0);
    rekey(&mut script, unicast, 2, 2);
    // The KEK was delivered at 300 s and ends at 3900 s.
    if legacy {
        for number in 0..MEMBERS {
            script
                .at(3_780.0 + f64::from(number) * 5.0)
                .register(&member(number), KS);
        }
        script.at(3_900.0);
        for number in 0..MEMBERS {
            script.push(KS, &member(number), 2, 3);
        }
        for number in 0..MEMBERS {
            script
                .at(3_925.0 + f64::from(number))
                .register(&member(number), KS);
        }
    } else {
        script.at(3_675.0);
        rekey(&mut script, unicast, 2, 3);
    }
    script.at(4_200.0);
    rekey(&mut script, unicast, 3, 1);
    script.wait(60.0).advance();
    script
}

#[test]
fn new_members_of_a_legacy_key_server_register_twice() {
    let script = cycle_with_members(true);
    assert_eq!(
        script.count("double_reregistration"),
        MEMBERS as usize,
        "{:?}",
        script.out
    );
    assert_eq!(
        script.snapshot().groups["G1"].registration.double,
        u64::from(MEMBERS)
    );
    assert_eq!(behaviors(&script).last().unwrap().verdict, Verdict::Legacy);
    let script = cycle_with_members(false);
    assert_eq!(script.count("double_reregistration"), 0, "{:?}", script.out);
    assert_eq!(behaviors(&script).last().unwrap().verdict, Verdict::New);
}

#[test]
fn a_profile_without_formula_expects_nothing() {
    let config = GroupConfig {
        profile: Profile::Rfc,
        ..CASE.config()
    };
    let mut script = script([config]);
    for (kek, seconds) in [(1, 10.0), (1, 1_800.0), (2, 3_600.0), (2, 5_100.0), (3, 5_400.0)] {
        script.at(seconds).push(KS, MULTICAST, kek, seconds as u64);
    }
    let said = behaviors(&script);
    assert_eq!(said[0].expected_lead, Some(Duration::ZERO), "{:?}", script.out);
    assert_eq!(said[0].lead_seconds, Some(300.0));
}
