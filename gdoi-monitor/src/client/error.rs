//! Why an agent could not be queried. Each error is one line that says what to do.

use std::error;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::{Address, Text};

/// Why an agent could not be queried.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The file with user and password cannot be used.
    #[error("cannot use {} of --auth-file: {why}", path.display())]
    AuthFile {
        /// Which.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// The CA certificates cannot be used.
    #[error("cannot use {} of --ca-file: {why}", path.display())]
    CaFile {
        /// Which.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// The system has no CA certificates.
    #[error("no CA certificates found to verify {0}; name a file with --ca-file")]
    NoRoots(Address),
    /// The host name is not valid for TLS.
    #[error("{0} is not a valid TLS server name")]
    HostName(Address),
    /// Nothing listens there.
    #[error(
        "no agent answers at {address}: {why}; start `gdoi-monitor run` there, or name another with --url", why = whole(cause))]
    Connect {
        /// Where.
        address: Address,
        /// Why not.
        cause: io::Error,
    },
    /// TLS failed.
    #[error(
        "no TLS with {address}: {why}; check http or https in --url, and --ca-file for a certificate of your own", why = whole(cause))]
    Tls {
        /// Where.
        address: Address,
        /// Why not.
        cause: io::Error,
    },
    /// The connection broke, or the peer does not speak HTTP.
    #[error("{address} closed the connection, or does not speak HTTP: {why}; check --url", why = whole(cause))]
    Broken {
        /// Where.
        address: Address,
        /// How.
        cause: hyper::Error,
    },
    /// The request cannot be built.
    #[error("cannot ask {address}: {why}", why = whole(cause))]
    Request {
        /// Where.
        address: Address,
        /// Why not.
        cause: hyper::http::Error,
    },
    /// No complete answer arrived in time.
    #[error("no complete response from {address} within {limit:?}; if it is overloaded, raise --timeout")]
    Silent {
        /// Where.
        address: Address,
        /// How long was waited.
        limit: Duration,
    },
    /// It requires credentials.
    #[error(
        "{0} requires a user and password, or rejected the given ones; put USER:PASSWORD into a file for --auth-file"
    )]
    Unauthorized(Address),
    /// It refuses the request.
    #[error("{address} answered {status} to {path}; not a gdoi-monitor of this version? check --url")]
    Status {
        /// Where.
        address: Address,
        /// What was asked for.
        path: String,
        /// The status of the answer.
        status: hyper::StatusCode,
    },
    /// It is temporarily unavailable.
    #[error("{0} is overloaded or shutting down; retry later")]
    Unavailable(Address),
    /// The answer is too long.
    #[error("{address} answered more than {limit} bytes to {path}; not a gdoi-monitor? check --url")]
    TooLong {
        /// Where.
        address: Address,
        /// What was asked for.
        path: String,
        /// The limit.
        limit: usize,
    },
    /// The answer cannot be parsed.
    #[error("{address} answered {path} with something unexpected: {why}; check --url", why = whole(cause))]
    Nonsense {
        /// Where.
        address: Address,
        /// What was asked for.
        path: String,
        /// The parse error.
        cause: serde_json::Error,
    },
}

/// An error and its causes, without a full stop: the advice comes last.
fn whole(cause: &dyn error::Error) -> String {
    let mut text = Text::new(&cause.to_string()).to_string();
    let mut next = cause.source();
    while let Some(deeper) = next {
        text.extend([": ", &*Text::new(&deeper.to_string())]);
        next = deeper.source();
    }
    text
}
