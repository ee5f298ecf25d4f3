//! Who is there and what happens: scenarios, and the files they are read from.

mod library;
mod value;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use gdoi_core::Timestamp;
use gdoi_core::config::{Config, GroupConfig, Prefix, Profile, Retransmit, SiteConfig};
use serde::Deserialize;

pub use library::{named, names};
pub use value::parse_duration;

/// Who is there and what happens.
#[derive(Clone, Debug, PartialEq, Deserialize)]
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
    /// The groups.
    #[serde(rename = "group")]
    pub groups: Vec<Group>,
    /// What is done to them, in any order.
    #[serde(default, rename = "event")]
    pub events: Vec<Event>,
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

/// The network between key servers and members. A gateway next to the key servers watches it.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// One way, at least.
    #[serde(with = "value::duration")]
    pub delay: Duration,
    /// Up to this much more.
    #[serde(with = "value::duration")]
    pub jitter: Duration,
    /// How many of a thousand datagrams are lost, behind the gateway.
    pub lost_per_mille: u32,
    /// How many of a thousand datagrams come twice.
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

/// How a key server or a member treats the KEK (Cisco TAC note 116737).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Behavior {
    /// Key server: renews the KEK when it expires. Member: keeps it until a rekey replaces it.
    Legacy,
    /// Key server: renews the KEK early. Member: has a timer for it and deletes it when it expires.
    #[default]
    New,
}

/// How rekeys are acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Acknowledgement {
    /// Encrypted, of an unregistered exchange type, under the KEK that the member holds afterwards.
    Cisco,
    /// Not at all.
    None,
    /// GROUPKEY-PUSH-ACK in clear (RFC 8263).
    #[default]
    Rfc8263,
}

/// The protocol of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// RFC 6407.
    #[default]
    Gdoi,
    /// RFC 9838.
    GIkev2,
}

/// Whose timers a group has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Timers {
    /// Cisco GETVPN.
    #[default]
    Cisco,
    /// Juniper Group VPN: everything in multiples of the activation delay of 15 s.
    Juniper,
}

/// One group.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its key servers, the primary first.
    pub key_servers: Vec<IpAddr>,
    /// Where its rekeys go when they are multicast.
    #[serde(default)]
    pub rekey_address: Option<IpAddr>,
    /// How many members it has.
    pub members: u32,
    /// Address of the first member; each next is in the next /24, or /64.
    #[serde(default = "value::first_member")]
    pub first_member: IpAddr,
    /// Prefix of the first member's site, a /24; each next member has the next.
    #[serde(default = "value::first_site")]
    pub first_site: Ipv4Addr,
    /// The address that all members are hidden behind by NAT.
    #[serde(default)]
    pub nat: Option<IpAddr>,
    /// GDOI or G-IKEv2.
    #[serde(default)]
    pub protocol: Protocol,
    /// Whose timers.
    #[serde(default)]
    pub timers: Timers,
    /// How the key servers behave.
    #[serde(default)]
    pub server: Behavior,
    /// How the members behave.
    #[serde(default)]
    pub member: Behavior,
    /// How rekeys are acknowledged, when unicast.
    #[serde(default)]
    pub acknowledgement: Acknowledgement,
    /// KEK lifetime.
    #[serde(default = "value::kek_lifetime", with = "value::duration")]
    pub kek_lifetime: Duration,
    /// TEK lifetime.
    #[serde(default = "value::tek_lifetime", with = "value::duration")]
    pub tek_lifetime: Duration,
    /// Time between repeats of a rekey.
    #[serde(default = "value::retransmit_interval", with = "value::duration")]
    pub retransmit_interval: Duration,
    /// Repeats of a rekey after the first.
    #[serde(default = "value::retransmit_count")]
    pub retransmit_count: u32,
    /// Whether a repeat has a sequence number of its own, instead of being the same octets.
    #[serde(default)]
    pub retransmit_renumbered: bool,
    /// Access list entries: each is a SAT payload in a rekey.
    #[serde(default = "value::policy_entries")]
    pub policy_entries: u32,
    /// Octets of the key server's RSA signature.
    #[serde(default = "value::signature_octets")]
    pub signature_octets: u32,
    /// Members start within this time.
    #[serde(default = "value::boot_within", with = "value::duration")]
    pub boot_within: Duration,
    /// From a rekey to the first packet with its SPI.
    #[serde(default = "value::activation", with = "value::duration")]
    pub activation: Duration,
    /// What a registration costs the key server.
    #[serde(default = "value::registration_cost", with = "value::duration")]
    pub registration_cost: Duration,
    /// Time between ESP packets of one member; zero for no traffic.
    #[serde(default, with = "value::duration")]
    pub traffic_every: Duration,
    /// ESP packets of a member each time.
    #[serde(default = "value::traffic_packets")]
    pub traffic_packets: u32,
}

impl Group {
    /// Whether rekeys go to each member by itself.
    pub const fn is_unicast(&self) -> bool {
        self.rekey_address.is_none()
    }

    /// Prefix of the site behind the member of this number, from 0.
    pub fn site(&self, member: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.first_site.to_bits().wrapping_add(member << 8))
    }

    /// Address of the member of this number, from 0, before any NAT.
    pub fn member_address(&self, member: u32) -> IpAddr {
        match self.first_member {
            IpAddr::V4(first) => Ipv4Addr::from_bits(first.to_bits().wrapping_add(member << 8)).into(),
            IpAddr::V6(first) => {
                let next = first.to_bits().wrapping_add(u128::from(member) << 64);
                std::net::Ipv6Addr::from_bits(next).into()
            }
        }
    }

    fn config(&self) -> GroupConfig {
        let member = |number| self.nat.unwrap_or_else(|| self.member_address(number));
        let sites = (0..self.members).map(|number| SiteConfig {
            name: site_name(number),
            member: Some(member(number)),
            prefixes: Prefix::new(self.site(number).into(), 24).into_iter().collect(),
        });
        GroupConfig {
            name: self.name.clone(),
            key_servers: self.key_servers.clone(),
            rekey_address: self.rekey_address,
            members: (0..self.members)
                .map(|number| Prefix::host(member(number)))
                .collect(),
            protected: Vec::new(),
            kek_lifetime: Some(self.kek_lifetime),
            tek_lifetime: Some(self.tek_lifetime),
            retransmit: Some(Retransmit {
                interval: self.retransmit_interval,
                count: self.retransmit_count,
            }),
            profile: match self.timers {
                Timers::Cisco => Profile::Cisco,
                Timers::Juniper => Profile::Juniper,
            },
            sites: sites.collect(),
        }
    }
}

/// Name of the site behind the member of this number, from 0.
pub(crate) fn site_name(member: u32) -> String {
    format!("site-{}", member + 1)
}

/// Something that is done to a group.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
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
