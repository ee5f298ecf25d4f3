//! The agent's pages over HTTP and HTTPS: metrics, health, readiness, API and status.

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

/// A reload reads files and updates the whole state. People may need several in a row, machines none.
const RELOAD_INTERVAL: Duration = Duration::from_secs(10);
const RELOAD_BURST: u32 = 3;
const LAST_ANSWERS: Duration = Duration::from_millis(500);
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// The data and settings of the pages.
#[derive(Debug)]
pub struct Server {
    engine: mpsc::Sender<Request>,
    exposition: Exposition,
    /// The last full state, and when it was requested.
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

/// Limits for clients.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time, apart from those reserved for scrapers. Prometheus needs one or two; the rest is for
    /// people and mistakes.
    pub connections: usize,
    /// Connections at a time from one address, or from one /64 of IPv6.
    pub per_peer: usize,
    /// How long a client may take for a handshake, and for each request.
    pub request_wait: Duration,
    /// How long a client may read nothing of what is sent to it.
    pub read_wait: Duration,
    /// How long a connection may last: a client that reads one octet a minute does not keep its slot for ever.
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
    /// Pages that query the engine at the other end of `engine`, for clients that `web` admits.
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

    /// Also answers browsers that use these names.
    #[must_use]
    pub fn with_names(self, names: HostNames) -> Self {
        Self { names, ..self }
    }

    /// Also lets requests change what the agent does, if `is_enabled`.
    #[must_use]
    pub fn with_lifecycle(mut self, is_enabled: bool) -> Self {
        self.lifecycle.is_enabled = is_enabled;
        self
    }

    /// Also lets requests reload the configuration.
    #[must_use]
    pub(crate) fn with_reloads(self, reloads: Arc<Reloads>) -> Self {
        Self {
            reloads: Some(reloads),
            ..self
        }
    }

    /// Also shows which privileges the agent has dropped.
    #[must_use]
    pub fn with_measures(self, measures: Vec<Measure>) -> Self {
        Self { measures, ..self }
    }

    /// The server's own status.
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

/// Begins to listen. The error names the address.
pub fn bind(address: SocketAddr) -> Result<std::net::TcpListener, ServeError> {
    let bound = std::net::TcpListener::bind(address);
    bound
        .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
        .map_err(|source| ServeError { address, source })
}

/// Why the server cannot listen on an address.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}; choose another address with --web.listen-address")]
pub struct ServeError {
    address: SocketAddr,
    source: io::Error,
}

/// Answers requests until `stop` changes, then finishes the current ones.
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
            // Its request may have arrived: then it is not closed in favour of later connections.
            tokio::task::yield_now().await;
        }
    }
    let ended = async { while connections.join_next().await.is_some() {} };
    // A client that has not read its answer by then loses the rest.
    drop(timeout(LAST_ANSWERS, ended).await);
}

/// The next connection, if there is a free slot: connections do not wait in the backlog for others to end.
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
            // Out of descriptors, or the peer has already gone: the next may succeed.
            tracing::warn!(%error, "cannot accept a connection");
            tokio::time::sleep(ACCEPT_AGAIN).await;
            None
        }
    }
}
