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
    #[error("this system has no certificates to check {0} with; name a file of them with --ca-file")]
    NoRoots(Address),
    /// TLS cannot be spoken to a host of this name.
    #[error("{0} is no name that a certificate could have")]
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
    #[error("{address} broke off, or does not speak HTTP: {why}; check --url", why = whole(cause))]
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
    #[error(
        "no whole answer from {address} within {limit:?}; is it overloaded? --timeout gives it more time"
    )]
    Silent {
        /// Where.
        address: Address,
        /// How long was waited.
        limit: Duration,
    },
    /// It wants to know who asks.
    #[error(
        "{0} asks for a user and a password, or refuses the given ones; write them to a file for --auth-file"
    )]
    Unauthorized(Address),
    /// It refuses.
    #[error("{address} answered {status} to {path}; is it a gdoi-monitor of this version? check --url")]
    Status {
        /// Where.
        address: Address,
        /// What was asked for.
        path: String,
        /// What it answered.
        status: hyper::StatusCode,
    },
    /// It can do nothing now.
    #[error("{0} is busy or about to stop; ask again in a moment")]
    Unavailable(Address),
    /// The answer does not end.
    #[error("{address} answered more than {limit} octets to {path}; that is no gdoi-monitor, check --url")]
    TooLong {
        /// Where.
        address: Address,
        /// What was asked for.
        path: String,
        /// How much is read.
        limit: usize,
    },
    /// The answer makes no sense.
    #[error("{address} did not answer {path} as gdoi-monitor does: {why}; check --url", why = whole(cause))]
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
