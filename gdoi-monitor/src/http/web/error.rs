//! Errors in a web configuration file.
//!
//! No message repeats a value of the file: it holds keys and password hashes.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use tokio_rustls::rustls;

/// Longer than every key and every usual user name; shorter than a hash.
const LONGEST_KEY: usize = 40;
/// The certificates of a whole company are smaller.
pub(super) const MAX_FILE: u64 = 1 << 20;
/// About two seconds of one CPU.
pub(super) const MAX_COST: u32 = 15;

/// An error in a web configuration file, with its line.
#[derive(Debug, thiserror::Error)]
#[error("{}: {what}", WebConfigLocation(self))]
pub struct WebConfigError {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1, if known.
    pub line: Option<u64>,
    /// The error.
    pub what: WebConfigProblem,
}

/// What is wrong.
#[derive(Debug, thiserror::Error)]
pub enum WebConfigProblem {
    /// An unknown value.
    #[error("unknown {what}; known here: {known}")]
    Unknown {
        /// What kind of value, and its name if that is no secret.
        what: String,
        /// The known values.
        known: String,
    },
    /// Invalid YAML, or a value of the wrong type.
    #[error("{0}")]
    Yaml(&'static str),
    /// A file that it names cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// It, or a file that it names, is not a regular file, or too large.
    #[error("{} is not a regular file of up to {MAX_FILE} bytes", .0.display())]
    NotAFile(PathBuf),
    /// Two keys of which exactly one is required.
    #[error("give {0} or {1}, and not both")]
    OneOf(&'static str, &'static str),
    /// A key without another one that it requires.
    #[error("{0} needs {1}")]
    Needs(&'static str, &'static str),
    /// Missing PEM content.
    #[error("{0} contains no {1} in PEM")]
    Pem(&'static str, &'static str),
    /// Certificate, key or choice of algorithms do not match.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// The authorities for client certificates cannot be used.
    #[error("client_ca: {0}")]
    ClientCa(#[from] rustls::server::VerifierBuilderError),
    /// A client authentication type that checks nothing.
    #[error("client_auth_type {0} admits any client; use RequireAndVerifyClientCert or NoClientCert")]
    Unchecked(&'static str),
    /// An invalid password hash.
    #[error(
        "basic_auth_users: the value of {0:?} is not a bcrypt hash; make one with `htpasswd -nBC 10 {0}`"
    )]
    Hash(String),
    /// A hash that takes too long to check.
    #[error(
        "basic_auth_users: the bcrypt cost of {user:?} is {cost}; at most {MAX_COST} can be checked in time"
    )]
    Cost {
        /// The user.
        user: String,
        /// The cost.
        cost: u32,
    },
    /// A header that cannot be sent.
    #[error("headers: the value of {0} is not valid in HTTP")]
    Header(&'static str),
    /// A rate that admits no request.
    #[error("rate_limit: burst must be at least 1")]
    Burst,
}

impl WebConfigError {
    pub(super) fn at(path: &Path, line: Option<u64>, what: WebConfigProblem) -> Self {
        Self {
            path: path.to_owned(),
            line,
            what,
        }
    }
}

struct WebConfigLocation<'a>(&'a WebConfigError);

impl fmt::Display for WebConfigLocation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WebConfigError { path, line, what: _ } = self.0;
        write!(f, "{}", path.display())?;
        line.map_or(Ok(()), |line| write!(f, ":{line}"))
    }
}

/// The YAML parser's message, without the content of the file.
pub(super) fn from_yaml(error: &serde_saphyr::Error) -> (Option<u64>, WebConfigProblem) {
    use serde_saphyr::Error as Yaml;
    let line = error.location().map(|location| location.line());
    let what = match error.without_snippet() {
        Yaml::SerdeUnknownField { field, expected, .. } => unknown("key", field, expected),
        Yaml::SerdeUnknownVariant {
            variant, expected, ..
        } => unknown("value", variant, expected),
        Yaml::DuplicateMappingKey { .. } => WebConfigProblem::Yaml("duplicate key"),
        Yaml::SerdeInvalidType { .. }
        | Yaml::SerdeInvalidValue { .. }
        | Yaml::Message { .. }
        | Yaml::Unexpected { .. } => WebConfigProblem::Yaml("the value has the wrong type for its key"),
        _ => WebConfigProblem::Yaml("not a web configuration in YAML"),
    };
    (line.filter(|line| *line > 0), what)
}

fn unknown(what: &str, name: &str, known: &[&str]) -> WebConfigProblem {
    // A long word may be a misplaced value.
    let name = if name.len() <= LONGEST_KEY {
        format!("{what} {name:?}")
    } else {
        what.to_owned()
    };
    let known: Vec<&str> = known.iter().copied().filter(|known| !known.is_empty()).collect();
    WebConfigProblem::Unknown {
        what: name,
        known: known.join(", "),
    }
}
