//! An attack, tried: what the monitor says with it, against what it says of the same world without it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use gdoi_core::transition::{Certainty, Severity, What};
use gdoi_core::{Snapshot, Timestamp, Transition};

use super::Attack;
use super::packets::{self, Target};
use crate::emission::Emission;
use crate::judge::Watcher;
use crate::observe::record;
use crate::scenario::{Scenario, ScenarioError};
use crate::truth::{Kind, Truth};
use crate::world::Simulation;

/// A report may come this much later than without the attack.
const LATE: Duration = Duration::from_mins(10);

/// What an attack achieved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a column of a table")]
pub struct AttackOutcome {
    /// There was a missed rekey to hide: the monitor reports it without the attack.
    pub has_missed: bool,
    /// It hid it.
    pub hid: bool,
    /// It made it less certain.
    pub weakened: bool,
    /// It raised a critical event that is certain.
    pub certain_critical: bool,
    /// It raised a critical event.
    pub any_critical: bool,
    /// It renamed a group, took one over, or was taken for its KEK or key server.
    pub took_over: bool,
    /// It made a group.
    pub made_group: bool,
    /// It was told as a forgery, or as something that contradicts the protocol.
    pub told: bool,
    /// It made something uncertain that was not.
    pub uncertain: bool,
}

impl AttackOutcome {
    /// Whether the monitor was deceived.
    pub const fn deceived(&self) -> bool {
        self.hid || self.certain_critical || self.took_over
    }
}

/// An attack and what it achieved.
#[derive(Clone, Debug)]
pub struct Trial {
    /// The attack.
    pub attack: Attack,
    /// What it achieved.
    pub outcome: AttackOutcome,
    /// The packets that it sent.
    pub sent: usize,
    /// What was said differently, for people.
    pub notes: Vec<String>,
}

/// Tries an attack.
pub fn try_attack(attack: Attack) -> Result<Trial, ScenarioError> {
    let sound = attack.scenario()?;
    let faulty = attack.faulty_scenario()?;
    let (passed, truth) = play(&faulty)?;
    let sound_truth = if attack.fault.is_some() {
        play(&sound)?.1
    } else {
        truth.clone()
    };
    let Some(group) = sound.groups.get(attack.group) else {
        return Err(ScenarioError::Unknown(attack.world));
    };
    let target = Target::new(&sound, group, &sound_truth, &passed);
    let sent = packets::packets(&attack, &target);
    let without = watch(&faulty, &attack, &mut passed.iter());
    let with = watch(&faulty, &attack, &mut merged(&passed, &sent));
    let mut judge = Judge {
        attack: &attack,
        scenario: &faulty,
        groups: groups_of_keks(&faulty, [&truth, &sound_truth]),
        down: down(&faulty, &truth),
        notes: Vec::new(),
    };
    let outcome = judge.judge(&without, &with);
    let notes = judge.notes;
    Ok(Trial {
        outcome,
        sent: sent.len(),
        notes,
        attack,
    })
}

/// What passes the gateway, and what happens.
fn play(scenario: &Scenario) -> Result<(Vec<Emission>, Truth), ScenarioError> {
    let mut simulation = Simulation::new(scenario, None)?;
    let passed: Vec<Emission> = simulation.by_ref().collect();
    Ok((passed, simulation.take_truth()))
}

/// Both, in time order.
fn merged<'a>(passed: &'a [Emission], sent: &'a [Emission]) -> impl Iterator<Item = &'a Emission> {
    let (mut passed, mut sent) = (passed.iter().peekable(), sent.iter().peekable());
    std::iter::from_fn(move || match (passed.peek(), sent.peek()) {
        (Some(one), Some(other)) if other.at() < one.at() => sent.next(),
        (Some(_), _) => passed.next(),
        (None, _) => sent.next(),
    })
}

/// What the monitor said.
struct Said {
    events: Vec<Transition>,
    snapshot: Snapshot,
}

fn watch(scenario: &Scenario, attack: &Attack, passed: &mut dyn Iterator<Item = &Emission>) -> Said {
    let mut watcher = Watcher::new(scenario, attack.told);
    for emission in passed {
        watcher.observe(emission, &record(emission));
    }
    let (events, snapshot) = watcher.finish(scenario.start.after(scenario.duration));
    Said { events, snapshot }
}

/// The number of the group of each real KEK.
fn groups_of_keks(scenario: &Scenario, truths: [&Truth; 2]) -> BTreeMap<[u8; 16], usize> {
    let number = |name: &str| scenario.groups.iter().position(|group| group.name == name);
    let mut groups = BTreeMap::new();
    for one in truths.into_iter().flat_map(Truth::happened) {
        if let (
            Kind::Rekey {
                cookies,
                next_cookies,
                ..
            },
            Some(number),
        ) = (&one.kind, number(&one.group))
        {
            groups.insert(*cookies, number);
            groups.insert(*next_cookies, number);
        }
    }
    groups
}

/// When no key server of a group was alive.
fn down(scenario: &Scenario, truth: &Truth) -> Vec<(IpAddr, Timestamp, Timestamp)> {
    let end = scenario.start.after(scenario.duration);
    let mut down = Vec::new();
    for one in truth.happened() {
        match (&one.kind, one.key_server) {
            (Kind::ServerDown, Some(server)) => down.push((server, one.at, end)),
            (Kind::ServerUp, Some(server)) => {
                if let Some(open) = down
                    .iter_mut()
                    .rfind(|(other, _, until)| *other == server && *until == end)
                {
                    open.2 = one.at;
                }
            }
            _ => {}
        }
    }
    down
}

struct Judge<'a> {
    attack: &'a Attack,
    scenario: &'a Scenario,
    groups: BTreeMap<[u8; 16], usize>,
    down: Vec<(IpAddr, Timestamp, Timestamp)>,
    notes: Vec<String>,
}

impl Judge<'_> {
    fn judge(&mut self, without: &Said, with: &Said) -> AttackOutcome {
        let (before, after) = (self.names(without), self.names(with));
        let mut outcome = AttackOutcome::default();
        self.judge_hiding(without, with, &before, &after, &mut outcome);
        self.judge_criticals(without, with, &before, &after, &mut outcome);
        outcome.took_over = self.took_over(without, with, &before, &after);
        let known = |said: &Said| said.snapshot.groups.len();
        outcome.made_group = known(with) > known(without);
        outcome.told = has_more(without, with, |what| {
            matches!(what, What::Forgery(_) | What::Malformed(_))
        });
        outcome.uncertain = has_more(without, with, |what| {
            matches!(what, What::GroupAmbiguous(_))
                || what
                    .grounds()
                    .is_some_and(|grounds| grounds.certainty == Certainty::Uncertain)
        });
        outcome
    }

    /// The group that each name means: the one whose KEKs are reported under it.
    fn names(&self, said: &Said) -> BTreeMap<String, usize> {
        let mut votes: BTreeMap<&str, BTreeMap<usize, u32>> = BTreeMap::new();
        for one in &said.events {
            if let (Some(name), What::Rekey(rekey)) = (&one.group, &one.what)
                && let Some(group) = self.groups.get(&rekey.cookies.0)
            {
                *votes.entry(name).or_default().entry(*group).or_default() += 1;
            }
        }
        let config = self.attack.told.config(self.scenario);
        let configured = config.groups.into_iter().enumerate();
        let mut names: BTreeMap<String, usize> =
            configured.map(|(number, group)| (group.name, number)).collect();
        for (name, votes) in votes {
            let most = votes.into_iter().max_by_key(|(_, count)| *count);
            if let Some((group, _)) = most {
                names.entry(name.to_owned()).or_insert(group);
            }
        }
        names
    }

    /// Every absence that was told of the group is told, no less certain.
    fn judge_hiding(
        &mut self,
        without: &Said,
        with: &Said,
        before: &BTreeMap<String, usize>,
        after: &BTreeMap<String, usize>,
        outcome: &mut AttackOutcome,
    ) {
        let absences =
            |said: &Said, names: &BTreeMap<String, usize>| -> Vec<(usize, Timestamp, Duration, Certainty)> {
                let told = said.events.iter().filter_map(|one| match &one.what {
                    What::RekeyOverdue(overdue) => {
                        let group = *names.get(one.group.as_ref()?)?;
                        Some((group, one.at, overdue.interval, overdue.grounds.certainty))
                    }
                    _ => None,
                });
                told.collect()
            };
        let told = absences(with, after);
        for (group, at, interval, certainty) in absences(without, before) {
            outcome.has_missed = true;
            let end = self.scenario.start.after(self.scenario.duration);
            let until = at.after(interval + LATE);
            let from = at.before(interval / 2);
            let found = told
                .iter()
                .filter(|(other, when, ..)| *other == group && from <= *when && *when <= until);
            match found.map(|(.., certainty)| *certainty).min() {
                // It would have been said after the end of the run.
                None if until > end
                    && !is_overdue(with, after, group)
                    && is_waiting(with, after, group, end) => {}
                None => {
                    outcome.hid = true;
                    self.note(format_args!(
                        "hid the overdue rekey of group {} after {:?}",
                        group + 1,
                        at.since(self.scenario.start)
                    ));
                }
                Some(now) if now > certainty => {
                    outcome.weakened = true;
                    self.note(format_args!(
                        "overdue of group {}: {certainty:?} became {now:?}",
                        group + 1
                    ));
                }
                Some(_) => {}
            }
        }
    }

    /// No critical event that there is not without the attack, unless it is true.
    fn judge_criticals(
        &mut self,
        without: &Said,
        with: &Said,
        before: &BTreeMap<String, usize>,
        after: &BTreeMap<String, usize>,
        outcome: &mut AttackOutcome,
    ) {
        let criticals = |said: &Said, names: &BTreeMap<String, usize>| {
            let critical = said
                .events
                .iter()
                .filter(|one| one.what.severity() == Severity::Critical);
            let found = critical.map(|one| {
                let group = one.group.as_ref().and_then(|name| names.get(name)).copied();
                (one.what.name(), group, one.key_server)
            });
            let found: BTreeSet<_> = found.collect();
            found
        };
        let known = criticals(without, before);
        for one in with
            .events
            .iter()
            .filter(|one| one.what.severity() == Severity::Critical)
        {
            let group = one.group.as_ref().and_then(|name| after.get(name)).copied();
            if known.contains(&(one.what.name(), group, one.key_server)) || self.is_true(one, group) {
                continue;
            }
            outcome.any_critical = true;
            let grounds = one.what.grounds();
            let is_certain = grounds.is_none_or(|grounds| grounds.certainty == Certainty::Certain);
            outcome.certain_critical |= is_certain;
            self.note(format_args!(
                "critical {}{} of {:?} after {:?}",
                if is_certain { "certain " } else { "" },
                one.what.name(),
                one.group,
                one.at.since(self.scenario.start)
            ));
        }
    }

    /// Whether key servers of the group, or this one, are really dead.
    fn is_true(&self, one: &Transition, group: Option<usize>) -> bool {
        let is_down = |server: IpAddr| {
            self.down
                .iter()
                .any(|(dead, from, until)| *dead == server && *from <= one.at && one.at <= until.after(LATE))
        };
        match (&one.what, one.key_server) {
            (What::RekeyOverdue(_) | What::KekExpired(_) | What::KeyServerSilent(_), Some(server)) => {
                is_down(server)
            }
            (What::RekeyOverdue(_) | What::KekExpired(_) | What::KeyServerSilent(_), None) => {
                let group = group.and_then(|group| self.scenario.groups.get(group));
                group.is_some_and(|group| group.key_servers.iter().any(|server| is_down(*server)))
            }
            _ => false,
        }
    }

    /// Whether something of the attacker's is taken for the group's, or the group's for something else.
    fn took_over(
        &mut self,
        without: &Said,
        with: &Said,
        before: &BTreeMap<String, usize>,
        after: &BTreeMap<String, usize>,
    ) -> bool {
        let told_as = |said: &Said| -> BTreeMap<[u8; 16], BTreeSet<Option<String>>> {
            let mut told: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
            for one in &said.events {
                if let What::Rekey(rekey) = &one.what
                    && self.groups.contains_key(&rekey.cookies.0)
                {
                    told.entry(rekey.cookies.0).or_default().insert(one.group.clone());
                }
            }
            told
        };
        let (were, are) = (told_as(without), told_as(with));
        let mut took = false;
        for (kek, names) in &were {
            let now = are.get(kek);
            if now != Some(names) {
                took = true;
                self.note(format_args!("rekeys of {names:?} are told as {now:?}"));
            }
        }
        let servers = |said: &Said, names: &BTreeMap<String, usize>| {
            let mut found = BTreeSet::new();
            for (name, state) in &said.snapshot.groups {
                if let Some(group) = names.get(name) {
                    found.extend(state.key_servers.keys().map(|server| (*group, *server)));
                }
            }
            found
        };
        let before_servers = servers(without, before);
        for (group, server) in servers(with, after) {
            let is_real = self.scenario.groups.get(group).is_some_and(|group| {
                group.key_servers.contains(&server) || group.rekey_source == Some(server)
            });
            if !before_servers.contains(&(group, server)) && !is_real {
                took = true;
                self.note(format_args!("{server} is a key server of group {}", group + 1));
            }
        }
        for (name, state) in &with.snapshot.groups {
            if after.contains_key(name) {
                for made_up in &state.kek.chain {
                    let was = without.snapshot.groups.get(name);
                    if self.groups.contains_key(&made_up.0) {
                        continue;
                    }
                    if was.is_none_or(|was| !was.kek.chain.contains(made_up)) {
                        took = true;
                        self.note(format_args!("{made_up} is a KEK of {name}"));
                    }
                }
            }
        }
        let changes = |what: &What| matches!(what, What::KeyServerChanged(_) | What::GroupMerged(_));
        if has_more(without, with, changes) {
            took = true;
            self.note(format_args!("a key server or a group changed"));
        }
        took
    }

    fn note(&mut self, note: std::fmt::Arguments<'_>) {
        let note = note.to_string();
        if self.notes.len() < 8 && !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }
}

/// Whether a rekey of a group is overdue at the end.
fn is_overdue(said: &Said, names: &BTreeMap<String, usize>, group: usize) -> bool {
    let states = said.snapshot.groups.iter();
    let of_group = states.filter(|(name, _)| names.get(*name) == Some(&group));
    of_group.into_iter().any(|(_, state)| state.rekey.overdue)
}

/// Whether a rekey of the group is expected soon after the end.
fn is_waiting(said: &Said, names: &BTreeMap<String, usize>, group: usize, end: Timestamp) -> bool {
    let states = said.snapshot.groups.iter();
    let mut of_group = states.filter(|(name, _)| names.get(*name) == Some(&group));
    of_group.any(|(_, state)| {
        state
            .rekey
            .next_expected
            .is_some_and(|next| next.after(LATE) >= end)
    })
}

/// Whether the attack led to more events of a kind.
fn has_more(without: &Said, with: &Said, of: impl Fn(&What) -> bool) -> bool {
    let count = |said: &Said| said.events.iter().filter(|one| of(&one.what)).count();
    count(with) > count(without)
}

/// The results of many attacks from one place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AttackTally {
    /// Attacks.
    pub attacks: u64,
    /// With a missed rekey to hide.
    pub with_missed: u64,
    /// That hid one.
    pub hid: u64,
    /// That made one less certain.
    pub weakened: u64,
    /// That raised a certain critical event.
    pub certain_critical: u64,
    /// That raised a critical event.
    pub any_critical: u64,
    /// That renamed or took over a group.
    pub took_over: u64,
    /// That made a group.
    pub made_group: u64,
    /// That were told as forgeries.
    pub told: u64,
    /// That deceived the monitor, and were neither told nor made anything uncertain.
    pub unnoticed: u64,
}

impl AttackTally {
    /// Adds an attack.
    pub const fn add(&mut self, outcome: &AttackOutcome) {
        let AttackOutcome {
            has_missed,
            hid,
            weakened,
            certain_critical,
            any_critical,
            took_over,
            made_group,
            told,
            uncertain,
        } = *outcome;
        self.attacks += 1;
        self.with_missed += has_missed as u64;
        self.hid += hid as u64;
        self.weakened += weakened as u64;
        self.certain_critical += certain_critical as u64;
        self.any_critical += any_critical as u64;
        self.took_over += took_over as u64;
        self.made_group += made_group as u64;
        self.told += told as u64;
        self.unnoticed += (outcome.deceived() && !told && !uncertain) as u64;
    }
}
