//! The configuration file, from TOML to validated values.

mod check;
mod error;
mod raw;
#[cfg(test)]
mod tests;
mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::Path;

use gdoi_core::Limits;
use gdoi_core::config::{GroupConfig, IpNet, SiteConfig};
use gdoi_wire::Ports;

use crate::source::xdp::interface;

pub use check::command;
pub use error::{ConfigError, ConfigProblem};
pub use values::ModeName;

/// Default listen address.
pub const DEFAULT_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 11848);

/// A valid configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Address of pages and metrics.
    pub listen: SocketAddr,
    /// What to monitor.
    pub capture: CaptureConfig,
    /// The configured groups.
    pub groups: gdoi_core::Config,
    /// Sizes of the tables.
    pub limits: Limits,
}

/// What to monitor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaptureConfig {
    /// Names of interfaces, or patterns with `*` and `?`.
    pub interfaces: Vec<String>,
    /// Where in the kernel programs are attached.
    pub mode: ModeName,
    /// Whether packets sent by this host are monitored too.
    pub egress: bool,
    /// Whether interfaces that appear later are monitored; without it the agent drops every capability after startup.
    pub hot_plug: bool,
    /// UDP ports.
    pub ports: Ports,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: DEFAULT_LISTEN,
            capture: CaptureConfig {
                interfaces: Vec::new(),
                mode: ModeName::Auto,
                egress: false,
                hot_plug: true,
                ports: Ports::DEFAULT,
            },
            groups: gdoi_core::Config::default(),
            limits: Limits::default(),
        }
    }
}

impl Config {
    /// Reads a file.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path).map_err(|error| ConfigError {
            path: path.to_owned(),
            line: None,
            what: ConfigProblem::Read(error),
        })?;
        Self::parse(path, &text)
    }

    /// Parses the text of a file; errors name it `path`.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let at = |(what, span): (ConfigProblem, Option<Range<usize>>)| ConfigError {
            path: path.to_owned(),
            line: span.map(|span| line_of(text, span.start)),
            what,
        };
        let raw: raw::RawConfig = toml::from_str(text).map_err(|error| at(error::from_toml(&error, text)))?;
        Self::from_raw(raw).map_err(at)
    }

    fn from_raw(raw: raw::RawConfig) -> Result<Self, Wrong> {
        let default = Self::default();
        let groups = groups(raw.group)?;
        Ok(Self {
            listen: raw.listen.unwrap_or(default.listen),
            capture: capture(raw.capture, default.capture)?,
            groups,
            limits: raw.limits.apply(default.limits),
        })
    }
}

/// An error, and its position in the text.
type Wrong = (ConfigProblem, Option<Range<usize>>);

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|octet| *octet == b'\n').count() + 1
}

fn capture(raw: raw::RawCapture, default: CaptureConfig) -> Result<CaptureConfig, Wrong> {
    let isakmp = slots(raw.isakmp_ports, default.ports.isakmp)?;
    let nat_t_span = raw.nat_t_ports.as_ref().map(toml::Spanned::span);
    let nat_t = slots(raw.nat_t_ports, default.ports.nat_t)?;
    if let Some(port) = isakmp.iter().find(|port| **port != 0 && nat_t.contains(port)) {
        return Err((ConfigProblem::PortTwice(*port), nat_t_span));
    }
    let interfaces = raw.interfaces.unwrap_or(default.interfaces);
    let hot_plug_span = raw.hot_plug.as_ref().map(toml::Spanned::span);
    let hot_plug = raw.hot_plug.map_or(default.hot_plug, toml::Spanned::into_inner);
    let pattern = interfaces.iter().find(|name| interface::is_pattern(name));
    if let Some(pattern) = pattern.filter(|_| !hot_plug) {
        return Err((ConfigProblem::PatternOfNothing(pattern.clone()), hot_plug_span));
    }
    Ok(CaptureConfig {
        interfaces,
        hot_plug,
        mode: raw.mode.unwrap_or(default.mode),
        egress: raw.egress.unwrap_or(default.egress),
        ports: Ports { isakmp, nat_t },
    })
}

/// UDP ports; 0 is none.
pub(crate) type PortSlots = [u16; Ports::SLOTS];

fn slots(ports: Option<toml::Spanned<Vec<values::Port>>>, default: PortSlots) -> Result<PortSlots, Wrong> {
    let Some(ports) = ports else {
        return Ok(default);
    };
    let mut slots = PortSlots::default();
    let Some(taken) = slots.get_mut(..ports.get_ref().len()) else {
        return Err((ConfigProblem::TooManyPorts, Some(ports.span())));
    };
    for (slot, values::Port(port)) in taken.iter_mut().zip(ports.into_inner()) {
        *slot = port;
    }
    Ok(slots)
}

fn groups(raw: Vec<raw::RawGroup>) -> Result<gdoi_core::Config, Wrong> {
    let mut names = BTreeSet::new();
    let mut prefixes = BTreeMap::new();
    let mut groups = Vec::new();
    for group in raw {
        let span = group.name.span();
        let values::Name(name) = group.name.into_inner();
        if !names.insert(name.clone()) {
            return Err((ConfigProblem::GroupTwice(name), Some(span)));
        }
        let mut sites = Vec::new();
        for site in group.site {
            sites.push(self::site(site, &mut prefixes)?);
        }
        groups.push(GroupConfig {
            name,
            key_servers: group.key_servers,
            rekey_address: group.rekey_address.map(|values::Multicast(address)| address),
            members: group.members.into_iter().map(IpNet::from).collect(),
            protected: group.protected.into_iter().map(IpNet::from).collect(),
            kek_lifetime: group.kek_lifetime.map(|values::DurationValue(lifetime)| lifetime),
            tek_lifetime: group.tek_lifetime.map(|values::DurationValue(lifetime)| lifetime),
            retransmit: group.retransmit.map(Into::into),
            profile: group.profile.map(Into::into).unwrap_or_default(),
            sites,
        });
    }
    Ok(gdoi_core::Config { groups })
}

/// A site. No two sites share a prefix: an ESP packet would belong to both.
fn site(raw: raw::Site, taken: &mut BTreeMap<IpNet, String>) -> Result<SiteConfig, Wrong> {
    let values::Name(name) = raw.name;
    let mut prefixes = Vec::new();
    for spanned in raw.prefixes {
        let span = spanned.span();
        let prefix = IpNet::from(spanned.into_inner());
        if let Some(other) = taken.insert(prefix, name.clone()) {
            return Err((ConfigProblem::PrefixTwice { prefix, other }, Some(span)));
        }
        prefixes.push(prefix);
    }
    Ok(SiteConfig {
        name,
        member: raw.member,
        prefixes,
    })
}
