//! A group of a scenario: its key servers and members, and their behaviour.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use gdoi_core::config::{GroupConfig, IpNet, Profile, Retransmit, SiteConfig};
use serde::{Deserialize, Serialize};

use super::value;
use super::vantage::Span;

/// How a key server or a member handles the KEK (Cisco TAC note 116737).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Behavior {
    /// Key server: renews the KEK at its expiry. Member: keeps it until a rekey replaces it.
    Legacy,
    /// Key server: renews the KEK early. Member: has a timer for it and deletes it when it expires.
    #[default]
    New,
}

/// How rekeys are acknowledged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Acknowledgement {
    /// Encrypted, of an unregistered exchange type, under the KEK that the member holds after the rekey.
    Cisco,
    /// Not at all.
    None,
    /// GROUPKEY-PUSH-ACK in clear text (RFC 8263).
    #[default]
    Rfc8263,
}

/// The protocol of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// RFC 6407.
    #[default]
    Gdoi,
    /// RFC 9838.
    GIkev2,
}

/// The vendor whose timers a group has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Timers {
    /// Cisco GETVPN.
    #[default]
    Cisco,
    /// HPE and H3C: the lead of a key is a twentieth of its lifetime plus its repeats.
    Hpe,
    /// Juniper Group VPN: everything in multiples of the activation delay of 15 s.
    Juniper,
    /// A key server that renews its keys when a tenth of their lifetime is left.
    Rfc,
}

/// Whether KEK and TEK are renewed together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KekClock {
    /// Separately, each when it is due.
    Own,
    /// A rekey that delivers a KEK delivers a TEK too.
    #[default]
    Together,
}

/// When members start to use the SPI that a rekey delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SpiSwitch {
    /// Half a minute before the end of their current TEK.
    Late,
    /// After the activation time.
    #[default]
    Soon,
}

/// One group.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its key servers, the primary first.
    pub key_servers: Vec<IpAddr>,
    /// The destination of multicast rekeys.
    #[serde(default)]
    pub rekey_address: Option<IpAddr>,
    /// Number of members.
    pub members: u32,
    /// Address of the first member; each next is in the next /24, or /64.
    #[serde(default = "value::first_member")]
    pub first_member: IpAddr,
    /// Prefix of the first member's site, a /24; each next member has the next.
    #[serde(default = "value::first_site")]
    pub first_site: Ipv4Addr,
    /// The NAT address of all members.
    #[serde(default)]
    pub nat: Option<IpAddr>,
    /// GDOI or G-IKEv2.
    #[serde(default)]
    pub protocol: Protocol,
    /// The vendor of its timers.
    #[serde(default)]
    pub timers: Timers,
    /// The behaviour of the key servers.
    #[serde(default)]
    pub server: Behavior,
    /// The behaviour of the members.
    #[serde(default)]
    pub member: Behavior,
    /// How unicast rekeys are acknowledged.
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
    /// Rekeys in a row without acknowledgement before the key server drops a member.
    #[serde(default = "value::drop_after")]
    pub drop_after: u32,
    /// Whether a repeat has a new sequence number, instead of the same octets.
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
    /// What a registration costs the key server, in time.
    #[serde(default = "value::registration_cost", with = "value::duration")]
    pub registration_cost: Duration,
    /// Time between ESP packets of one member; zero for no traffic.
    #[serde(default, with = "value::duration")]
    pub traffic_every: Duration,
    /// ESP packets of a member per interval.
    #[serde(default = "value::traffic_packets")]
    pub traffic_packets: u32,
    /// The part of each day without traffic.
    #[serde(default)]
    pub quiet: Option<Span>,
    /// Whether KEK and TEK are renewed together.
    #[serde(default)]
    pub kek_clock: KekClock,
    /// When members start to use a new SPI.
    #[serde(default)]
    pub spi_switch: SpiSwitch,
    /// The source address of rekeys, if it differs from the registration address.
    #[serde(default)]
    pub rekey_source: Option<IpAddr>,
    /// Time between heartbeats that look like rekeys (Juniper); zero for none.
    #[serde(default, with = "value::duration")]
    pub heartbeat_every: Duration,
    /// No rekey is ever sent: members register again before their TEK ends (IEC 62351-9).
    #[serde(default)]
    pub pull_only: bool,
    /// The key server sends a keepalive on the IKE SA of a registration, and deletes the SA soon after.
    #[serde(default)]
    pub closes_ike_sa: bool,
    /// Time between announcements of cooperating key servers.
    #[serde(default = "value::announce_every", with = "value::duration")]
    pub announce_every: Duration,
    /// Lifetime of the IKE SA between two key servers; zero for unlimited.
    #[serde(default, with = "value::duration")]
    pub coop_ike_lifetime: Duration,
}

impl Group {
    /// With all optional values left out, no key server and one member.
    pub(crate) fn plain(name: String) -> Self {
        Self {
            name,
            key_servers: Vec::new(),
            rekey_address: None,
            members: 1,
            first_member: value::first_member(),
            first_site: value::first_site(),
            nat: None,
            protocol: Protocol::default(),
            timers: Timers::default(),
            server: Behavior::default(),
            member: Behavior::default(),
            acknowledgement: Acknowledgement::default(),
            kek_lifetime: value::kek_lifetime(),
            tek_lifetime: value::tek_lifetime(),
            retransmit_interval: value::retransmit_interval(),
            retransmit_count: value::retransmit_count(),
            drop_after: value::drop_after(),
            retransmit_renumbered: false,
            policy_entries: value::policy_entries(),
            signature_octets: value::signature_octets(),
            boot_within: value::boot_within(),
            activation: value::activation(),
            registration_cost: value::registration_cost(),
            traffic_every: Duration::ZERO,
            traffic_packets: value::traffic_packets(),
            quiet: None,
            kek_clock: KekClock::default(),
            spi_switch: SpiSwitch::default(),
            rekey_source: None,
            heartbeat_every: Duration::ZERO,
            pull_only: false,
            closes_ike_sa: false,
            announce_every: value::announce_every(),
            coop_ike_lifetime: Duration::ZERO,
        }
    }

    /// Whether rekeys go to each member separately.
    pub const fn is_unicast(&self) -> bool {
        self.rekey_address.is_none()
    }

    /// Whether members acknowledge rekeys.
    pub fn is_acknowledged(&self) -> bool {
        self.is_unicast()
            && !self.pull_only
            && self.protocol == Protocol::Gdoi
            && self.acknowledgement != Acknowledgement::None
    }

    /// Prefix of the site of this member, from 0.
    pub fn site(&self, member: u32) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.first_site.to_bits().wrapping_add(member << 8))
    }

    /// Address of this member, from 0, before any NAT.
    pub fn member_address(&self, member: u32) -> IpAddr {
        match self.first_member {
            IpAddr::V4(first) => Ipv4Addr::from_bits(first.to_bits().wrapping_add(member << 8)).into(),
            IpAddr::V6(first) => {
                let next = first.to_bits().wrapping_add(u128::from(member) << 64);
                std::net::Ipv6Addr::from_bits(next).into()
            }
        }
    }

    pub(super) fn config(&self) -> GroupConfig {
        let member = |number| self.nat.unwrap_or_else(|| self.member_address(number));
        let sites = (0..self.members).map(|number| SiteConfig {
            name: site_name(number),
            member: Some(member(number)),
            prefixes: IpNet::new(self.site(number).into(), 24).into_iter().collect(),
        });
        GroupConfig {
            name: self.name.clone(),
            key_servers: self.key_servers.clone(),
            rekey_address: self.rekey_address,
            members: (0..self.members)
                .map(|number| IpNet::from(member(number)))
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
                Timers::Hpe | Timers::Rfc => Profile::Rfc,
            },
            sites: sites.collect(),
        }
    }
}

/// Name of the site of this member, from 0.
pub(crate) fn site_name(member: u32) -> String {
    format!("site-{}", member + 1)
}
