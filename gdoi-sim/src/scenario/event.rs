//! Events of a scenario.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::value;

/// An event for a group.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptedEvent {
    /// Its time, from the start.
    #[serde(with = "value::duration")]
    pub at: Duration,
    /// The action.
    pub action: Action,
    /// Its group, from 1.
    #[serde(default = "value::first")]
    pub group: u32,
    /// Its members, from 1; all if empty.
    #[serde(default)]
    pub members: Vec<u32>,
    /// Its key servers, from 1; 0 for none in particular.
    #[serde(default)]
    pub key_server: u32,
    /// Its duration, or the time within which it happens.
    #[serde(default, rename = "for", with = "value::duration")]
    pub lasting: Duration,
    /// Only datagrams of more octets.
    #[serde(default)]
    pub larger_than: usize,
    /// The lifetime of the next KEKs.
    #[serde(default, with = "value::optional_duration")]
    pub kek_lifetime: Option<Duration>,
    /// The lifetime of the next TEKs.
    #[serde(default, with = "value::optional_duration")]
    pub tek_lifetime: Option<Duration>,
}

impl ScriptedEvent {
    /// For the first group, all of its members, and no key server in particular.
    pub(crate) const fn plain(at: Duration, action: Action) -> Self {
        Self {
            at,
            action,
            group: 1,
            members: Vec::new(),
            key_server: 0,
            lasting: Duration::ZERO,
            larger_than: 0,
            kek_lifetime: None,
            tek_lifetime: None,
        }
    }
}

/// Actions on a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The gateway sees nothing, and knows it.
    Blind,
    /// The operator clears the members: their keys are deleted, and they register again within the time.
    Clear,
    /// A key server loses its state, and is back after the time with new keys.
    Crash,
    /// The key servers get software with the legacy behaviour.
    DowngradeServers,
    /// Nothing reaches the members: datagrams are dropped beyond the gateway.
    BlockToMembers,
    /// Nothing reaches the key servers: datagrams are dropped after the gateway, which still sees what members send.
    BlockToServers,
    /// A member turns on at this time instead of at the start.
    Join,
    /// A key server stops.
    ServerDown,
    /// A key server starts again.
    ServerUp,
    /// The lifetimes of the next keys are changed.
    SetLifetimes,
    /// The key servers lose contact: the second becomes primary for every second member.
    Split,
    /// The key servers regain contact.
    Merge,
    /// The key server does not renew its KEK, for the time.
    KeepKek,
    /// A member's data plane hangs, for the time: it keeps its SPI beyond the end of the TEK.
    KeepSpi,
    /// Members lose power for the time, or for good without a time.
    PowerOff,
    /// Members lose power and come back within the time.
    Reboot,
    /// The operator forces a rekey.
    Rekey,
    /// The operator forces a rekey that renews the KEK too.
    RekeyKek,
    /// The key server rejects the members' identity, for the time.
    RefuseAuthentication,
    /// The key server refuses the members the group, for the time.
    RefuseGroup,
    /// The members refuse the policy of the group, for the time.
    RefusePolicy,
    /// The key servers get software with the new behaviour.
    UpgradeServers,
    /// The members get software with the new behaviour, and reboot within the time.
    UpgradeMembers,
}

impl Action {
    /// All actions.
    pub const ALL: [Self; 23] = [
        Self::Blind,
        Self::Clear,
        Self::Crash,
        Self::DowngradeServers,
        Self::BlockToMembers,
        Self::BlockToServers,
        Self::Join,
        Self::ServerDown,
        Self::ServerUp,
        Self::SetLifetimes,
        Self::Split,
        Self::Merge,
        Self::KeepKek,
        Self::KeepSpi,
        Self::PowerOff,
        Self::Reboot,
        Self::Rekey,
        Self::RekeyKek,
        Self::RefuseAuthentication,
        Self::RefuseGroup,
        Self::RefusePolicy,
        Self::UpgradeServers,
        Self::UpgradeMembers,
    ];
}
