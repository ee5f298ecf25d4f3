//! Errors in a configuration file.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;

use gdoi_core::config::IpNet;
use gdoi_wire::Ports;

/// The similarity that clap requires for a suggestion.
const LIKE: f64 = 0.7;

/// An error in a configuration file, with its line.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}", Location(self))]
pub struct ConfigError {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1, if known.
    pub line: Option<usize>,
    /// The error.
    pub what: ConfigProblem,
}

/// What is wrong.
#[derive(Debug, thiserror::Error)]
pub enum ConfigProblem {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Read(io::Error),
    /// An unknown key.
    #[error("unknown key {key:?}{}", Hint { nearest: nearest.as_deref(), known })]
    UnknownKey {
        /// The key.
        key: String,
        /// The nearest known key.
        nearest: Option<String>,
        /// All known keys.
        known: Vec<String>,
    },
    /// Invalid TOML, or a value of the wrong type.
    #[error("{0}")]
    Value(String),
    /// Two groups have the same name.
    #[error("another group is named {0:?}")]
    GroupTwice(String),
    /// One port has two meanings.
    #[error("port {0} cannot be both in isakmp_ports and in nat_t_ports")]
    PortTwice(u16),
    /// A pattern although later interfaces are excluded.
    #[error("without hot plug each interface must be named exactly; {0:?} is a pattern")]
    PatternOfNothing(String),
    /// Too many ports.
    #[error("at most {} ports", Ports::SLOTS)]
    TooManyPorts,
    /// Two sites have the same prefix.
    #[error("{prefix} is already a prefix of site {other:?}")]
    PrefixTwice {
        /// The prefix.
        prefix: IpNet,
        /// The site that has it.
        other: String,
    },
}

struct Location<'a>(&'a ConfigError);

impl fmt::Display for Location<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ConfigError { path, line, what: _ } = self.0;
        write!(f, "{}", path.display())?;
        line.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

struct Hint<'a> {
    nearest: Option<&'a str>,
    known: &'a [String],
}

impl fmt::Display for Hint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.nearest {
            Some(nearest) => write!(f, "; did you mean {nearest:?}?"),
            None => write!(f, "; known here: {}", self.known.join(", ")),
        }
    }
}

/// The parser's error in our words, and its position.
pub(super) fn from_toml(error: &toml::de::Error, text: &str) -> (ConfigProblem, Option<Range<usize>>) {
    let span = error.span();
    let message = error.message();
    if !message.starts_with("unknown field") {
        return (ConfigProblem::Value(message.replace('\n', ", ")), span);
    }
    // "unknown field `x`, expected one of `a`, `b`": every second piece is between backticks.
    let mut quoted = message.split('`').skip(1).step_by(2).map(str::to_owned);
    let said = quoted.next().unwrap_or_default();
    let known: Vec<String> = quoted.collect();
    let key = span
        .clone()
        .and_then(|span| text.get(span))
        .map_or(said, str::to_owned);
    let nearest = known
        .iter()
        .map(|known| (strsim::jaro_winkler(&key, known), known))
        .filter(|(likeness, _)| *likeness > LIKE)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, known)| known.clone());
    (ConfigProblem::UnknownKey { key, nearest, known }, span)
}
