//! What the user knows of the groups. Typed and plain: reading it from a file is the agent's work.

use crate::observation::Site;
use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

/// What the user knows of the groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The groups, in the order of the file.
    pub groups: Vec<GroupConfig>,
}

/// What the user knows of one group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupConfig {
    /// Its name in events and metrics.
    pub name: String,
    /// One set of cooperating key servers. Empty when unknown.
    pub key_servers: Vec<IpAddr>,
    /// Where multicast rekeys go; `None` for unicast.
    pub rekey_address: Option<IpAddr>,
    /// Addresses that members manage their keys from. Empty when unknown.
    pub members: Vec<Prefix>,
    /// Prefixes of the data plane.
    pub protected: Vec<Prefix>,
    /// KEK lifetime; learned when `None`.
    pub kek_lifetime: Option<Duration>,
    /// TEK lifetime; learned when `None`.
    pub tek_lifetime: Option<Duration>,
    /// How the key server repeats a rekey; the profile's default when `None`.
    pub retransmit: Option<Retransmit>,
    /// Whose timers the group follows.
    pub profile: Profile,
    /// Places behind members.
    pub sites: Vec<SiteConfig>,
}

impl GroupConfig {
    /// How the key server repeats a rekey.
    pub fn retransmit(&self) -> Retransmit {
        self.retransmit.unwrap_or(self.profile.retransmit())
    }
}

/// A place behind one member.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SiteConfig {
    /// Its name in events.
    pub name: String,
    /// The member in front of it.
    pub member: Option<IpAddr>,
    /// Addresses of its hosts: GETVPN keeps them on the outside of ESP (RFC 5374 §3.1).
    pub prefixes: Vec<Prefix>,
}

/// How a key server repeats a rekey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retransmit {
    /// Time between repeats.
    pub interval: Duration,
    /// Repeats after the first.
    pub count: u32,
}

/// Whose timers a group follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Cisco GETVPN: rekeys before expiry by the formula of the key server.
    #[default]
    Cisco,
    /// Juniper Group VPN: rekeys four activation delays before expiry.
    Juniper,
    /// No more than RFC 6407 says: nothing is expected of the lead.
    Rfc,
}

impl Profile {
    /// The word for it in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cisco => "cisco",
            Self::Juniper => "juniper",
            Self::Rfc => "rfc",
        }
    }

    /// How its key servers repeat a rekey when nothing is configured on them.
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

/// An address prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

impl Prefix {
    /// From an address and a length in bits. `None` when the address has fewer bits.
    pub const fn new(address: IpAddr, length: u8) -> Option<Self> {
        if length > bits_of(address) {
            return None;
        }
        Some(Self { address, length })
    }

    /// A prefix of one address.
    pub const fn host(address: IpAddr) -> Self {
        Self {
            address,
            length: bits_of(address),
        }
    }

    /// The address it was made from.
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// Its length in bits.
    pub const fn length(&self) -> u8 {
        self.length
    }

    /// Whether `address` is in it.
    pub const fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                let differ = ours.to_bits() ^ theirs.to_bits();
                self.length == 0 || differ >> (32 - self.length) == 0
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                let differ = ours.to_bits() ^ theirs.to_bits();
                self.length == 0 || differ >> (128 - self.length) == 0
            }
            _ => false,
        }
    }
}

const fn bits_of(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// One numbered place of the data plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberedSite<'a> {
    /// The number that [`crate::observation::Esp::site`] carries.
    pub site: Site,
    /// Index of its group in [`Config::groups`].
    pub group: usize,
    /// The site; `None` for the rest of what the group protects.
    pub config: Option<&'a SiteConfig>,
    /// Its addresses.
    pub prefixes: &'a [Prefix],
}

impl Config {
    /// Every numbered place, from 1: the sites of every group, then what each group protects.
    ///
    /// A source looks up the longest prefix that holds an ESP packet's source address and reports the number.
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

    /// The name of the site with each number, from 0; `None` for what is no site.
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

/// How much may be remembered. What finds no room makes the least recently seen go, or is counted together with
/// others; either is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Members.
    pub members: usize,
    /// Groups, the configured ones among them.
    pub groups: usize,
    /// ESP SPIs, counted once for each site they are sent from.
    pub spis: usize,
    /// Key servers, the configured ones among them.
    pub key_servers: usize,
    /// IKE SAs that a registration may be running in.
    pub associations: usize,
    /// KEKs; as many cookie pairs beside them that nothing but one message speaks for.
    pub keks: usize,
    /// Seed of the tables' hash function. It changes nothing that can be seen; a secret one keeps a sender of forged
    /// messages from choosing keys that collide.
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
