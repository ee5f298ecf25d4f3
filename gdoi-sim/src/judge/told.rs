//! How much the operator configured.

use gdoi_core::Config;
use gdoi_core::config::GroupConfig;
use serde::Serialize;

use crate::scenario::Scenario;

/// Degree of configuration: how much the operator tells the monitor about the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    /// Nothing: no configuration.
    Nothing,
    /// The names of the groups and their key servers.
    Named,
    /// Names, addresses, members, sites, lifetimes, repeats, profile.
    All,
}

impl Told {
    /// All degrees, the lowest first.
    pub const ALL: [Self; 3] = [Self::Nothing, Self::Named, Self::All];

    /// Name of the degree.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Named => "named",
            Self::All => "all",
        }
    }

    /// The configuration that the monitor gets for a scenario.
    pub fn config(self, scenario: &Scenario) -> Config {
        let whole = scenario.config();
        match self {
            Self::All => whole,
            Self::Named => Config {
                groups: whole
                    .groups
                    .into_iter()
                    .map(|group| GroupConfig {
                        name: group.name,
                        key_servers: group.key_servers,
                        ..GroupConfig::default()
                    })
                    .collect(),
            },
            Self::Nothing => Config::default(),
        }
    }
}
