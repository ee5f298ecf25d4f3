//! Who is there and what happens: scenarios, and the files they are read from.

mod bounds;
mod event;
mod foreign;
mod group;
mod library;
mod network;
mod text;
mod value;
mod vantage;

use std::net::IpAddr;
use std::time::Duration;

use gdoi_core::Timestamp;
use gdoi_core::config::Config;
use serde::{Deserialize, Serialize};

pub use event::{Action, ScriptedEvent};
pub use foreign::Foreign;
pub(crate) use group::site_name;
pub use group::{Acknowledgement, Behavior, Group, KekClock, Protocol, SpiSwitch, Timers};
pub use library::{named, names};
pub use network::Network;
pub use value::parse_duration;
pub(crate) use value::start;
pub use vantage::{Direction, Place, Span, Vantage};

/// Who is there and what happens.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it shows, in one sentence.
    pub title: String,
    /// The seed when none is given.
    #[serde(default)]
    pub seed: u64,
    /// The moment it begins, in UTC.
    #[serde(default = "value::start", with = "value::moment")]
    pub start: Timestamp,
    /// How long it lasts.
    #[serde(with = "value::duration")]
    pub duration: Duration,
    /// VLAN identifiers on every frame, outermost first.
    #[serde(default)]
    pub vlan: Vec<u16>,
    /// The network between key servers and members.
    #[serde(default)]
    pub network: Network,
    /// From where the monitor watches.
    #[serde(default)]
    pub vantage: Vantage,
    /// What is none of the groups' business.
    #[serde(default)]
    pub foreign: Foreign,
    /// The groups.
    #[serde(rename = "group")]
    pub groups: Vec<Group>,
    /// What is done to them, in any order.
    #[serde(default, rename = "event")]
    pub events: Vec<ScriptedEvent>,
}

/// Why a scenario cannot be played.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// Not a scenario file.
    #[error("read the scenario")]
    File(#[from] toml::de::Error),
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
    #[error("event {0} names what does not exist")]
    Event(usize),
    /// A time beyond the clock.
    #[error("{name} is {time:?}, and can be ten years at most")]
    TooLong {
        /// Its key in the file.
        name: &'static str,
        /// What it is.
        time: Duration,
    },
    /// What repeats so soon that there is no end.
    #[error("{name} is {time:?}, and has to be at least {least:?} in a scenario this long")]
    TooShort {
        /// Its key in the file.
        name: &'static str,
        /// What it is.
        time: Duration,
        /// What it has to be.
        least: Duration,
    },
    /// More repeats of a rekey, or more policy in it, than there can be.
    #[error("group {0:?} repeats a rekey more than 1000 times, or has a policy that fits into no datagram")]
    TooMuch(String),
}

impl Scenario {
    /// From the text of a scenario file.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = toml::from_str(text)?;
        scenario.check()?;
        Ok(scenario)
    }

    /// Whether it can be played.
    pub fn check(&self) -> Result<(), ScenarioError> {
        self.check_bounds()?;
        for group in &self.groups {
            let Some(first) = group.key_servers.first() else {
                return Err(ScenarioError::Empty(group.name.clone()));
            };
            if group.members == 0 {
                return Err(ScenarioError::Empty(group.name.clone()));
            }
            let mixed = |address: &IpAddr| address.is_ipv4() != first.is_ipv4();
            if group.key_servers.iter().any(mixed)
                || mixed(&group.first_member)
                || group.rekey_address.as_ref().is_some_and(mixed)
            {
                return Err(ScenarioError::Mixed(group.name.clone()));
            }
        }
        for (index, event) in self.events.iter().enumerate() {
            let group = event
                .group
                .checked_sub(1)
                .and_then(|group| self.groups.get(group as usize));
            let good = group.is_some_and(|group| {
                event
                    .members
                    .iter()
                    .all(|member| (1..=group.members).contains(member))
                    && event.key_server as usize <= group.key_servers.len()
            });
            if !good {
                return Err(ScenarioError::Event(index + 1));
            }
        }
        Ok(())
    }

    /// What an operator of these groups would tell the monitor: names, addresses, sites, lifetimes.
    pub fn config(&self) -> Config {
        Config {
            groups: self.groups.iter().map(Group::config).collect(),
        }
    }
}
