//! Answers, and how many of them may be in memory.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{
    CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Response, StatusCode};
use serde::Serialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// For each kind. A list of 100,000 members has some 30 MB.
const MAX_BODIES: usize = 4;
/// A smaller body fits one packet.
const WORTH_GZIP: usize = 1_400;
const BODY_WAIT: Duration = Duration::from_secs(3);
const NO_SCRIPTS: &str = "default-src 'none'; style-src 'unsafe-inline'";
/// The content type of plain text.
pub(super) const TEXT: &str = "text/plain; charset=utf-8";
/// The content type of pages for people.
pub(super) const HTML: &str = "text/html; charset=utf-8";
/// The content type of JSON.
pub(super) const JSON: &str = "application/json";

/// An HTTP response with its whole body.
pub(super) type Answer = Response<Full<Bytes>>;

/// Permits for answers that may be long. Each kind has its own, so that lists cannot block metrics.
#[derive(Debug, Default)]
pub(super) struct Bodies {
    /// For metrics.
    pub(super) metrics: Bound,
    /// For metrics requested by a scraper.
    pub(super) scrapes: Bound,
    /// For lists of the API.
    pub(super) lists: Bound,
}

/// How many answers of one kind may be in the making, or waiting to be read.
#[derive(Debug)]
pub(super) struct Bound(Arc<Semaphore>);

/// A body that returns its permit once it is sent.
struct Held {
    octets: Vec<u8>,
    _permit: OwnedSemaphorePermit,
}

impl Default for Bound {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_BODIES)))
    }
}

impl Bound {
    /// Waits a while for a permit; `None` if there is none.
    pub(super) async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        timeout(BODY_WAIT, Arc::clone(&self.0).acquire_owned())
            .await
            .ok()?
            .ok()
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.octets
    }
}

/// A body that keeps its `permit` until it is sent.
fn held(octets: Vec<u8>, permit: OwnedSemaphorePermit) -> Bytes {
    Bytes::from_owner(Held {
        octets,
        _permit: permit,
    })
}

/// A long body of a content type, in gzip if the client accepts it and it pays.
pub(super) fn long(kind: &'static str, octets: Vec<u8>, gzip: bool, permit: OwnedSemaphorePermit) -> Answer {
    if !gzip || octets.len() < WORTH_GZIP {
        return page(kind, StatusCode::OK, held(octets, permit));
    }
    let mut packed = GzEncoder::new(Vec::with_capacity(octets.len() / 8), Compression::fast());
    // Writing to memory does not fail; if it does, the client gets the plain body.
    let Ok(packed) = packed.write_all(&octets).and_then(|()| packed.finish()) else {
        return page(kind, StatusCode::OK, held(octets, permit));
    };
    drop(octets);
    let mut answer = page(kind, StatusCode::OK, held(packed, permit));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    answer
}

/// An object as JSON.
pub(super) fn json(status: StatusCode, object: &impl Serialize) -> Answer {
    match serde_json::to_vec(object) {
        Ok(body) => page(JSON, status, body),
        Err(error) => {
            tracing::error!(%error, "cannot write a response as JSON");
            text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "cannot write the answer; see the log\n",
            )
        }
    }
}

/// A line of text.
pub(super) fn text(status: StatusCode, body: &'static str) -> Answer {
    page(TEXT, status, body)
}

/// A page of any kind.
pub(super) fn page(kind: &'static str, status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if kind == HTML {
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(NO_SCRIPTS));
    }
    answer
}
