//! Random worlds can be simulated, cover everything, and are reduced if they fail.

use std::time::Duration;

use crate::generator::{Census, world};
use crate::reduce::reduce;
use crate::scenario::{Action, Scenario};

#[test]
fn every_ingredient_occurs() {
    let census = Census::of(0..250);
    let absent: Vec<_> = census.counts.iter().filter(|(_, count)| *count == 0).collect();
    assert!(absent.is_empty(), "{absent:?} in\n{census}");
}

#[test]
fn every_world_can_be_played_and_written_to_a_file() {
    for seed in 0..300 {
        let scenario = world(seed);
        scenario.check().unwrap();
        let text = scenario.to_toml().unwrap();
        let again = Scenario::parse(&text).unwrap_or_else(|error| panic!("world {seed}: {error}\n{text}"));
        assert_eq!(again, scenario, "world {seed}\n{text}");
    }
}

/// Without a bound, world 44 has ten million datagrams of members that repeatedly get an expired KEK. Events that last
/// too long end earlier; the events themselves, and their consequences, stay.
#[test]
fn no_world_costs_much_more_than_the_others() {
    for seed in (0..60).chain([5_045]) {
        let mut scenario = world(seed);
        if seed == 44 {
            assert_eq!(scenario.events[0].action, Action::KeepKek);
            assert!(
                scenario.events[0].lasting < Duration::from_hours(48),
                "{scenario:#?}"
            );
            assert_eq!(scenario.duration, Duration::from_hours(24 * 31));
        }
        scenario.vantage = crate::scenario::Vantage::default();
        let passed = crate::Simulation::new(&scenario, None).unwrap().count();
        assert!(passed < 50_000, "world {seed}: {passed}");
    }
}

/// What a failure needs stays, everything else is removed.
#[test]
fn a_failing_world_is_reduced_to_what_fails() {
    let reboots = |scenario: &Scenario| {
        scenario.events.iter().any(|event| {
            let group = scenario.groups.get(event.group as usize - 1);
            event.action == Action::Reboot && group.is_some_and(|group| group.members >= 3)
        })
    };
    let seeds: Vec<u64> = (0..300)
        .filter(|seed| {
            let scenario = world(*seed);
            scenario.groups.len() > 2 && reboots(&scenario)
        })
        .collect();
    assert!(seeds.len() > 5, "{seeds:?}");
    for seed in seeds {
        let reduced = reduce(&world(seed), 1_000, reboots).scenario;
        reduced.check().unwrap();
        assert!(reboots(&reduced), "world {seed}: {reduced:#?}");
        assert_eq!(reduced.events.len(), 1, "world {seed}: {reduced:#?}");
        let most: u32 = reduced.groups.iter().map(|group| group.members).max().unwrap();
        assert!(most <= 4, "world {seed}: {reduced:#?}");
        // The monitor's branch may be of another group.
        assert!(reduced.groups.len() <= 2, "world {seed}: {reduced:#?}");
        assert_eq!(reduced.groups[0].traffic_every, Duration::ZERO, "world {seed}");
    }
}

#[test]
fn reducing_stops_after_the_tries_it_may_take() {
    let mut asked = 0;
    let reduced = reduce(&world(2), 7, |_| {
        asked += 1;
        false
    });
    assert_eq!((asked, reduced.tried), (7, 7));
    assert_eq!(reduced.scenario, world(2));
}
