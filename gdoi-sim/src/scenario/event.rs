//! What is done to the groups of a scenario.

use std::time::Duration;

use serde::Deserialize;

use super::value;

/// Something that is done to a group.
#[derive(Clone, Debug, PartialEq, Deserialize)]
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
}

/// What can be done to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The gateway sees nothing, and says so.
    Blind,
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
