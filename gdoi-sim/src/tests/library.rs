//! What really happens in the scenarios of the library.

use gdoi_wire::{Capture, Dissected, ParseError, Ports, dissect};

use super::{count, library, play};
use crate::emission::Emission;
use crate::scenario::{self, Scenario, ScenarioError};
use crate::truth::{Happened, Kind};

/// In the order of the columns: registrations completed, failed, double; rekeys missed; members dropped; KEKs over
/// age; failovers; splits.
fn counts(happened: &[Happened]) -> [usize; 8] {
    [
        count(happened, |kind| {
            matches!(kind, Kind::RegistrationCompleted { .. })
        }),
        count(happened, |kind| matches!(kind, Kind::RegistrationFailed { .. })),
        count(happened, |kind| matches!(kind, Kind::DoubleReregistration)),
        count(happened, |kind| matches!(kind, Kind::RekeyMissed { .. })),
        count(happened, |kind| matches!(kind, Kind::MemberDropped)),
        count(happened, |kind| matches!(kind, Kind::KekOverAge)),
        count(happened, |kind| matches!(kind, Kind::Failover { .. })),
        count(happened, |kind| matches!(kind, Kind::Split)),
    ]
}

#[track_caller]
fn check(name: &str, expected: [usize; 8]) {
    for seed in [1, 2, 3] {
        let (_, happened) = play(&library(name), seed);
        assert_eq!(counts(&happened), expected, "{name}, seed {seed}");
    }
}

#[test]
fn healthy_groups_register_once() {
    check("healthy_day", [40, 0, 0, 0, 0, 0, 0, 0]);
    check("multicast", [10, 0, 0, 0, 0, 0, 0, 0]);
    check("cisco_acknowledgement", [8, 0, 0, 0, 0, 0, 0, 0]);
    check("g_ikev2", [6, 0, 0, 0, 0, 0, 0, 0]);
    check("juniper", [6, 0, 0, 0, 0, 0, 0, 0]);
    check("nat", [6, 0, 0, 0, 0, 0, 0, 0]);
    check("ipv6", [6, 0, 0, 0, 0, 0, 0, 0]);
    check("two_groups", [12, 0, 0, 0, 0, 0, 0, 0]);
    check("late_joiner", [8, 0, 0, 0, 0, 0, 0, 0]);
    check("forced_rekey", [8, 0, 0, 0, 0, 0, 0, 0]);
    check("blind", [8, 0, 0, 0, 0, 0, 0, 0]);
}

#[test]
fn sick_groups_are_sick_in_their_way() {
    check("coop_failover", [10, 0, 0, 0, 0, 0, 1, 0]);
    check("coop_split", [10, 0, 0, 0, 0, 0, 0, 1]);
    check("over_age", [8, 0, 0, 0, 0, 1, 0, 0]);
}

#[test]
fn new_members_of_a_legacy_server_register_twice_until_it_is_upgraded() {
    for seed in [1, 2, 3] {
        let (_, happened) = play(&library("mixed_upgrade"), seed);
        let [completed, failed, double, ..] = counts(&happened);
        // Four members in three KEK cycles, then eight in three; every member reboots once.
        assert_eq!(
            (completed, failed, double),
            (8 + 8 + 2 * 36, 0, 36),
            "seed {seed}"
        );
    }
}

#[test]
fn a_lost_rekey_makes_the_member_register_again() {
    let (_, happened) = play(&library("lost_rekey"), 1);
    assert_eq!(
        count(&happened, |kind| matches!(kind, Kind::RekeyMissed { .. })),
        13,
        "one member, then twelve"
    );
    assert_eq!(
        count(&happened, |kind| matches!(
            kind,
            Kind::RegistrationCompleted { .. }
        )),
        25
    );
}

#[test]
fn blocked_members_fail_where_they_are_blocked() {
    let (_, happened) = play(&library("blocked"), 1);
    for (member, trip) in [(13, 0), (14, 0), (15, 2), (16, 3), (17, 3)] {
        let address = format!("10.1.{member}.2:848");
        let failed: Vec<u8> = happened
            .iter()
            .filter(|one| one.member.is_some_and(|member| member.to_string() == address))
            .filter_map(|one| match one.kind {
                Kind::RegistrationFailed { trip } => Some(trip),
                _ => None,
            })
            .collect();
        assert!(failed.len() >= 10, "{address} failed {} times", failed.len());
        assert!(failed.iter().all(|one| *one == trip), "{address}: {failed:?}");
    }
    assert_eq!(
        count(&happened, |kind| matches!(
            kind,
            Kind::RegistrationCompleted { .. }
        )),
        13
    );
}

#[test]
fn a_bad_network_is_survived() {
    for seed in 1..10 {
        let (_, happened) = play(&library("lossy"), seed);
        let rekeys = count(&happened, |kind| matches!(kind, Kind::Rekey { .. }));
        let received = count(&happened, |kind| matches!(kind, Kind::RekeyReceived { .. }));
        assert!(
            rekeys > 20 && received > rekeys * 11,
            "{received} of {rekeys} times twelve"
        );
    }
}

#[test]
fn every_frame_of_every_scenario_is_read() {
    for name in scenario::names() {
        let scenario = library(name);
        let (emissions, _) = play(&scenario, 9);
        assert!(emissions.len() > 50, "{name} has {} emissions", emissions.len());
        for frame in emissions
            .iter()
            .take(20_000)
            .flat_map(|emission| emission.frames(&scenario.vlan))
        {
            match dissect(&Capture::whole(&frame), &Ports::DEFAULT) {
                Dissected::Packet(_) | Dissected::Error(ParseError::LaterFragment) => {}
                other => panic!("{name}: {other:?}"),
            }
        }
    }
}

#[test]
fn what_cannot_be_played_is_refused() {
    let text = |group: &str| format!("title = \"\"\nduration = \"1h\"\n[[group]]\nname = \"G\"\n{group}");
    let good = "key_servers = [\"10.0.0.1\"]\nmembers = 2\n";
    assert!(Scenario::parse(&text(good)).is_ok());
    let rows = [
        ("key_servers = []\nmembers = 2\n".to_owned(), "Empty"),
        ("key_servers = [\"10.0.0.1\"]\nmembers = 0\n".to_owned(), "Empty"),
        (format!("{good}rekey_address = \"ff1e::1\"\n"), "Mixed"),
        (format!("{good}colour = \"red\"\n"), "UnknownKey"),
        (
            format!("{good}[[event]]\nat = \"1m\"\naction = \"rekey\"\nmembers = [3]\n"),
            "Event",
        ),
        (
            format!("{good}[[event]]\nat = \"1m\"\naction = \"rekey\"\ngroup = 2\n"),
            "Event",
        ),
        (
            format!("{good}[[event]]\nat = \"1m\"\naction = \"rekey\"\ngroup = 0\n"),
            "Event",
        ),
        (
            format!("{good}[[event]]\nat = \"-1m\"\naction = \"rekey\"\n"),
            "File",
        ),
        (
            format!("{good}[[event]]\nat = \"1m\"\naction = \"dance\"\n"),
            "UnknownKey",
        ),
    ];
    for (group, expected) in rows {
        let error = Scenario::parse(&text(&group)).unwrap_err();
        let ScenarioError::OnLine { what, .. } = error else {
            panic!("{group}: no line in {error}");
        };
        let debug = format!("{what:?}");
        assert!(debug.starts_with(expected), "{group}: {debug}");
    }
    assert!(matches!(
        scenario::named("nothing"),
        Err(ScenarioError::Unknown(_))
    ));
}

/// The error, its line, and the suggestion.
#[test]
fn what_cannot_be_is_told_with_its_line() {
    let head = "title = \"\"\nduration = \"1h\"\n[[group]]\nname = \"G\"\nkey_servers = [\"10.0.0.1\"]\nmembers = 2\n";
    let rows = [
        (
            "tek_lifetme = \"1h\"\n",
            "line 7: \"tek_lifetme\" is not known here; did you mean \"tek_lifetime\"?",
        ),
        (
            "protocol = \"gdio\"\n",
            "line 7: \"gdio\" is not known here; did you mean \"gdoi\"?",
        ),
        (
            "\ntek_lifetime = \"0s\"\n",
            "line 8: group.tek_lifetime is 0ns, and has to be at least 1s in a scenario this long",
        ),
        ("tek_lifetime = \"an hour\"\n", "line 7: "),
        (
            "[[group]]\nname = \"G\"\nkey_servers = [\"10.0.0.2\"]\nmembers = 1\n",
            "line 8: another group is named \"G\"",
        ),
        (
            "[[event]]\nat = \"1m\"\naction = \"split\"\n",
            "line 9: event 1 cannot happen: its group has one key server, and two are needed",
        ),
        (
            "[[event]]\nat = \"1m\"\naction = \"set_lifetimes\"\n",
            "line 9: event 1 cannot happen: kek_lifetime or tek_lifetime is needed",
        ),
        (
            "[[event]]\nat = \"1m\"\naction = \"rekey\"\nmembers = [3]\n",
            "line 10: event 1 names a group, a member or a key server that does not exist",
        ),
        (
            "[vantage]\nplace = \"branch\"\ngroup = 1\nmember = 7\n",
            "line 10: vantage: member is the number of the branch's member, from 1",
        ),
        (
            "[vantage]\nplace = \"branch\"\n",
            "line 7: vantage: group is the number of the branch's group, from 1",
        ),
        (
            "[network]\nlost_per_mille = 1001\n",
            "line 8: network.lost_per_mille is more than 1000",
        ),
        (
            "[[group]]\nname = \"H\"\nkey_servers = [\"10.0.0.2\"]\nmembers = 4000000000\n",
            "line 6: it takes about 7812500 MiB of memory, and may take 4096 MiB: fewer members, less traffic, a shorter time",
        ),
    ];
    for (text, expected) in rows {
        let error = Scenario::parse(&format!("{head}{text}")).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{text}\n{error}\n{expected}");
    }
}

/// The judge keeps all traffic: a scenario with too much of it is refused before it runs.
#[test]
fn a_world_that_is_too_large_for_memory_is_not_judged() {
    use crate::judge::{Score, Told};
    let mut scenario = library("power_cut");
    scenario.groups[0].traffic_every = std::time::Duration::from_millis(10);
    let error = Score::of(&scenario, 1, &[Told::Nothing]).unwrap_err();
    assert!(matches!(error, ScenarioError::TooLarge { .. }), "{error}");
}

#[test]
fn unicast_rekeys_go_out_in_batches_and_begin_earlier() {
    let mut scenario = library("late_joiner");
    scenario.events.clear();
    scenario.duration = std::time::Duration::from_mins(40);
    scenario.groups[0].members = 120;
    let (emissions, happened) = play(&scenario, 1);
    let rekey = happened
        .iter()
        .find(|one| matches!(one.kind, Kind::Rekey { .. }))
        .unwrap();
    // A TEK of 30 minutes: 90 s, two repeats of 10 s, and 5 s for each of three batches.
    let since = rekey.at.since(scenario.start);
    assert_eq!(since.as_secs(), 1_800 - 90 - 20 - 15);
    let mut batches = [0; 3];
    for emission in emissions {
        if let Emission::Sent(sent) = emission
            && sent.datagram.get(18) == Some(&33)
        {
            batches[(sent.at.since(rekey.at).as_secs() / 5) as usize] += 1;
        }
    }
    assert_eq!(batches, [50, 50, 20]);
}
