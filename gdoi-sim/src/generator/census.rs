//! Counts what random worlds contain, so that no ingredient is missing from all of them.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::ops::Range;
use std::time::Duration;

use super::world;
use crate::scenario::{
    Acknowledgement, Action, Behavior, Group, KekClock, Protocol, Scenario, SpiSwitch, Timers, Vantage,
};

/// For each ingredient, how many of a set of random worlds have it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Number of worlds.
    pub worlds: u64,
    /// Each ingredient with the number of worlds that have it.
    pub counts: Vec<(String, u64)>,
}

type Ingredient = (String, Box<dyn Fn(&Scenario) -> bool>);

impl Census {
    /// Counts the worlds of these seeds.
    pub fn of(seeds: Range<u64>) -> Self {
        let ingredients = ingredients();
        let mut counts: Vec<(String, u64)> = ingredients.iter().map(|(name, _)| (name.clone(), 0)).collect();
        let mut worlds = 0;
        for seed in seeds {
            let scenario = world(seed);
            worlds += 1;
            for ((_, has), (_, count)) in ingredients.iter().zip(&mut counts) {
                *count += u64::from(has(&scenario));
            }
        }
        Self { worlds, counts }
    }
}

impl fmt::Display for Census {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { worlds, counts } = self;
        writeln!(f, "| of {worlds} random worlds | |\n|---|---|")?;
        counts
            .iter()
            .try_for_each(|(name, count)| writeln!(f, "| {name} | {count} |"))
    }
}

fn ingredient(name: impl Into<String>, has: impl Fn(&Scenario) -> bool + 'static) -> Ingredient {
    (name.into(), Box::new(has))
}

/// An ingredient that at least one of the groups has.
fn in_a_group(name: &str, has: impl Fn(&Group) -> bool + 'static) -> Ingredient {
    ingredient(name, move |scenario| scenario.groups.iter().any(&has))
}

fn ingredients() -> Vec<Ingredient> {
    let mut all = sizes();
    all.extend(keys());
    all.extend(devices());
    all.extend(surroundings());
    for action in Action::ALL {
        let name = serde_json::to_value(action).unwrap_or_default();
        let name = format!("event {}", name.as_str().unwrap_or_default());
        all.push(ingredient(name, move |scenario| {
            scenario.events.iter().any(|event| event.action == action)
        }));
    }
    for name in Vantage::NAMES {
        all.push(ingredient(format!("vantage {name}"), move |scenario| {
            let place = Vantage::NAMES.iter().position(|known| *known == name);
            place.is_some_and(|place| scenario.seed % Vantage::NAMES.len() as u64 == place as u64)
        }));
    }
    all
}

fn sizes() -> Vec<Ingredient> {
    let mut all = Vec::new();
    for count in 1..=5 {
        all.push(ingredient(format!("{count} groups"), move |scenario| {
            scenario.groups.len() == count
        }));
    }
    for count in 1..=4 {
        all.push(ingredient(format!("{count} key servers"), move |scenario| {
            let mut servers: Vec<IpAddr> = scenario
                .groups
                .iter()
                .flat_map(|group| group.key_servers.iter().copied())
                .collect();
            servers.sort_unstable();
            servers.dedup();
            servers.len() == count
        }));
    }
    all.push(in_a_group("one member", |group| group.members == 1));
    all.push(in_a_group("more than 100 members", |group| group.members > 100));
    all.push(in_a_group("more than 250 members", |group| group.members > 250));
    all.push(ingredient("members of several groups", |scenario| {
        any_two(scenario, |one, other| overlap(one, other) > 0)
    }));
    all.push(ingredient("groups that share some members", |scenario| {
        any_two(scenario, |one, other| {
            (1..one.members.max(other.members)).contains(&overlap(one, other))
        })
    }));
    all.push(ingredient("a key server of several groups", |scenario| {
        any_two(scenario, |one, other| {
            one.key_servers
                .iter()
                .any(|server| other.key_servers.contains(server))
        })
    }));
    all.push(ingredient(
        "two key servers, each primary of one group",
        |scenario| {
            any_two(scenario, |one, other| {
                let (one, other) = (&one.key_servers, &other.key_servers);
                one.len() == 2 && one.iter().rev().eq(other)
            })
        },
    ));
    all
}

fn keys() -> Vec<Ingredient> {
    let minutes = Duration::from_mins;
    let days = |days: u64| Duration::from_hours(24 * days);
    let is_round = |lifetime: Duration| lifetime.as_secs().is_multiple_of(60);
    Vec::from([
        in_a_group("KEK of less than 30 minutes", move |group| {
            group.kek_lifetime < minutes(30)
        }),
        in_a_group("KEK of more than a day", move |group| {
            group.kek_lifetime > days(1)
        }),
        in_a_group("KEK of more than 20 days", move |group| {
            group.kek_lifetime > days(20)
        }),
        in_a_group("TEK of at most 10 minutes", move |group| {
            group.tek_lifetime <= minutes(10)
        }),
        in_a_group("TEK of more than a day", move |group| {
            group.tek_lifetime > days(1)
        }),
        in_a_group("TEK of more than 5 days", move |group| {
            group.tek_lifetime > days(5)
        }),
        in_a_group("round lifetimes", move |group| {
            is_round(group.kek_lifetime) && is_round(group.tek_lifetime)
        }),
        in_a_group("odd lifetimes", move |group| {
            !is_round(group.kek_lifetime) || !is_round(group.tek_lifetime)
        }),
        in_a_group("KEK and TEK with clocks of their own", |group| {
            group.kek_clock == KekClock::Own
        }),
        in_a_group("KEK and TEK renewed together", |group| {
            group.kek_clock == KekClock::Together
        }),
        in_a_group("no repeats", |group| group.retransmit_count == 0),
        in_a_group("5 repeats", |group| group.retransmit_count == 5),
        in_a_group("repeats every 5 s", |group| {
            group.retransmit_interval == Duration::from_secs(5)
        }),
        in_a_group("repeats every 120 s", move |group| {
            group.retransmit_interval == minutes(2)
        }),
        in_a_group("repeats with numbers of their own", |group| {
            group.retransmit_renumbered
        }),
        in_a_group("unicast", Group::is_unicast),
        in_a_group("multicast", |group| !group.is_unicast()),
        in_a_group("rekeys from a loopback address", |group| {
            group.rekey_source.is_some()
        }),
        in_a_group("members that change SPI at once", |group| {
            has_traffic(group) && group.spi_switch == SpiSwitch::Soon
        }),
        in_a_group("members that change SPI late", |group| {
            has_traffic(group) && group.spi_switch == SpiSwitch::Late
        }),
        in_a_group("traffic every few seconds", |group| {
            has_traffic(group) && group.traffic_every <= Duration::from_secs(5)
        }),
        in_a_group("traffic every few minutes", move |group| {
            group.traffic_every >= minutes(5)
        }),
        in_a_group("no traffic", |group| !has_traffic(group)),
        in_a_group("traffic that is off at night", |group| group.quiet.is_some()),
    ])
}

fn devices() -> Vec<Ingredient> {
    let timers = |timers: Timers| move |group: &Group| group.timers == timers;
    Vec::from([
        in_a_group("Cisco", timers(Timers::Cisco)),
        in_a_group("HPE and H3C", timers(Timers::Hpe)),
        in_a_group("Juniper", timers(Timers::Juniper)),
        in_a_group("heartbeats", |group| !group.heartbeat_every.is_zero()),
        in_a_group("RFC", timers(Timers::Rfc)),
        in_a_group("pull only", |group| group.pull_only),
        in_a_group("G-IKEv2", |group| group.protocol == Protocol::GIkev2),
        in_a_group("acknowledgements of RFC 8263", |group| {
            group.is_acknowledged() && group.acknowledgement == Acknowledgement::Rfc8263
        }),
        in_a_group("acknowledgements of Cisco", |group| {
            group.is_acknowledged() && group.acknowledgement == Acknowledgement::Cisco
        }),
        in_a_group("unicast without acknowledgements", |group| {
            group.is_unicast() && !group.pull_only && !group.is_acknowledged()
        }),
        in_a_group("legacy key servers", |group| group.server == Behavior::Legacy),
        in_a_group("new members of legacy key servers", |group| {
            group.server == Behavior::Legacy && group.member == Behavior::New
        }),
        in_a_group("legacy members", |group| group.member == Behavior::Legacy),
        in_a_group("dead peer detection and delete on the registration SA", |group| {
            group.closes_ike_sa
        }),
        in_a_group("IKE SAs between key servers, renewed", |group| {
            group.key_servers.len() > 1 && !group.coop_ike_lifetime.is_zero()
        }),
    ])
}

fn surroundings() -> Vec<Ingredient> {
    Vec::from([
        ingredient("a network without loss", |scenario| {
            scenario.network.lost_per_mille == 0
        }),
        ingredient("5 % loss", |scenario| scenario.network.lost_per_mille == 50),
        ingredient("reordering", |scenario| scenario.network.late_per_mille > 0),
        ingredient("doubled datagrams", |scenario| {
            scenario.network.doubled_per_mille > 0
        }),
        ingredient("foreign IPsec", |scenario| scenario.foreign.tunnels > 0),
        ingredient("foreign IKE", |scenario| scenario.foreign.ike),
        ingredient("scans", |scenario| !scenario.foreign.scans_every.is_zero()),
        ingredient("nothing is done", |scenario| scenario.events.is_empty()),
        ingredient("two things within 10 minutes", |scenario| {
            let near = |pair: &[crate::scenario::ScriptedEvent]| match pair {
                [one, other] => other.at.abs_diff(one.at) <= Duration::from_mins(10),
                _ => false,
            };
            scenario.events.windows(2).any(near)
        }),
    ])
}

const fn has_traffic(group: &Group) -> bool {
    !group.traffic_every.is_zero()
}

fn any_two(scenario: &Scenario, holds: impl Fn(&Group, &Group) -> bool) -> bool {
    let groups = &scenario.groups;
    (0..groups.len()).any(|one| {
        (0..one).any(|other| {
            groups
                .get(one)
                .zip(groups.get(other))
                .is_some_and(|(one, other)| holds(one, other))
        })
    })
}

/// Number of member addresses that two groups have in common.
fn overlap(one: &Group, other: &Group) -> u32 {
    let addresses = |group: &Group| -> BTreeSet<IpAddr> {
        (0..group.members)
            .map(|member| group.member_address(member))
            .collect()
    };
    addresses(one).intersection(&addresses(other)).count() as u32
}
