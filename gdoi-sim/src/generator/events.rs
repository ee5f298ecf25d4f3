//! What happens to the groups of a random world.

use std::time::Duration;

use super::Draw;
use crate::scenario::{Action, Group, Scenario, ScriptedEvent, Timers};

impl Draw {
    /// No events in a third of the worlds; otherwise up to four events, or pairs of events, per group.
    pub(super) fn events(&mut self, scenario: &mut Scenario) {
        if self.chance(33) {
            return;
        }
        for number in 0..scenario.groups.len() {
            let count = self.between(0, 4);
            for _ in 0..count {
                let Some(group) = scenario.groups.get(number).cloned() else {
                    continue;
                };
                let at = self.moment(scenario.duration);
                let events = self.happening(&group, number as u32 + 1, at, scenario);
                scenario.events.extend(events);
            }
        }
        scenario.events.retain(|event| event.at < scenario.duration);
        scenario.events.sort_by_key(|event| event.at);
        one_at_a_time(scenario);
    }

    /// A time after the first tenth of the run, in which members start.
    fn moment(&mut self, duration: Duration) -> Duration {
        let percent = self.between(100, 950) as u32;
        Duration::from_secs((duration * percent / 1_000).as_secs())
    }

    fn happening(
        &mut self,
        group: &Group,
        number: u32,
        at: Duration,
        scenario: &Scenario,
    ) -> Vec<ScriptedEvent> {
        let tek = group.tek_lifetime;
        let part = |percent: u64| tek * percent as u32 / 100;
        let some = self.some_members(group);
        let event = |action: Action| ScriptedEvent {
            group: number,
            ..ScriptedEvent::plain(at, action)
        };
        let lasting = part(self.between(10, 300));
        let brief = Duration::from_secs(self.scaled(5, 600));
        let later = |action: Action| ScriptedEvent {
            at: at + lasting,
            ..event(action)
        };
        let for_members = |action: Action| ScriptedEvent {
            members: some.clone(),
            lasting,
            ..event(action)
        };
        let two = group.key_servers.len() > 1;
        match self.0.below(23) {
            0 => Vec::from([event(Action::Rekey)]),
            1 => Vec::from([
                event(Action::Rekey),
                ScriptedEvent {
                    at: at + brief,
                    ..event(Action::Rekey)
                },
            ]),
            2 => Vec::from([event(Action::RekeyKek)]),
            3 => Vec::from([for_members(Action::BlockToMembers)]),
            4 => Vec::from([ScriptedEvent {
                larger_than: self.pick(&[600, 900, 1_400]),
                ..for_members(Action::BlockToMembers)
            }]),
            5 => Vec::from([for_members(Action::BlockToServers)]),
            6 => Vec::from([ScriptedEvent {
                lasting: brief,
                ..for_members(Action::Join)
            }]),
            7 | 8 => self.outage(group, number, at, lasting, scenario),
            9 if two => Vec::from([event(Action::Split), later(Action::Merge)]),
            10 => Vec::from([ScriptedEvent {
                lasting: group.kek_lifetime + lasting,
                ..event(Action::KeepKek)
            }]),
            11 if !group.traffic_every.is_zero() => Vec::from([for_members(Action::KeepSpi)]),
            12 => Vec::from([for_members(Action::PowerOff)]),
            13 => Vec::from([ScriptedEvent {
                lasting: Duration::ZERO,
                ..for_members(Action::PowerOff)
            }]),
            14 => Vec::from([ScriptedEvent {
                lasting: brief,
                ..for_members(Action::Reboot)
            }]),
            15 => Vec::from([ScriptedEvent {
                lasting: brief,
                ..event(Action::Reboot)
            }]),
            16 => Vec::from([self.refusal(for_members(Action::RefuseGroup))]),
            17 if group.timers == Timers::Cisco => Vec::from([event(Action::UpgradeServers)]),
            18 if group.timers == Timers::Cisco => Vec::from([event(Action::DowngradeServers)]),
            19 => Vec::from([ScriptedEvent {
                lasting: brief,
                ..event(Action::UpgradeMembers)
            }]),
            20 => Vec::from([ScriptedEvent {
                lasting: brief,
                ..for_members(Action::Clear)
            }]),
            21 => Vec::from([self.other_lifetimes(group, event(Action::SetLifetimes))]),
            22 if !two => Vec::from([ScriptedEvent {
                lasting: brief,
                ..event(Action::Crash)
            }]),
            _ => Vec::from([ScriptedEvent {
                lasting: brief,
                ..event(Action::Blind)
            }]),
        }
    }

    /// One member, a few, or half of them.
    fn some_members(&mut self, group: &Group) -> Vec<u32> {
        let count = match self.0.below(3) {
            0 => 1,
            1 => 3.min(group.members),
            _ => (group.members / 2).max(1),
        };
        let first = self.between(1, u64::from(group.members)) as u32;
        let mut members: Vec<u32> = (first..first + count)
            .map(|member| (member - 1) % group.members + 1)
            .collect();
        members.sort_unstable();
        members.dedup();
        members
    }

    /// A key server stops, for all the groups that it serves. It starts again, or does not.
    fn outage(
        &mut self,
        group: &Group,
        number: u32,
        at: Duration,
        lasting: Duration,
        scenario: &Scenario,
    ) -> Vec<ScriptedEvent> {
        let place = self.0.below(group.key_servers.len() as u64) as usize;
        let Some(address) = group.key_servers.get(place).copied() else {
            return Vec::new();
        };
        let back = self.chance(70);
        let mut events = Vec::new();
        for (index, other) in (1_u32..).zip(&scenario.groups) {
            let Some(key_server) = other.key_servers.iter().position(|server| *server == address) else {
                continue;
            };
            // The group that the event names comes first; the others share its fate.
            let event = |at: Duration, action: Action| ScriptedEvent {
                group: index,
                key_server: key_server as u32 + 1,
                ..ScriptedEvent::plain(at, action)
            };
            events.push(event(at, Action::ServerDown));
            if back {
                events.push(event(at + lasting, Action::ServerUp));
            }
        }
        debug_assert!(events.iter().any(|event| event.group == number));
        events
    }

    fn refusal(&mut self, event: ScriptedEvent) -> ScriptedEvent {
        let action = self.weighted(&[(0, 1), (1, 1), (2, 1)]);
        ScriptedEvent {
            action: match action {
                0 => Action::RefuseGroup,
                1 => Action::RefuseAuthentication,
                _ => Action::RefusePolicy,
            },
            ..event
        }
    }

    fn other_lifetimes(&mut self, group: &Group, event: ScriptedEvent) -> ScriptedEvent {
        let changed = |draw: &mut Self, lifetime: Duration, least: Duration| {
            let changed = match draw.0.below(4) {
                0 => lifetime * 2,
                1 => lifetime / 2,
                2 => lifetime * 3 / 2,
                _ => lifetime + Duration::from_secs(draw.between(60, 1_800)),
            };
            changed.max(least)
        };
        let (kek, tek) = match self.0.below(3) {
            0 => (true, false),
            1 => (false, true),
            _ => (true, true),
        };
        ScriptedEvent {
            kek_lifetime: kek.then(|| changed(self, group.kek_lifetime, super::LEAST_KEK)),
            tek_lifetime: tek.then(|| changed(self, group.tek_lifetime, super::LEAST_TEK)),
            ..event
        }
    }
}

/// What cannot overlap happens once: no split within a split, no outage within an outage.
fn one_at_a_time(scenario: &mut Scenario) {
    let mut split: Vec<u32> = Vec::new();
    let mut down: Vec<u32> = Vec::new();
    let mut crashed: Vec<u32> = Vec::new();
    scenario.events.retain(|event| {
        let group = event.group;
        match event.action {
            Action::Split if split.contains(&group) || down.contains(&group) => false,
            Action::Split => {
                split.push(group);
                true
            }
            Action::ServerDown if split.contains(&group) => false,
            Action::ServerDown => {
                down.push(group);
                true
            }
            // Once per world: a server that is away cannot lose its memory again.
            Action::Crash if crashed.contains(&group) || down.contains(&group) => false,
            Action::Crash => {
                crashed.push(group);
                true
            }
            _ => true,
        }
    });
    scenario.events.retain(|event| match event.action {
        Action::Merge => split.contains(&event.group),
        Action::ServerUp => down.contains(&event.group),
        _ => true,
    });
}
