//! Foreign traffic: what passes the gateway and belongs to no group.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::value;

/// Foreign traffic through the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Foreign {
    /// Tunnels of plain `IPsec`, each with an SPI in each direction.
    pub tunnels: u32,
    /// Time between their ESP packets.
    #[serde(with = "value::duration")]
    pub every: Duration,
    /// How long an SPI is used.
    #[serde(with = "value::duration")]
    pub lifetime: Duration,
    /// Whether their IKE, on port 4500 from its first message on, passes here too.
    pub ike: bool,
    /// Time between attempts of strangers to contact a key server; zero for none.
    #[serde(with = "value::duration")]
    pub scans_every: Duration,
}

impl Default for Foreign {
    fn default() -> Self {
        Self {
            tunnels: 0,
            every: Duration::from_secs(30),
            lifetime: Duration::from_hours(1),
            ike: false,
            scans_every: Duration::ZERO,
        }
    }
}
