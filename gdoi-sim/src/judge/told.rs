//! How much the operator told the monitor.

use gdoi_core::Config;
use gdoi_core::config::GroupConfig;
use serde::Serialize;

use crate::scenario::Scenario;

/// How much the operator told the monitor.
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
    /// All degrees, the least first.
    pub const ALL: [Self; 3] = [Self::Nothing, Self::Named, Self::All];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Named => "named",
            Self::All => "all",
        }
    }

    /// What the monitor is told of a scenario.
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
