//! The agent's pages: metrics, health, readiness and what is known, over HTTP and HTTPS.

mod answer;
mod api;
mod connection;
mod connection_limit;
mod counts;
mod landing;
mod page;
mod ready;
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
use crate::lockdown::Measure;
use crate::reload::Reloads;
use crate::sink::prometheus::Exposition;
use answer::Bodies;
use connection_limit::ConnectionLimit;
use counts::RefusalCounters;
use web::{Reload, Web};

pub use counts::Refusal;

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
    reloads: Option<Arc<Reloads>>,
    measures: Vec<Measure>,
    limits: Limits,
    room: Arc<ConnectionLimit>,
    bodies: Bodies,
    counts: RefusalCounters,
}

/// What a client may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at a time. Prometheus needs one or two; the rest is for people and mistakes.
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
            request_wait: Duration::from_secs(5),
            read_wait: Duration::from_secs(10),
            age: Duration::from_mins(10),
        }
    }
}

/// What the server says of itself.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// How the last attempt to take up the web configuration went; `None` where there is none.
    pub reload: Option<Reload>,
    /// How the last reading of the configuration went; `None` without a file.
    pub config_reload: Option<Reload>,
    /// What the agent has given up; empty where nobody tried.
    pub measures: Vec<Measure>,
    /// Connections that are open.
    pub connections: u64,
    /// Who was not served, by why.
    pub refused: Vec<(Refusal, u64)>,
}

impl Server {
    /// Pages that ask the engine at the other end of `engine`, for whom `web` lets in.
    pub fn new(engine: mpsc::Sender<Request>, web: Arc<Web>, limits: Limits) -> Self {
        Self {
            engine,
            exposition: Exposition::default(),
            everything: Mutex::new(None),
            web,
            reloads: None,
            measures: Vec::new(),
            limits,
            room: Arc::new(ConnectionLimit::new(limits.connections, limits.per_peer)),
            bodies: Bodies::default(),
            counts: RefusalCounters::default(),
        }
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
            connections: self.room.taken(),
            refused: self.counts.all(),
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
        if let Some((stream, place)) = accepted {
            connections.spawn(connection::serve(
                Arc::clone(&server),
                stream,
                place,
                stop.clone(),
            ));
        }
    }
    let ended = async { while connections.join_next().await.is_some() {} };
    // Whoever has not read its answer by then does without the rest.
    drop(timeout(LAST_ANSWERS, ended).await);
}

/// The next connection, once there is room for it: until then it waits in the backlog of the listener.
async fn accept(
    listener: &TcpListener,
    server: &Server,
) -> Option<(TcpStream, connection_limit::ConnectionSlot)> {
    let place = ConnectionLimit::place(&server.room).await?;
    match listener.accept().await {
        Ok((stream, peer)) => {
            let place = place.of(peer.ip());
            if place.is_none() {
                server.counts.add(Refusal::Peer);
            }
            Some((stream, place?))
        }
        Err(error) => {
            // Out of descriptors, or the peer was gone already: the next may succeed.
            tracing::warn!(%error, "cannot accept a connection");
            tokio::time::sleep(ACCEPT_AGAIN).await;
            None
        }
    }
}
