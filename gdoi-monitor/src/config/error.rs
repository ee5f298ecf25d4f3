//! What can be wrong with a configuration file.

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::PathBuf;

use gdoi_core::config::IpNet;
use gdoi_wire::Ports;

/// As alike as clap wants it before it suggests an argument.
const LIKE: f64 = 0.7;

/// What is wrong with a configuration file, and in which line.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}", Location(self))]
pub struct ConfigError {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1, where one is meant.
    pub line: Option<usize>,
    /// What is wrong there.
    pub what: ConfigProblem,
}

/// What is wrong.
#[derive(Debug, thiserror::Error)]
pub enum ConfigProblem {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Read(io::Error),
    /// A key that has no meaning there.
    #[error("unknown key {key:?}{}", Hint { nearest: nearest.as_deref(), known })]
    UnknownKey {
        /// As it was written.
        key: String,
        /// What was probably meant.
        nearest: Option<String>,
        /// What could have been meant.
        known: Vec<String>,
    },
    /// It is not TOML, or a value is not what its key asks for.
    #[error("{0}")]
    Value(String),
    /// Two groups have one name.
    #[error("another group is named {0:?}")]
    GroupTwice(String),
    /// One port is read in two ways.
    #[error("port {0} cannot be both in isakmp_ports and in nat_t_ports")]
    PortTwice(u16),
    /// A pattern, and nothing that comes later may match it.
    #[error("without hot plug each interface must be named exactly; {0:?} is a pattern")]
    PatternOfNothing(String),
    /// More ports than can be watched.
    #[error("at most {} ports", Ports::SLOTS)]
    TooManyPorts,
    /// Two sites have one prefix.
    #[error("{prefix} is already a prefix of site {other:?}")]
    PrefixTwice {
        /// Which.
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

/// What the parser says, in our words, and where.
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
