//! The file's structure. The meaning of its keys is documented for users; these are their names.

use std::net::{IpAddr, SocketAddr};

use gdoi_core::Limits;
use gdoi_core::config::Retransmit;
use serde::Deserialize;
use toml::Spanned;

use super::values::{Cidr, DurationValue, ModeName, Multicast, Name, Port, ProfileName};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    pub(super) listen: Option<SocketAddr>,
    #[serde(default)]
    pub(super) capture: RawCapture,
    #[serde(default)]
    pub(super) limits: RawLimits,
    #[serde(default)]
    pub(super) group: Vec<RawGroup>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCapture {
    pub(super) interfaces: Option<Vec<String>>,
    pub(super) mode: Option<ModeName>,
    pub(super) egress: Option<bool>,
    pub(super) hot_plug: Option<Spanned<bool>>,
    pub(super) isakmp_ports: Option<Spanned<Vec<Port>>>,
    pub(super) nat_t_ports: Option<Spanned<Vec<Port>>>,
}

/// Maximum number of entries of each table.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLimits {
    members: Option<usize>,
    groups: Option<usize>,
    spis: Option<usize>,
    key_servers: Option<usize>,
    associations: Option<usize>,
    keks: Option<usize>,
}

impl RawLimits {
    pub(super) fn apply(self, default: Limits) -> Limits {
        let Self {
            members,
            groups,
            spis,
            key_servers,
            associations,
            keks,
        } = self;
        Limits {
            members: members.unwrap_or(default.members),
            groups: groups.unwrap_or(default.groups),
            spis: spis.unwrap_or(default.spis),
            key_servers: key_servers.unwrap_or(default.key_servers),
            associations: associations.unwrap_or(default.associations),
            keks: keks.unwrap_or(default.keks),
            hash_seed: default.hash_seed,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawGroup {
    pub(super) name: Spanned<Name>,
    #[serde(default)]
    pub(super) key_servers: Vec<IpAddr>,
    pub(super) rekey_address: Option<Multicast>,
    #[serde(default)]
    pub(super) members: Vec<Cidr>,
    #[serde(default)]
    pub(super) protected: Vec<Cidr>,
    pub(super) kek_lifetime: Option<DurationValue>,
    pub(super) tek_lifetime: Option<DurationValue>,
    pub(super) retransmit: Option<Repeat>,
    pub(super) profile: Option<ProfileName>,
    #[serde(default)]
    pub(super) site: Vec<Site>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Repeat {
    interval: DurationValue,
    count: u32,
}

impl From<Repeat> for Retransmit {
    fn from(repeat: Repeat) -> Self {
        let DurationValue(interval) = repeat.interval;
        Self {
            interval,
            count: repeat.count,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Site {
    pub(super) name: Name,
    pub(super) member: Option<IpAddr>,
    #[serde(default)]
    pub(super) prefixes: Vec<Spanned<Cidr>>,
}
