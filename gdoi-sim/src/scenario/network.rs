//! The network of a scenario.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::value;

/// The network between key servers and members. A gateway next to the key servers monitors it.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// Minimum one-way delay.
    #[serde(with = "value::duration")]
    pub delay: Duration,
    /// Maximum additional delay.
    #[serde(with = "value::duration")]
    pub jitter: Duration,
    /// How many of a thousand datagrams are lost after the gateway.
    pub lost_per_mille: u32,
    /// How many of a thousand datagrams are duplicated.
    pub doubled_per_mille: u32,
    /// How many of a thousand datagrams are late by ten times the delay.
    pub late_per_mille: u32,
    /// Largest IP packet, in octets.
    pub mtu: usize,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            delay: Duration::from_millis(9),
            jitter: Duration::from_millis(4),
            lost_per_mille: 0,
            doubled_per_mille: 0,
            late_per_mille: 0,
            mtu: 1_500,
        }
    }
}
