//! Values of options: sizes, addresses, log filters. Errors name the nearest valid value.

use std::fmt;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};
use std::str::FromStr;

use tracing_subscriber::filter::Targets;

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
/// Names of the levels in other programs.
const OTHER_NAMES: [(&str, &str); 11] = [
    ("none", "off"),
    ("quiet", "off"),
    ("silent", "off"),
    ("critical", "error"),
    ("fatal", "error"),
    ("err", "error"),
    ("warning", "warn"),
    ("notice", "info"),
    ("information", "info"),
    ("verbose", "debug"),
    ("all", "trace"),
];

/// The log filter: a level, and levels of single modules, such as `warn,gdoi_monitor::http=debug`.
#[derive(Clone, Debug)]
pub struct LogFilter(Targets);

impl LogFilter {
    /// The filter of the log.
    pub fn into_targets(self) -> Targets {
        self.0
    }
}

impl FromStr for LogFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        for directive in text.split(',') {
            let level = directive.split_once('=').map_or(directive, |(_, level)| level);
            level_named(level.trim())?;
        }
        text.parse().map(Self).map_err(|error| format!("{error}"))
    }
}

/// A misspelt level would be taken as the name of a module, and everything else would be silent.
fn level_named(word: &str) -> Result<(), String> {
    let lower = word.to_ascii_lowercase();
    if LEVELS.contains(&lower.as_str()) {
        return Ok(());
    }
    let all = LEVELS.join(", ");
    let other = OTHER_NAMES.iter().find(|(name, _)| *name == lower);
    let nearest = other.map(|(_, level)| *level).or_else(|| {
        let near = LEVELS
            .iter()
            .map(|level| (strsim::damerau_levenshtein(level, &lower), *level));
        near.min()
            .filter(|(distance, _)| *distance <= 2)
            .map(|(_, level)| level)
    });
    Err(match nearest {
        Some(nearest) => format!("{word:?} is not a log level; did you mean {nearest}? Levels: {all}"),
        None => format!("{word:?} is not a log level. Levels: {all}; for a module: MODULE=LEVEL"),
    })
}

/// Listen address: `127.0.0.1:11848`, `[::1]:11848`, `localhost:11848`, or `:11848` for every address of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenAddress(Vec<SocketAddr>);

impl ListenAddress {
    /// Its socket addresses; at least one.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.0
    }
}

impl From<SocketAddr> for ListenAddress {
    fn from(address: SocketAddr) -> Self {
        Self(vec![address])
    }
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(address.into());
        }
        let expected = "an address and a port, like 127.0.0.1:11848, [::1]:11848, localhost:11848 or :11848";
        let (host, port) = text
            .rsplit_once(':')
            .ok_or_else(|| format!("expected {expected}"))?;
        let Ok(port) = port.parse::<u16>() else {
            return Err(format!("expected {expected}"));
        };
        if host.is_empty() {
            return Ok(every_address(port).into());
        }
        if host.contains(':') {
            return Err(format!("an IPv6 address is written in brackets: [{host}]:{port}"));
        }
        let resolved = (host, port).to_socket_addrs();
        let addresses =
            resolved.map_err(|error| format!("{host:?} is not known: {error}; expected {expected}"))?;
        Ok(Self(addresses.collect()))
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, address) in self.0.iter().enumerate() {
            let comma = if number > 0 { ", " } else { "" };
            write!(f, "{comma}{address}")?;
        }
        Ok(())
    }
}

/// The IPv6 socket serves IPv4 as well; a host without IPv6 has no such socket.
fn every_address(port: u16) -> SocketAddr {
    let has_ipv6 = fs::exists("/proc/net/if_inet6").unwrap_or(false);
    if has_ipv6 {
        (Ipv6Addr::UNSPECIFIED, port).into()
    } else {
        (Ipv4Addr::UNSPECIFIED, port).into()
    }
}

/// A number of bytes: `4096`, `64K`, `100M`, `2G`.
pub(super) fn bytes(text: &str) -> Result<u64, String> {
    let (number, shift) = match text.as_bytes().last() {
        Some(b'K' | b'k') => (text.get(..text.len() - 1), 10),
        Some(b'M' | b'm') => (text.get(..text.len() - 1), 20),
        Some(b'G' | b'g') => (text.get(..text.len() - 1), 30),
        _ => (Some(text), 0),
    };
    number
        .and_then(|number| number.parse::<u64>().ok())
        .and_then(|number| number.checked_mul(1 << shift))
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| "expected a size in bytes, like 65536, 64K, 100M or 2G".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_filter_that_would_silence_the_log_is_refused() {
        for text in [
            "off",
            "info",
            "WARN",
            "warn,gdoi_monitor::http=debug",
            "gdoi_core=trace,error",
        ] {
            assert!(text.parse::<LogFilter>().is_ok(), "{text}");
        }
        for (text, said) in [
            ("warning", "did you mean warn?"),
            ("inf", "did you mean info?"),
            ("Critical", "did you mean error?"),
            ("info,gdoi_monitor=dbug", "did you mean debug?"),
            ("gdoi_monitor", "for a module: MODULE=LEVEL"),
            ("", "is not a log level"),
            ("info,", "is not a log level"),
        ] {
            let error = text.parse::<LogFilter>().unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn a_listen_address_is_typed_as_for_other_exporters() {
        let one = |text: &str| text.parse::<ListenAddress>().unwrap().to_string();
        assert_eq!(one("127.0.0.1:11848"), "127.0.0.1:11848");
        assert_eq!(one("[::1]:1"), "[::1]:1");
        assert!(["[::]:11848", "0.0.0.0:11848"].contains(&one(":11848").as_str()));
        assert!(one("localhost:11848").contains("127.0.0.1:11848"));
        for (text, said) in [
            ("11848", "expected an address and a port"),
            ("localhost", "expected an address and a port"),
            ("localhost:http", "expected an address and a port"),
            ("127.0.0.1:70000", "expected an address and a port"),
            ("::1:80", "in brackets: [::1]:80"),
            ("no.such.host.invalid:80", "is not known"),
        ] {
            let error = text.parse::<ListenAddress>().unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn sizes_have_a_unit_or_none() {
        assert_eq!(bytes("4096"), Ok(4096));
        assert_eq!(bytes("64K"), Ok(65_536));
        assert_eq!(bytes("2g"), Ok(2 << 30));
        for text in ["", "0", "K", "-1", "1.5M", "99999999999G", "1T"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
