//! What is done to the groups of a scenario.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::value;

/// Something that is done to a group.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptedEvent {
    /// When, from the start.
    #[serde(with = "value::duration")]
    pub at: Duration,
    /// What.
    pub action: Action,
    /// To which group, from 1.
    #[serde(default = "value::first")]
    pub group: u32,
    /// To which of its members, from 1; all when empty.
    #[serde(default)]
    pub members: Vec<u32>,
    /// To which of its key servers, from 1; 0 for none in particular.
    #[serde(default)]
    pub key_server: u32,
    /// For how long, or within what time.
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
    /// At a time, to the first group, all of its members, none of its key servers in particular.
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

/// What can be done to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The gateway sees nothing, and says so.
    Blind,
    /// The operator clears the members: their keys are deleted, and they register again within the time.
    Clear,
    /// A key server loses all it knew, and is back after the time with keys of its own.
    Crash,
    /// The key servers get software with the legacy behaviour.
    DowngradeServers,
    /// Nothing reaches the members: the drop is behind the gateway.
    BlockToMembers,
    /// Nothing reaches the key servers: the drop is behind the gateway, which still sees what members send.
    BlockToServers,
    /// A member turns on at this time and not at the start.
    Join,
    /// A key server stops.
    ServerDown,
    /// A key server starts again.
    ServerUp,
    /// The lifetimes of the next keys are changed.
    SetLifetimes,
    /// The key servers lose each other: the second becomes primary for every second member.
    Split,
    /// The key servers find each other again.
    Merge,
    /// The key server does not renew its KEK, for the time.
    KeepKek,
    /// A member's data plane hangs, for the time: it goes on with the SPI it has, beyond the end of its TEK.
    KeepSpi,
    /// Members lose power for the time, or for good when there is none.
    PowerOff,
    /// Members lose power and come back within the time.
    Reboot,
    /// The operator forces a rekey.
    Rekey,
    /// The operator forces a rekey that renews the KEK too.
    RekeyKek,
    /// The key server does not know the members' identity any more, for the time.
    RefuseAuthentication,
    /// The key server does not let the members into the group any more, for the time.
    RefuseGroup,
    /// The members refuse the policy of the group, for the time.
    RefusePolicy,
    /// The key servers get software with the new behaviour.
    UpgradeServers,
    /// The members get software with the new behaviour, and reboot within the time.
    UpgradeMembers,
}

impl Action {
    /// Every one.
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
