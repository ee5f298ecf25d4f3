//! The agent's pages: metrics, health, readiness and what is known, over HTTP and HTTPS.

mod answer;
mod api;
mod connection;
mod connection_limit;
mod landing;
mod negotiation;
mod origin;
mod page;
mod ready;
mod refusal;
mod route;
pub mod web;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::engine::{Request, State};
use crate::exposition::Exposition;
use crate::lockdown::Measure;
use crate::reload::Reloads;
use answer::Bodies;
use connection_limit::{ConnectionLimit, ConnectionSlot};
use refusal::RefusalCounters;
use web::{RateLimiter, Web};

pub use crate::status::{Refusal, Status};
pub use origin::HostNames;

/// A reload reads files and goes through all that is known; people need a few in a row, and machines none.
const RELOAD_INTERVAL: Duration = Duration::from_secs(10);
const RELOAD_BURST: u32 = 3;
const LAST_ANSWERS: Duration = Duration::from_millis(500);
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// What the pages are made from, and for whom.
#[derive(Debug)]
pub struct Server {
    engine: mpsc::Sender<Request>,
    exposition: Exposition,
    /// All that was known when it was last asked for, and when that was.
    everything: Mutex<Option<(Instant, Arc<State>)>>,
    web: Arc<Web>,
    names: HostNames,
    lifecycle: Lifecycle,
    reloads: Option<Arc<Reloads>>,
    measures: Vec<Measure>,
    limits: Limits,
    connections: Arc<ConnectionLimit>,
    bodies: Bodies,
    refusals: RefusalCounters,
}

/// Whether requests may change what the agent does, and how often.
#[derive(Debug)]
struct Lifecycle {
    is_enabled: bool,
    rate: RateLimiter,
}

/// What a client may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time, besides those that are kept for scrapers. Prometheus needs one or two; the rest is for
    /// people and mistakes.
    pub connections: usize,
    /// Connections at a time from one address, or from one /64 of IPv6.
    pub per_peer: usize,
    /// How long a client may take for a handshake, and for each request.
    pub request_wait: Duration,
    /// How long a client may read nothing of what is sent to it.
    pub read_wait: Duration,
    /// How long a connection may last: one that reads an octet a minute does not keep its place for ever.
    pub age: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 64,
            per_peer: 32,
            request_wait: Duration::from_secs(3),
            read_wait: Duration::from_secs(10),
            age: Duration::from_mins(10),
        }
    }
}

impl Server {
    /// Pages that ask the engine at the other end of `engine`, for whom `web` lets in.
    pub fn new(engine: mpsc::Sender<Request>, web: Arc<Web>, limits: Limits) -> Self {
        Self {
            engine,
            exposition: Exposition::default(),
            everything: Mutex::new(None),
            web,
            names: HostNames::default(),
            lifecycle: Lifecycle {
                is_enabled: false,
                rate: RateLimiter::new(RELOAD_INTERVAL, RELOAD_BURST),
            },
            reloads: None,
            measures: Vec::new(),
            limits,
            connections: Arc::new(ConnectionLimit::new(limits.connections, limits.per_peer)),
            bodies: Bodies::default(),
            refusals: RefusalCounters::default(),
        }
    }

    /// Also answers browsers that ask by these names.
    #[must_use]
    pub fn with_names(self, names: HostNames) -> Self {
        Self { names, ..self }
    }

    /// Also lets requests change what the agent does, where `is_enabled`.
    #[must_use]
    pub fn with_lifecycle(mut self, is_enabled: bool) -> Self {
        self.lifecycle.is_enabled = is_enabled;
        self
    }

    /// Also lets the configuration be read again.
    #[must_use]
    pub(crate) fn with_reloads(self, reloads: Arc<Reloads>) -> Self {
        Self {
            reloads: Some(reloads),
            ..self
        }
    }

    /// Also says what the agent has given up.
    #[must_use]
    pub fn with_measures(self, measures: Vec<Measure>) -> Self {
        Self { measures, ..self }
    }

    /// What it says of itself now.
    pub fn status(&self) -> Status {
        Status {
            reload: self.web.reload(),
            config_reload: self.reloads.as_ref().map(|reloads| reloads.last()),
            measures: self.measures.clone(),
            connections: self.connections.taken(),
            refused: self.refusals.all(),
        }
    }
}

/// Begins to listen. The error says which address it was.
pub fn bind(address: SocketAddr) -> Result<std::net::TcpListener, ServeError> {
    let bound = std::net::TcpListener::bind(address);
    bound
        .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
        .map_err(|source| ServeError { address, source })
}

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}; choose another address with --web.listen-address")]
pub struct ServeError {
    address: SocketAddr,
    source: io::Error,
}

/// Answers requests until `stop` changes, then finishes those that are being answered.
pub async fn serve(listener: TcpListener, server: Arc<Server>, mut stop: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&listener, &server) => accepted,
            Some(_) = connections.join_next() => continue,
            _ = stop.changed() => break,
        };
        if let Some((stream, slot)) = accepted {
            connections.spawn(connection::serve(Arc::clone(&server), stream, slot, stop.clone()));
            // It may have asked already: then it does not give way to those that come behind it.
            tokio::task::yield_now().await;
        }
    }
    let ended = async { while connections.join_next().await.is_some() {} };
    // Whoever has not read its answer by then does without the rest.
    drop(timeout(LAST_ANSWERS, ended).await);
}

/// The next connection, if there is a place for it: nobody waits in the backlog for others to end.
async fn accept(listener: &TcpListener, server: &Server) -> Option<(TcpStream, ConnectionSlot)> {
    match listener.accept().await {
        Ok((stream, peer)) => {
            let (slot, refusal) = server.connections.admit(peer.ip(), Instant::now());
            if let Some(refusal) = refusal {
                server.refusals.add(refusal);
            }
            Some((stream, slot?))
        }
        Err(error) => {
            // Out of descriptors, or the peer was gone already: the next may succeed.
            tracing::warn!(%error, "cannot accept a connection");
            tokio::time::sleep(ACCEPT_AGAIN).await;
            None
        }
    }
}
