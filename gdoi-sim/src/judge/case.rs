//! One run: what happened, what passed the gateway, and what the observer claimed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use gdoi_core::transition::{Cookies, What};
use gdoi_core::{Snapshot, Timestamp, Transition};

use super::tally::{Claim, Sure};
use super::told::Told;
use crate::journal::{About, Journal, PushEntry, PushKind, Sighting};
use crate::scenario::{Action, Direction, Place, Scenario};
use crate::truth::{Happened, Kind};
use crate::world::is_in_core;

/// How long a message must be followed by silence before it counts as ended.
pub(crate) const SILENCE: Duration = Duration::from_mins(3);

/// One run.
pub(crate) struct Case<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) journal: &'a Journal,
    pub(crate) past: &'a Past<'a>,
    pub(crate) witness: &'a Witness,
    pub(crate) told: Told,
    pub(crate) said: &'a [Transition],
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) names: BTreeMap<String, usize>,
    pub(crate) end: Timestamp,
}

/// What happened, by group.
#[derive(Debug)]
pub(crate) struct Past<'a> {
    pub(crate) all: &'a [Happened],
    by_group: Vec<Vec<&'a Happened>>,
    /// Number of members per group that registered twice for a KEK.
    pub(crate) doubles: Vec<usize>,
}

impl<'a> Past<'a> {
    pub(crate) fn new(scenario: &Scenario, all: &'a [Happened]) -> Self {
        let numbers: BTreeMap<&str, usize> = (0..)
            .zip(&scenario.groups)
            .map(|(n, group)| (group.name.as_str(), n))
            .collect();
        let mut by_group = vec![Vec::new(); scenario.groups.len()];
        for one in all {
            let number = numbers.get(one.group.as_str());
            if let Some(of) = number.and_then(|number| by_group.get_mut(*number)) {
                of.push(one);
            }
        }
        let is_double = |one: &&&Happened| one.kind == Kind::DoubleReregistration;
        let doubles = by_group.iter().map(|of| of.iter().filter(is_double).count());
        Self {
            all,
            doubles: doubles.collect(),
            by_group,
        }
    }
}

/// What passed the gateway. It does not depend on the configuration.
#[derive(Debug)]
pub(crate) struct Witness {
    pub(crate) attempts: Vec<AttemptSeen>,
    pub(crate) pushes: Vec<PushSeen>,
    /// When the announcements of each key server passed, by its number.
    pub(crate) announcements: BTreeMap<usize, Vec<Timestamp>>,
    /// Groups of which an acknowledgement passed, and when the first one did.
    pub(crate) acknowledging: BTreeMap<usize, Timestamp>,
    /// When nothing was watched.
    pub(crate) blind: Vec<(Timestamp, Timestamp)>,
    /// Group of each KEK.
    pub(crate) group_of_kek: BTreeMap<[u8; 16], usize>,
    /// Group of each SPI.
    pub(crate) group_of_spi: BTreeMap<u32, usize>,
    /// All members by each address under which they appear.
    pub(crate) members: BTreeMap<SocketAddr, BTreeSet<usize>>,
}

/// What was seen of a registration.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AttemptSeen {
    pub(crate) first_request: Option<Timestamp>,
    pub(crate) first: Option<Timestamp>,
    pub(crate) last: Option<Timestamp>,
    pub(crate) answered: bool,
    /// The answer that completes it.
    pub(crate) final_answer: Option<Timestamp>,
    /// Whether the request that it answers was seen.
    pub(crate) final_request: bool,
}

/// What was seen of a rekey.
#[derive(Clone, Debug, Default)]
pub(crate) struct PushSeen {
    pub(crate) first: Option<Timestamp>,
    pub(crate) last: Option<Timestamp>,
    /// When it passed on its way to each member; under `None` if multicast.
    pub(crate) to: BTreeMap<Option<usize>, Vec<Timestamp>>,
    pub(crate) acknowledged: BTreeMap<usize, Timestamp>,
}

impl Witness {
    pub(crate) fn new(scenario: &Scenario, end: Timestamp) -> Self {
        Self {
            attempts: Vec::new(),
            pushes: Vec::new(),
            announcements: BTreeMap::new(),
            acknowledging: BTreeMap::new(),
            blind: blind(scenario, end),
            group_of_kek: BTreeMap::new(),
            group_of_spi: BTreeMap::new(),
            members: BTreeMap::new(),
        }
    }

    /// Assigns keys and addresses to their groups, once everything has passed.
    pub(crate) fn finish(&mut self, journal: &Journal) {
        self.attempts
            .resize_with(journal.attempts.len(), AttemptSeen::default);
        self.pushes.resize_with(journal.pushes.len(), PushSeen::default);
        self.group_of_kek = journal.keks.iter().map(|kek| (kek.cookies, kek.group)).collect();
        self.group_of_spi = journal.teks.iter().map(|tek| (tek.spi, tek.group)).collect();
        for (number, member) in journal.members.iter().enumerate() {
            let inside = SocketAddr::new(member.inside, 0);
            for address in [Some(member.address), member.nat_t, Some(inside)]
                .into_iter()
                .flatten()
            {
                let known = self.members.entry(without_well_known_port(address));
                known.or_default().insert(number);
            }
        }
    }

    /// A datagram passes the gateway.
    pub(crate) fn add(&mut self, journal: &Journal, sighting: Sighting) {
        let Sighting { at, about } = sighting;
        match about {
            About::Request { attempt, trip } => {
                let seen = grown(&mut self.attempts, attempt);
                seen.first = seen.first.or(Some(at));
                seen.last = Some(at);
                if trip == 0 {
                    seen.first_request = seen.first_request.or(Some(at));
                }
                seen.final_request = true;
            }
            About::Response { attempt, last, .. } => {
                let seen = grown(&mut self.attempts, attempt);
                seen.first = seen.first.or(Some(at));
                seen.last = Some(at);
                seen.answered = true;
                if last {
                    seen.final_answer = seen.final_answer.or(Some(at));
                }
            }
            About::Push { push, member } => {
                let seen = grown(&mut self.pushes, push);
                seen.first = seen.first.or(Some(at));
                seen.last = Some(at);
                seen.to.entry(member).or_default().push(at);
            }
            About::Acknowledgement { member, push } => {
                let seen = grown(&mut self.pushes, push);
                seen.acknowledged.entry(member).or_insert(at);
                if let Some(push) = journal.pushes.get(push) {
                    self.acknowledging.entry(push.group).or_insert(at);
                }
            }
            About::Announcement { from, .. } => self.announcements.entry(from).or_default().push(at),
            About::Other => {}
        }
    }

    /// Whether any part of this time was not watched.
    pub(crate) fn is_blind(&self, from: Timestamp, until: Timestamp) -> bool {
        self.blind
            .iter()
            .any(|(begin, end)| *begin <= until && from <= *end)
    }
}

/// The row of this number; the list grows as needed.
fn grown<T: Default>(rows: &mut Vec<T>, number: usize) -> &mut T {
    if rows.len() <= number {
        rows.resize_with(number + 1, T::default);
    }
    #[expect(clippy::indexing_slicing, reason = "the list was made long enough")]
    &mut rows[number]
}

/// When nothing was watched: before the monitor started, in holes, and where the source reported a loss.
fn blind(scenario: &Scenario, end: Timestamp) -> Vec<(Timestamp, Timestamp)> {
    let start = scenario.start;
    let vantage = &scenario.vantage;
    let mut blind = Vec::new();
    if !vantage.since.is_zero() {
        blind.push((Timestamp::ZERO, start.after(vantage.since)));
    }
    for hole in &vantage.holes {
        blind.push((start.after(hole.at), start.after(hole.at + hole.lasting).min(end)));
    }
    for event in scenario
        .events
        .iter()
        .filter(|event| event.action == Action::Blind)
    {
        blind.push((start.after(event.at), start.after(event.at + event.lasting)));
    }
    blind
}

impl Case<'_> {
    /// When the monitor began to watch.
    pub(crate) fn watched_from(&self) -> Timestamp {
        self.scenario.start.after(self.scenario.vantage.since)
    }

    /// The member at an address, by one name for all its addresses.
    pub(crate) fn member_key(&self, address: Option<SocketAddr>) -> String {
        let Some(address) = address else {
            return "nobody".to_owned();
        };
        let address = without_well_known_port(address);
        let known = self.witness.members.get(&address).and_then(BTreeSet::first);
        match known.and_then(|member| self.journal.members.get(*member)) {
            Some(member) => member.inside.to_string(),
            None => format!("stranger {address}"),
        }
    }

    /// Name of a member.
    pub(crate) fn member(&self, member: usize) -> String {
        let entry = self.journal.members.get(member);
        entry.map_or_else(String::new, |member| member.inside.to_string())
    }

    /// The actual group behind a name of the observer.
    pub(crate) fn group(&self, name: Option<&String>) -> Option<usize> {
        self.names.get(name?).copied()
    }

    /// The name of that group.
    pub(crate) fn group_key(&self, name: Option<&String>) -> String {
        match (self.group(name), name) {
            (Some(group), _) => self.group_name(group),
            (None, Some(name)) => format!("phantom {name}"),
            (None, None) => "no group".to_owned(),
        }
    }

    pub(crate) fn group_name(&self, group: usize) -> String {
        let config = self.scenario.groups.get(group);
        config.map_or_else(String::new, |config| config.name.clone())
    }

    /// Whether both directions between a member and its key servers pass here, for all of this time.
    pub(crate) fn sees_both_ways(&self, member: usize, from: Timestamp, until: Timestamp) -> bool {
        self.scenario.vantage.direction == Direction::Both
            && self.is_near(member)
            && !self.misses_some()
            && !self.witness.is_blind(from, until)
    }

    /// Whether a member's messages pass here, in at least one direction.
    pub(crate) fn is_near(&self, member: usize) -> bool {
        let vantage = &self.scenario.vantage;
        let Some(entry) = self.journal.members.get(member) else {
            return false;
        };
        match vantage.place {
            Place::KeyServers | Place::OwnNat => true,
            Place::Core => is_in_core(entry.inside),
            Place::Branch => self.branch() == Some(entry.inside),
        }
    }

    fn branch(&self) -> Option<IpAddr> {
        let vantage = &self.scenario.vantage;
        let group = self
            .scenario
            .groups
            .get((vantage.group as usize).checked_sub(1)?)?;
        Some(group.member_address(vantage.member.checked_sub(1)?))
    }

    /// Whether some flows or packets take another path.
    pub(crate) const fn misses_some(&self) -> bool {
        let vantage = &self.scenario.vantage;
        vantage.missed_flows_per_mille != 0 || vantage.missed_packets_per_mille != 0
    }

    /// Whether rekeys of a group pass here and none is missing because of the vantage, for all of this time.
    pub(crate) fn sees_rekeys(&self, group: usize, from: Timestamp, until: Timestamp) -> bool {
        let near = self
            .journal
            .members
            .iter()
            .enumerate()
            .any(|(number, member)| member.group == group && self.is_near(number));
        near && self.scenario.vantage.direction != Direction::ToServers
            && !self.misses_some()
            && !self.witness.is_blind(from, until)
    }

    /// The rekeys that change keys, with their numbers.
    pub(crate) fn rekeys(&self) -> impl Iterator<Item = (usize, &PushEntry)> {
        let pushes = self.journal.pushes.iter().enumerate();
        pushes.filter(|(_, push)| push.kind != PushKind::Heartbeat && !push.recipients.is_empty())
    }

    /// Groups that an address is a member of.
    pub(crate) fn groups_of(&self, member: usize) -> BTreeSet<usize> {
        let Some(entry) = self.journal.members.get(member) else {
            return BTreeSet::new();
        };
        let same = self.journal.members.iter();
        same.filter(|other| other.inside == entry.inside)
            .map(|other| other.group)
            .collect()
    }

    /// What happened in a group.
    pub(crate) fn happened_in(&self, group: usize) -> impl Iterator<Item = &Happened> {
        let of = self.past.by_group.get(group).map_or(&[][..], Vec::as_slice);
        of.iter().copied()
    }

    /// Every claim of one type, each with its key.
    pub(crate) fn claims(&self, event: &str, key: impl Fn(&Transition) -> String) -> Vec<Claim> {
        let said = self.said.iter().filter(|one| one.what.name() == event);
        said.map(|one| Claim {
            key: key(one),
            at: one.at,
            sure: Sure::Certain,
            doubtful: false,
        })
        .collect()
    }

    /// Whether the run ends too early for a claim that is due by this time.
    pub(crate) fn ends_before(&self, until: Timestamp) -> bool {
        until > self.end
    }
}

/// The actual group of each name that the observer uses.
///
/// A configured name means its group; groups whose configuration is the same are interchangeable. A name that the
/// observer made up means the group that most of its KEKs belong to.
pub(crate) fn names(
    scenario: &Scenario,
    told: Told,
    witness: &Witness,
    said: &[Transition],
    snapshot: &Snapshot,
) -> BTreeMap<String, usize> {
    let mut votes: BTreeMap<String, BTreeMap<usize, u32>> = BTreeMap::new();
    let mut vote = |name: &String, cookies: Cookies| {
        if let Some(group) = witness.group_of_kek.get(&cookies.0) {
            *votes.entry(name.clone()).or_default().entry(*group).or_default() += 1;
        }
    };
    for one in said {
        if let (Some(name), What::Rekey(rekey)) = (&one.group, &one.what) {
            vote(name, rekey.cookies);
        }
    }
    for (name, state) in &snapshot.groups {
        for cookies in &state.kek.chain {
            vote(name, *cookies);
        }
    }
    let config = told.config(scenario);
    let mut names = BTreeMap::new();
    for (name, votes) in &votes {
        let most = votes.iter().max_by_key(|(_, count)| **count);
        if let Some((group, _)) = most {
            names.insert(name.clone(), *group);
        }
    }
    for (number, group) in config.groups.iter().enumerate() {
        let alike = |other: &usize| {
            config.groups.get(*other).is_some_and(|other| {
                let (mut one, mut two) = (group.clone(), other.clone());
                for config in [&mut one, &mut two] {
                    config.name.clear();
                    config.key_servers.sort_unstable();
                    config.sites.clear();
                }
                one == two
            })
        };
        let free = names.get(&group.name).copied().filter(alike);
        names.insert(group.name.clone(), free.unwrap_or(number));
    }
    names
}

/// An address as the tracker reports it: without well-known ports.
pub(crate) fn without_well_known_port(address: SocketAddr) -> SocketAddr {
    let port = match address.port() {
        848 | 4500 => 0,
        port => port,
    };
    SocketAddr::new(address.ip(), port)
}

/// A pair of cookies in hexadecimal.
pub(crate) fn hex(cookies: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(cookies))
}

/// Whether a key server failed to renew its KEK in time.
pub(crate) fn is_late_kek(one: &Happened) -> bool {
    matches!(one.kind, Kind::KekExpired | Kind::KekOverAge)
}
