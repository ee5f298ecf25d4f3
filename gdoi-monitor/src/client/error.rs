//! Why an agent could not be asked. Each is one line that says what to do.

use std::error;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::{Address, Text};

/// Why an agent could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The file with user and password is of no use.
    #[error("cannot use {} of --auth-file: {why}", path.display())]
    AuthFile {
        /// Which.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// The certificates to check the agent's with are of no use.
    #[error("cannot use {} of --ca-file: {why}", path.display())]
    CaFile {
        /// Which.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// The system has no certificates to check the agent's with.
    #[error("no CA certificates found to verify {0}; name a file with --ca-file")]
    NoRoots(Address),
    /// TLS cannot be spoken to a host of this name.
    #[error("{0} is not a valid TLS server name")]
    HostName(Address),
    /// Nobody is there.
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
    /// The connection broke, or what came is no HTTP.
    #[error("{address} closed the connection, or does not speak HTTP: {why}; check --url", why = whole(cause))]
    Broken {
        /// Where.
        address: Address,
        /// How.
        cause: hyper::Error,
    },
    /// The question cannot be put into words.
    #[error("cannot ask {address}: {why}", why = whole(cause))]
    Request {
        /// Where.
        address: Address,
        /// Why not.
        cause: hyper::http::Error,
    },
    /// No whole answer came in time.
    #[error("no complete response from {address} within {limit:?}; if it is overloaded, raise --timeout")]
    Silent {
        /// Where.
        address: Address,
        /// How long was waited.
        limit: Duration,
    },
    /// It wants to know who asks.
    #[error(
        "{0} requires a user and password, or rejected the given ones; put USER:PASSWORD into a file for --auth-file"
    )]
    Unauthorized(Address),
    /// It refuses.
    #[error("{address} answered {status} to {path}; not a gdoi-monitor of this version? check --url")]
    Status {
        /// Where.
        address: Address,
        /// What was asked for.
        path: String,
        /// What it answered.
        status: hyper::StatusCode,
    },
    /// It can do nothing now.
    #[error("{0} is overloaded or shutting down; retry later")]
    Unavailable(Address),
    /// The answer does not end.
    #[error("{address} answered more than {limit} bytes to {path}; not a gdoi-monitor? check --url")]
    TooLong {
        /// Where.
        address: Address,
        /// What was asked for.
        path: String,
        /// How much is read.
        limit: usize,
    },
    /// The answer makes no sense.
    #[error("{address} answered {path} with something unexpected: {why}; check --url", why = whole(cause))]
    Nonsense {
        /// Where.
        address: Address,
        /// What was asked for.
        path: String,
        /// What is wrong with it.
        cause: serde_json::Error,
    },
}

/// An error and what caused it. It is part of our sentence, not its end: what to do comes last.
fn whole(cause: &dyn error::Error) -> String {
    let mut text = Text::new(&cause.to_string()).to_string();
    let mut next = cause.source();
    while let Some(deeper) = next {
        text.extend([": ", &*Text::new(&deeper.to_string())]);
        next = deeper.source();
    }
    text
}
