//! Scenarios: participants and events, and the files they are read from.

mod bounds;
mod event;
mod foreign;
mod group;
mod library;
mod line;
mod network;
mod text;
mod value;
mod vantage;

use std::net::IpAddr;
use std::time::Duration;

use gdoi_core::Timestamp;
use gdoi_core::config::Config;
use serde::{Deserialize, Serialize};

use line::Position;

pub use event::{Action, ScriptedEvent};
pub use foreign::Foreign;
pub(crate) use group::site_name;
pub use group::{Acknowledgement, Behavior, Group, KekClock, Protocol, SpiSwitch, Timers};
pub use library::{named, names};
pub use network::Network;
pub use value::parse_duration;
pub(crate) use value::start;
pub use vantage::{Direction, Place, Span, Vantage};

/// Participants and events.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it shows, in one sentence.
    pub title: String,
    /// The default seed.
    #[serde(default)]
    pub seed: u64,
    /// The moment it begins, in UTC.
    #[serde(default = "value::start", with = "value::moment")]
    pub start: Timestamp,
    /// Its duration.
    #[serde(with = "value::duration")]
    pub duration: Duration,
    /// VLAN identifiers on every frame, outermost first.
    #[serde(default)]
    pub vlan: Vec<u16>,
    /// The network between key servers and members.
    #[serde(default)]
    pub network: Network,
    /// Vantage of the monitor.
    #[serde(default)]
    pub vantage: Vantage,
    /// Foreign traffic.
    #[serde(default)]
    pub foreign: Foreign,
    /// The groups.
    #[serde(rename = "group")]
    pub groups: Vec<Group>,
    /// Events, in any order.
    #[serde(default, rename = "event")]
    pub events: Vec<ScriptedEvent>,
}

/// Why a scenario cannot be simulated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// An error in a line of the file.
    #[error("line {line}: {what}")]
    OnLine {
        /// The line, from 1.
        line: usize,
        /// The error.
        what: Box<Self>,
    },
    /// Invalid TOML, or a value of the wrong type.
    #[error("{0}")]
    File(String),
    /// An unknown key or word.
    #[error("{word:?} is not known here{}", hint(nearest.as_deref(), known))]
    UnknownKey {
        /// The word.
        word: String,
        /// The nearest known word.
        nearest: Option<String>,
        /// All known words.
        known: Vec<String>,
    },
    /// No scenario of that name.
    #[error("no scenario is named {0:?}")]
    Unknown(String),
    /// A group without key servers or members.
    #[error("group {0:?} needs a key server and a member")]
    Empty(String),
    /// Addresses of IPv4 and IPv6 in one group.
    #[error("group {0:?} mixes IPv4 and IPv6")]
    Mixed(String),
    /// An event for a group, a member or a key server that does not exist.
    #[error("event {0} names a group, a member or a key server that does not exist")]
    Event(usize),
    /// Two groups have the same name.
    #[error("another group is named {0:?}")]
    GroupTwice(String),
    /// An event that is impossible for its group.
    #[error("event {event} cannot happen: {why}")]
    CannotHappen {
        /// Its number, from 1.
        event: usize,
        /// What is missing.
        why: &'static str,
    },
    /// An invalid vantage.
    #[error("vantage: {0}")]
    Vantage(&'static str),
    /// A part of a thousand that is more than a thousand.
    #[error("{0} is more than 1000")]
    PerMille(&'static str),
    /// It needs too much memory.
    #[error(
        "it takes about {needed} MiB of memory, and may take {most} MiB: fewer members, less traffic, a shorter time"
    )]
    TooLarge {
        /// What it needs, in MiB.
        needed: u64,
        /// What it may need, in MiB.
        most: u64,
    },
    /// A time that is too long.
    #[error("{name} is {time:?}, and can be ten years at most")]
    TooLong {
        /// Its key in the file.
        name: &'static str,
        /// What it is.
        time: Duration,
    },
    /// An interval that is too short.
    #[error("{name} is {time:?}, and has to be at least {least:?} in a scenario this long")]
    TooShort {
        /// Its key in the file.
        name: &'static str,
        /// What it is.
        time: Duration,
        /// The minimum.
        least: Duration,
    },
    /// Too many repeats of a rekey, or too large a policy.
    #[error("group {0:?} repeats a rekey more than 1000 times, or has a policy that fits into no datagram")]
    TooMuch(String),
}

impl Scenario {
    /// From the text of a scenario file.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = toml::from_str(text).map_err(|error| line::from_toml(&error, text))?;
        match scenario.find_problem() {
            Ok(()) => Ok(scenario),
            Err((error, position)) => Err(line::locate(error, position, text)),
        }
    }

    /// Whether it can be simulated.
    pub fn check(&self) -> Result<(), ScenarioError> {
        self.find_problem().map_err(|(error, _)| error)
    }

    /// The first error, and its position in a file.
    fn find_problem(&self) -> Result<(), (ScenarioError, Position)> {
        self.check_bounds()?;
        for (index, group) in self.groups.iter().enumerate() {
            let wrong = |error, name| Err((error, Position::of(name, index)));
            let name = || group.name.clone();
            let Some(first) = group.key_servers.first() else {
                return wrong(ScenarioError::Empty(name()), "group.key_servers");
            };
            if group.members == 0 {
                return wrong(ScenarioError::Empty(name()), "group.members");
            }
            let mixed = |address: &IpAddr| address.is_ipv4() != first.is_ipv4();
            if group.key_servers.iter().any(mixed) {
                return wrong(ScenarioError::Mixed(name()), "group.key_servers");
            }
            if mixed(&group.first_member) {
                return wrong(ScenarioError::Mixed(name()), "group.first_member");
            }
            if group.rekey_address.as_ref().is_some_and(mixed) {
                return wrong(ScenarioError::Mixed(name()), "group.rekey_address");
            }
            let before = self.groups.get(..index).unwrap_or_default();
            if before.iter().any(|other| other.name == group.name) {
                return wrong(ScenarioError::GroupTwice(name()), "group.name");
            }
        }
        for (index, event) in self.events.iter().enumerate() {
            self.check_event(index, event)?;
        }
        self.check_vantage()
    }

    fn check_event(&self, index: usize, event: &ScriptedEvent) -> Result<(), (ScenarioError, Position)> {
        let wrong = |key| Err((ScenarioError::Event(index + 1), Position::of(key, index)));
        let group = event.group.checked_sub(1);
        let Some(group) = group.and_then(|group| self.groups.get(group as usize)) else {
            return wrong("event.group");
        };
        let exists = |member: &u32| (1..=group.members).contains(member);
        if !event.members.iter().all(exists) {
            return wrong("event.members");
        }
        if event.key_server as usize > group.key_servers.len() {
            return wrong("event.key_server");
        }
        let why = match event.action {
            Action::Split | Action::Merge if group.key_servers.len() < 2 => {
                "its group has one key server, and two are needed"
            }
            Action::SetLifetimes if event.kek_lifetime.is_none() && event.tek_lifetime.is_none() => {
                "kek_lifetime or tek_lifetime is needed"
            }
            _ => return Ok(()),
        };
        let error = ScenarioError::CannotHappen {
            event: index + 1,
            why,
        };
        Err((error, Position::of("event.action", index)))
    }

    fn check_vantage(&self) -> Result<(), (ScenarioError, Position)> {
        let Vantage {
            place, group, member, ..
        } = self.vantage;
        if place != Place::Branch {
            return Ok(());
        }
        let of = group
            .checked_sub(1)
            .and_then(|group| self.groups.get(group as usize));
        let (why, key) = match of {
            None => (
                "group is the number of the branch's group, from 1",
                "vantage.group",
            ),
            Some(group) if !(1..=group.members).contains(&member) => (
                "member is the number of the branch's member, from 1",
                "vantage.member",
            ),
            Some(_) => return Ok(()),
        };
        Err((ScenarioError::Vantage(why), Position::of(key, 0)))
    }

    /// What an operator of these groups would configure: names, addresses, sites, lifetimes.
    pub fn config(&self) -> Config {
        Config {
            groups: self.groups.iter().map(Group::config).collect(),
        }
    }
}

/// The nearest known word, or all known words.
fn hint(nearest: Option<&str>, known: &[String]) -> String {
    match nearest {
        Some(nearest) => format!("; did you mean {nearest:?}?"),
        None => format!("; known here: {}", known.join(", ")),
    }
}
