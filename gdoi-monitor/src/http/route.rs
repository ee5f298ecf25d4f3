//! Routes requests to pages.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::{ALLOW, HeaderValue, VARY};
use hyper::{Method, Request, StatusCode};
use tokio::sync::oneshot;
use tokio::task::block_in_place;
use tokio::time::{Instant, timeout};

use super::answer::{self, Answer, Bound, HTML, TEXT, page, text};
use super::negotiation::Wanted;
use super::{Refusal, Server, api, landing, ready};
use crate::engine::{self, Detail, State};

/// The engine answers in milliseconds; if it takes this long, it has failed.
const ANSWER_WAIT: Duration = Duration::from_secs(10);
const YOUNG: Duration = Duration::from_millis(200);

/// Answers one request. `is_scraper`: its client received metrics recently.
pub(super) async fn answer(server: &Server, request: Request<Incoming>, is_scraper: bool) -> Answer {
    if request.uri().path() == "/-/reload" {
        return match changing(server, request.method()) {
            Some(refusal) => refusal,
            None => reload(server).await,
        };
    }
    let wanted = Wanted::from_headers(request.headers());
    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        refusal
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return refusal;
    }
    match request.uri().path() {
        "/" => landing(server, wanted.gzip).await,
        "/metrics" => metrics(server, wanted, is_scraper).await,
        "/ui/page.css" => super::page::style(),
        "/ui/page.js" => super::page::script(),
        "/-/healthy" => text(StatusCode::OK, "healthy\n"),
        "/-/ready" => ready(server).await,
        path => match path.strip_prefix("/api/v1/").and_then(api::List::named) {
            Some(list) => {
                let query = request.uri().query().unwrap_or_default();
                api::answer(server, list, query, wanted.gzip).await
            }
            None => text(StatusCode::NOT_FOUND, "no such page; see /\n"),
        },
    }
}

async fn landing(server: &Server, gzip: bool) -> Answer {
    let make = |state: &State| Ok::<_, serde_json::Error>(landing::page(state, &server.status()));
    let wanted = Long {
        detail: Detail::Summary,
        kind: HTML,
        gzip,
    };
    super::page::guarded(long(server, &server.bodies.lists, wanted, make).await)
}

/// The refusal of a request that may not change anything, not now or not by this method.
fn changing(server: &Server, method: &Method) -> Option<Answer> {
    if method != Method::POST && method != Method::PUT {
        let mut refusal = text(StatusCode::METHOD_NOT_ALLOWED, "only POST and PUT\n");
        refusal
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static("POST, PUT"));
        return Some(refusal);
    }
    if !server.lifecycle.is_enabled {
        return Some(server.refusals.refuse(Refusal::Lifecycle));
    }
    if !server.lifecycle.rate.takes(Instant::now()) {
        return Some(server.refusals.refuse(Refusal::Rate));
    }
    None
}

/// Reloads the configuration and reports the result.
async fn reload(server: &Server) -> Answer {
    let Some(reloads) = &server.reloads else {
        return text(StatusCode::CONFLICT, "the agent was started without --config\n");
    };
    match reloads.ask().await {
        Ok(()) => text(StatusCode::OK, "reloaded the configuration\n"),
        Err(error) => page(TEXT, StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

async fn metrics(server: &Server, wanted: Wanted, is_scraper: bool) -> Answer {
    let Wanted { gzip, format } = wanted;
    let make = |state: &State| server.exposition.page(state, &server.status(), format);
    let bound = if is_scraper {
        &server.bodies.scrapes
    } else {
        &server.bodies.metrics
    };
    let wanted = Long {
        detail: Detail::Summary,
        kind: format.content_type(),
        gzip,
    };
    let mut answer = long(server, bound, wanted, make).await;
    answer
        .headers_mut()
        .insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
    answer
}

async fn ready(server: &Server) -> Answer {
    match now(server, Detail::Summary).await {
        Ok(state) => ready::answer(&state, &server.status()),
        Err(missing) => missing.answer(),
    }
}

/// The parameters of an answer that may be long.
pub(super) struct Long {
    /// How much of the state it needs.
    pub(super) detail: Detail,
    /// Its content type.
    pub(super) kind: &'static str,
    /// Whether the client accepts gzip.
    pub(super) gzip: bool,
}

/// An answer that may be long, made from the engine's state.
pub(super) async fn long<E: Display>(
    server: &Server,
    bound: &Bound,
    wanted: Long,
    make: impl FnOnce(&State) -> Result<Vec<u8>, E>,
) -> Answer {
    let Long { detail, kind, gzip } = wanted;
    let Some(permit) = bound.permit().await else {
        return server.refusals.refuse(Refusal::Busy);
    };
    let state = match detail {
        Detail::Full => everything(server).await,
        Detail::Summary => now(server, detail).await,
    };
    let state = match state {
        Ok(state) => state,
        Err(missing) => return missing.answer(),
    };
    // Takes tens of milliseconds, in which this thread serves no one else.
    match block_in_place(|| make(&state).map(|body| answer::long(kind, body, gzip, permit))) {
        Ok(answer) => answer,
        Err(error) => {
            tracing::error!(%error, "cannot write a response");
            text(
                StatusCode::INTERNAL_SERVER_ERROR,
                "cannot write the answer; see the log\n",
            )
        }
    }
}

/// The engine's full state, at most [`YOUNG`] old: listing it costs the engine time, however many clients ask.
async fn everything(server: &Server) -> Result<Arc<State>, NoState> {
    let mut latest = server.everything.lock().await;
    if let Some((at, state)) = latest.as_ref()
        && at.elapsed() < YOUNG
    {
        return Ok(Arc::clone(state));
    }
    // The old state is dropped before the new one is made.
    *latest = None;
    let state = now(server, Detail::Full).await?;
    *latest = Some((Instant::now(), Arc::clone(&state)));
    Ok(state)
}

/// Why there is no state to answer with.
#[derive(Clone, Copy)]
enum NoState {
    /// The engine has stopped.
    Stopped,
    /// The engine did not answer in time.
    Late,
}

impl NoState {
    fn answer(self) -> Answer {
        let why = match self {
            Self::Stopped => "the agent is shutting down\n",
            Self::Late => "the agent did not answer in time: this host is overloaded; retry later\n",
        };
        text(StatusCode::SERVICE_UNAVAILABLE, why)
    }
}

/// The engine's current state.
async fn now(server: &Server, detail: Detail) -> Result<Arc<State>, NoState> {
    let (reply, answer) = oneshot::channel();
    let ask = async {
        server.engine.send(engine::Request { detail, reply }).await.ok()?;
        answer.await.ok()
    };
    match timeout(ANSWER_WAIT, ask).await {
        Ok(state) => state.ok_or(NoState::Stopped),
        Err(_elapsed) => Err(NoState::Late),
    }
}
