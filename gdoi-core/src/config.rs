//! The configuration of the groups, and the limits of the tables. The agent reads both from a file.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

/// An address prefix: the configuration uses it for members, sites and protected networks.
pub use ipnet::IpNet;

use crate::observation::Site;

/// The configuration of the groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The groups, in the order of the file.
    pub groups: Vec<GroupConfig>,
}

/// The configuration of one group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupConfig {
    /// Its name in events and metrics.
    pub name: String,
    /// Its cooperating key servers. Empty if unknown.
    pub key_servers: Vec<IpAddr>,
    /// The multicast address of its rekeys; `None` for unicast.
    pub rekey_address: Option<IpAddr>,
    /// Source addresses of its members' registrations. Empty if unknown.
    pub members: Vec<IpNet>,
    /// Prefixes of the data plane.
    pub protected: Vec<IpNet>,
    /// KEK lifetime; learned if `None`.
    pub kek_lifetime: Option<Duration>,
    /// TEK lifetime; learned if `None`.
    pub tek_lifetime: Option<Duration>,
    /// How its key servers retransmit a rekey; the profile's default if `None`.
    pub retransmit: Option<Retransmit>,
    /// The vendor whose timers it follows.
    pub profile: Profile,
    /// Networks of its members.
    pub sites: Vec<SiteConfig>,
}

impl GroupConfig {
    /// How its key servers retransmit a rekey: as configured, or by the profile.
    pub fn retransmit(&self) -> Retransmit {
        self.retransmit.unwrap_or(self.profile.retransmit())
    }
}

/// The network of a member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteConfig {
    /// Its name in events.
    pub name: String,
    /// Its member.
    pub member: Option<IpAddr>,
    /// Addresses of its hosts: GETVPN keeps them in the outer header of ESP (RFC 5374 §3.1).
    pub prefixes: Vec<IpNet>,
}

/// How a key server retransmits a rekey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retransmit {
    /// Time between retransmissions.
    pub interval: Duration,
    /// Retransmissions of each rekey.
    pub count: u32,
}

/// The vendor whose timers a group follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Cisco GETVPN: the key server renews before the expiry, by its formula.
    #[default]
    Cisco,
    /// Juniper Group VPN: the key server renews four activation delays before the expiry.
    Juniper,
    /// RFC 6407 only: no lead is expected.
    Rfc,
}

impl Profile {
    /// Its name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cisco => "cisco",
            Self::Juniper => "juniper",
            Self::Rfc => "rfc",
        }
    }

    /// How its key servers repeat a rekey without a configuration.
    pub const fn retransmit(self) -> Retransmit {
        match self {
            Self::Cisco | Self::Rfc => Retransmit {
                interval: Duration::from_secs(10),
                count: 2,
            },
            Self::Juniper => Retransmit {
                interval: Duration::from_secs(10),
                count: 0,
            },
        }
    }
}

/// A numbered part of the data plane: a site, or the rest of what a group protects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberedSite<'a> {
    /// The number that [`crate::observation::Esp::site`] carries.
    pub site: Site,
    /// Index of its group in [`Config::groups`].
    pub group: usize,
    /// The site; `None` for the rest of what the group protects.
    pub config: Option<&'a SiteConfig>,
    /// Its addresses.
    pub prefixes: &'a [IpNet],
}

impl Config {
    /// Every numbered part of the data plane, from 1: the sites of every group, then what each group protects.
    ///
    /// A source reports the number of the longest prefix that contains the source address of an ESP packet.
    pub fn numbered_sites(&self) -> impl Iterator<Item = NumberedSite<'_>> {
        let sites = self.groups.iter().enumerate().flat_map(|(group, config)| {
            config
                .sites
                .iter()
                .map(move |site| (group, Some(site), site.prefixes.as_slice()))
        });
        let protected = self
            .groups
            .iter()
            .enumerate()
            .map(|(group, config)| (group, None, config.protected.as_slice()));
        sites
            .chain(protected)
            .zip(1..)
            .map(|((group, config, prefixes), number)| NumberedSite {
                site: Site(number),
                group,
                config,
                prefixes,
            })
    }

    /// The name of the site with each number, from 0; `None` for the rest of what a group protects.
    pub(crate) fn site_names(&self) -> impl Iterator<Item = Option<&str>> {
        core::iter::once(None).chain(
            self.numbered_sites()
                .map(|place| place.config.map(|site| site.name.as_str())),
        )
    }

    /// The name of the site with a number.
    pub(crate) fn site_name(&self, number: u32) -> Option<String> {
        let at = usize::try_from(number).ok()?;
        self.site_names().nth(at)?.map(String::from)
    }
}

/// The maximum number of entries of each table. A full table evicts the least recently used entry, or counts new ones
/// together; both are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Members.
    pub members: usize,
    /// Groups, configured ones included.
    pub groups: usize,
    /// ESP SPIs, each once per site that sends it.
    pub spis: usize,
    /// Key servers, configured ones included.
    pub key_servers: usize,
    /// IKE SAs with a registration.
    pub associations: usize,
    /// KEKs; unconfirmed cookie pairs have a table of the same size.
    pub keks: usize,
    /// Seed of the hash function of the tables. It changes no result; a secret seed keeps a sender of forged messages
    /// from choosing keys that collide.
    pub hash_seed: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            members: 100_000,
            groups: 1_000,
            spis: 100_000,
            key_servers: 4_096,
            associations: 65_536,
            keks: 8_192,
            hash_seed: 0,
        }
    }
}
