//! The agent's pages: metrics, health and readiness, over HTTP.

mod route;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::timeout;

use crate::engine::Request;
use crate::sink::prometheus::Exposition;

/// What the pages are made from.
#[derive(Debug)]
pub struct Pages {
    engine: mpsc::Sender<Request>,
    exposition: Exposition,
}

impl Pages {
    /// Pages that ask the engine at the other end of `engine`.
    pub fn new(engine: mpsc::Sender<Request>) -> Self {
        Self {
            engine,
            exposition: Exposition::default(),
        }
    }
}

/// Begins to listen. The error says which address it was.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address)
        .await
        .map_err(|source| Error { address, source })
}

/// Why an address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}; choose another address with --web.listen-address")]
pub struct Error {
    address: SocketAddr,
    source: io::Error,
}

/// Answers requests until `stop` changes, then finishes those that are being answered.
pub async fn serve(listener: TcpListener, pages: Arc<Pages>, mut stop: watch::Receiver<bool>) {
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        // Who comes when there is no room waits in the backlog of the listener.
        let permit = tokio::select! {
            permit = Arc::clone(&room).acquire_owned() => permit,
            _ = stop.changed() => break,
        };
        let Ok(permit) = permit else { break };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.changed() => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, or the peer was gone already: the next may succeed.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_AGAIN).await;
                continue;
            }
        };
        let pages = Arc::clone(&pages);
        let service = service_fn(move |request| route::answer(Arc::clone(&pages), request));
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_WAIT)
            .max_buf_size(MAX_HEADER_OCTETS)
            .serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            let _permit = permit;
            // A peer that breaks off, or never sends a request: its own affair.
            drop(timeout(MAX_CONNECTION_AGE, connection).await);
        });
    }
    drop(timeout(LAST_ANSWERS, graceful.shutdown()).await);
}

/// Prometheus needs one or two; the rest is for people and mistakes.
const MAX_CONNECTIONS: usize = 64;
const HEADER_WAIT: Duration = Duration::from_secs(5);
const MAX_HEADER_OCTETS: usize = 16 << 10;
/// A peer that reads one octet a minute does not keep its place for ever.
const MAX_CONNECTION_AGE: Duration = Duration::from_mins(10);
const LAST_ANSWERS: Duration = Duration::from_millis(500);
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);
