//! Values with a syntax of their own.

use std::net::IpAddr;
use std::time::Duration;

use crate::text::is_invisible;
use gdoi_core::config::Profile;
use gdoi_core::snapshot::UNATTRIBUTED;
use ipnet::IpNet;
use jiff::SpanRelativeTo;
use serde::{Deserialize, Deserializer, de::Error as _};

/// Where a program is attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum ModeName {
    /// The best that the interface supports: XDP in the driver, else TC.
    #[default]
    Auto,
    /// XDP in the driver only.
    Xdp,
    /// XDP in the kernel's general path.
    XdpGeneric,
    /// Traffic control.
    Tc,
}

/// A name in events and metrics.
pub(super) struct Name(pub(super) String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        if name.trim().is_empty() || name.chars().any(is_invisible) {
            return Err(D::Error::custom("a name needs visible characters"));
        }
        if name == UNATTRIBUTED {
            return Err(D::Error::custom(
                "this name is reserved for traffic that belongs to no group",
            ));
        }
        Ok(Self(name))
    }
}

/// A UDP port.
pub(super) struct Port(pub(super) u16);

impl<'de> Deserialize<'de> for Port {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match u16::deserialize(deserializer)? {
            0 => Err(D::Error::custom("0 is no port")),
            port => Ok(Self(port)),
        }
    }
}

/// A positive duration: `24h`, `1h 30m`, `10s`, `7d`.
pub(super) struct DurationValue(pub(super) Duration);

impl<'de> Deserialize<'de> for DurationValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse::<jiff::Span>()
            .and_then(|span| span.to_duration(SpanRelativeTo::days_are_24_hours()))
            .ok()
            .and_then(|duration| Duration::try_from(duration).ok())
            .filter(|duration| !duration.is_zero())
            .map(Self)
            .ok_or_else(|| {
                D::Error::custom(format!(
                    "{text:?} is not a duration: write it like \"24h\" or \"10s\""
                ))
            })
    }
}

/// A multicast address.
pub(super) struct Multicast(pub(super) IpAddr);

impl<'de> Deserialize<'de> for Multicast {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let address = IpAddr::deserialize(deserializer)?;
        if address.is_multicast() {
            return Ok(Self(address));
        }
        Err(D::Error::custom(format!(
            "{address} is not a multicast address: omit rekey_address if rekeys are unicast"
        )))
    }
}

/// A prefix, or one address.
pub(super) struct Cidr(IpNet);

impl<'de> Deserialize<'de> for Cidr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let network = match (text.parse::<IpNet>(), text.parse::<IpAddr>()) {
            (Ok(network), _) => network,
            (_, Ok(address)) => IpNet::from(address),
            _ => return Err(D::Error::custom(format!("{text:?} is not a prefix"))),
        };
        if network.trunc() != network {
            return Err(D::Error::custom(format!(
                "{network} has host bits set: did you mean {} or {}?",
                network.trunc(),
                network.addr()
            )));
        }
        Ok(Self(network))
    }
}

impl From<Cidr> for IpNet {
    fn from(Cidr(network): Cidr) -> Self {
        network
    }
}

/// The vendor whose timers a group follows.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ProfileName {
    Cisco,
    Juniper,
    Rfc,
}

impl From<ProfileName> for Profile {
    fn from(name: ProfileName) -> Self {
        match name {
            ProfileName::Cisco => Self::Cisco,
            ProfileName::Juniper => Self::Juniper,
            ProfileName::Rfc => Self::Rfc,
        }
    }
}
