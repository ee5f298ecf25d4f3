//! The simulation: the participants, and what happens next.

mod coop;
mod foreign;
mod member;
mod network;
mod push;
mod record;
mod registration;
mod rekey;
mod schedule;
mod script;
mod service;
mod silence;
mod state;
mod tap;
mod traffic;
mod view;

pub(crate) use tap::is_in_core;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use gdoi_core::Timestamp;
use gdoi_wire::craft::Random;

use crate::agenda::Agenda;
use crate::emission::Emission;
use crate::journal::{Journal, Sighting};
use crate::message::Session;
use crate::scenario::{Action, Foreign, Network, Scenario, ScenarioError};
use crate::table::Table;
use crate::truth::{Happened, Kind, Truth};
use foreign::Stranger;
use network::Datagram;
use registration::Awaited;
use silence::Key;
use state::{Member, Plan, Push, Server, Side, SimulatedGroup};
use tap::{Point, Tap};

/// A running scenario. Iterating runs it and yields what the gateway sees, in time order.
#[derive(Debug)]
pub struct Simulation {
    now: Timestamp,
    start: Timestamp,
    end: Timestamp,
    foreign: Foreign,
    network: Network,
    random: Random,
    agenda: Agenda<WorldEvent>,
    seen: VecDeque<Emission>,
    blind_until: Timestamp,
    datagrams: u32,
    tap: Tap,
    truth: Truth,
    groups: Table<SimulatedGroup>,
    servers: Table<Server>,
    members: Table<Member>,
    sides: Table<Side>,
    pushes: BTreeMap<u64, Push>,
    next_push: u64,
    next_attempt: u64,
    script: Vec<crate::scenario::ScriptedEvent>,
}

/// Future events.
#[derive(Clone, Debug)]
enum WorldEvent {
    /// A datagram passes the key servers again.
    Pass(Datagram),
    /// A datagram passes the core.
    PassCore(Datagram),
    /// A datagram reaches its receiver.
    Arrive(Datagram),
    /// A member turns on.
    PowerOn { member: usize },
    /// A member begins to register.
    Register {
        member: usize,
        generation: u64,
        reason: crate::truth::Reason,
    },
    /// A member stops waiting for an answer.
    Retry { member: usize, awaited: Awaited },
    /// A key server has an answer ready.
    Answer {
        server: usize,
        member: usize,
        attempt: u64,
        trip: u8,
    },
    /// A member acknowledges.
    Acknowledge { member: usize, push: u64 },
    /// A member's KEK expires.
    ExpireKek { member: usize },
    /// A member sends with another SPI.
    Activate { member: usize, spi: u32 },
    /// A rekey is due.
    Rekey { side: usize, generation: u64 },
    /// A KEK or a TEK of a key server ends.
    KeyEnds { side: usize, key: Key },
    /// A rekey goes to one member.
    SendPush { push: u64, member: usize },
    /// A rekey is repeated to members that did not acknowledge it, or ends.
    RepeatPush { push: u64 },
    /// A key server sends a heartbeat.
    Heartbeat { group: usize },
    /// A key server is back with new keys.
    Reborn { side: usize },
    /// A key server sends a keepalive on the IKE SA of a registration, or deletes it.
    EndIkeSa {
        server: usize,
        member: usize,
        session: Session,
        closes: bool,
    },
    /// Foreign traffic.
    Foreign(Stranger),
    /// Cooperating key servers announce themselves.
    Announce { group: usize },
    /// Cooperating key servers check whether the primary is alive.
    Watchdog { group: usize },
    /// A member sends ESP.
    Traffic { group: usize, turn: u64 },
    /// An event of the scenario is due.
    Scripted { index: usize },
    /// An event of the scenario ends.
    Unblind { since: Timestamp },
}

impl Simulation {
    /// A scenario at its beginning; `seed` overrides the scenario's own.
    pub fn new(scenario: &Scenario, seed: Option<u64>) -> Result<Self, ScenarioError> {
        Self::build(scenario, seed, false)
    }

    /// The same, with a journal of every datagram for the judge.
    pub(crate) fn judged(scenario: &Scenario, seed: u64) -> Result<Self, ScenarioError> {
        Self::build(scenario, Some(seed), true)
    }

    fn build(scenario: &Scenario, seed: Option<u64>, judged: bool) -> Result<Self, ScenarioError> {
        scenario.check()?;
        let seed = seed.unwrap_or(scenario.seed);
        let mut simulation = Self {
            now: scenario.start,
            start: scenario.start,
            foreign: scenario.foreign,
            end: scenario.start.after(scenario.duration),
            network: scenario.network,
            random: Random::new(seed),
            agenda: Agenda::new(),
            seen: VecDeque::new(),
            blind_until: Timestamp::ZERO,
            datagrams: 0,
            tap: Tap::new(scenario.vantage.clone(), seed, scenario.start, judged),
            truth: Truth::default(),
            groups: Table::new(),
            servers: Table::new(),
            members: Table::new(),
            sides: Table::new(),
            pushes: BTreeMap::new(),
            next_push: 0,
            next_attempt: 0,
            script: scenario.events.clone(),
        };
        for (index, config) in scenario.groups.iter().enumerate() {
            let late: Vec<u32> = scenario
                .events
                .iter()
                .filter(|event| event.action == Action::Join && event.group as usize == index + 1)
                .flat_map(|event| event.members.iter().copied())
                .collect();
            simulation.add_group(config, &late);
        }
        simulation.add_strangers();
        simulation.place_tap();
        simulation.record_cast();
        for (index, event) in scenario.events.iter().enumerate() {
            simulation
                .agenda
                .plan(scenario.start.after(event.at), WorldEvent::Scripted { index });
        }
        Ok(simulation)
    }

    /// What really happened so far.
    pub const fn truth(&self) -> &Truth {
        &self.truth
    }

    /// The journal for the judge.
    pub(crate) const fn journal(&self) -> Option<&Journal> {
        self.tap.kept()
    }

    /// Takes what passed the gateway since the last call, so that it does not grow.
    pub(crate) fn take_sightings(&mut self, mut take: impl FnMut(&Journal, Sighting)) {
        let Some(journal) = self.tap.journal() else {
            return;
        };
        let mut sightings = std::mem::take(&mut journal.sightings);
        for sighting in sightings.drain(..) {
            take(journal, sighting);
        }
        // Reuses its allocation.
        journal.sightings = sightings;
    }

    /// Takes the truth so far, so that it does not grow without bound. [`Self::show_member`] counts from here on.
    pub fn take_truth(&mut self) -> Truth {
        self.truth.take()
    }

    /// Nothing happens after this time.
    pub const fn end(&self) -> Timestamp {
        self.end
    }

    /// The current time.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    fn happen(&mut self, event: WorldEvent) {
        match event {
            WorldEvent::Pass(datagram) => self.passes(Point::KeyServers, &datagram),
            WorldEvent::PassCore(datagram) => self.passes(Point::Core, &datagram),
            WorldEvent::Arrive(datagram) => self.arrive(&datagram),
            WorldEvent::PowerOn { member } => self.power_on(member),
            WorldEvent::Register {
                member,
                generation,
                reason,
            } => {
                if self.members[member].generation == generation {
                    self.register(member, reason);
                }
            }
            WorldEvent::Retry { member, awaited } => self.retry(member, awaited),
            WorldEvent::Answer {
                server,
                member,
                attempt,
                trip,
            } => self.answer(server, member, attempt, trip),
            WorldEvent::Acknowledge { member, push } => self.acknowledge(member, push),
            WorldEvent::ExpireKek { member } => self.expire_kek(member),
            WorldEvent::Activate { member, spi } => self.activate(member, spi),
            WorldEvent::Rekey { side, generation } => {
                if self.sides[side].generation == generation {
                    self.rekey_due(side);
                }
            }
            WorldEvent::KeyEnds { side, key } => self.key_ends(side, key),
            WorldEvent::SendPush { push, member } => self.send_push(push, member),
            WorldEvent::RepeatPush { push } => self.repeat_push(push),
            WorldEvent::Heartbeat { group } => self.heartbeat(group),
            WorldEvent::Reborn { side } => self.reborn(side),
            WorldEvent::EndIkeSa {
                server,
                member,
                session,
                closes,
            } => self.end_ike_sa(server, member, session, closes),
            WorldEvent::Foreign(stranger) => self.stranger(stranger),
            WorldEvent::Announce { group } => self.announce(group),
            WorldEvent::Watchdog { group } => self.watchdog(group),
            WorldEvent::Traffic { group, turn } => self.traffic(group, turn),
            WorldEvent::Scripted { index } => self.scripted(index),
            WorldEvent::Unblind { since } => self.unblind(since),
        }
    }

    fn after(&mut self, wait: Duration, event: WorldEvent) {
        self.agenda.plan(self.now.after(wait), event);
    }

    /// A random time from zero to `most`.
    fn some(&mut self, most: Duration) -> Duration {
        Duration::from_nanos(self.random.below(most.as_nanos() as u64))
    }

    fn note_member(&mut self, member: usize, server: Option<usize>, kind: Kind) {
        let Member {
            group,
            address,
            nat_t,
            ..
        } = self.members[member];
        self.truth.add(Happened {
            at: self.now,
            group: self.groups[group].config.name.clone(),
            key_server: server.map(|server| self.servers[server].address),
            member: Some(nat_t.unwrap_or(address)),
            kind,
        });
    }

    fn note_group(&mut self, group: usize, server: Option<usize>, kind: Kind) {
        self.truth.add(Happened {
            at: self.now,
            group: self.groups[group].config.name.clone(),
            key_server: server.map(|server| self.servers[server].address),
            member: None,
            kind,
        });
    }

    fn add_group(&mut self, config: &crate::scenario::Group, late: &[u32]) {
        let group = self.groups.len();
        let servers: Vec<usize> = config
            .key_servers
            .iter()
            .map(|address| self.servers.add(Server::new(*address, config.server)))
            .collect();
        let first = self.members.len();
        for number in 0..config.members {
            let member = self.members.add(Member::new(group, number, config));
            if !late.contains(&(number + 1)) {
                let wait = self.some(config.boot_within);
                self.after(wait, WorldEvent::PowerOn { member });
            }
        }
        let primary = servers.first().copied().unwrap_or_default();
        let plan = Plan::new(config, self.now, &mut self.random);
        let (kek, tek) = (plan.kek, plan.newest());
        let side = self.sides.add(Side::new(group, primary, plan));
        self.record_kek(side, kek, false);
        if let Some(tek) = tek {
            self.record_tek(side, tek, false);
        }
        let cooperating = servers.len() > 1;
        self.groups.add(SimulatedGroup {
            config: config.clone(),
            servers,
            members: first..self.members.len(),
            side,
            other_side: None,
            coop: BTreeMap::new(),
        });
        self.watch_keys(side, true);
        self.plan_rekey(side);
        if cooperating {
            self.after(Duration::from_millis(40), WorldEvent::Announce { group });
            self.after(Duration::from_secs(5), WorldEvent::Watchdog { group });
        }
        if !config.heartbeat_every.is_zero() {
            self.after(config.heartbeat_every, WorldEvent::Heartbeat { group });
        }
        if !config.traffic_every.is_zero() {
            self.after(config.boot_within, WorldEvent::Traffic { group, turn: 0 });
        }
    }
}

impl Iterator for Simulation {
    type Item = Emission;

    fn next(&mut self) -> Option<Emission> {
        loop {
            if let Some(emission) = self.seen.pop_front() {
                return Some(emission);
            }
            let (at, event) = self.agenda.next()?;
            if at > self.end {
                self.now = self.end;
                self.agenda = Agenda::new();
                return None;
            }
            self.now = at;
            self.happen(event);
        }
    }
}
