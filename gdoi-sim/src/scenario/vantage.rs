//! The vantage of the monitor, and the traffic that passes there.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::value;

/// The vantage of the monitor, and the traffic that passes there.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Vantage {
    /// The position of the gateway.
    pub place: Place,
    /// The group of the branch, from 1; unused elsewhere.
    pub group: u32,
    /// The member at the branch, from 1; unused elsewhere.
    pub member: u32,
    /// Which messages pass it.
    pub direction: Direction,
    /// The monitor starts this late.
    #[serde(with = "value::duration")]
    pub since: Duration,
    /// Unannounced holes in the capture.
    pub holes: Vec<Span>,
    /// A mirror port that shows every frame twice.
    pub mirrored: bool,
    /// How many of a thousand flows take another path.
    pub missed_flows_per_mille: u32,
    /// How many of a thousand packets take another path.
    pub missed_packets_per_mille: u32,
}

/// The position of the gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// At one branch: the messages of its member, its ESP in both directions.
    Branch,
    /// In the core: the messages and the ESP of every second member.
    Core,
    /// Next to the key servers: every message, and the ESP of all sites.
    #[default]
    KeyServers,
    /// The gateway itself is the members' NAT: every message is seen on both sides.
    OwnNat,
}

/// Which messages pass the gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// All.
    #[default]
    Both,
    /// Only what key servers send.
    ToMembers,
    /// Only what members send.
    ToServers,
}

/// An interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// From when, from the start.
    #[serde(with = "value::duration")]
    pub at: Duration,
    /// For how long.
    #[serde(rename = "for", with = "value::duration")]
    pub lasting: Duration,
}

impl Vantage {
    /// The named vantages, available for every scenario.
    pub const NAMES: [&str; 11] = [
        "key_servers",
        "branch",
        "core",
        "to_members",
        "to_servers",
        "late",
        "holes",
        "mirror",
        "own_nat",
        "flows",
        "packets",
    ];

    /// A named vantage, for a scenario of this duration.
    pub fn named(name: &str, lasting: Duration) -> Option<Self> {
        let whole = Self::default();
        Some(match name {
            "key_servers" => whole,
            "branch" => Self {
                place: Place::Branch,
                group: 1,
                member: 2,
                ..whole
            },
            "core" => Self {
                place: Place::Core,
                ..whole
            },
            "to_members" => Self {
                direction: Direction::ToMembers,
                ..whole
            },
            "to_servers" => Self {
                direction: Direction::ToServers,
                ..whole
            },
            "late" => Self {
                since: lasting * 2 / 5,
                ..whole
            },
            "holes" => Self {
                holes: Vec::from([Span {
                    at: lasting * 9 / 20,
                    lasting: lasting / 6,
                }]),
                ..whole
            },
            "mirror" => Self {
                mirrored: true,
                ..whole
            },
            "own_nat" => Self {
                place: Place::OwnNat,
                ..whole
            },
            "flows" => Self {
                missed_flows_per_mille: 250,
                ..whole
            },
            "packets" => Self {
                missed_packets_per_mille: 50,
                ..whole
            },
            _ => return None,
        })
    }

    /// Whether all traffic of the key servers is seen, so that silence is real.
    pub fn is_whole(&self) -> bool {
        let Self {
            place,
            direction,
            since,
            holes,
            missed_flows_per_mille,
            missed_packets_per_mille,
            group: _,
            member: _,
            mirrored: _,
        } = self;
        matches!(place, Place::KeyServers | Place::OwnNat)
            && *direction == Direction::Both
            && since.is_zero()
            && holes.is_empty()
            && *missed_flows_per_mille == 0
            && *missed_packets_per_mille == 0
    }
}
